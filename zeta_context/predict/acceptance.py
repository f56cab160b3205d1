"""Recognises a shown prediction in the edits that an editor reports.

Editors apply an accepted prediction and then report it like typing, in one change or in several, in
any order; the edit history must still tell it from the user's own work. Knows one prediction at a
time, and nothing of documents.
"""

from __future__ import annotations

from zeta_context.predict.prediction import Prediction
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span


class PendingAcceptance:
    """The edits of one prediction that the editor has not reported yet, in today's offsets."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self._remaining = list(prediction.edits)
        self._is_untouched = True

    @property
    def is_untouched(self) -> bool:
        """Whether the document is still the text that the prediction was made from."""
        return self._is_untouched

    @property
    def is_complete(self) -> bool:
        """Whether every edit of the prediction was reported."""
        return not self._remaining

    @property
    def remaining(self) -> tuple[TextEdit, ...]:
        """The edits not reported yet, against today's text."""
        return tuple(self._remaining)

    def matches(self, edits: tuple[TextEdit, ...]) -> bool:
        """Whether `edits`, one change against today's text, belong to the prediction.

        True takes them off the list; False changes nothing: the prediction is then out of date.
        """
        if not edits or any(edit not in self._remaining for edit in edits):
            return False
        self._is_untouched = False
        for done in edits:
            self._remaining.remove(done)
        self._remaining = [_shifted(edit, edits) for edit in self._remaining]
        return True


def _shifted(edit: TextEdit, done: tuple[TextEdit, ...]) -> TextEdit:
    shift = sum(
        len(other.new_text) - other.span.length
        for other in done
        if other.span.end <= edit.span.start
    )
    return TextEdit(Span(edit.span.start + shift, edit.span.end + shift), edit.new_text)
