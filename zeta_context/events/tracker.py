"""The open documents of a session, kept in step with what an editor sends.

Turns edits of any editor into snapshots and into the edit history of their project. Knows nothing
of files on disk, of projects' roots or of predictions. Synchronous and light: an edit costs
microseconds and never waits; a call that fails changes nothing. One thread calls it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from zeta_context.counts import Counts
from zeta_context.errors import NotOpen, OutOfRange
from zeta_context.events.change import Change
from zeta_context.events.content_change import ContentChange, locate_change
from zeta_context.events.document import DocumentState, OpenDocument
from zeta_context.events.event import Cause
from zeta_context.events.history import GROUPING_ROWS, EditHistory, HistoryMark, LastEdit
from zeta_context.events.language import language_of
from zeta_context.events.observer import Author, ChangeObserver
from zeta_context.events.reduce import (
    enclose_in_order,
    is_spacing_only,
    is_uniform,
    join_near,
    reduce_edit,
    reduce_replacement,
)
from zeta_context.text.edit import TextEdit, sort_edits, validate_edits
from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot

DiskState = Literal["not_open", "unchanged", "saved", "changed", "reloaded"]
"""What a file on disk says about its document.

`unchanged`: the text of the latest open or save. `saved`: the current text, by a save we were not
told of yet. `changed`: neither, so the editor will reload it or ask. `reloaded`: the editor did.
"""

MAX_PLACES = 3
"""A change at more places than this at once is a bulk change, of which one place is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Who made a change, when and how."""

    at: float
    predicted: bool = False
    cause: Cause | None = None
    is_local: bool = True
    cursor: int | None = None

    @property
    def author(self) -> Author:
        if not self.is_local:
            return "other"
        if self.predicted:
            return "prediction"
        return "user" if self.cause in (None, "edit") else "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latest:
    """The latest change of a project that was taken for the user's, and the history around it."""

    path: str
    at: float
    before: HistoryMark
    after: HistoryMark


