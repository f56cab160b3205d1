"""An opted-in session's part in an experiment: which model it uses, and what became of it.

Counts, and writes the counts as a row when the session ends, or is long; no text is kept or
written. How much of an accepted prediction was kept is told from the document a while after. Knows
nothing of how predictions are made or shown.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zeta_context.capture.example import make_record_id
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.safe_read import CannotRead
from zeta_context.consent.state_folder import make_private_folder, state_folder
from zeta_context.counts import Counts
from zeta_context.metrics.kept_rate import score_kept_rate
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.rollout.following import ManifestFile, RolloutSettings, follow
from zeta_context.rollout.kept_files import manifest_path, outcomes_path
from zeta_context.rollout.manifest import Variant
from zeta_context.rollout.outcomes import NO_LATENCIES, OutcomeCounts, count_latency, write_outcomes
from zeta_context.runners.installed import find_installed
from zeta_context.runners.settings import ModelSettings
from zeta_context.text.edit import apply_edits

SETTLE_S = 30.0
"""How long after an acceptance it is looked how much of it is still there."""
MAX_REMEMBERED = 64
ROW_REQUESTS = 200
"""A session that goes on and on writes a row each time it has counted so many requests."""
ERRORS = frozenset(
    {
        "bad_answer",
        "bad_output",
        "model_not_set_up",
        "model_refused",
        "out_of_memory",
        "proposer_fault",
        "runner_error",
        "runner_gone",
        "runner_timeout",
    }
)
"""Silences for want of an answer that could be used."""

ReadText = Callable[[str, str], str | None]
"""The text of a document by project and path, None where it is not open."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    prediction: Prediction
    before: str
    at: float


class TakingPart:
    """One session with one variant; the methods cost little and never raise into the session."""

    def __init__(
        self,
        settings: RolloutSettings,
        install: str,
        *,
        read_text: ReadText,
        counts: Counts,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = state_folder() if folder is None else folder
        self._read_text = read_text
        self._clock = clock
        file = ManifestFile(manifest_path(self._folder), settings.public_key)
        followed = follow(settings, file, install, at=clock())
        self.variant: Variant | None = followed.variant
        self._counted = OutcomeCounts(
            install=install,
            variant=followed.variant.name if followed.variant is not None else "",
            id=make_record_id(),
            experiment=followed.manifest.experiment if followed.manifest is not None else "",
            stage=followed.manifest.stage if followed.manifest is not None else 0,
            ring=settings.ring,
        )
        self._shown: OrderedDict[str, str] = OrderedDict()
        self._accepted: list[_Accepted] = []
        self._counts = counts

    def choose_model(self, own: ModelSettings) -> ModelSettings:
        """The variant's model; the user's own where there is none, or it is not installed as it
        was signed."""
        variant = self.variant
        if variant is None or not variant.model:
            return own
        installed = find_installed(variant.model)
        if installed is None:
            self._counts.add("rollout_model_missing")
            return own
        if variant.sha256 and variant.sha256 not in installed.sha256.values():
            self._counts.add("rollout_model_differs")
            return own
        return ModelSettings(id=variant.model, format=variant.format)

    def note_answer(self, answer: Prediction | Discarded, elapsed_ms: float) -> None:
        """A request was answered; one that is shown again is no new request."""
        if self.variant is None or (isinstance(answer, Discarded) and answer.reason == "canceled"):
            return
        if isinstance(answer, Prediction):
            if answer.id in self._shown:
                return
            self._remember(answer)
        reason = answer.reason if isinstance(answer, Discarded) else ""
        self._add(
            requests=1,
            shown=int(isinstance(answer, Prediction)),
            errors=int(reason in ERRORS),
            reversals=int(reason == "reversal"),
            latencies=count_latency(elapsed_ms),
        )
        self._settle(self._clock() - SETTLE_S)
        if self._counted.requests >= ROW_REQUESTS:
            self._write()

    def note_outcome(self, prediction: Prediction, outcome: Outcome) -> None:
        """What became of a prediction; accepted once, however many parts it was accepted in."""
        before = self._shown.get(prediction.id)
        if self.variant is None or before is None or not outcome.accepted:
            return
        self._shown.pop(prediction.id)
        self._shown[prediction.id] = ""  # shown and dealt with: not counted again
        if before:
            self._add(accepted=1)
            self._accepted.append(_Accepted(prediction, before, self._clock()))
            del self._accepted[:-MAX_REMEMBERED]

    def close(self) -> None:
        """Look at what was accepted, and write the last row."""
        self._settle(float("inf"))
        if self.variant is not None and self._counted.requests:
            self._write()

    def _write(self) -> None:
        try:
            write_outcomes(outcomes_path(make_private_folder(self._folder)), [self._counted])
        except OSError:
            self._counts.add("rollout_outcomes_lost")
        self._counted = replace(self._counted, id=make_record_id(), **_NOTHING)

    def _remember(self, prediction: Prediction) -> None:
        text = self._read_text(prediction.project, prediction.path)
        self._shown[prediction.id] = text or ""
        if len(self._shown) > MAX_REMEMBERED:
            self._shown.popitem(last=False)

    def _settle(self, until: float) -> None:
        """Count the kept characters of what was accepted before a time."""
        kept = 0
        for one in [one for one in self._accepted if one.at <= until]:
            self._accepted.remove(one)
            later = self._read_text(one.prediction.project, one.prediction.path)
            if later is None:
                continue
            edits = one.prediction.edits
            if edits and edits[-1].span.end <= len(one.before):
                predicted = apply_edits(one.before, edits)
                rate = score_kept_rate(base=one.before, predicted=predicted, reference=later)
                kept += round(rate.kept_rate * sum(len(edit.new_text) for edit in edits))
        self._add(kept_characters=kept)

    def _add(self, **counted: Any) -> None:
        blank = replace(self._counted, **_NOTHING)
        self._counted = replace(self._counted + replace(blank, **counted), id=self._counted.id)


_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("requests", "shown", "accepted", "kept_characters", "errors", "reversals"), 0),
    "latencies": NO_LATENCIES,
}


def take_part(settings: RolloutSettings, read_text: ReadText, counts: Counts) -> TakingPart | None:
    """A session's part; None for an installation without an id, which never gave a consent."""
    try:
        installation = GrantStore().installation()
    except CannotRead:
        installation = None
    if installation is None:
        counts.add("rollout_no_installation")
        return None
    return TakingPart(settings, installation.id, read_text=read_text, counts=counts)
