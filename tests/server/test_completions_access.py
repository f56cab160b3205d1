"""The sockets and the token of a model server belong to their user alone."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zeta_context.errors import SettingsError
from zeta_context.runners.opening import default_socket_path
from zeta_context.server.completions.access import AccessRules, keep_token, loopback_rules
from zeta_context.server.completions.listen import (
    bind_loopback,
    bind_private_socket,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since those of sockets have to be."""
    made = Path(tempfile.mkdtemp(prefix="zc"))
    yield made
    shutil.rmtree(made)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_socket_and_its_folder_are_the_users_alone(folder: Path) -> None:
    path = folder / "a" / "b" / "s"
    with bind_private_socket(path):
        assert stat.S_ISSOCK(path.lstat().st_mode)
        assert _mode(path) == 0o600
        assert _mode(path.parent) == _mode(path.parent.parent) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o750, 0o701])
def test_a_folder_open_to_others_is_refused(folder: Path, mode: int) -> None:
    (folder / "own").mkdir()
    (folder / "own").chmod(mode)
    with pytest.raises(SettingsError, match="0700"):
        bind_private_socket(folder / "own" / "s")
    assert not (folder / "own" / "s").exists()


def test_a_folder_in_one_that_others_can_rename_in_is_refused(folder: Path) -> None:
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o777)
    with pytest.raises(SettingsError, match="0700"):
        bind_private_socket(folder / "shared" / "own" / "s")


def test_a_folder_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "real").mkdir(mode=0o700)
    (folder / "link").symlink_to(folder / "real")
    with pytest.raises(SettingsError, match="link"):
        bind_private_socket(folder / "link" / "s")


def test_another_users_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(SettingsError, match="not this user's"):
        bind_private_socket(folder / "own" / "s")


@pytest.mark.parametrize("kind", ["file", "link", "folder", "dangling"])
def test_something_else_of_the_sockets_name_is_left_alone_and_refused(
    folder: Path, kind: str
) -> None:
    path = folder / "own" / "s"
    path.parent.mkdir(mode=0o700)
    victim = folder / "victim"
    victim.write_text("precious")
    if kind == "file":
        path.write_text("here")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(victim if kind == "link" else folder / "nowhere")
    with pytest.raises(SettingsError, match="no socket"):
        bind_private_socket(path)
    assert os.path.lexists(path)
    assert victim.read_text() == "precious"


def test_a_dead_servers_socket_is_replaced_and_a_living_ones_is_not(folder: Path) -> None:
    path = folder / "own" / "s"
    bind_private_socket(path).close()
    with bind_private_socket(path) as living:
        living.listen()
        with pytest.raises(SettingsError, match="served there already"):
            bind_private_socket(path)
        assert path.exists()


def test_a_path_too_long_for_a_socket_is_said_to_be(folder: Path) -> None:
    with pytest.raises(SettingsError, match="at most 100 bytes"):
        bind_private_socket(folder / ("x" * 100) / "s")


def test_the_default_socket_stands_apart_from_those_that_tell_the_status(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = default_socket_path()
    assert path.is_relative_to(folder)
    assert path.suffix != ".sock"


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with bind_loopback() as taken:
        taken.listen()
        with pytest.raises(SettingsError, match="cannot be had"):
            bind_loopback(taken.getsockname()[1])


def test_a_token_has_256_bits_and_stays_the_same(folder: Path) -> None:
    path = folder / "state" / "token"
    token = keep_token(path)
    assert len(bytes.fromhex(token)) == 32
    assert _mode(path) == 0o600
    assert keep_token(path) == token
    path.unlink()
    assert keep_token(path) != token


def test_a_token_file_that_others_can_read_is_refused(folder: Path) -> None:
    path = folder / "token"
    keep_token(path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="alone"):
        keep_token(path)


@pytest.mark.parametrize("content", ["", "short", "zz" * 32, "ab" * 33, "\x00" * 64])
def test_a_token_file_with_something_else_in_it_is_refused(folder: Path, content: str) -> None:
    path = folder / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="token file"):
        keep_token(path)
    assert path.read_text() == content


def test_a_token_file_that_is_a_link_or_a_pipe_is_refused_without_waiting(folder: Path) -> None:
    keep_token(folder / "real")
    (folder / "link").symlink_to(folder / "real")
    os.mkfifo(folder / "pipe", 0o600)
    for name in ("link", "pipe"):
        with pytest.raises(SettingsError):
            keep_token(folder / name)


def test_rules_never_show_their_token() -> None:
    assert "ab" * 8 not in repr(loopback_rules(80, "ab" * 32))
    assert loopback_rules(80, "x").hosts == {
        *(b"localhost", b"127.0.0.1", b"[::1]"),
        *(b"localhost:80", b"127.0.0.1:80", b"[::1]:80"),
    }


def test_the_name_of_this_machine_may_be_in_capitals() -> None:
    rules = loopback_rules(8080, "t")
    headers = [(b"host", b"LOCALHOST:8080"), (b"authorization", b"bearer t")]
    assert rules.refuse(b"GET", b"/health", headers) is None
    assert AccessRules().refuse(b"GET", b"/health", []) is None


def test_a_token_is_given_once() -> None:
    rules = loopback_rules(8080, "t")
    twice = [(b"host", b"localhost:8080"), *2 * [(b"authorization", b"Bearer t")]]
    refusal = rules.refuse(b"GET", b"/health", twice)
    assert refusal is not None
    assert refusal.reason == "serve_wrong_token"


def test_no_socket_is_left_open_by_a_refusal(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(SettingsError):
        bind_private_socket(folder / ("y" * 100) / "s")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError):
            bind_loopback(taken.getsockname()[1])
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
