"""Moments of a trace as starting states: what an editor would have asked a model with just then.

Follows a trace, recorded or typed out from a commit, and gives at chosen entries the prompt input
and, where later entries are named, how the document then stood. Knows nothing of where the trace
comes from or what the moment is for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.syntax import SyntaxCache
from zeta_context.events.change import Change
from zeta_context.events.history import PAUSE_SECONDS, EditHistory
from zeta_context.events.language import language_of
from zeta_context.events.trace import (
    Closed,
    CursorMoved,
    Edited,
    Focused,
    Opened,
    Reloaded,
    Renamed,
    TraceEntry,
)
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.ranges import EXCERPT_TOKENS
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The state after entry `index`: the document with the cursor, and what a prompt would show.

    `later` are the texts of the same document after the entries that were asked for, in their
    order, as far as it was not renamed or closed by then.
    """

    index: int
    at_ms: int
    prompt_input: PromptInput
    text: str
    cursor: int
    later: tuple[str, ...]

    @property
    def excerpt_start(self) -> int:
        """Where the cursor excerpt starts in the text."""
        return self.cursor - self.prompt_input.cursor_offset


def find_moments(
    entries: Sequence[TraceEntry],
    wanted: Mapping[int, Sequence[int]],
    *,
    project: str,
    max_tokens: int = EXCERPT_TOKENS,
) -> list[Moment]:
    """The moments after the entries that are keys of `wanted`, each with the texts after others.

    `max_tokens` bounds the cursor excerpt. A moment without an event, or before any edit of the
    document, is left out.
    """
    follower = _Follower(project, max_tokens)
    needed = {index for indexes in wanted.values() for index in indexes}
    begun: list[_Begun] = []
    later: dict[int, dict[str, TextSnapshot]] = {}
    last = max((*wanted, *needed), default=-1)
    stops = needed.union(wanted)
    for index, entry in join_keys(entries[: last + 1], stops):
        follower.take(entry)
        if index in needed:
            later[index] = dict(follower.snapshots)
        if index in wanted and (state := follower.state(index, entry.at_ms)) is not None:
            begun.append(state)
    return [
        one.finish([later.get(i, {}).get(one.path) for i in wanted[one.index]]) for one in begun
    ]


def join_keys(
    entries: Sequence[TraceEntry], stops: Collection[int]
) -> Iterator[tuple[int, TraceEntry]]:
    """The entries with their indexes, keys typed in a row as one: the history comes out alike.

    Joined is what the history joins anyway: within less than its pause, and nothing that is taken
    back key by key afterwards, by which it knows an undo. None is joined past one of `stops`.
    """
    alone = _find_taken_back(entries)
    run: list[Edited] = []
    reached = told_ms = 0
    for index, entry in enumerate(entries):
        joins = isinstance(entry, Edited) and _is_typed(entry) and index not in alone
        if run and not (joins and _follows(run, entry, told_ms)):
            yield reached, _as_one(run)
            told_ms = run[-1].at_ms
            run = []
        if joins and isinstance(entry, Edited):
            run.append(entry)
            reached = index
            if index in stops:
                yield index, _as_one(run)
                told_ms = entry.at_ms
                run = []
        else:
            yield index, entry
            told_ms = entry.at_ms if isinstance(entry, Edited) else told_ms
    if run:
        yield reached, _as_one(run)


def _find_taken_back(entries: Sequence[TraceEntry]) -> set[int]:
    """Which entries type what deletions right behind them take back."""
    alone: set[int] = set()
    pending = 0
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        if not isinstance(entry, Edited):
            pending = 0
        elif entry.span.length:
            pending = max(0, pending - len(entry.new_text)) + entry.span.length
            alone.add(index)
        elif pending > 0:
            pending -= len(entry.new_text)
            alone.add(index)
    return alone


def _is_typed(entry: Edited) -> bool:
    return not entry.span.length and not entry.predicted and entry.cause == "edit"


def _follows(run: Sequence[Edited], entry: TraceEntry, told_ms: int) -> bool:
    """Whether an entry carries on the run, without a pause where there was none since `told_ms`."""
    pause_ms = PAUSE_SECONDS * 1000
    before = run[-1]
    return (
        isinstance(entry, Edited)
        and entry.path == before.path
        and entry.span.start == before.span.start + len(before.new_text)
        and entry.at_ms - before.at_ms < pause_ms
        and (run[0].at_ms - told_ms >= pause_ms or entry.at_ms - told_ms < pause_ms)
    )


