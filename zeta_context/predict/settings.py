"""How often predictions are asked for, and what is remembered of them.

They come from the embedder or from the user's own configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from zeta_context.predict.checks import CheckSettings
from zeta_context.predict.gating import GatingSettings

Verification = Literal["off", "last", "suppress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSettings:
    """When predictions are made, and what may be shown.

    `throttle_ms` is the time between two requests that typing triggers in a document.
    `debounce_ms` is how long typing must rest before one is sent (0: the first goes at once).
    `max_in_flight` is how many of them there are at a time. A prediction that took
    `prefetch_from_ms` to make is followed by the one for the text that accepting it would leave.
    With `verification` a language server, behind the proxy the editor's own, is asked whether a
    prediction brings new errors; such a one is shown if nothing else is proposed (`last`), or never
    (`suppress`). It is given `verify_deadline_ms` to answer. With `keep_rejections` what the user
    rejected is remembered beyond the session, in `rejections_folder` or the user's state folder.
    """

    throttle_ms: float = 300.0
    debounce_ms: float = 0.0
    max_in_flight: int = 2
    prefetch_from_ms: float = 100.0
    verification: Verification = "suppress"
    verify_deadline_ms: float = 80.0
    keep_rejections: bool = False
    rejections_folder: Path | None = None
    checks: CheckSettings = field(default_factory=CheckSettings)
    gating: GatingSettings = field(default_factory=GatingSettings)
