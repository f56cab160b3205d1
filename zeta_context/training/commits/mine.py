"""A git repository to moments: reads commits, types them out, and cuts what a user would do next.

Works commit by commit, so memory does not grow with the history. Whether a repository may be used
at all is asked by the caller; knows nothing of files of examples.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random

from zeta_context.consent.secrets import find_secrets
from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError
from zeta_context.repository.history import CommitChange, History
from zeta_context.repository.worktree import NotOurs, find
from zeta_context.text.edit import TextEdit
from zeta_context.training.commits.choose import (
    CommitLimits,
    read_text,
    refuse_commit,
    refuse_path,
)
from zeta_context.training.commits.hunks import Place, find_places, order_places
from zeta_context.training.commits.keystrokes import Mark, TypedCommit, type_commit
from zeta_context.training.commits.profile import Habits, recorded_habits
from zeta_context.training.moments import Moment, clip_edits, find_moments


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningSettings:
    """`per_commit` is the most examples that a commit gives, `half_typed` how many of them may
    stand inside a place; `max_expected_rows` bounds what is to be foreseen. `told_order` puts the
    places in order instead of the rules, where it is given."""

    seed: int = 0
    per_commit: int = 6
    half_typed: int = 3
    max_expected_rows: int = 30
    told_order: Callable[[Sequence[Place], Sequence[str]], list[Place]] | None = None
    limits: CommitLimits = field(default_factory=CommitLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedMoment:
    """A moment of a commit as it was typed out, and the edits of its cursor excerpt that follow.

    `expected` are alternatives, the nearest first: the next place alone, then with the one after.
    """

    commit: str
    committed_at: float
    number: int
    moment: Moment
    expected: tuple[tuple[TextEdit, ...], ...]
    is_half_typed: bool


def mine_commit(
    commit: CommitChange,
    history: History,
    *,
    project: str,
    settings: MiningSettings,
    counts: Counts,
    habits: Habits | None = None,
) -> tuple[list[MinedMoment], TypedCommit | None]:
    """What a commit gives, and the trace it was typed as; why it gives nothing is counted."""
    reason = refuse_commit(commit, settings.limits)
    if reason is not None:
        counts.add(f"commit_{reason}")
        return [], None
    read = _read_files(commit, history, settings.limits, counts)
    places = [
        place
        for number, (_, old, new) in enumerate(read)
        for place in find_places(number, old, new)
        if not place.is_blank
    ]
    rows = sum(place.old.count("\n") + place.new.count("\n") for place in places)
    if not settings.limits.min_rows <= rows <= settings.limits.max_rows:
        counts.add("commit_too_small" if rows < settings.limits.min_rows else "commit_too_large")
        return [], None
    seed = _seed(settings.seed, commit.facts.sha)
    paths = [path for path, _, _ in read]
    if settings.told_order is not None:
        ordered = settings.told_order(places, paths)
    else:
        ordered = order_places(places, paths, Random(seed))
    typed = type_commit(
        paths,
        [old for _, old, _ in read],
        ordered,
        habits=habits or recorded_habits(),
        seed=seed,
    )
    mined = list(
        _cut(
            commit,
            ordered,
            typed,
            project=project,
            random=Random(seed),
            settings=settings,
            counts=counts,
        )
    )
    counts.add("commit_used" if mined else "commit_nothing_follows")
    return mined, typed


def type_history(
    path: Path, settings: MiningSettings, *, limit: int | None = None
) -> Iterator[TypedCommit]:
    """The usable commits of a repository as traces, newest first; nothing is kept of them."""
    worktree = find(path)
    if isinstance(worktree, NotOurs):
        raise RepositoryError(f"{path.name}: {worktree.detail or worktree.reason}")
    with History(worktree) as history:
        for commit in history.changes(limit=limit):
            _, typed = mine_commit(
                commit, history, project=worktree.name, settings=settings, counts=Counts()
            )
            if typed is not None:
                yield typed


def _read_files(
    commit: CommitChange, history: History, limits: CommitLimits, counts: Counts
) -> list[tuple[str, str, str]]:
    read = []
    for file in commit.files:
        if refuse_path(file) is not None or file.old_blob is None or file.new_blob is None:
            continue
        try:
            sides = [
                read_text(history.read_blob(blob, max_bytes=limits.max_file_bytes), limits)
                for blob in (file.old_blob, file.new_blob)
            ]
        except RepositoryError:
            counts.add("file_missing_object")
            continue
        old, new = sides
        if old is None or new is None:
            counts.add("file_unfit_text")
        elif _holds_secret(old) or _holds_secret(new):
            counts.add("file_secret")
        else:
            read.append((file.path, old, new))
    return read


def _cut(
    commit: CommitChange,
    places: Sequence[Place],
    typed: TypedCommit,
    *,
    project: str,
    random: Random,
    settings: MiningSettings,
    counts: Counts,
) -> Iterator[MinedMoment]:
    ends = [mark.index for mark in typed.marks if mark.place is not None]
    wanted = _choose(places, typed.marks, ends, random, settings)
    moments = find_moments(typed.entries, wanted, project=project)
    seen: set[str] = set()
    for number, moment in enumerate(moments):
        expected = []
        for later in moment.later:
            edits = clip_edits(moment, later)
            if edits is None or _rows(edits) > settings.max_expected_rows:
                break
            if any(edit.new_text.strip() or edit.span.length for edit in edits):
                expected.append(edits)
        if not expected:
            counts.add("moment_next_is_elsewhere")
            continue
        digest = hashlib.sha256(moment.prompt_input.cursor_excerpt.encode()).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        yield MinedMoment(
            commit=commit.facts.sha,
            committed_at=commit.facts.committed_at,
            number=number,
            moment=moment,
            expected=tuple(expected),
            is_half_typed=moment.index not in ends,
        )


def _choose(
    places: Sequence[Place],
    marks: Sequence[Mark],
    ends: Sequence[int],
    random: Random,
    settings: MiningSettings,
) -> dict[int, tuple[int, ...]]:
    """The entries to cut after, each with the ends of the next place and of the one after that."""
    wanted: dict[int, tuple[int, ...]] = {}
    whole = [k for k in range(len(ends) - 1) if places[k].file == places[k + 1].file]
    half: dict[int, list[int]] = {}
    for mark in marks:
        if mark.place is None:
            half.setdefault(bisect_left(ends, mark.index), []).append(mark.index)
    n_half = min(settings.half_typed, len(half))
    for place in random.sample(sorted(half), n_half):
        wanted[random.choice(half[place])] = (ends[place],)
    for k in random.sample(whole, min(len(whole), settings.per_commit - n_half)):
        both = k + 2 < len(ends) and places[k + 2].file == places[k].file
        wanted[ends[k]] = tuple(ends[k + 1 : k + (3 if both else 2)])
    return wanted


def _rows(edits: Sequence[TextEdit]) -> int:
    return sum(edit.new_text.count("\n") + 1 for edit in edits)


@lru_cache(maxsize=64)
def _holds_secret(text: str) -> bool:
    """Remembered for a while: the text before a commit is mostly the one after another."""
    return bool(find_secrets(text))


def _seed(seed: int, sha: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{sha}".encode()).digest()[:8])
