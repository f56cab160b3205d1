"""Which versions of the protocol are spoken, and what mends a mismatch.

Light: the relay of the proxy imports it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zeta_context.installation import find_installation

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL = 1
"""Front ends that speak this or a later one, up to ours, are served."""


def describe_protocol(commands: Sequence[str]) -> dict[str, Any]:
    """What `initialize` answers at `capabilities.experimental.zetaContext`."""
    return {
        "protocol": PROTOCOL_VERSION,
        "oldest": OLDEST_PROTOCOL,
        "update": find_installation().update_command(),
        "commands": list(commands),
    }
