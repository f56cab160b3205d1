"""The open predictions of each document, carried along with what the user types.

A prediction once made costs nothing more while the user types what it says, and stands again when
an undo brings back a text that it fits. Knows nothing of editors, proposers or outcomes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Literal

from zeta_context.events.change import Change
from zeta_context.predict.interpolation import interpolate
from zeta_context.predict.prediction import Prediction, RejectReason
from zeta_context.text.edit import TextEdit
from zeta_context.text.snapshot import TextSnapshot

DocumentKey = tuple[str, str]
"""Project name and path."""

MAX_PREDICTIONS = 8
"""Predictions kept for a document: the current one, and those that an undo may bring back."""

MAX_CHANGES = 128
"""Changes of a document that a prediction may be late by."""


Reported = Literal["none", "maybe", "part", "edits"]


class OpenPrediction:
    """A prediction and what became of its text since.

    `reported` is what the last change has been: whole edits of it, a part of one, or one character
    that `maybe` was typed. `is_fresh` ends when another document changes: there is more to go by
    since. `asked_from` is the document that had the cursor. `is_cleared` that it may be shown,
    which typing alone does not change: only what takes text away can make a step back of it.
    """

    __slots__ = (
        "_change",
        "_edits",
        "_is_known",
        "asked_from",
        "base",
        "is_cleared",
        "is_fresh",
        "prediction",
        "reported",
    )

    def __init__(
        self, prediction: Prediction, base: TextSnapshot, change: Change | None = None
    ) -> None:
        self.prediction = prediction
        self.base = base
        self._change = change
        self._edits: tuple[TextEdit, ...] | None = None
        self._is_known = False
        self.reported: Reported = "none"
        self.is_fresh = True
        self.is_cleared = False
        self.asked_from: DocumentKey = (prediction.project, prediction.path)

    def follow(self, changes: Sequence[Change]) -> None:
        """Take in changes of the document."""
        for change in changes:
            self._change = change if self._change is None else self._change.followed_by(change)
            if change.old_span.length:
                self.is_cleared = False
        self._is_known = False

    @property
    def snapshot(self) -> TextSnapshot:
        """The document's text as of the last change."""
        return self.base if self._change is None else self._change.new

    @property
    def remaining(self) -> tuple[TextEdit, ...] | None:
        """The edits left, against `snapshot`: empty when all was typed, None off the way."""
        if not self._is_known:
            edits, change = self.prediction.edits, self._change
            self._edits = edits if change is None else interpolate(self.base, edits, change)
            self._is_known = True
        return self._edits

    @property
    def lapse(self) -> RejectReason | None:
        """Why there is nothing to show of it now."""
        if self.remaining is None:
            return "interpolate_failed"
        return None if self.remaining else "interpolated_empty"

    def now(self, version: int) -> Prediction | None:
        """The prediction for the text as it stands, `version` of the document; None if lapsed."""
        if not self.remaining:
            return None
        if version == self.prediction.version and self.remaining == self.prediction.edits:
            return self.prediction
        return replace(self.prediction, version=version, edits=self.remaining, region=None)


