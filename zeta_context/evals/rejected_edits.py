"""Remembers which edits the simulated user rejected and where: the measure of being nagged.

An edit is the same when it takes away and puts in the same characters, but for blanks at their
ends, within a few rows of where it was rejected, wherever later edits have moved that place.
Shares no code with the library's own rejection memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.events.trace import Edited
from zeta_context.predict.prediction import Prediction

NEIGHBOURHOOD_ROWS = 10


@dataclass(slots=True, kw_only=True)
class _Rejected:
    path: str
    offset: int
    changes: tuple[tuple[str, str], ...]


class RejectedEdits:
    """The rejections of one session."""

    def __init__(self) -> None:
        self._rejected: list[_Rejected] = []

    def add(self, prediction: Prediction, text: str) -> None:
        """Take in that a prediction was not wanted; `text` is the document it was made for."""
        self._rejected.append(
            _Rejected(
                path=prediction.path,
                offset=prediction.edits[0].span.start,
                changes=_changes(prediction, text),
            )
        )

    def follow(self, edit: Edited) -> None:
        """Move the places along with an edit of the document."""
        shift = len(edit.new_text) - edit.span.length
        for one in self._rejected:
            if one.path == edit.path and edit.span.start < one.offset:
                one.offset = max(edit.span.start, one.offset + shift)

    def has(self, prediction: Prediction, text: str) -> bool:
        """Whether the same was rejected nearby."""
        place = prediction.edits[0].span.start
        changes = _changes(prediction, text)
        return any(
            one.path == prediction.path
            and one.changes == changes
            and text.count("\n", *sorted((one.offset, place))) <= NEIGHBOURHOOD_ROWS
            for one in self._rejected
        )


def _changes(prediction: Prediction, text: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (text[edit.span.start : edit.span.end].strip(), edit.new_text.strip())
        for edit in prediction.edits
    )
