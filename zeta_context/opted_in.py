"""What a session does only where the user opted in: collecting examples, taking part in rollouts.

Wiring only; by default there is nothing here, and nothing of it is imported. Knows nothing of how
predictions are made.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zeta_context.counts import Counts
from zeta_context.errors import DocumentError
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.predict.predictor import Predictor
from zeta_context.predict.report import Latencies
from zeta_context.predict.view import View
from zeta_context.runners.settings import ModelSettings
from zeta_context.settings import Settings

if TYPE_CHECKING:
    from zeta_context.capture.collecting import Collecting
    from zeta_context.rollout.exchange import RolloutExchange
    from zeta_context.rollout.shadow import Shadow
    from zeta_context.rollout.taking_part import TakingPart


class OptedIn:
    """The opted-in parts of one session; its methods cost little and never raise into it."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self._settings = settings
        self._counts = counts
        self._tracker: Tracker | None = None
        self._collecting: Collecting | None = None
        self._part: TakingPart | None = None
        self._exchange: RolloutExchange | None = None
        self._shadow: Shadow | None = None
        self._latencies = Latencies()
        if settings.rollout.is_opted_in:
            from zeta_context.rollout.taking_part import take_part

            self._part = take_part(settings.rollout, self._text, counts)
            if self._part is not None:
                from zeta_context.rollout.exchange import RolloutExchange

                self._exchange = RolloutExchange(
                    settings.rollout, capture=settings.capture, counts=counts
                )

    @property
    def is_collecting(self) -> bool:
        """Whether the user's configuration names everything that collecting needs."""
        return self._collecting is not None

    def choose_model(self) -> ModelSettings:
        """The model to ask: the user's own, or the one of the variant that they try."""
        own = self._settings.model
        return own if self._part is None else self._part.choose_model(own)

    def attach(self, projects: Projects, tracker: Tracker, predictor: Predictor) -> None:
        """Follow a session's predictions from now on."""
        self._tracker = tracker
        self._latencies = predictor.latencies
        settings = self._settings
        if settings.collection.is_complete:
            from zeta_context.capture.collecting import Collecting

            self._collecting = Collecting(
                projects, tracker, settings.collection, settings.capture, counts=self._counts
            )
        if settings.rollout.shadow_model:
            from zeta_context.rollout.shadowing import open_shadow

            self._shadow = open_shadow(
                settings.rollout,
                settings.model,
                projects=projects,
                predict=settings.predict,
                remote=settings.remote,
                read_text=self._text,
                counts=self._counts,
            )
        if self._collecting is not None or self._shadow is not None:
            predictor.on_answer = self._offer

    def limit(self, *, editor_allows: bool, is_trusted: bool) -> None:
        """Collect nothing while the editor's telemetry is off or its workspace untrusted."""
        if self._collecting is not None:
            self._collecting.limit(editor_allows=editor_allows, is_trusted=is_trusted)

    def start(self) -> None:
        """Begin to send what is due, and to ask for manifests, where that is allowed."""
        if self._collecting is not None:
            self._collecting.start()
        if self._exchange is not None:
            self._exchange.start()

    async def aclose(self) -> None:
        """Keep what was seen, and stop."""
        if self._collecting is not None:
            await self._collecting.aclose()
        if self._exchange is not None:
            await asyncio.to_thread(self._exchange.close)
        if self._part is not None:
            self._part.close()
        if self._shadow is not None:
            await asyncio.to_thread(self._shadow.close)

    def note_answer(self, answer: Prediction | Discarded, elapsed_ms: float) -> None:
        """Take the answer to a request, and how long it took."""
        if self._part is not None:
            self._part.note_answer(answer, elapsed_ms)

    def note_outcome(self, prediction: Prediction, outcome: Outcome) -> Outcome:
        """Take what became of a prediction, and give it back."""
        if self._collecting is not None:
            self._collecting.resolve(prediction, outcome)
        if self._part is not None:
            self._part.note_outcome(prediction, outcome)
        return outcome

    def _offer(self, view: View, answer: Prediction | Discarded) -> None:
        if self._collecting is not None:
            self._collecting.offer(view, answer)
        if self._shadow is not None:
            self._shadow.offer(view, answer, self._latencies.last_ms)

    def _text(self, project: str, path: str) -> str | None:
        try:
            return self._tracker.document(project, path).snapshot.text if self._tracker else None
        except DocumentError:
            return None
