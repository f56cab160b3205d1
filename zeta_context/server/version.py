"""Which versions of the protocol are spoken, and what mends a mismatch.

Light: the relay of the proxy imports it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL = 1
"""Front ends that speak this or a later one, up to ours, are served."""


def describe_protocol(commands: Sequence[str], update: str = "") -> dict[str, Any]:
    """What `initialize` answers at `capabilities.experimental.zetaContext`.

    `update` is the command that updates this installation, found out where it is not given.
    """
    return {
        "protocol": PROTOCOL_VERSION,
        "oldest": OLDEST_PROTOCOL,
        "update": update or find_update(),
        "commands": list(commands),
    }


def find_update() -> str:
    """The command that updates this installation; not for the relay, which sees no packages."""
    from zeta_context.installation import find_installation

    return find_installation().update_command()
