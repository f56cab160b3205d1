"""Asks the proposers in turn and checks what they propose.

Knows neither editors nor servers; a fault in a proposer is counted and becomes silence.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from zeta_context.context.gather import Stage
from zeta_context.counts import Counts
from zeta_context.predict.checks import check_prediction
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View

OUT_OF_STEP = Discarded(reason="needs_resync", detail="edits were missed: send the whole text")


class Predictor:
    """The first proposer with something worth showing wins; otherwise the last reason counts."""

    def __init__(self, proposers: Sequence[Proposer], counts: Counts) -> None:
        if not proposers:
            raise ValueError("a predictor needs at least one proposer")
        self._proposers = tuple(proposers)
        self._counts = counts

    def predict(self, view: View) -> Prediction | Discarded:
        """The prediction to show, or the reason for silence; never raises."""
        answer: Prediction | Discarded = OUT_OF_STEP
        if view.document.needs_resync:
            return answer
        for proposer in self._proposers:
            answer = self._ask(proposer, view)
            if answer:
                return answer
        return answer

    def predict_timed(self, view: View) -> tuple[Prediction | Discarded, Stage]:
        """The same, and how long it took."""
        started = time.perf_counter()
        answer = self.predict(view)
        return answer, Stage(name="propose", elapsed_ms=(time.perf_counter() - started) * 1000)

    def _ask(self, proposer: Proposer, view: View) -> Prediction | Discarded:
        try:
            answer = proposer.propose(view)
        except Exception as fault:  # a proposer's fault is the user's silence, never an error
            self._counts.add(f"fault_{proposer.name}_{type(fault).__name__}")
            return Discarded(
                reason="proposer_fault",
                detail=f"{proposer.name} failed with {type(fault).__name__}",
            )
        return check_prediction(answer, view) if answer else answer