def _as_one(run: Sequence[Edited]) -> Edited:
    last = run[-1]
    return replace(
        run[0],
        at_ms=last.at_ms,
        version=last.version,
        new_text="".join(entry.new_text for entry in run),
    )


def clip_edits(moment: Moment, later: str) -> tuple[TextEdit, ...] | None:
    """The edits of the cursor excerpt that lead to `later`; None when one lies outside of it."""
    start = moment.excerpt_start
    end = start + len(moment.prompt_input.cursor_excerpt)
    edits = diff_text(moment.text, later)
    if not edits or edits[0].span.start < start or edits[-1].span.end > end:
        return None
    return tuple(
        TextEdit(Span(edit.span.start - start, edit.span.end - start), edit.new_text)
        for edit in edits
    )


@dataclass(frozen=True, slots=True)
class _Begun:
    index: int
    at_ms: int
    path: str
    prompt_input: PromptInput
    snapshot: TextSnapshot
    cursor: int

    def finish(self, later: Sequence[TextSnapshot | None]) -> Moment:
        return Moment(
            index=self.index,
            at_ms=self.at_ms,
            prompt_input=self.prompt_input,
            text=self.snapshot.text,
            cursor=self.cursor,
            later=tuple(one.text for one in later if one is not None),
        )


class _Follower:
    """Applies entries one after the other to the texts and the edit history."""

    def __init__(self, project: str, max_tokens: int) -> None:
        self._project = project
        self._max_tokens = max_tokens
        self._history = EditHistory(project)
        self._syntax = SyntaxCache()
        self.snapshots: dict[str, TextSnapshot] = {}
        self._languages: dict[str, str] = {}
        self._path = ""
        self._cursor = 0

    def take(self, entry: TraceEntry) -> None:
        match entry:
            case Opened():
                self.snapshots[entry.path] = TextSnapshot(entry.text or "")
                self._languages[entry.path] = language_of(entry.path, entry.language)
                self._path, self._cursor = entry.path, 0
            case Edited():
                self._edit(entry)
            case CursorMoved():
                self._path, self._cursor = entry.path, entry.offset
            case Focused():
                self._path = entry.path
            case Reloaded():
                old, new = self.snapshots[entry.path], TextSnapshot(entry.text)
                whole = Change(old, new, Span(0, len(old)), Span(0, len(new)))
                self._history.pass_over(entry.path, whole)
                self.snapshots[entry.path] = new
            case Renamed():
                self._history.rename(entry.path, entry.new_path, at=entry.at_ms / 1000)
                if entry.path in self.snapshots:
                    self.snapshots[entry.new_path] = self.snapshots.pop(entry.path)
                    self._languages[entry.new_path] = language_of(entry.new_path)
                    self._path = entry.new_path if self._path == entry.path else self._path
            case Closed():
                self._history.close(entry.path)
                self.snapshots.pop(entry.path, None)
            case _:
                pass

    def _edit(self, entry: Edited) -> None:
        old = self.snapshots[entry.path]
        new = old.edit(entry.span, entry.new_text)
        new_span = Span(entry.span.start, entry.span.start + len(entry.new_text))
        self._history.record(
            entry.path,
            Change(old, new, entry.span, new_span),
            at=entry.at_ms / 1000,
            predicted=entry.predicted,
            cause=None if entry.cause == "edit" else entry.cause,
        )
        self.snapshots[entry.path] = new
        self._path, self._cursor = entry.path, new_span.end

    def state(self, index: int, at_ms: int) -> _Begun | None:
        snapshot = self.snapshots.get(self._path)
        events = self._history.events()
        if snapshot is None or not events:
            return None
        cursor = min(self._cursor, len(snapshot))
        language = self._languages[self._path]
        tree = self._syntax.tree(self._path, language, snapshot, path=self._path)
        excerpt = gather_excerpt(snapshot, cursor, tree, max_tokens=self._max_tokens)
        return _Begun(
            index,
            at_ms,
            self._path,
            PromptInput(
                project=self._project,
                path=self._path,
                language=language,
                cursor_excerpt=excerpt.text,
                cursor_offset=excerpt.cursor_offset,
                excerpt_start_row=excerpt.start_row,
                syntax_spans=excerpt.syntax_spans,
                events=events,
                trigger="buffer_edit",
            ),
            snapshot,
            cursor,
        )
