"""The predictions that editors were given and have not answered yet, one for each document.

Knows nothing of how they were made or shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from zeta_context.counts import Counts
from zeta_context.errors import StaleSnapshot, TextError
from zeta_context.events.content_change import ContentChange, locate_change
from zeta_context.events.tracker import Tracker
from zeta_context.predict.acceptance import PendingAcceptance
from zeta_context.predict.prediction import Discarded, Outcome, Prediction, RejectReason
from zeta_context.predict.view import Document, View
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

DocumentKey = tuple[str, str]
"""Project name and path."""

STALE = Discarded(reason="stale", detail="the document changed while predicting")


class Offers:
    """Open offers by document; a new one takes the place of the one before."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._open: dict[DocumentKey, PendingAcceptance] = {}

    def make(
        self,
        answer: Prediction | Discarded,
        view: View,
        documents: Callable[[str], Iterable[Document]],
    ) -> Prediction | Discarded:
        """Remember a prediction that goes to the editor, or count the reason for silence.

        `documents` gives the open documents of a project as they are now: a prediction for a text
        that changed meanwhile is stale.
        """
        if isinstance(answer, Prediction):
            now = {document.path: document.version for document in documents(answer.project)}
            if now.get(answer.path) == answer.version:
                self._open[answer.project, answer.path] = PendingAcceptance(answer)
                self._counts.add("predicted")
                return answer
            answer = STALE
        row = view.document.snapshot.point(view.cursor).row
        self._counts.note(answer.reason, place=f"{view.document.path}:{row + 1}")
        return answer

    def take_edits(self, key: DocumentKey, edits: Sequence[TextEdit]) -> bool:
        """Whether a reported change is the offered prediction, or part of it; otherwise drop it."""
        pending = self._open.get(key)
        if pending is None:
            return False
        if pending.matches(tuple(edits)):
            return True
        del self._open[key]
        return False

    def take_changes(
        self,
        key: DocumentKey,
        document: Document,
        changes: Sequence[ContentChange],
        encoding: Encoding,
    ) -> bool:
        """The same for a `didChange`, which may spell the prediction in other changes.

        It is the prediction when it leaves the very text that the prediction would.
        """
        pending = self._open.get(key)
        if pending is None or not changes:
            return False
        try:
            expected = apply_edits(document.snapshot, pending.remaining)
            is_offered = _left_by(document.snapshot, changes, encoding) == expected
        except TextError:
            is_offered = False
        if is_offered:
            return pending.matches(pending.remaining)
        del self._open[key]
        return False

    def drop(self, key: DocumentKey) -> None:
        """Forget what was offered for a document."""
        self._open.pop(key, None)

    def accept(self, prediction: Prediction, tracker: Tracker) -> Outcome:
        """Take in an acceptance; edits that the editor reports never are made in the tracker here.

        Raises StaleSnapshot when the document was changed otherwise since the offer.
        """
        key = (prediction.project, prediction.path)
        pending = self._open.get(key)
        if pending is None or pending.prediction.id != prediction.id:
            raise StaleSnapshot(
                f"{prediction.path} changed since it was predicted: ask for a new prediction"
            )
        del self._open[key]
        if pending.is_untouched:
            tracker.edit_many(*key, prediction.edits, predicted=True)
        self._counts.add("accepted")
        return Outcome(prediction_id=prediction.id, accepted=True, was_shown=True)

    def reject(self, prediction: Prediction, reason: RejectReason, *, was_shown: bool) -> Outcome:
        """The outcome of a prediction that was not accepted."""
        self.drop((prediction.project, prediction.path))
        self._counts.add(reason)
        return Outcome(
            prediction_id=prediction.id, accepted=False, was_shown=was_shown, reason=reason
        )


def _left_by(
    snapshot: TextSnapshot, changes: Sequence[ContentChange], encoding: Encoding
) -> TextSnapshot:
    for change in changes:
        snapshot = snapshot.edit(locate_change(snapshot, change, encoding), change.text)
    return snapshot
