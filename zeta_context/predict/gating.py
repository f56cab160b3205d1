"""Whether a prediction is wanted here and now: switches, modes, what the user is busy with.

Also how eager to be: what was accepted and rejected of late decides how long typing must rest and
how sure a proposer must be. Pure; knows neither proposers nor editors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Document
from zeta_context.prompt.input import Trigger

if TYPE_CHECKING:
    from pathspec import PathSpec

Mode = Literal["eager", "subtle", "manual"]
"""Show what there is; show that there is something, and it on a key; say nothing unless asked."""

BusyState = Literal["menu", "selection", "snippet", "ime"]
"""What an editor may tell that its user is in the middle of."""

BUSY_STATES: frozenset[str] = frozenset(get_args(BusyState))

DIRECT: frozenset[Trigger] = frozenset(("explicit", "cli", "testing", "other"))
"""Triggers of requests that are never held back: somebody asked, not the typing."""

REMEMBERED = 20
LEAST_REMEMBERED = 5
GOOD_SHARE = 0.4
"""From this share of accepted predictions on nothing is held back."""

MOST_CONFIDENCE = 0.9
MOST_PAUSE_S = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class GatingSettings:
    """When predictions are wanted at all.

    Without `enabled` nothing is asked, gathered, started or watched. The `mode` is `eager` (show
    what there is), `subtle` (show that there is something, and it on a key) or `manual` (say
    nothing unless asked). With `adapts` rejections make for longer pauses and surer predictions,
    and acceptances for the opposite. `off_languages` are language ids without predictions.
    `off_paths` are patterns of files without any, as in `.gitignore`, below a project's root.
    """

    enabled: bool = True
    mode: Mode = "eager"
    adapts: bool = True
    off_languages: tuple[str, ...] = ()
    off_paths: tuple[str, ...] = ()


class Eagerness:
    """Follows what becomes of the predictions that were shown."""

    def __init__(self) -> None:
        self._outcomes: deque[bool] = deque(maxlen=REMEMBERED)

    def add(self, *, is_accepted: bool) -> None:
        """A shown prediction was accepted, or not."""
        self._outcomes.append(is_accepted)

    @property
    def reluctance(self) -> float:
        """0 (say all there is) to 1 (all was rejected of late)."""
        if len(self._outcomes) < LEAST_REMEMBERED:
            return 0.0
        share = sum(self._outcomes) / len(self._outcomes)
        return max(0.0, 1 - share / GOOD_SHARE)

    @property
    def pause_s(self) -> float:
        """How long typing must rest besides what the settings say, in seconds."""
        return MOST_PAUSE_S * self.reluctance

    @property
    def least_confidence(self) -> float:
        """How sure a prediction must be that tells how sure it is, 0..1."""
        return MOST_CONFIDENCE * self.reluctance


class Gate:
    """Decides for each request."""

    def __init__(self, settings: GatingSettings, eagerness: Eagerness | None = None) -> None:
        self._settings = settings
        self.eagerness = eagerness if eagerness is not None else Eagerness()

    def refuse(
        self, document: Document, trigger: Trigger, busy: Collection[BusyState] = ()
    ) -> Discarded | None:
        """Why a request is not to be answered; None when it is.

        Reasons: `off`, `off_language`, `off_path`; and for what typing triggers `manual_mode`,
        `editor_busy`.
        """
        settings = self._settings
        if not settings.enabled:
            return Discarded(reason="off", detail="predictions are turned off")
        if document.language in settings.off_languages:
            detail = f"predictions are turned off for {document.language}"
            return Discarded(reason="off_language", detail=detail)
        if settings.off_paths and self._paths.match_file(document.path):
            return Discarded(reason="off_path", detail="predictions are turned off for this file")
        if busy:
            return Discarded(reason="editor_busy", detail=f"there is a {sorted(busy)[0]} open")
        if settings.mode == "manual" and trigger not in DIRECT:
            return Discarded(reason="manual_mode", detail="predictions are made when asked for")
        return None

    def pause_s(self, trigger: Trigger) -> float:
        """How long a request waits for more typing on account of what was rejected."""
        return 0.0 if trigger in DIRECT or not self._settings.adapts else self.eagerness.pause_s

    def doubt(self, prediction: Prediction, trigger: Trigger) -> Discarded | None:
        """`not_eager` for one that is not sure enough after what was rejected of late."""
        if trigger in DIRECT or not self._settings.adapts or prediction.confidence is None:
            return None
        least = self.eagerness.least_confidence
        if prediction.confidence >= least:
            return None
        detail = f"its confidence is {prediction.confidence:.2f}, of late {least:.2f} is asked for"
        return Discarded(reason="not_eager", detail=detail)

    @cached_property
    def _paths(self) -> PathSpec[Any]:
        from pathspec import PathSpec

        return PathSpec.from_lines("gitignore", self._settings.off_paths)
