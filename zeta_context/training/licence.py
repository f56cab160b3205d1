"""Asks the licence gate whether a repository may be used for examples at all."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path


def refuse_unlicensed(root: Path) -> str | None:
    """Why a repository may not be used, or None: what the gate does not accept is refused."""
    if importlib.util.find_spec("zeta_context.consent.licenses") is None:
        return "this installation has no licence gate"
    gate = importlib.import_module("zeta_context.consent.licenses")
    evidence = gate.find_licence(root)
    return None if evidence.is_accepted else (evidence.detail or evidence.reason)
