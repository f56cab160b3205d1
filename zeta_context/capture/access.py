"""What capture asks about a project: its gate, and what is excluded in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import Facts


class Gate(Protocol):
    """Knows what the decisions about one project rest on (see `consent.project_gate`)."""

    def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One project, for whoever wants to keep or send something of it."""

    gate: Gate
    exclusions: Exclusions
