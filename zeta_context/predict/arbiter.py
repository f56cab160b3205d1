"""Asks the proposers in turn and lets the first useful answer win.

Knows neither editors nor servers; a fault in a proposer is counted and becomes silence.
"""

from __future__ import annotations

from collections.abc import Sequence

from zeta_context.counts import Counts
from zeta_context.predict.checks import Checks
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.rejections import Rejections
from zeta_context.predict.view import Document, LastingProposer, Proposer, View
from zeta_context.text.edit import TextEdit

OUT_OF_STEP = Discarded(reason="needs_resync", detail="edits were missed: send the whole text")
CANCELED = Discarded(reason="canceled", detail="a newer request took its place")


class Arbiter:
    """The first proposer with something worth showing wins; otherwise the last reason counts.

    Thread-safe as far as the proposers are.
    """

    def __init__(
        self,
        proposers: Sequence[Proposer],
        counts: Counts,
        *,
        checks: Checks | None = None,
        rejections: Rejections | None = None,
    ) -> None:
        if not proposers:
            raise ValueError("a predictor needs at least one proposer")
        self._proposers = tuple(proposers)
        self._counts = counts
        self._checks = checks if checks is not None else Checks()
        self._rejections = rejections

    def propose(
        self, view: View, *, after: str | None = None, only: str | None = None
    ) -> Prediction | Discarded:
        """The prediction to show, or the reason for silence; never raises.

        With `after`, only the proposers behind the one of that name are asked; with `only`, that
        one alone, if there is one.

        Besides those of the proposers and of `Checks`: `needs_resync`, `canceled`,
        `rejected_before`, `proposer_fault`. A suppressed proposal gives the next proposer its turn.
        """
        answer: Prediction | Discarded = OUT_OF_STEP
        if view.document.needs_resync:
            return answer
        suppressed: Discarded | None = None
        first = 0
        if after is not None:
            first = 1 + [one.name for one in self._proposers].index(after)
            answer = Discarded(reason="no_other", detail="no other proposer is left")
        for number, proposer in enumerate(self._proposers[first:], start=first):
            if only is not None and proposer.name != only:
                continue
            if view.cancel.is_cancelled:
                return CANCELED
            answer, is_suppressed = self._ask(proposer, view)
            if answer:
                self._read_ahead(self._proposers[number + 1 :], view)
                return answer
            if isinstance(answer, Discarded) and (
                (is_suppressed and suppressed is None)
                or (answer.jump is not None and (suppressed is None or suppressed.jump is None))
            ):
                suppressed = answer
        # Where to go, or that something was held back, says more than that a later one had nothing.
        return answer if suppressed is None else suppressed

    def close(self) -> None:
        """Let go of what proposers hold."""
        for proposer in self._proposers:
            if isinstance(proposer, LastingProposer):
                proposer.close()

    def _read_ahead(self, proposers: Sequence[Proposer], view: View) -> None:
        """Nobody waits for those that were not asked: they may read what the next prompt shares."""
        for proposer in proposers:
            if isinstance(proposer, LastingProposer):
                try:
                    proposer.read_ahead(view)
                except Exception as fault:
                    self._counts.add(f"fault_{proposer.name}_{type(fault).__name__}")

    def _ask(self, proposer: Proposer, view: View) -> tuple[Prediction | Discarded, bool]:
        try:
            answer = proposer.propose(view)
            if not isinstance(answer, Prediction):
                return answer, False
            checked = self._checks.check(answer, view)
        except Exception as fault:  # a proposer's fault is the user's silence, never an error
            self._counts.add(f"fault_{proposer.name}_{type(fault).__name__}")
            detail = f"{proposer.name} failed with {type(fault).__name__}"
            return Discarded(reason="proposer_fault", detail=detail), False
        if isinstance(checked, Prediction):
            document = view.find(checked.project, checked.path)
            if document is not None and self.was_rejected(document, checked.edits):
                return Discarded(reason="rejected_before", detail="you rejected this here"), True
        return checked, not checked

    def was_rejected(self, document: Document, edits: Sequence[TextEdit]) -> bool:
        """Whether the user has rejected one of the edits of a document near there."""
        return self._rejections is not None and self._rejections.has_in(document, edits)
