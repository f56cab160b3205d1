"""The predictions that editors were given: which one is on the screen, and what became of it.

Editors apply an accepted prediction and then report it like typing, in one change or in several;
the edit history must still tell it from the user's own work. Knows nothing of how predictions are
made or shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from zeta_context.counts import Counts
from zeta_context.errors import StaleSnapshot, TextError
from zeta_context.events.change import Change
from zeta_context.events.content_change import ContentChange, locate_change
from zeta_context.events.tracker import Tracker
from zeta_context.predict.cache import (
    DocumentKey,
    OpenPrediction,
    PredictionCache,
    Reported,
)
from zeta_context.predict.gating import Eagerness
from zeta_context.predict.partial import cut_part
from zeta_context.predict.prediction import (
    Discarded,
    Jump,
    Outcome,
    Part,
    Prediction,
    RejectReason,
)
from zeta_context.predict.rejections import Rejections
from zeta_context.predict.view import Document, View
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

PARTS: tuple[Part, ...] = ("word", "line")

_LATE = {
    "interpolated_empty": "the predicted text was typed meanwhile",
    "interpolate_failed": "the document changed otherwise while predicting",
    "stale": "the document changed while predicting",
}


class Offers:
    """Open offers, at most one current for each document."""

    def __init__(self, counts: Counts, rejections: Rejections | None = None) -> None:
        self._counts = counts
        self._rejections = rejections
        self._cache = PredictionCache()
        self.eagerness = Eagerness()

    def make(
        self, answer: Prediction, view: View, tracker: Tracker, *, may_replace: bool = False
    ) -> Prediction | Discarded:
        """The prediction to show, carried over what was typed while it was made.

        Reasons for none: `interpolated_empty`, `interpolate_failed`, `stale`. A current prediction
        that still stands is kept (`current_preferred` is counted) unless the new one says more, or
        `may_replace`, since the user asked; the one that gives way is counted as `replaced`.
        """
        base = view.find(answer.project, answer.path)
        now = _find(tracker, answer)
        if base is None or now is None:
            return _late("stale")
        key = (answer.project, answer.path)
        current = self._cache.current(key)
        entry = self._cache.add(answer, base.snapshot, now.snapshot)
        if entry is None:
            return _late("stale")
        entry.asked_from = (view.document.project, view.document.path)
        new = entry.now(now.version)
        if new is None:
            self._cache.remove(key, answer.id)
            return _late(entry.lapse or "stale")
        if current is not None and current is not entry and (kept := current.now(now.version)):
            if not may_replace and not says_more(kept, new):
                self._counts.add("current_preferred")
                if answer.id != kept.id:
                    self._cache.remove(key, answer.id)
                current.is_fresh = True
                return kept
            self._cache.remove(key, kept.id)
            self._counts.add("replaced")
        self._cache.make_current(entry)
        self._counts.add("predicted")
        return new

    def make_ahead(self, answer: Prediction, change: Change, tracker: Tracker) -> bool:
        """Keep a prediction for the text that an acceptance would leave.

        `change` leads from that text back to the one before the acceptance.
        """
        now = _find(tracker, answer)
        return now is not None and self._cache.add_ahead(answer, change, now.snapshot)

    def standing(self, document: Document, tracker: Tracker) -> Prediction | None:
        """The prediction that fits a document as it stands, at no cost.

        Or that for another document for which it was asked from here, if nothing changed since.
        """
        key = (document.project, document.path)
        entry = self._cache.standing(key) or self._cache.standing_elsewhere(key)
        if entry is None:
            return None
        now: Document | None = document
        if (entry.prediction.project, entry.prediction.path) != key:
            now = _find(tracker, entry.prediction)
        if now is None or not entry.snapshot.is_same(now.snapshot):
            return None
        entry.reported = "none"
        return entry.now(now.version)

    def has_current(self, key: DocumentKey) -> bool:
        """Whether a document has a current prediction, whether it still stands or not."""
        return self._cache.current(key) is not None

    def is_cleared(self, prediction: Prediction) -> bool:
        """Whether a standing prediction is known to be none that must not be shown."""
        entry = self._cache.find((prediction.project, prediction.path), prediction.id)
        return entry is not None and entry.is_cleared

    def clear(self, prediction: Prediction) -> None:
        """A standing prediction may be shown."""
        entry = self._cache.find((prediction.project, prediction.path), prediction.id)
        if entry is not None:
            entry.is_cleared = True

    def suppress(self, prediction: Prediction) -> None:
        """A standing prediction must not be shown as things are now; it may later."""
        self._cache.lapse((prediction.project, prediction.path))

    def follow(self, key: DocumentKey, changes: Sequence[Change]) -> None:
        """Take in changes of a document after they were made."""
        entry = self._cache.current(key)
        had_some = entry is not None and bool(entry.remaining)
        self._cache.follow(key, changes)
        if entry is None or not had_some or entry.reported in ("part", "edits"):
            return
        lapse = entry.lapse
        if lapse is not None:
            self._counts.add(lapse)
        if lapse == "interpolate_failed":
            self._cache.lapse(key)

    def take_edits(self, key: DocumentKey, edits: Sequence[TextEdit]) -> bool:
        """Whether a change about to be made is the current prediction, or a part of it.

        One character is taken for typing: nothing tells it from an acceptance.
        """
        entry = self._cache.current(key)
        if entry is None or not edits or not entry.remaining:
            return False
        remaining = entry.remaining
        if all(edit in remaining for edit in edits):
            return _report(entry, edits, "edits")
        if any(cut_part(entry.snapshot, remaining, part) == tuple(edits) for part in PARTS):
            return _report(entry, edits, "part")
        return _report(entry, edits, "none")

    def take_changes(
        self,
        key: DocumentKey,
        document: Document,
        changes: Sequence[ContentChange],
        encoding: Encoding,
    ) -> bool:
        """The same for a `didChange`, which may spell the prediction in other changes.

        It is the prediction, or a part, when it leaves the very text that this would.
        """
        entry = self._cache.current(key)
        if entry is None or not changes or not entry.remaining:
            return False
        remaining, snapshot = entry.remaining, document.snapshot
        try:
            left = _left_by(snapshot, changes, encoding)
            if apply_edits(snapshot, remaining) == left:
                return _report(entry, remaining, "edits")
            for part in PARTS:
                edits = cut_part(snapshot, remaining, part)
                if apply_edits(snapshot, edits) == left:
                    return _report(entry, edits, "part")
        except TextError:
            pass
        return _report(entry, (), "none")

    def drop(self, key: DocumentKey) -> None:
        """Forget what was offered for a document."""
        self._cache.drop(key)

    def accept(
        self,
        prediction: Prediction,
        tracker: Tracker,
        *,
        part: Part | None = None,
        is_reported: bool = False,
    ) -> Outcome:
        """Take in an acceptance; edits that the editor has not reported are made in the tracker.

        With `is_reported` none are made: the editor reports them all, before or after.

        Raises StaleSnapshot when the document was changed otherwise since the offer.
        """
        key = (prediction.project, prediction.path)
        entry = self._cache.find(key, prediction.id)
        if entry is None or entry.remaining is None:
            raise StaleSnapshot(
                f"{prediction.path} changed since it was predicted: ask for a new prediction"
            )
        edits: tuple[TextEdit, ...] = ()
        if part is not None:
            is_reported = is_reported or entry.reported != "none"
        if not is_reported and entry.reported != "edits":
            edits = entry.remaining
            if part is not None:
                edits = cut_part(entry.snapshot, edits, part)
        entry.reported = "none"
        if part is None or not entry.remaining or edits == entry.remaining:
            part = None
            self._cache.remove(key, prediction.id)
        if edits:
            tracker.edit_many(*key, edits, predicted=True)
        self._counts.add("accepted" if part is None else "partially_accepted")
        self.eagerness.add(is_accepted=True)
        return Outcome(
            prediction_id=prediction.id, accepted=True, was_shown=True, part=part, edits=edits
        )

    def reject(self, prediction: Prediction, reason: RejectReason, *, was_shown: bool) -> Outcome:
        """The outcome of a prediction that was not accepted; one `rejected` is remembered."""
        key = (prediction.project, prediction.path)
        entry = self._cache.find(key, prediction.id)
        if entry is not None and reason == "rejected" and self._rejections is not None:
            if entry.remaining:
                self._rejections.add(*key, entry.snapshot, entry.remaining)
            else:
                self._rejections.add(*key, entry.base, entry.prediction.edits)
        self._cache.remove(key, prediction.id)
        self._cache.unclear(key)
        self._counts.add(reason)
        if was_shown and reason in ("rejected", "discarded"):
            self.eagerness.add(is_accepted=False)
        return Outcome(
            prediction_id=prediction.id, accepted=False, was_shown=was_shown, reason=reason
        )

    def reject_jump(self, jump: Jump) -> None:
        """Take in that the user does not want to go there: the planned edits do not come back."""
        if self._rejections is not None:
            self._rejections.add(jump.project, jump.path, jump.text, jump.edits)
        self._counts.add("jump_rejected")


def says_more(shown: Prediction, new: Prediction) -> bool:
    """Whether a prediction is worth taking the place of a shown one that still stands.

    It must hold all of it and more: the same edits and others, or one edit of the same place that
    goes on where the shown one ends. An equal one, a part of it or another opinion is not.
    """
    if len(shown.edits) == len(new.edits) == 1:
        (old,), (edit,) = shown.edits, new.edits
        is_longer = len(edit.new_text) > len(old.new_text)
        return edit.span == old.span and is_longer and edit.new_text.startswith(old.new_text)
    return len(new.edits) > len(shown.edits) and set(shown.edits) < set(new.edits)


def _report(entry: OpenPrediction, edits: Sequence[TextEdit], reported: Reported) -> bool:
    size = sum(edit.span.length + len(edit.new_text) for edit in edits)
    entry.reported = "maybe" if reported != "none" and size <= 1 else reported
    return entry.reported in ("part", "edits")


def _find(tracker: Tracker, prediction: Prediction) -> Document | None:
    documents = tracker.documents(prediction.project)
    return next((one for one in documents if one.path == prediction.path), None)


def _late(reason: str) -> Discarded:
    return Discarded(reason=reason, detail=_LATE[reason])


def _left_by(
    snapshot: TextSnapshot, changes: Sequence[ContentChange], encoding: Encoding
) -> TextSnapshot:
    for change in changes:
        snapshot = snapshot.edit(locate_change(snapshot, change, encoding), change.text)
    return snapshot
