"""Serves one model until it is told to stop: joins the runner, the sockets and the service.

Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from zeta_context.cli.main import Unusable
from zeta_context.counts import Counts
from zeta_context.installation import install_command
from zeta_context.runners.base import Runner
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.opening import (
    default_socket_path,
    find_model_path,
    missing_libraries,
    open_runner,
)
from zeta_context.runners.settings import ModelSettings
from zeta_context.server.completions.access import AccessRules, keep_token, loopback_rules
from zeta_context.server.completions.listen import bind_loopback, bind_private_socket
from zeta_context.server.completions.queue import ModelQueue
from zeta_context.server.completions.service import CompletionService, Listener
from zeta_context.status import StatusOffer


def serve_model(
    settings: ModelSettings,
    permission: RemotePermission,
    *,
    socket_path: Path | None = None,
    port: int | None = None,
    token_file: Path | None = None,
) -> None:
    """Serve on a Unix socket, and on a loopback port unless it is None, until interrupted.

    Raises Unusable, SettingsError or ModelRefused when it cannot begin.
    """
    _refuse_unservable(settings)
    counts = Counts()
    idle_s = settings.idle_unload_minutes * 60 or None

    def open_model() -> Runner:
        return open_runner(settings, permission=permission, counts=counts)

    with contextlib.ExitStack() as stack:
        listeners = []
        places = []
        path = socket_path or default_socket_path()
        if hasattr(socket, "AF_UNIX") or socket_path is not None:
            listener = stack.enter_context(bind_private_socket(path))
            stack.callback(path.unlink, missing_ok=True)
            listeners.append(Listener(socket=listener, rules=AccessRules()))
            places.append(f"unix:{path}")
        if port is not None:
            tcp = stack.enter_context(bind_loopback(port))
            bound = tcp.getsockname()[1]
            kept = token_file or _default_token_file()
            listeners.append(Listener(socket=tcp, rules=loopback_rules(bound, keep_token(kept))))
            places.append(f"http://127.0.0.1:{bound}/v1  (API key: the token in {kept})")
        if not listeners:
            raise Unusable("this system has no Unix sockets: serve with --tcp")
        name = settings.model_name or settings.endpoint

        def tell() -> None:
            click.echo("\n".join(places))
            click.echo(f"serving {name}, loaded with the first request; stop with Ctrl-C", err=True)

        status = StatusOffer(lambda: _report(name, counts), counts=counts)
        status.start()
        stack.callback(status.stop)
        asyncio.run(_serve(open_model, listeners, name, idle_s, counts, ready=tell))


def _refuse_unservable(settings: ModelSettings) -> None:
    """What would only be found out with the first request is said before anything listens."""
    match settings.kind:
        case "none":
            raise Unusable("no model is chosen: name one, or set one under [model]")
        case "shared":
            raise Unusable("a shared model is what is served here: name the model itself")
        case "local":
            find_model_path(settings)
            missing = missing_libraries()
            if missing:
                raise Unusable(
                    f"a local model needs {', '.join(missing)}: install them with "
                    f"`{install_command('local')}`"
                )
        case "http":
            if parse_endpoint(settings.endpoint).is_remote:
                raise Unusable(
                    "a model on another machine is not shared: what other programs send it could "
                    "not be freed of excluded files and secrets"
                )
        case "cassette":
            open_runner(settings).close()


async def _serve(
    open_model: Callable[[], Runner],
    listeners: Sequence[Listener],
    name: str,
    idle_s: float | None,
    counts: Counts,
    *,
    ready: Callable[[], None],
) -> None:
    """Serve until a signal; `ready` is called when requests are taken."""
    queue = ModelQueue(open_model, idle_s=idle_s, counts=counts)
    service = CompletionService(queue, model=name, counts=counts)
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(service.serve(listeners, ready=ready))
    for one in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(one, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _default_token_file() -> Path:
    from platformdirs import user_state_path

    return user_state_path("zeta-context", appauthor=False) / "model-token"


def _report(name: str, counts: Counts) -> dict[str, object]:
    """What `zeta-context doctor` shows of it."""
    recent = [
        {"at": reason.at, "name": reason.name, "place": reason.place} for reason in counts.recent()
    ]
    return {"projects": [f"shared model {name}"], "totals": counts.totals(), "recent": recent}
