"""How much is collected, once the user has consented; from the user's own configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Of the requests for predictions, the share `sample_rate` (0..1) is collected, and no more
    than `max_per_hour`.

    An outcome is told `settle_s` after it, when it shows how much of a prediction was kept.
    `token_env` names the variable of the environment that holds the collection server's token.
    """

    sample_rate: float = 0.2
    max_per_hour: int = 60
    settle_s: float = 30.0
    token_env: str = "ZETA_CONTEXT_COLLECTION_TOKEN"
    spool_path: Path | None = None
