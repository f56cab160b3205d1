"""Which versions of the protocol are spoken, and what mends a mismatch.

Light: the relay of the proxy imports it, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL = 1
"""Front ends that speak this or a later one, up to ours, are served."""


def describe_protocol(commands: Sequence[str]) -> dict[str, Any]:
    """What `initialize` answers at `capabilities.experimental.zetaContext`."""
    return {
        "protocol": PROTOCOL_VERSION,
        "oldest": OLDEST_PROTOCOL,
        "update": update_command(sys.prefix),
        "commands": list(commands),
    }


def update_command(prefix: str) -> str:
    """The command that updates this installation, which lies at `prefix`."""
    parts = prefix.replace("\\", "/").split("/")
    if "uv" in parts and "tools" in parts:
        return "uv tool upgrade zeta-context"
    if "pipx" in parts:
        return "pipx upgrade zeta-context"
    return "python -m pip install --upgrade zeta-context"
