"""A whole repository to a stream of examples, in several processes, in an order that never varies.

Asks first whether the repository may be used at all; keeps a bounded number of commits in flight,
so memory stays flat. Knows nothing of files of examples.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError
from zeta_context.repository.history import CommitChange, History
from zeta_context.repository.worktree import NotOurs, Worktree, find
from zeta_context.training.commits.mine import MinedMoment, MiningSettings, mine_commit
from zeta_context.training.example import Example, Target
from zeta_context.training.leakage import NearDuplicates, Signature, sign_example

COMMITS_AT_ONCE = 24
"""Commits that a process takes at a time."""

Refusal = Callable[[Path], str | None]
"""Why a repository, given its root, may not be used; None when it may."""

_Mined = tuple[list[tuple[Example, Signature]], dict[str, int]]


def mine_repository(
    path: Path,
    *,
    refuse: Refusal,
    refuse_file: Callable[[str], str | None] = lambda _: None,
    name: str = "",
    settings: MiningSettings | None = None,
    limit: int | None = None,
    revision: str = "HEAD",
    processes: int | None = None,
    counts: Counts | None = None,
) -> Iterator[Example]:
    """The examples of a repository's history, newest commit first, near-duplicates left out.

    `limit` bounds the commits that are looked at. Raises RepositoryError where there is no
    repository of ours, no git, or `refuse` gives a reason; a file for which `refuse_file` gives
    one is counted instead.
    """
    settings = settings or MiningSettings()
    counts = counts or Counts()
    worktree = open_worktree(path)
    reason = refuse(worktree.root)
    if reason is not None:
        raise RepositoryError(f"no example may come from {worktree.name}: {reason}")
    name = name or worktree.name
    seen = NearDuplicates()
    n = processes if processes is not None else os.cpu_count() or 1
    with History(worktree) as history:
        commits = history.changes(revision=revision, limit=limit)
        batches = iter(lambda: list(islice(commits, COMMITS_AT_ONCE)), [])
        for found, counted in _run(batches, worktree.root, name, settings, n):
            for reason, number in counted.items():
                counts.add(reason, number)
            for example, signature in found:
                if refuse_file(example.prompt_input.path) is not None:
                    counts.add("example_refused_licence")
                    continue
                if seen.holds(signature):
                    counts.add("example_near_duplicate")
                    continue
                seen.add(signature)
                counts.add("example_kept")
                yield example


def open_worktree(path: Path) -> Worktree:
    """The working tree at a path; raises RepositoryError, which says why there is none."""
    found = find(path)
    if isinstance(found, NotOurs):
        raise RepositoryError(f"{path.name}: {found.detail or found.reason}")
    return found


def _run(
    batches: Iterator[list[CommitChange]],
    root: Path,
    name: str,
    settings: MiningSettings,
    processes: int,
) -> Iterator[_Mined]:
    if processes <= 1:
        miner = _Miner(root, name, settings)
        yield from map(miner.mine, batches)
        return
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[_Mined]] = deque()
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_start, initargs=(root, name, settings)
    )
    try:
        for batch in batches:
            waiting.append(pool.submit(_mine, batch))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Miner:
    """Mines batches of commits, with one reader of git objects of its own."""

    def __init__(self, root: Path, name: str, settings: MiningSettings) -> None:
        self._history = History(open_worktree(root))
        self._name = name
        self._settings = settings

    def mine(self, batch: Sequence[CommitChange]) -> _Mined:
        counts = Counts()
        found = []
        for commit in batch:
            mined, _ = mine_commit(
                commit, self._history, project=self._name, settings=self._settings, counts=counts
            )
            for one in mined:
                example = make_example(one, self._name)
                found.append((example, sign_example(example)))
        return found, dict(Counter(counts.totals()))


def make_example(mined: MinedMoment, repository: str) -> Example:
    """The example that a mined moment is: for evaluation, and labelled as from a commit."""
    prompt_input = mined.moment.prompt_input
    return Example(
        name=f"{repository}-{mined.commit[:12]}-{mined.number}",
        repository=repository,
        revision=mined.commit,
        at=mined.committed_at,
        origin="commit",
        purpose="evaluation",
        tags=("half-typed" if mined.is_half_typed else "next-place", prompt_input.language),
        prompt_input=prompt_input,
        targets=tuple(Target(edits=edits, source="settled") for edits in mined.expected),
    )


_MINERS: list[_Miner] = []
"""The miner of a worker process."""


def _start(root: Path, name: str, settings: MiningSettings) -> None:
    _MINERS[:] = [_Miner(root, name, settings)]


def _mine(batch: list[CommitChange]) -> _Mined:
    return _MINERS[0].mine(batch)
