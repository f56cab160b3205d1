"""The user's own configuration file: read with care, and no other file is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zeta_context.config_file import CONFIG_VARIABLE, config_path
from zeta_context.errors import SettingsError
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from zeta_context.runners.settings import ModelSettings
from zeta_context.settings import (
    Settings,
    load_settings,
    user_defaults,
)

WHOLE = """
[context]
definitions = true
deadline_ms = 120
allow_project_code = false
servers.python = ["basedpyright-langserver", "--stdio"]

[model]
endpoint = "https://models.example.com/v1/completions"
id = "zeta-2.1"
format = "zeta2.1"
api = "vllm"
api_key_env = "MY_KEY"
timeout_ms = 900.5
options = { top_k = 1 }

[remote]
allowed = ["https://models.example.com/v1/completions"]

[session]
watch_files = false
"""


def _write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(content)
    path.chmod(0o600)
    return path


def test_every_section_reaches_the_settings_of_its_package(tmp_path: Path) -> None:
    loaded = load_settings(_write(tmp_path, WHOLE))
    settings = loaded.settings
    assert loaded.warnings == ()
    assert settings.context.definitions
    assert settings.context.deadline_ms == 120
    assert settings.context.servers == {"python": ["basedpyright-langserver", "--stdio"]}
    assert settings.model.kind == "http"
    assert settings.model.options == {"top_k": 1}
    assert settings.model.timeout_ms == 900.5
    assert settings.remote.allows(parse_endpoint(settings.model.endpoint))
    assert (settings.offer_status, settings.watch_files) == (True, False)


def test_without_a_file_there_is_no_model_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings().settings == user_defaults()
    assert Settings().model.kind == "none"
    assert Settings().remote == RemotePermission()


def test_the_file_is_the_users_own_and_a_variable_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    assert config_path().parts[-2:] == ("zeta-context", "config.toml")
    monkeypatch.setenv(CONFIG_VARIABLE, str(_write(tmp_path, "[model]\nid = 'x'")))
    assert load_settings().settings.model.id == "x"
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "gone.toml"))
    with pytest.raises(SettingsError, match=r"gone\.toml does not exist"):
        load_settings()


def test_an_unknown_key_is_one_warning_that_names_it_and_the_known_ones(tmp_path: Path) -> None:
    loaded = load_settings(_write(tmp_path, "[model]\nmodle = 1\n[telemetry]\non = true\n"))
    assert loaded.settings == user_defaults()
    section, key = loaded.warnings
    assert "'telemetry' means nothing here" in section
    assert "context, predict, model, privacy, remote, collection, session" in section
    assert "config.toml: 'model.modle'" in key
    assert "endpoint" in key


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[context]\ndeadline_ms = '80'", "context.deadline_ms is a text, it has to be a number"),
        ("[context]\ndeadline_ms = 0", "it has to be a number above 0"),
        ("[context]\ndeadline_ms = nan", "it has to be a number above 0"),
        ("[context]\ndeadline_ms = inf", "it has to be a number above 0"),
        ("[context]\ndeadline_ms = true", "is a truth value"),
        ("[context]\ndefinitions = 1", "context.definitions is a number, it has to be true or"),
        ("[context]\nservers = ['ty']", "table of commands by language"),
        ("[context]\nservers.python = 'ty'", "table of commands by language"),
        ("[model]\nrunner = 'magic'", "one of none, local, http, shared, cassette"),
        ("[model]\nid = 2020-01-01", "model.id is date, it has to be a text"),
        ("[remote]\nallowed = 'https://x'", "remote.allowed is a text, it has to be a list"),
        ("[remote]\nallowed = [1]", "it has to be a list of texts"),
        ("[privacy]\nexclude = ['!.env']", "privacy.exclude: exclusion 1 cannot take others back"),
        ("[remote]\nmax_requests_per_day = 0", "it has to be a whole number above 0"),
        ("[remote]\nallowed = ['x']", "remote.allowed: an endpoint starts with"),
        ("model = 1", "model is a number, it has to be a table"),
        ("[model", "config.toml is no TOML"),
        ("x = " + "[" * 5000, "config.toml is no TOML"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_allowed(
    tmp_path: Path, content: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(_write(tmp_path, content))
    assert words in str(caught.value)


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_can_write_is_not_used(tmp_path: Path, mode: int) -> None:
    path = _write(tmp_path, WHOLE)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="others than you can write"):
        load_settings(path)


def test_what_is_no_small_utf8_file_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(path)
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(SettingsError, match="longer"):
        load_settings(path)
    with pytest.raises(SettingsError):
        load_settings(tmp_path)


def test_no_file_of_a_repository_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    repository = tmp_path / "repository"
    (repository / ".vscode").mkdir(parents=True)
    for name in ("config.toml", ".zeta_context.toml", "zeta-context.toml", ".vscode/settings.json"):
        (repository / name).write_text(WHOLE)
    (repository / ".env").write_text(f"{CONFIG_VARIABLE}=config.toml\n")
    monkeypatch.chdir(repository)
    assert load_settings().settings == user_defaults()
    assert CONFIG_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "none"),
        ({"id": "x"}, "local"),
        ({"path": "models/x"}, "local"),
        ({"path": "tape.jsonl"}, "cassette"),
        ({"endpoint": "http://localhost"}, "http"),
        ({"endpoint": "http://localhost", "runner": "none"}, "none"),
        ({"runner": "shared"}, "shared"),
    ],
)
def test_the_runner_is_told_by_what_is_set(fields: dict[str, str], kind: str) -> None:
    assert ModelSettings(**fields).kind == kind  # type: ignore[arg-type]


def test_a_collection_server_is_named_by_the_user_alone(tmp_path: Path) -> None:
    content = """
        [collection]
        server = "https://collect.example.org"
        operator = "Example Org"
        teacher = "Example Models"
        hold_back_hours = 2
        sample_rate = 0.5
        token_env = "MY_TOKEN"
        """
    settings = load_settings(_write(tmp_path, content)).settings
    assert settings.collection.is_complete
    assert settings.collection.hold_back_s == 7200
    assert (settings.capture.sample_rate, settings.capture.token_env) == (0.5, "MY_TOKEN")
    for line in ('server = "ftp://x"', "sample_rate = 2", "sample_rate = 0", "server = 3"):
        with pytest.raises(SettingsError, match="collection"):
            load_settings(_write(tmp_path, f"[collection]\n{line}"))


def test_the_file_says_when_predictions_are_wanted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[predict]\nenabled = false\nmode = "subtle"\nadapts = false\n'
        'off_languages = ["markdown"]\noff_paths = ["secrets/", "*.min.js"]\n'
        'throttle_ms = 0\ndebounce_ms = 150\nmax_in_flight = 1\nverification = "last"\n'
    )
    file.chmod(0o600)
    predict = load_settings(file).settings.predict
    assert not predict.gating.enabled
    assert (predict.gating.mode, predict.gating.adapts) == ("subtle", False)
    assert predict.gating.off_paths == ("secrets/", "*.min.js")
    assert (predict.throttle_ms, predict.debounce_ms, predict.max_in_flight) == (0, 150, 1)
    assert predict.verification == "last"
    assert predict.keep_rejections


@pytest.mark.parametrize(
    "line",
    [
        'mode = "loud"',
        "enabled = 1",
        "max_in_flight = 1.5",
        "throttle_ms = -1",
        'off_paths = "*.py"',
        'verification = "maybe"',
    ],
)
def test_a_wrong_value_about_predictions_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[predict]\n{line}\n")
    file.chmod(0o600)
    with pytest.raises(SettingsError, match=rf"predict\.{line.split(maxsplit=1)[0]} is"):
        load_settings(file)


def test_the_users_own_exclusions_hold_for_prompts_and_for_examples(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[privacy]\nexclude = ["notes/", "*.draft"]\n')
    settings = load_settings(path).settings
    assert settings.remote.exclude == ("notes/", "*.draft")
    assert settings.collection.exclude == ("notes/", "*.draft")
