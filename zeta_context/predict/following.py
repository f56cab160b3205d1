"""Carries what is known of each open document along with its changes.

The tracker's observer: hands every change on to the open predictions and to the provenance. Knows
nothing of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

from zeta_context.events.change import Change
from zeta_context.events.observer import Author
from zeta_context.predict.cache import DocumentKey
from zeta_context.predict.offers import Offers
from zeta_context.predict.provenance import Provenance, ProvenanceRecorder
from zeta_context.predict.ripples import Ripples

MAX_DOCUMENTS = 64
_NOTHING = Provenance()


class Follower:
    """What was done to each document, in bounded memory."""

    def __init__(self, offers: Offers, ripples: Ripples | None = None) -> None:
        self._offers = offers
        self._ripples = ripples if ripples is not None else Ripples()
        self._recorders: OrderedDict[DocumentKey, ProvenanceRecorder] = OrderedDict()
        self._accepted = 0
        self._kept_before = 0

    def follow(
        self, project: str, path: str, changes: Sequence[Change], *, author: Author, at: float
    ) -> None:
        """Take in changes of a document that was just changed."""
        key = (project, path)
        recorder = self._recorders.pop(key, None) or ProvenanceRecorder()
        self._recorders[key] = recorder
        for change in changes:
            recorder.follow(change, author=author, at=at)
            if author == "prediction":
                self._accepted += change.new_span.length
        if len(self._recorders) > MAX_DOCUMENTS:
            self._forget(next(iter(self._recorders)))
        self._offers.follow(key, changes)
        self._ripples.follow(key, changes)

    def stay(self, project: str, paths: Collection[str]) -> None:
        """The user does not want to go to other files than those of `paths`."""
        self._ripples.stay(project, paths)

    def kept_share(self) -> float | None:
        """How much of the text of accepted predictions still stands, 0..1; None without any.

        Of a document that was closed, as it was then.
        """
        if not self._accepted:
            return None
        kept = self._kept_before + sum(map(_count_predicted, self._recorders.values()))
        return min(1.0, kept / self._accepted)

    def _forget(self, key: DocumentKey) -> None:
        recorder = self._recorders.pop(key, None)
        if recorder is not None:
            self._kept_before += _count_predicted(recorder)

    def provenance(self, key: DocumentKey) -> Provenance:
        """The provenance of a document's text as it stands."""
        recorder = self._recorders.get(key)
        return _NOTHING if recorder is None else recorder.provenance()

    def provenances(self, project: str) -> dict[str, Provenance]:
        """The same for all changed documents of a project, by path."""
        return {
            path: recorder.provenance()
            for (name, path), recorder in self._recorders.items()
            if name == project
        }

    def drop(self, key: DocumentKey) -> None:
        """Forget a document: it was closed, or read anew."""
        self._forget(key)
        self._offers.drop(key)
        self._ripples.drop(key)


def _count_predicted(recorder: ProvenanceRecorder) -> int:
    segments = recorder.provenance().segments
    return sum(
        one.length for one in segments if one.step is not None and one.step.author == "prediction"
    )