class Tracker:
    """Open documents over one or more projects, with one edit history a project."""

    def __init__(
        self,
        *,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: ChangeObserver | None = None,
    ) -> None:
        self._counts = counts if counts is not None else Counts()
        self._clock = clock
        self._observer = observer
        self._documents: dict[tuple[str, str], DocumentState] = {}
        self._histories: dict[str, EditHistory] = {}
        self._latest: dict[str, _Latest] = {}

    def history(self, project: str) -> EditHistory:
        """The edit history of a project."""
        history = self._histories.get(project)
        if history is None:
            history = self._histories[project] = EditHistory(project, counts=self._counts)
        return history

    def last_edit(self, project: str) -> LastEdit | None:
        """Where and when the user changed something last in a project."""
        return self.history(project).last_edit

    def document(self, project: str, path: str) -> OpenDocument:
        """An open document as it stands; NotOpen if there is none."""
        return self._find(project, path).view()

    def documents(self, project: str | None = None) -> tuple[OpenDocument, ...]:
        """The open documents, of one project if told so, the most recently edited first."""
        return tuple(
            state.view()
            for state in reversed(self._documents.values())
            if project is None or state.project == project
        )

    def open(
        self, project: str, path: str, text: str, language: str = "", version: int | None = None
    ) -> OpenDocument:
        """Take in an opened document; opened once more, it takes the text as by a reload."""
        snapshot = TextSnapshot(text)
        held = self._documents.pop((project, path), None)
        if held is not None:
            edit = TextEdit(Span(0, len(held.snapshot)), text)
            self._pass_over(held, enclose_in_order(held.snapshot, (edit,)))
        state = DocumentState(project, path, language_of(path, language), version or 0, snapshot)
        self._documents[project, path] = state
        return state.view()

    def close(self, project: str, path: str) -> None:
        """Take in that a document was closed; its events stay."""
        self._find(project, path)
        del self._documents[project, path]
        self.history(project).close(path)

    def save(self, project: str, path: str) -> OpenDocument:
        """Take in that a document was saved as it stands."""
        state = self._find(project, path)
        state.saved = state.snapshot
        state.expected = None
        state.touch()
        return state.view()

    def rename(
        self, project: str, old_path: str, path: str, *, at: float | None = None
    ) -> OpenDocument:
        """Take in that a document got another path; one open at that path is closed."""
        state = self._find(project, old_path)
        if path == old_path:
            return state.view()
        if (project, path) in self._documents:
            self.close(project, path)
        del self._documents[project, old_path]
        if state.language == language_of(old_path):
            state.language = language_of(path)
        state.path = path
        state.touch()
        self._documents[project, path] = state
        self.history(project).rename(old_path, path, at=self._clock() if at is None else at)
        return state.view()

    def edit(
        self,
        project: str,
        path: str,
        span: Span,
        new_text: str,
        *,
        at: float | None = None,
        version: int | None = None,
        base_version: int | None = None,
        predicted: bool = False,
        cause: Cause | None = None,
        is_local: bool = True,
        cursor: int | None = None,
    ) -> OpenDocument:
        """Replace `span` (code points) of a document by `new_text`.

        `predicted` marks an accepted prediction, `cause` what the editor says of an undo or redo.
        An edit of somebody else (`is_local` False) counts as one here only near `cursor`, an
        offset in the resulting text, which is given for the active document alone.

        Raises NotOpen, OutOfRange, or VersionGap and StaleSnapshot when the versions do not fit.
        """
        return self.edit_many(
            project,
            path,
            (TextEdit(span, new_text),),
            at=at,
            version=version,
            base_version=base_version,
            predicted=predicted,
            cause=cause,
            is_local=is_local,
            cursor=cursor,
        )

    def edit_many(
        self,
        project: str,
        path: str,
        edits: Sequence[TextEdit],
        *,
        at: float | None = None,
        version: int | None = None,
        base_version: int | None = None,
        predicted: bool = False,
        cause: Cause | None = None,
        is_local: bool = True,
        cursor: int | None = None,
    ) -> OpenDocument:
        """Make several edits of one text at once: like `edit`, and TextError if they overlap."""
        state = self._find(project, path)
        before = state.snapshot
        ordered = sort_edits(edits) if len(edits) > 1 else edits
        validate_edits(ordered, len(before))
        reduced = [reduce_edit(before, edit) for edit in ordered]
        version = state.next_version(version, base_version)
        steps = enclose_in_order(before, reduced)
        origin = _Origin(
            at=self._clock() if at is None else at,
            predicted=predicted,
            cause=cause,
            is_local=is_local,
            cursor=cursor,
        )
        self._take(state, steps, version, origin)
        return state.view()

    def replace(
        self,
        project: str,
        path: str,
        text: str,
        *,
        at: float | None = None,
        version: int | None = None,
        is_reload: bool = False,
    ) -> OpenDocument:
        """Take the whole text from an editor that sends it with every change, or after a gap.

        What differs from the text we hold is taken as an edit, unless `is_reload` or unless edits
        were missed, so that nobody can tell typing from the rest.
        """
        changes = (ContentChange(text=text),)
        return self.apply_changes(
            project, path, changes, version=version, at=at, is_reload=is_reload
        )

    def apply_changes(
        self,
        project: str,
        path: str,
        changes: Sequence[ContentChange],
        *,
        encoding: Encoding = "utf-16",
        version: int | None = None,
        base_version: int | None = None,
        at: float | None = None,
        predicted: bool = False,
        cause: Cause | None = None,
        is_reload: bool = False,
    ) -> OpenDocument:
        """Take the `contentChanges` of a `didChange`, each against the text the last one left.

        No changes at all, as VS Code sends when a document becomes dirty, change nothing. A range
        that the text does not have shows that edits were missed: OutOfRange, and nothing more is
        taken until the whole text comes.
        """
        state = self._find(project, path)
        if not changes:
            if version is not None and version > state.version and not state.needs_resync:
                state.version = version
                state.touch()
            return state.view()
        is_resync = state.needs_resync and changes[0].start is None
        if changes[0].start is None:
            version = state.take_whole(version)
        else:
            version = state.next_version(version, base_version)
        steps: list[Change] = []
        snapshot = state.snapshot
        for content_change in changes:
            try:
                span = locate_change(snapshot, content_change, encoding)
            except OutOfRange:
                state.mark_out_of_step()
                raise
            edits = reduce_replacement(snapshot, TextEdit(span, content_change.text))
            steps += enclose_in_order(snapshot, edits)
            snapshot = steps[-1].new if steps else snapshot
        if is_resync or is_reload:
            self._pass_over(state, steps)
            self._advance(state, steps, version, "other")
        else:
            at = self._clock() if at is None else at
            self._take(state, steps, version, _Origin(at=at, predicted=predicted, cause=cause))
        return state.view()

    def take_disk(
        self, project: str, path: str, text: str, *, age_seconds: float | None = None
    ) -> DiskState:
        """Say what the file of a document holds on disk now, written `age_seconds` ago.

        Tells the editor's own save from a change by others. After the latter, the edit by which
        the editor takes that text over is no typing; and if it came before this news, and so
        counted as typing, it is taken back.
        """
        state = self._documents.get((project, path))
        if state is None:
            return "not_open"
        if _holds(state.saved, text):
            state.expected = None
            return "unchanged"
        if not _holds(state.snapshot, text):
            state.expected = text
            return "changed"
        last = self._latest.get(project)
        state.saved = state.snapshot
        state.touch()
        if last is not None and last.path == path and age_seconds is not None:
            # If the file was like this before the text became like it, the text came from it.
            came_later = self._clock() - last.at < age_seconds
            if came_later and self.history(project).take_back(path, last.before, last.after):
                return "reloaded"
        return "saved"

    def _find(self, project: str, path: str) -> DocumentState:
        state = self._documents.get((project, path))
        if state is None:
            raise NotOpen(f"{path} is not open in {project}")
        return state

    def _take(
        self, state: DocumentState, steps: Sequence[Change], version: int, origin: _Origin
    ) -> None:
        """Enter changes that follow one another into the history and into the document."""
        made = [step for step in steps if not step.new.is_same(step.old)]
        author = origin.author
        if made and _holds(made[-1].new, state.expected):
            author = "other"
            self._pass_over(state, made)
            state.saved = made[-1].new
            state.expected = None
        elif made and origin.is_local:
            history = self.history(state.project)
            before = history.mark()
            self._record(state, made, origin)
            self._latest[state.project] = _Latest(
                path=state.path, at=origin.at, before=before, after=history.mark()
            )
        elif made:
            history = self.history(state.project)
            for change in join_near(made, GROUPING_ROWS):
                history.record_remote(state.path, change, at=origin.at, cursor=origin.cursor)
        self._advance(state, made, version, author, origin.at)

    def _record(self, state: DocumentState, made: Sequence[Change], origin: _Origin) -> None:
        """Enter the user's changes into the history, less what a formatter or bulk change did."""
        history = self.history(state.project)
        places = join_near(made, GROUPING_ROWS)
        first, last = 0, len(places)
        if last > MAX_PLACES and not origin.predicted:
            first = (
                _find_nearest(places, history.last_edit, state.path) if is_uniform(made) else last
            )
            last = min(first + 1, last)
        if first > 0:
            history.pass_over(state.path, _join(places[:first]), reason="history_bulk")
        for change in places[first:last]:
            if len(places) > 1 and not origin.predicted and is_spacing_only(change):
                history.pass_over(state.path, change, reason="history_format")
                continue
            history.record(
                state.path, change, at=origin.at, predicted=origin.predicted, cause=origin.cause
            )
        if last < len(places):
            history.pass_over(state.path, _join(places[last:]), reason="history_bulk")

    def _pass_over(self, state: DocumentState, steps: Sequence[Change]) -> None:
        if steps:
            self.history(state.project).pass_over(state.path, _join(steps))

    def _advance(
        self,
        state: DocumentState,
        steps: Sequence[Change],
        version: int,
        author: Author,
        at: float | None = None,
    ) -> None:
        state.version = version
        if steps:
            state.snapshot = steps[-1].new
            key = (state.project, state.path)
            self._documents[key] = self._documents.pop(key)
        state.touch()
        if steps and self._observer is not None:
            at = self._clock() if at is None else at
            self._observer.follow(state.project, state.path, steps, author=author, at=at)


def _holds(snapshot: TextSnapshot, text: str | None) -> bool:
    return text is not None and len(snapshot) == len(text) and snapshot.text == text


def _join(changes: Sequence[Change]) -> Change:
    return reduce(Change.followed_by, changes)


def _find_nearest(changes: Sequence[Change], last_edit: LastEdit | None, path: str) -> int:
    """Which of the changes lies nearest to where the user was, the first if that is elsewhere."""
    if last_edit is None or last_edit.path != path:
        return 0
    distances = []
    growth = 0
    for change in changes:
        distances.append(abs(change.old_span.start - growth - last_edit.span.start))
        growth += change.new_span.length - change.old_span.length
    return distances.index(min(distances))
