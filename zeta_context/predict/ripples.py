"""The places that a change of the user concerns, kept in step with what is typed since.

Pure bookkeeping: a ripple is a cause and the places where its name stood; a place is done with
once its name is another one, and all of it is over once the cause is undone. Knows neither who
found the places nor what is proposed there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from zeta_context.events.change import Change
from zeta_context.predict.causes import Cause, word_at
from zeta_context.text.point import Span

DocumentKey = tuple[str, str]

MAX_PLACES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the name stands in a file of the project, as far as its changes are known."""

    path: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Ripple:
    """A cause and the places left of `total`; the cause's own place is none of them.

    `is_followed` while the user does nothing else than going on from place to place.
    """

    cause: Cause
    places: tuple[Place, ...]
    total: int
    is_followed: bool = True

    @property
    def done(self) -> int:
        """How many places are done with."""
        return self.total - len(self.places)


class Ripples:
    """At most one ripple for each project: the latest."""

    def __init__(self) -> None:
        self._current: dict[str, Ripple] = {}

    def begin(self, cause: Cause, places: Sequence[Place]) -> None:
        """A cause and its places were found; an earlier ripple is over."""
        kept = tuple(places[:MAX_PLACES])
        self._current[cause.project] = Ripple(cause=cause, places=kept, total=len(kept))

    def current(self, project: str) -> Ripple | None:
        """The ripple that goes through a project now; None once no place is left."""
        ripple = self._current.get(project)
        return ripple if ripple is not None and ripple.places else None

    def knows(self, cause: Cause) -> bool:
        """Whether the ripple of a cause has begun, whatever is left of it."""
        ripple = self._current.get(cause.project)
        return ripple is not None and _is_same(ripple.cause, cause)

    def end(self, project: str) -> None:
        """There is nothing more to do."""
        self._current.pop(project, None)

    def drop(self, key: DocumentKey) -> None:
        """A document was closed or read anew: a cause in it cannot be followed any more."""
        ripple = self._current.get(key[0])
        if ripple is not None and ripple.cause.path == key[1]:
            self.end(key[0])

    def stay(self, project: str, paths: Collection[str]) -> None:
        """The user does not want to leave the files `paths`: nothing remains elsewhere."""
        ripple = self._current.get(project)
        if ripple is not None:
            places = tuple(place for place in ripple.places if place.path in paths)
            self._current[project] = replace(ripple, places=places)

    def follow(self, key: DocumentKey, changes: Sequence[Change]) -> None:
        """Take in changes of a document."""
        project, path = key
        is_followed = False
        for change in changes:
            ripple = self._current.get(project)
            if ripple is None:
                return
            if path == ripple.cause.path:
                is_followed = is_followed or _touches(change, ripple.cause.span)
                cause = _carry_cause(ripple.cause, change)
                if cause is None:
                    self.end(project)
                    return
                ripple = replace(ripple, cause=cause)
            carried = (
                _carry_place(place, ripple.cause, change) if place.path == path else place
                for place in ripple.places
            )
            places = tuple(place for place in carried if place is not None)
            # One of several changes that are told at once may be the end of another.
            is_followed = is_followed or len(places) < len(ripple.places)
            self._current[project] = replace(ripple, places=places, is_followed=is_followed)


def _is_same(one: Cause, other: Cause) -> bool:
    return (one.kind, one.path, one.name, one.new_name, one.span) == (
        other.kind,
        other.path,
        other.name,
        other.new_name,
        other.span,
    )


def _touches(change: Change, span: Span) -> bool:
    return change.old_span.end >= span.start and change.old_span.start <= span.end


def _carry_cause(cause: Cause, change: Change) -> Cause | None:
    """The cause after a change of its document; None when it is undone or no name any more."""
    span = change.carry(cause.span)
    if _touches(change, cause.span):
        span = word_at(change.new, min(span.start, len(change.new)))
    name = change.new.slice(span)
    if cause.kind != "rename":
        return replace(cause, span=span) if name == cause.name else None
    if not name or name == cause.name:
        return None
    return replace(cause, span=span, new_name=name)


def _carry_place(place: Place, cause: Cause, change: Change) -> Place | None:
    """A place after a change of its document; None when it is done with."""
    start, end = place.span
    span = change.carry(place.span)
    if cause.kind != "rename":
        # The name stays: it is done with by a change behind it in its row.
        row = change.old.point(start).row
        if change.old_span.start >= end and change.old.point(change.old_span.start).row == row:
            return None
    if not _touches(change, place.span):
        return replace(place, span=span)
    span = word_at(change.new, min(span.start, len(change.new)))
    return replace(place, span=span) if change.new.slice(span) == cause.name else None
