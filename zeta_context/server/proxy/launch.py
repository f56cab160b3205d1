"""Turning the command line's process into the pump.

The pump gets an interpreter of its own without site packages: it needs none, and starts sooner.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from zeta_context.errors import SettingsError
from zeta_context.off_switch import is_off
from zeta_context.server.version import find_update

HUNG_AFTER_S = 30.0
"""A worker that owes an answer for so long is replaced."""

COMMANDS = ("accept", "reject", "jump")
_RUN = (
    "import sys; sys.path.insert(0, {root!r});"
    " from zeta_context.server.proxy.{module} import main; main()"
)


def pump_argv(
    server: list[str],
    *,
    has_code_actions: bool = False,
    has_definitions: bool = True,
    worker: list[str] | None = None,
    max_worker_wait_s: float = HUNG_AFTER_S,
    status: tuple[int, str] | None = None,
) -> list[str]:
    """The command that relays to `server` (its program and arguments).

    `worker` is the command of another worker than ours; it gets its options, the two processes'
    ids and the number of its socket as its last arguments. `status` is an inheritable listening
    socket, by number and path.

    Commands and request ids carry a random part, so that several proxies below one editor, or one
    in front of another, cannot take each other's. Raises SettingsError where there are no POSIX
    processes.
    """
    if os.name != "posix":
        raise SettingsError("the proxy needs a POSIX system; use `zeta-context serve` beside it")
    # The directory above the package: the pump runs without the paths that site would add.
    root = str(Path(__file__).resolve().parents[3])
    nonce = os.urandom(4).hex()
    commands = [f"zeta-context.{name}.{nonce}" for name in COMMANDS]
    options = {
        "id_prefix": f"zeta:{nonce}:",
        "commands": commands,
        "has_code_actions": has_code_actions,
        "has_definitions": has_definitions,
    }
    if worker is None:
        # -P: what lies in the project's folder must not be importable.
        run = _RUN.format(root=root, module="worker")
        worker = [sys.executable, "-P", "-c", run]
    settings = {
        "server": server,
        "worker": [*worker, json.dumps(options)],
        "id_prefix": f"zeta:{nonce}:",
        "front_ends": [commands, has_code_actions, find_update()],
        "max_worker_wait_s": max_worker_wait_s,
        "status": status,
    }
    pump = _RUN.format(root=root, module="pump")
    return [sys.executable, "-P", "-S", "-c", pump, json.dumps(settings)]


def _open_status() -> tuple[int, str] | None:
    """The socket on which the pump will tell `zeta-context doctor` how it fares."""
    from zeta_context.status import open_listener

    try:
        listener, path = open_listener()
    except (OSError, RuntimeError):
        return None
    listener.set_inheritable(True)
    return listener.detach(), str(path)


def _become_server(server: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these, and what is ignored stays so in another program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(server[0], server)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.stderr.write(f"zeta-context proxy: cannot start {server[0]}: {reason}\n")
        sys.stderr.flush()
        os._exit(127 if error.errno == errno.ENOENT else 126)


def become_pump(server: list[str], *, has_code_actions: bool, has_definitions: bool) -> NoReturn:
    """Replace this process by the pump, with its descriptors, its id and its parent.

    Where predictions are turned off there is no pump: the process becomes the server.
    """
    if os.name == "posix" and is_off():
        _become_server(server)
    argv = pump_argv(
        server,
        has_code_actions=has_code_actions,
        has_definitions=has_definitions,
        status=_open_status(),
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(argv[0], argv)
