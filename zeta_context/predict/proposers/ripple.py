"""Proposes what follows from the user's last change, place by place, as a language server knows it.

After a rename each place gets the new name; where a signature or a type was changed, another
proposer is asked at each place and heard only about that. Knows neither servers nor how places are
found.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from zeta_context.predict.causes import has_word
from zeta_context.predict.centering import center
from zeta_context.predict.prediction import Discarded, Jump, Prediction
from zeta_context.predict.ripples import Place, Ripple
from zeta_context.predict.view import Document, LastingProposer, Proposer, View
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

RIPPLE = "ripple"
"""What its predictions carry as `proposer`."""

WasRejected = Callable[[Document, Sequence[TextEdit]], bool]
ReadClosed = Callable[[str, str], Document | None]
"""A file of a project, by both their names, as a document that nobody has open."""

MAX_ASKED = 4
"""Places of a changed signature at which others are asked at a time."""

MAX_READ = 4
"""Files that are not open and looked into at a time."""


class RippleProposer:
    """Goes through the places of the view's ripple, from the cursor on.

    `others` say what is to be done where a signature or a type was changed; `read_closed` what a
    file holds that is not open, to which there is then a jump, for as long as the user does nothing
    else.
    """

    def __init__(
        self,
        others: Sequence[Proposer] = (),
        *,
        was_rejected: WasRejected | None = None,
        read_closed: ReadClosed | None = None,
    ) -> None:
        self._others = tuple(others)
        self._was_rejected = was_rejected
        self._read_closed = read_closed

    @property
    def name(self) -> str:
        """What its predictions carry as `proposer`."""
        return RIPPLE

    def propose(self, view: View) -> Prediction | Discarded:
        """The next place of the ripple with its edits.

        Reasons: `no_ripple` (nothing was changed that other places depend on), `half_typed` (the
        new name seems unfinished), `not_open` (the places left lie in files that are not open),
        `no_place`.
        """
        ripple = view.ripple
        if ripple is None or ripple.cause.project != view.document.project:
            return Discarded(reason="no_ripple", detail="nothing changed that others depend on")
        if _is_half_typed(ripple, view):
            return Discarded(reason="half_typed", detail="the new name seems unfinished")
        asked = closed = 0
        for places in order_places(ripple, view):
            document = view.find(ripple.cause.project, places[0].path)
            if document is None:
                closed += len(places)
                continue
            if ripple.cause.kind == "rename":
                edits = _rename(document, places, ripple)
            elif asked < MAX_ASKED:
                asked += 1
                edits = self._ask(view, document, places[0], is_first=asked == 1)
            else:
                break
            if edits and not (self._was_rejected and self._was_rejected(document, edits)):
                return self._predict(ripple, document, edits)
        if closed:
            return Discarded(
                reason="not_open",
                detail=f"{closed} places left in files that are not open",
                jump=self._jump(ripple, view),
            )
        return Discarded(reason="no_place", detail="no place is left to change")

    def _jump(self, ripple: Ripple, view: View) -> Jump | None:
        """The first place in a file that is not open at which something is to be changed."""
        if self._read_closed is None or not ripple.is_followed:
            return None
        by_path: dict[str, list[Place]] = {}
        for place in ripple.places:
            if view.find(ripple.cause.project, place.path) is None:
                by_path.setdefault(place.path, []).append(place)
        asked = 0
        nearest = sorted(by_path, key=lambda path: (-_kinship(path, view.document.path), path))
        for path in nearest[:MAX_READ]:
            document = self._read_closed(ripple.cause.project, path)
            if document is None:
                continue
            there = replace(view, document=document, cursor=0)
            for places in order_places(replace(ripple, places=tuple(by_path[path])), there):
                if ripple.cause.kind == "rename":
                    edits = _rename(document, places, ripple)
                elif asked < MAX_ASKED:
                    asked += 1
                    edits = self._ask(view, document, places[0], is_first=asked == 1)
                else:
                    return None
                if edits and not (self._was_rejected and self._was_rejected(document, edits)):
                    return _to_jump(self._predict(ripple, document, edits), document)
        return None

    def _ask(
        self, view: View, document: Document, place: Place, *, is_first: bool = True
    ) -> tuple[TextEdit, ...]:
        """What another proposer would change in the rows of a place, if it changes nothing else.

        A model, which takes its time, is asked about the first place alone, and not before the
        user has left the row of the cause.
        """
        others = [one for one in (view.document, *view.others) if one.path != document.path]
        prompt_input, cursor = view.prompt_input, place.span.end
        if prompt_input is not None:
            prompt_input = center(prompt_input, document, cursor)
        there = replace(
            view,
            document=document,
            cursor=cursor,
            others=tuple(others),
            prompt_input=prompt_input,
            ripple=None,
        )
        with_models = is_first and not _is_at_cause(view)
        snapshot = document.snapshot
        row = snapshot.point(place.span.start).row
        first, end = snapshot.row_start(row), snapshot.row_end(row)
        for proposer in self._others:
            if isinstance(proposer, LastingProposer) and not with_models:
                continue
            answer = proposer.propose(there)
            if (
                isinstance(answer, Prediction)
                and answer.path == document.path
                and first <= answer.edits[0].span.start <= answer.edits[-1].span.end <= end
            ):
                return answer.edits
        return ()

    def _predict(
        self, ripple: Ripple, document: Document, edits: tuple[TextEdit, ...]
    ) -> Prediction:
        cause = ripple.cause
        what = {
            "rename": f"`{cause.name}` is called `{cause.new_name}` now",
            "signature": f"the signature of `{cause.name}` was changed",
            "type": f"the type of `{cause.name}` was changed",
        }[cause.kind]
        number = min(ripple.done + 1, ripple.total)
        key = (document.project, document.path, document.version, edits)
        return Prediction(
            id=hashlib.sha256(repr(key).encode("utf-8", "backslashreplace")).hexdigest()[:32],
            project=document.project,
            path=document.path,
            version=document.version,
            edits=edits,
            proposer=self.name,
            why=f"{what}: place {number} of {ripple.total}",
            cursor=edits[-1].span.end + sum(edit.growth for edit in edits),
        )


def _to_jump(prediction: Prediction, document: Document) -> Jump:
    row = document.snapshot.point(prediction.edits[0].span.start).row
    return Jump(
        id=prediction.id,
        project=prediction.project,
        path=prediction.path,
        text=document.snapshot,
        edits=prediction.edits,
        why=f"{prediction.why}, in {prediction.path}:{row + 1}",
    )


def _kinship(path: str, other: str) -> int:
    """How many folders two files have in common."""
    pairs = zip(path.split("/")[:-1], other.split("/")[:-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def order_places(ripple: Ripple, view: View) -> Iterator[tuple[Place, ...]]:
    """The places, those of one row together: behind the cursor, before it, in other documents (the
    latest edited first), in files that are not open."""
    by_path: dict[str, list[Place]] = {}
    for place in ripple.places:
        by_path.setdefault(place.path, []).append(place)
    documents = {one.path: one for one in (view.document, *view.others)}
    paths = [path for path in documents if path in by_path]
    for path in [*paths, *sorted(path for path in by_path if path not in documents)]:
        document = documents.get(path)
        places = sorted(by_path[path], key=lambda place: place.span)
        if document is None:
            yield tuple(places)
            continue
        if path == view.document.path:
            places.sort(key=lambda place: (place.span.end < view.cursor, place.span))
        row, group = -1, list[Place]()
        for place in places:
            at = document.snapshot.point(min(place.span.start, len(document.snapshot))).row
            if group and at != row:
                yield tuple(sorted(group, key=lambda one: one.span))
                group = []
            row = at
            group.append(place)
        if group:
            yield tuple(sorted(group, key=lambda one: one.span))


def _rename(document: Document, places: Sequence[Place], ripple: Ripple) -> tuple[TextEdit, ...]:
    snapshot, cause = document.snapshot, ripple.cause
    return tuple(
        TextEdit(place.span, cause.new_name)
        for place in places
        if place.span.end <= len(snapshot) and snapshot.slice(place.span) == cause.name
    )


def _is_at_cause(view: View) -> bool:
    """Whether the cursor stands in the row of the cause, where the change may go on."""
    ripple, document = view.ripple, view.document
    if ripple is None or ripple.cause.path != document.path:
        return False
    snapshot = document.snapshot
    rows = (
        snapshot.point(min(at, len(snapshot))).row for at in (view.cursor, ripple.cause.span.start)
    )
    return len(set(rows)) == 1


def _is_half_typed(ripple: Ripple, view: View) -> bool:
    """Whether the cursor stands at the end of a new name that stands nowhere else yet."""
    cause, document = ripple.cause, view.document
    if cause.kind != "rename" or document.path != cause.path or ripple.done:
        return False
    at_end = cause.span.start < view.cursor <= cause.span.end
    return at_end and not any(
        has_word(one.snapshot.slice(Span(0, start)), cause.new_name)
        or has_word(one.snapshot.slice(Span(end, len(one.snapshot))), cause.new_name)
        for one, start, end in (
            (one, *(cause.span if one.path == cause.path else (0, 0)))
            for one in (document, *view.others)
        )
    )