class PredictionCache:
    """Open predictions by document; each document has at most one current one. Bounded."""

    def __init__(self) -> None:
        self._open: dict[DocumentKey, OrderedDict[str, OpenPrediction]] = {}
        self._current: dict[DocumentKey, OpenPrediction] = {}
        self._changes: dict[DocumentKey, deque[Change]] = {}

    def follow(self, key: DocumentKey, changes: Sequence[Change]) -> None:
        """Take in changes of a document, in order."""
        self._changes.setdefault(key, deque(maxlen=MAX_CHANGES)).extend(changes)
        for other, kept in self._open.items():
            for one in kept.values():
                if other == key:
                    one.follow(changes)
                if other[0] == key[0] and (other != key or one.asked_from != key):
                    one.is_fresh = False

    def add(
        self, prediction: Prediction, base: TextSnapshot, now: TextSnapshot
    ) -> OpenPrediction | None:
        """Keep a prediction made for the text `base`, which has become `now`.

        None when the changes in between are no longer known.
        """
        key = (prediction.project, prediction.path)
        change = None
        if not base.is_same(now):
            change = self._since(key, base)
            if change is None:
                return None
        return self._keep(key, OpenPrediction(prediction, base, change))

    def add_ahead(self, prediction: Prediction, change: Change, now: TextSnapshot) -> bool:
        """Keep a prediction for a text that the document may have after its next changes.

        `change` leads from that text back to one that the document had, and which has become `now`.
        """
        key = (prediction.project, prediction.path)
        if not change.new.is_same(now):
            later = self._since(key, change.new)
            if later is None:
                return False
            change = change.followed_by(later)
        self._keep(key, OpenPrediction(prediction, change.old, change))
        return True

    def make_current(self, entry: OpenPrediction) -> None:
        """From now on this is the one that the editor shows."""
        prediction = entry.prediction
        key = (prediction.project, prediction.path)
        self._current.pop(key, None)
        self._current[key] = entry

    def _keep(self, key: DocumentKey, entry: OpenPrediction) -> OpenPrediction:
        kept = self._open.setdefault(key, OrderedDict())
        replaced = kept.get(entry.prediction.id)
        if replaced is not None and self._current.get(key) is replaced:
            # The same again: the older one would no longer be told of changes.
            self._current[key] = entry
        kept[entry.prediction.id] = entry
        kept.move_to_end(entry.prediction.id)
        if len(kept) > MAX_PREDICTIONS:
            oldest = next(one for one in kept.values() if one is not self._current.get(key))
            del kept[oldest.prediction.id]
        return entry

    def current(self, key: DocumentKey) -> OpenPrediction | None:
        """The current prediction of a document, whether it still stands or not."""
        return self._current.get(key)

    def unclear(self, key: DocumentKey) -> None:
        """Something was rejected: whether the predictions of a document may be shown is open."""
        for one in self._open.get(key, OrderedDict()).values():
            one.is_cleared = False

    def find(self, key: DocumentKey, prediction_id: str) -> OpenPrediction | None:
        """An open prediction by its id."""
        return self._open.get(key, OrderedDict()).get(prediction_id)

    def standing(self, key: DocumentKey) -> OpenPrediction | None:
        """The prediction that fits the document as it stands: the current one, or the newest.

        One that comes back by this is current again. None that other documents may have overtaken.
        """
        current = self._current.get(key)
        if current is not None and current.is_fresh and current.remaining:
            return current
        for one in reversed(self._open.get(key, OrderedDict()).values()):
            if one.is_fresh and one.remaining:
                self._current[key] = one
                return one
        return None

    def standing_elsewhere(self, key: DocumentKey) -> OpenPrediction | None:
        """The prediction for another document that a document asked for, if nothing changed since.

        Of several the newest.
        """
        found = [
            one
            for other, one in self._current.items()
            if other != key and one.asked_from == key and one.is_fresh and one.remaining
        ]
        return found[-1] if found else None

    def lapse(self, key: DocumentKey) -> None:
        """The current prediction is not current any more; an undo can bring it back."""
        self._current.pop(key, None)

    def remove(self, key: DocumentKey, prediction_id: str) -> None:
        """Forget a prediction."""
        current = self._current.get(key)
        if current is not None and current.prediction.id == prediction_id:
            del self._current[key]
        self._open.get(key, OrderedDict()).pop(prediction_id, None)

    def drop(self, key: DocumentKey) -> None:
        """Forget all predictions of a document."""
        self._current.pop(key, None)
        self._open.pop(key, None)
        self._changes.pop(key, None)

    def _since(self, key: DocumentKey, base: TextSnapshot) -> Change | None:
        """What happened to a document since a text; None when that is forgotten."""
        later: list[Change] = []
        for change in reversed(self._changes.get(key, ())):
            later.append(change)
            if change.old.is_same(base):
                return reduce(Change.followed_by, reversed(later))
        return None
