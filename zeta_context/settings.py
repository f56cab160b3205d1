"""Composes the settings of the packages below; each package owns its own.

They come from the embedder or from the user's own configuration file, never from a repository: no
file of a project is ever read for them. docs/settings.md lists the keys.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from zeta_context.capture.settings import CaptureSettings
from zeta_context.config_file import CONFIG_VARIABLE, config_path
from zeta_context.consent.gate import Collection
from zeta_context.context.gather import ContextSettings
from zeta_context.errors import SettingsError
from zeta_context.predict.gating import GatingSettings, Mode
from zeta_context.predict.settings import PredictSettings, Verification
from zeta_context.rollout.assignment import Ring
from zeta_context.rollout.following import RolloutSettings
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.settings import ModelSettings, RunnerKind

_MAX_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; the defaults use no model, no language server, no network.

    `remote` names the servers on other machines that prompts may be sent to, `collection` the
    server that examples may go to once the user has consented, `capture` how many, `rollout` whose
    experiments the user takes part in: nobody's by default. `offer_status` lets the same user's
    `zeta-context doctor` ask how the session fares; `offer_cases` lets their `zeta-context wrong`
    have the last prediction, text and all; `watch_files` tells what other programs do to the
    project's files from typing.
    """

    context: ContextSettings = field(default_factory=ContextSettings)
    predict: PredictSettings = field(default_factory=PredictSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    remote: RemotePermission = field(default_factory=RemotePermission)
    collection: Collection = field(default_factory=Collection)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    offer_status: bool = True
    offer_cases: bool = False
    watch_files: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings of a file, and a sentence for each key in it that means nothing."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def load_settings(path: Path | None = None) -> LoadedSettings:
    """The settings in the user's configuration file; the defaults where there is none.

    Raises SettingsError, which names the key, for a value that cannot be used, and for a file that
    is no TOML, or that somebody else could have written.
    """
    is_named = path is not None or CONFIG_VARIABLE in os.environ
    path = config_path() if path is None else path
    content = _read(path, must_exist=is_named)
    if content is None:
        return LoadedSettings(settings=user_defaults())
    try:
        table = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise SettingsError(f"{path.name} is no TOML: {problem}") from None
    return _Reading(path.name, table).settings()


def user_defaults() -> Settings:
    """What holds where the user has no file: what they reject is remembered for them."""
    return Settings(predict=_read_predict({}), offer_cases=True)


def _read(path: Path, *, must_exist: bool) -> str | None:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise SettingsError(f"{path.name} is no file")
            if os.name == "posix" and (
                facts.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(facts.st_mode) & 0o022
            ):
                raise SettingsError(
                    f"{path.name} is not used: others than you can write to it (chmod go-w)"
                )
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"the configuration file {path.name} does not exist") from None
        return None
    except OSError as problem:
        raise SettingsError(f"{path.name} cannot be read: {problem.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{path.name} is longer than {_MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{path.name} is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be, for people and for the program."""

    allowed: str
    accepts: Callable[[Any], bool]


def _words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= 1e9  # no infinity, and comparing makes "not a number" false


def _one_of(words: Any) -> Kind:
    return Kind(
        f"one of {', '.join(get_args(words))}",
        lambda value: isinstance(value, str) and value in get_args(words),
    )


_YES_OR_NO = Kind("true or false", lambda value: isinstance(value, bool))
_TEXT = Kind("a text", lambda value: isinstance(value, str))
_NUMBER = Kind("a number above 0", _number)
_SHARE = Kind("a number above 0 and at most 1", lambda value: _number(value) and value <= 1)
_COUNT = Kind("a whole number above 0", lambda value: isinstance(value, int) and _number(value))
_TEXTS = Kind("a list of texts", _words)
_TABLE = Kind("a table", lambda value: isinstance(value, dict))
_COMMANDS = Kind(
    "a table of commands by language, each a list of texts",
    lambda value: isinstance(value, dict) and all(map(_words, value.values())),
)
_RING = _one_of(Ring)
_RUNNER = _one_of(RunnerKind)

_MODE = _one_of(Mode)
_VERIFICATION = _one_of(Verification)
_IN_FLIGHT = Kind(
    "a whole number from 1 to 1000",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1000,
)
_DURATION = Kind("a number, 0 or more", lambda value: value == 0 or _number(value))

KEYS: Mapping[str, Mapping[str, Kind]] = {
    "context": {
        "definitions": _YES_OR_NO,
        "deadline_ms": _NUMBER,
        "servers": _COMMANDS,
        "allow_project_code": _YES_OR_NO,
    },
    "predict": {
        "enabled": _YES_OR_NO,
        "mode": _MODE,
        "adapts": _YES_OR_NO,
        "off_languages": _TEXTS,
        "off_paths": _TEXTS,
        "throttle_ms": _DURATION,
        "debounce_ms": _DURATION,
        "max_in_flight": _IN_FLIGHT,
        "verification": _VERIFICATION,
        "verify_deadline_ms": _NUMBER,
        "keep_rejections": _YES_OR_NO,
    },
    "model": {
        "runner": _RUNNER,
        "id": _TEXT,
        "path": _TEXT,
        "format": _TEXT,
        "endpoint": _TEXT,
        "api": _TEXT,
        "api_key_env": _TEXT,
        "timeout_ms": _NUMBER,
        "idle_unload_minutes": _NUMBER,
        "options": _TABLE,
    },
    "privacy": {"exclude": _TEXTS},
    "remote": {
        "allowed": _TEXTS,
        "max_requests_per_day": _COUNT,
        "max_cost_per_day": _NUMBER,
        "price_per_million_input_tokens": _NUMBER,
        "price_per_million_output_tokens": _NUMBER,
    },
    "collection": {
        "server": _TEXT,
        "operator": _TEXT,
        "teacher": _TEXT,
        "hold_back_hours": _NUMBER,
        "sample_rate": _SHARE,
        "max_per_hour": _COUNT,
        "token_env": _TEXT,
    },
    "session": {"offer_status": _YES_OR_NO, "offer_cases": _YES_OR_NO, "watch_files": _YES_OR_NO},
    "rollout": {
        "server": _TEXT,
        "public_key": _TEXT,
        "ring": _RING,
        "send_counts": _YES_OR_NO,
        "shadow_model": _TEXT,
        "shadow_format": _TEXT,
        "shadow_share": _SHARE,
    },
}
"""Every key of the file, by section."""

_CAPTURE_KEYS = ("sample_rate", "max_per_hour", "token_env")


class _Reading:
    """Turns the tables of one file into settings."""

    def __init__(self, name: str, table: Mapping[str, Any]) -> None:
        self._name = name
        self._table = table
        self._warnings: list[str] = []

    def settings(self) -> LoadedSettings:
        for section in self._table:
            if section not in KEYS:
                self._warn(section, KEYS)
        sections = {section: self._section(section) for section in KEYS}
        try:
            allowed = RemotePermission.from_urls(sections["remote"].pop("allowed", ()))
        except SettingsError as problem:
            raise SettingsError(f"{self._name}: remote.allowed: {problem}") from None
        exclude = self._exclusions(sections["privacy"])
        settings = Settings(
            context=ContextSettings(**sections["context"]),
            predict=_read_predict(sections["predict"]),
            model=ModelSettings(**sections["model"]),
            remote=replace(allowed, exclude=exclude, **sections["remote"]),
            collection=replace(self._collection(sections["collection"]), exclude=exclude),
            capture=CaptureSettings(**_only(sections["collection"], _CAPTURE_KEYS)),
            rollout=RolloutSettings(**sections["rollout"]),
            **{"offer_cases": True, **sections["session"]},
        )
        return LoadedSettings(settings=settings, warnings=tuple(self._warnings))

    def _exclusions(self, section: Mapping[str, Any]) -> tuple[str, ...]:
        globs = tuple(section.get("exclude", ()))
        if globs:
            from zeta_context.consent.exclusions import check_globs

            try:
                check_globs(globs)
            except SettingsError as problem:
                raise SettingsError(f"{self._name}: privacy.exclude: {problem}") from None
        return globs

    def _collection(self, section: Mapping[str, Any]) -> Collection:
        found = _only(section, ("server", "operator", "teacher"))
        if found.get("server"):
            try:
                parse_endpoint(found["server"])
            except SettingsError as problem:
                raise SettingsError(f"{self._name}: collection.server: {problem}") from None
        if "hold_back_hours" in section:
            found["hold_back_s"] = section["hold_back_hours"] * 3600.0
        return Collection(**found)

    def _section(self, section: str) -> dict[str, Any]:
        table = self._table.get(section, {})
        self._check(section, table, _TABLE)
        known = KEYS[section]
        for key in table:
            if key not in known:
                self._warn(f"{section}.{key}", known)
        found = {key: table[key] for key in known if key in table}
        for key, value in found.items():
            self._check(f"{section}.{key}", value, known[key])
        return found

    def _check(self, key: str, value: object, kind: Kind) -> None:
        if not kind.accepts(value):
            given = _TYPES.get(type(value), type(value).__name__)
            raise SettingsError(f"{self._name}: {key} is {given}, it has to be {kind.allowed}")

    def _warn(self, key: str, known: Mapping[str, object]) -> None:
        self._warnings.append(
            f"{self._name}: {key!r} means nothing here and is ignored; known: {', '.join(known)}"
        )


def _only(table: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _read_predict(section: Mapping[str, Any]) -> PredictSettings:
    gating = {
        field.name: section[field.name] for field in fields(GatingSettings) if field.name in section
    }
    for key in ("off_languages", "off_paths"):
        if key in gating:
            gating[key] = tuple(gating[key])
    others = {key: value for key, value in section.items() if key not in gating}
    return PredictSettings(gating=GatingSettings(**gating), **{"keep_rejections": True, **others})


_TYPES: Mapping[type, str] = {
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
