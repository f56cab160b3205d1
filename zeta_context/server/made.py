"""Predictions that an editor was given, until it says what became of them.

Knows the session's words for outcomes, no protocol. Bounded: an editor that never answers costs
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import get_args

from zeta_context.errors import DocumentError
from zeta_context.predict.prediction import Prediction, RejectReason
from zeta_context.server.documents import EditorDocument, EditorDocuments
from zeta_context.session import Session
from zeta_context.text.edit import apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_KEPT = 64
_REASONS: dict[str, RejectReason] = {reason: reason for reason in get_args(RejectReason)}
MAX_REJECTED = 200


@dataclass(slots=True, eq=False)
class Made:
    """A prediction for a document, against the text `before`; `id` is what the editor knows it by.

    The session may make the same prediction again under another id; the editor keeps the first.
    """

    id: str
    prediction: Prediction
    document: EditorDocument
    before: TextSnapshot
    was_shown: bool = False
    is_accepted: bool = False
    is_settled: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What makes the same suggestion again, wherever in the file it has moved to."""
        olds = tuple(self.before.slice(edit.span) for edit in self.prediction.edits)
        news = tuple(edit.new_text for edit in self.prediction.edits)
        start = self.prediction.edits[0].span.start
        rows = self.before.row(self.before.point(start).row)
        return self.document.uri, olds, news, rows

    def single_edit(self) -> tuple[Span, str]:
        """All edits as one replacement, with what lies between them."""
        edits = self.prediction.edits
        start, end = edits[0].span.start, edits[-1].span.end
        after = apply_edits(self.before, edits)
        growth = sum(edit.growth for edit in edits)
        return Span(start, end), after.slice(Span(start, end + growth))


class MadePredictions:
    """The newest `MAX_KEPT` by id; of each document the newest is its standing one."""

    def __init__(self, session: Session, documents: EditorDocuments) -> None:
        self._session = session
        self._documents = documents
        self._by_id: OrderedDict[str, Made] = OrderedDict()
        self._standing: dict[str, Made] = {}
        self._awaited: dict[str, Made] = {}
        self._rejected: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def standing(self, document: EditorDocument) -> Made | None:
        """The newest prediction of a document, if its text is still the one it was made for."""
        made = self._standing.get(document.uri)
        state = self._documents.state(document)
        if made is None or made.is_settled or state is None or made.is_accepted:
            return None
        return made if state.snapshot.is_same(made.before) else None

    def get(self, prediction_id: object) -> Made | None:
        """A prediction by its id."""
        return self._by_id.get(prediction_id) if isinstance(prediction_id, str) else None

    def was_rejected(self, made: Made) -> bool:
        """Whether the user has turned the same suggestion down here before."""
        return made.key in self._rejected

    def add(self, made: Made) -> None:
        """Keep a new prediction; the one it takes the place of was replaced."""
        before = self._standing.get(made.document.uri)
        if before is not None and not before.is_settled and not before.is_accepted:
            before.is_settled = True
            self._session.counts.add("replaced")
        self._standing[made.document.uri] = made
        self._by_id[made.id] = made
        while len(self._by_id) > MAX_KEPT:
            self._by_id.popitem(last=False)

    def carry(
        self, prediction: Prediction, document: EditorDocument, now: TextSnapshot
    ) -> Made | None:
        """The same prediction again, as far as the user has not typed it yet; None if it is new."""
        made = self._by_id.get(prediction.id)
        if made is None or made.is_settled or made.is_accepted or made.document is not document:
            return None
        made.prediction, made.before = prediction, now
        self._standing[document.uri] = made
        return made

    def show(self, made: Made) -> None:
        """The editor has shown it."""
        if not made.was_shown:
            made.was_shown = True
            self._session.counts.add("shown")

    def accept(self, made: Made) -> None:
        """The editor has accepted it, and has told the change or is about to."""
        if made.is_accepted or made.is_settled:
            return
        made.is_accepted = True
        self._awaited[made.document.uri] = made
        self.show(made)
        self.settle(made.document)

    def settle(self, document: EditorDocument) -> None:
        """Tell the session of an acceptance as soon as it has seen the change.

        Some editors run the accept command first and report the change afterwards; told in that
        order the session would make the change itself, and then once more. Until then the editor
        may have been given another prediction.
        """
        made = self._awaited.get(document.uri)
        if made is None:
            return
        state = self._documents.state(document)
        if state is not None and state.snapshot.is_same(made.before):
            return
        del self._awaited[document.uri]
        made.is_settled = True
        try:
            self._session.accept(made.prediction, is_reported=True)
        except DocumentError:
            # It was changed further at once, as a formatter does.
            self._session.counts.add("accepted")

    def accept_part(self, made: Made) -> None:
        """A word or line of it was accepted; what is left comes as the next prediction."""
        self.show(made)
        self._session.counts.add("partially_accepted")

    def reject(self, made: Made, reason: object) -> None:
        """The editor has turned it down."""
        if made.is_settled or made.is_accepted:
            return
        made.is_settled = True
        known = _REASONS.get(reason, "rejected") if isinstance(reason, str) else "rejected"
        self._session.reject(made.prediction, reason=known, was_shown=made.was_shown)
        if known == "rejected":
            self._rejected[made.key] = None
            while len(self._rejected) > MAX_REJECTED:
                self._rejected.popitem(last=False)

    def forget(self, document: EditorDocument) -> None:
        """The document was closed."""
        self._standing.pop(document.uri, None)
        self._awaited.pop(document.uri, None)
