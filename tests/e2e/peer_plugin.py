"""A pytest plugin for somebody else's tests: puts the proxy before the servers they spawn.

Loaded with `-p peer_plugin` by `peer_suite`, which tells by ZETA_PEER_PROXY (a JSON list) what to
put in front of a command, and notes each time it did in ZETA_PEER_LOG.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

_PREFIX: list[str] = json.loads(os.environ.get("ZETA_PEER_PROXY", "[]"))
_original = subprocess.Popen.__init__


def _spawn(self: Any, args: Any, *more: Any, **options: Any) -> None:
    talks = options.get("stdin") == options.get("stdout") == subprocess.PIPE
    if _PREFIX and talks and isinstance(args, list | tuple) and not options.get("shell"):
        args = [*_PREFIX, *args]
        with Path(os.environ["ZETA_PEER_LOG"]).open("a") as log:
            log.write("spawned\n")
    _original(self, args, *more, **options)


subprocess.Popen.__init__ = _spawn  # type: ignore[method-assign]
