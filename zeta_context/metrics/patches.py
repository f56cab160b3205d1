"""Unified diffs, read once for several metrics. Knows nothing of what they measure."""

from __future__ import annotations

from functools import lru_cache

from zeta_context.text.patch import Patch, parse_patch


@lru_cache(maxsize=128)
def read_patch(diff: str) -> Patch:
    """The patch in a diff; see `parse_patch`."""
    return parse_patch(diff)
