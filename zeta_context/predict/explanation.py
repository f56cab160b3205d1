"""How an answer came about: what was looked at, what it took.

Knows nothing of how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.context.gather import Gathered, Stage
from zeta_context.predict.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the proposers saw, the gathered context, and the time of each stage."""

    view: View
    gathered: Gathered
    stages: tuple[Stage, ...]
