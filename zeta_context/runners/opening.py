"""Makes the runner that the settings ask for, and tells what is missing when it cannot.

Knows which runners there are; each loads its own libraries, and none before it is made.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeta_context.counts import Counts
from zeta_context.errors import ModelRefused, SettingsError
from zeta_context.installation import install_command
from zeta_context.prompt.format import Format
from zeta_context.prompt.registry import find_format, formats
from zeta_context.runners.base import Runner
from zeta_context.runners.endpoint import Endpoint, RemotePermission, parse_endpoint
from zeta_context.runners.installed import find_installed
from zeta_context.runners.models import find_model, suggest_models
from zeta_context.runners.replay import ReplayRunner
from zeta_context.runners.settings import ModelSettings
from zeta_context.runners.trained import read_trained_format
from zeta_context.status import status_folder

if TYPE_CHECKING:
    from zeta_context.runners.http.servers import ServerKind
    from zeta_context.runners.local.loading import LoadedModel

_LOCAL_LIBRARIES = ("torch", "transformers", "safetensors", "tokenizers")


def open_runner(
    settings: ModelSettings,
    *,
    permission: RemotePermission | None = None,
    counts: Counts | None = None,
    prefers_shared: bool = False,
) -> Runner:
    """The runner of a model.

    Raises SettingsError for settings that name no model, and ModelRefused for a model that is not
    there; it is loaded, and a server is asked, only with the first request. With `prefers_shared`
    a local model that `zeta-context model serve` has already is asked for there: it takes a
    gigabyte or more, once.
    """
    if prefers_shared and settings.kind == "local" and _is_shared(settings):
        settings = replace(settings, runner="shared", path="", endpoint="")
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
    if not name and (installed is not None or settings.path):
        place = installed.path if installed is not None else Path(settings.path).expanduser()
        name = read_trained_format(place)
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
            f"a local model needs {', '.join(missing)}: install them with "
            f"`{install_command('local')}`"
        )
    from zeta_context.runners.local.runner import LocalRunner, LocalSettings

    return LocalRunner(
        lambda: _load_local(path, settings),
        model=settings.model_name,
        settings=LocalSettings(
            idle_unload_s=settings.idle_unload_minutes * 60 or None,
            answer_s=settings.timeout_ms / 1000,
        ),
        counts=counts,
    )


def _load_local(path: Path, settings: ModelSettings) -> LoadedModel:
    """Load a model and check that it was made for its format, where that is known."""
    from zeta_context.runners.local.fitting import check_fit
    from zeta_context.runners.local.loading import LoadOptions, load_model

    loaded = load_model(path, LoadOptions(name=settings.model_name, **_load_options(settings)))
    try:
        prompt_format = choose_format(settings)
    except SettingsError:  # a shared model, say: its clients know the format
        return loaded
    trained_on = read_trained_format(path)
    check_fit(loaded.name, loaded.tokenizer, prompt_format, formats(), trained_on=trained_on)
    return loaded


_LOAD_OPTIONS: Mapping[str, type] = {
    "device": str,
    "dtype": str,
    "threads": int,
    "max_context": int,
    "engine": str,
    "short_passes": str,
}
"""Keys of `[model.options]` for a local model; see `LoadOptions`."""


def _load_options(settings: ModelSettings) -> dict[str, Any]:
    """Raises SettingsError for an option that there is none of, or of another type."""
    for name, value in settings.options.items():
        kind = _LOAD_OPTIONS.get(name)
        if kind is None:
            raise SettingsError(
                f"model.options.{name} means nothing for a local model; known: "
                f"{', '.join(_LOAD_OPTIONS)}"
            )
        if not isinstance(value, kind) or isinstance(value, bool):
            raise SettingsError(f"model.options.{name} has to be a {_KIND_NAMES[kind]}")
    return dict(settings.options)


_KIND_NAMES: Mapping[type, str] = {str: "text", int: "whole number"}


def _is_shared(settings: ModelSettings) -> bool:
    """Whether `zeta-context model serve` runs for this user and has the model."""
    path = default_socket_path()
    if not path.exists():
        return False
    import json
    import socket

    request = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_ASK_SHARED_S)
            asking.connect(str(path))
            asking.sendall(request)
            with asking.makefile("rb") as answer:
                body = answer.read(65_536).partition(b"\r\n\r\n")[2]
        models = json.loads(body)["data"]
        return any(model["id"] == settings.model_name for model in models)
    except (OSError, ValueError, LookupError, TypeError):
        return False


_ASK_SHARED_S = 1.0


def check_permission(settings: ModelSettings, permission: RemotePermission) -> None:
    """Raise RemoteNotAllowed for a model on another machine that the user has not allowed."""
    if settings.kind in ("http", "shared"):
        permission.check(_find_endpoint(settings)[1])


def find_endpoint(settings: ModelSettings) -> Endpoint:
    """Where the settings' model server is; raises SettingsError when they name none."""
    return _find_endpoint(settings)[1]


def _find_endpoint(settings: ModelSettings) -> tuple[ServerKind, Endpoint]:
    from zeta_context.runners.http.servers import find_server

    server = find_server("shared" if settings.kind == "shared" else settings.api)
    url = settings.endpoint
    if not url and settings.kind == "shared":
        url = f"unix:{default_socket_path()}"
    return server, parse_endpoint(url, default_path=server.path)


def _open_http(
    settings: ModelSettings,
    permission: RemotePermission | None,
    counts: Counts,
) -> Runner:
    from zeta_context.runners.http.exchange import Limits
    from zeta_context.runners.http.runner import HttpRunner

    server, endpoint = _find_endpoint(settings)
    total_s = settings.timeout_ms / 1000
    return HttpRunner(
        endpoint,
        server,
        model=settings.id,
        permission=permission,
        api_key_env=settings.api_key_env,
        options=settings.options,
        limits=Limits(connect_s=min(5.0, total_s), read_s=total_s, total_s=total_s),
        counts=counts,
    )
