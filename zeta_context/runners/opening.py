"""Makes the runner that the settings ask for, and tells what is missing when it cannot.

Knows which runners there are; each loads its own libraries, and none before it is made.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import ModelRefused, SettingsError
from zeta_context.prompt.format import Format
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import Runner
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.installed import find_installed
from zeta_context.runners.models import find_model, suggest_models
from zeta_context.runners.replay import ReplayRunner
from zeta_context.runners.settings import ModelSettings
from zeta_context.status import status_folder

INSTALL_LOCAL = "pip install 'zeta-context[local]'"
"""What installs the libraries that models run with."""

_LOCAL_LIBRARIES = ("torch", "transformers", "safetensors", "tokenizers")


def open_runner(
    settings: ModelSettings,
    *,
    permission: RemotePermission | None = None,
    counts: Counts | None = None,
) -> Runner:
    """The runner of a model.

    Raises SettingsError for settings that name no model, and ModelRefused for a model that is not
    there or cannot be loaded; a server is asked only with the first request.
    """
    counts = counts if counts is not None else Counts()
    match settings.kind:
        case "none":
            raise SettingsError("no model is chosen: set one under [model], or name one")
        case "cassette":
            return _open_cassette(Path(settings.path).expanduser())
        case "local":
            return _open_local(settings, counts)
        case "http" | "shared":
            return _open_http(settings, permission, counts)


def choose_format(settings: ModelSettings) -> Format:
    """The prompt format of the model: the one that is set, or the known one of the model.

    Raises SettingsError when neither tells.
    """
    if settings.format:
        return find_format(settings.format)
    installed = find_installed(settings.id) if settings.id else None
    known = find_model(settings.id or settings.model_name)
    name = (installed.format if installed else "") or (known.format if known else "")
    if not name and settings.kind == "http" and settings.api in _FORMAT_OF_API:
        name = _FORMAT_OF_API[settings.api]
    if not name:
        raise SettingsError("the model's prompt format is not known: set `format` under [model]")
    return find_format(name)


_FORMAT_OF_API: Mapping[str, str] = {"mercury": "mercury-edit"}


def find_model_path(settings: ModelSettings) -> Path:
    """Where the files of a local model are; raises ModelRefused when they are not there."""
    if settings.path:
        path = Path(settings.path).expanduser()
        if not path.exists():
            raise ModelRefused(f"{path.name}: there is no such model directory or file")
        return path
    installed = find_installed(settings.id)
    known = find_model(settings.id)
    if installed is None and known is not None:
        installed = find_installed(known.name)
    if installed is not None:
        return installed.path
    if known is not None:
        raise ModelRefused(
            f"{known.name} is not installed: `zeta-context model pull {known.name}` fetches it"
        )
    alike = suggest_models(settings.id)
    advice = f"; did you mean {' or '.join(alike)}?" if alike else ""
    raise ModelRefused(f"no model {settings.id!r} is installed or known{advice}")


def default_socket_path() -> Path:
    """Where this user's model is shared by `zeta-context model serve`, unless told otherwise."""
    return status_folder() / "model" / "completions"


def missing_libraries() -> tuple[str, ...]:
    """The libraries that a local model needs and that are not installed."""
    return tuple(name for name in _LOCAL_LIBRARIES if importlib.util.find_spec(name) is None)


def _open_cassette(path: Path) -> Runner:
    if not path.is_file():
        raise ModelRefused(f"{path.name}: there is no such cassette")
    return ReplayRunner.from_file(path)


def _open_local(settings: ModelSettings, counts: Counts) -> Runner:
    path = find_model_path(settings)
    missing = missing_libraries()
    if missing:
        raise ModelRefused(
            f"a local model needs {', '.join(missing)}: install them with `{INSTALL_LOCAL}`"
        )
    from zeta_context.runners.local.loading import load_model
    from zeta_context.runners.local.runner import LocalRunner, LocalSettings

    return LocalRunner(
        lambda: load_model(path),
        model=settings.model_name,
        settings=LocalSettings(idle_unload_s=settings.idle_unload_minutes * 60),
        counts=counts,
    )


def _open_http(
    settings: ModelSettings,
    permission: RemotePermission | None,
    counts: Counts,
) -> Runner:
    from zeta_context.runners.http.exchange import Limits
    from zeta_context.runners.http.runner import HttpRunner
    from zeta_context.runners.http.servers import find_server

    server = find_server("shared" if settings.kind == "shared" else settings.api)
    url = settings.endpoint
    if not url and settings.kind == "shared":
        url = f"unix:{default_socket_path()}"
    total_s = settings.timeout_ms / 1000
    return HttpRunner(
        parse_endpoint(url, default_path=server.path),
        server,
        model=settings.id,
        permission=permission,
        api_key_env=settings.api_key_env,
        options=settings.options,
        limits=Limits(connect_s=min(5.0, total_s), read_s=total_s, total_s=total_s),
        counts=counts,
    )
