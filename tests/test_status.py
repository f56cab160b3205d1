"""Each process tells its own user, and nobody else, how it fares."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.status import MAX_STATUS_BYTES, StatusOffer, read_statuses, status_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets here")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: a socket's path holds some 100 bytes."""
    parent = Path(tempfile.mkdtemp(prefix="zc"))
    yield parent / "zeta-context"
    shutil.rmtree(parent)


@pytest.fixture
def offer(folder: Path) -> Iterator[StatusOffer]:
    offer = StatusOffer(lambda: {"counts": {"no_rule": 3}}, folder=folder)
    offer.start()
    yield offer
    offer.stop()


def test_an_offered_status_is_read_and_gone_once_stopped(folder: Path, offer: StatusOffer) -> None:
    (status,) = read_statuses(folder=folder)
    assert status.pid == os.getpid()
    assert status.fields == {"counts": {"no_rule": 3}}
    assert read_statuses(folder=folder) == (status,)
    offer.stop()
    offer.stop()
    assert read_statuses(folder=folder) == ()
    assert list(folder.iterdir()) == []
    offer.start()
    assert len(read_statuses(folder=folder)) == 1


def test_folder_and_socket_belong_to_the_user_alone(folder: Path, offer: StatusOffer) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert offer.path is not None
    assert stat.S_IMODE(offer.path.stat().st_mode) == 0o600
    assert offer.path.name == f"{os.getpid()}.sock"


def test_two_offers_of_one_process_do_not_take_each_others_place(
    folder: Path, offer: StatusOffer
) -> None:
    second = StatusOffer(lambda: {"second": True}, folder=folder)
    second.start()
    try:
        told = [status.fields for status in read_statuses(folder=folder)]
        assert sorted(map(str, told)) == ["{'counts': {'no_rule': 3}}", "{'second': True}"]
    finally:
        second.stop()
    assert len(read_statuses(folder=folder)) == 1


def test_another_process_is_read_and_its_socket_is_removed_after_it_was_killed(
    folder: Path,
) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from zeta_context.status import StatusOffer\n"
        "StatusOffer(lambda: {'name': 'other'}, folder=Path(sys.argv[1])).start()\n"
        "print('up', flush=True)\n"
        "time.sleep(50)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        (status,) = read_statuses(folder=folder)
        assert (status.pid, status.fields) == (process.pid, {"name": "other"})
    finally:
        process.kill()
        process.communicate()
    assert (folder / f"{process.pid}.sock").exists()
    assert read_statuses(folder=folder) == ()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("fault", ["wide", "link", "file", "shared parent"])
def test_a_folder_that_others_could_use_is_refused_on_both_ends(
    folder: Path, tmp_path: Path, fault: str
) -> None:
    if fault == "wide":
        folder.mkdir()
        folder.chmod(0o755)
    elif fault == "link":
        (tmp_path / "target").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "target")
    elif fault == "file":
        folder.touch(mode=0o600)
    else:
        folder.parent.chmod(0o777)
    counts = Counts()
    offer = StatusOffer(dict, counts=counts, folder=folder)
    offer.start()
    assert counts.totals() == {"status_unavailable": 1}
    assert offer.path is None
    if fault != "shared parent":
        assert read_statuses(folder=folder, counts=counts) == ()
        assert counts.total("status_folder_not_private") == 1
    offer.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    counts = Counts()
    StatusOffer(dict, counts=counts, folder=folder).start()
    assert read_statuses(folder=folder, counts=counts) == ()
    assert counts.totals() == {"status_folder_not_private": 1, "status_unavailable": 1}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_who_reaches_the_socket_gets_nothing(folder: Path) -> None:
    counts = Counts()
    offer = StatusOffer(lambda: {"told": 1}, counts=counts, folder=folder)
    offer.start()
    try:
        assert offer.path is not None
        folder.parent.chmod(0o755)
        folder.chmod(0o755)
        offer.path.chmod(0o666)
        code = (
            "import os, socket, sys\n"
            "os.setuid(12345)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "print(s.recv(100))\n"
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, str(offer.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "b''\n"
        assert counts.total("status_refused_peer") == 1
    finally:
        offer.stop()


def test_a_socket_that_another_user_put_there_is_not_believed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, offer: StatusOffer
) -> None:
    monkeypatch.setattr("zeta_context.status.is_same_user", lambda _: False)
    counts = Counts()
    assert read_statuses(folder=folder, counts=counts) == ()
    assert counts.total("status_refused_peer") >= 1


def listen(folder: Path, pid: int, answer: bytes, *, hold_s: float = 0.0) -> socket.socket:
    folder.mkdir(mode=0o700, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / f"{pid}.sock"))
    listener.listen()

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                peer.sendall(answer)
            except OSError:
                return
            time.sleep(hold_s)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"a": "' + b"x" * MAX_STATUS_BYTES + b'"}'],
)
def test_an_answer_that_is_no_small_json_object_is_counted(folder: Path, answer: bytes) -> None:
    counts = Counts()
    with listen(folder, 4711, answer):
        assert read_statuses(folder=folder, counts=counts) == ()
    assert counts.totals() == {"status_unreadable": 1}


def test_a_process_that_hangs_is_passed_over_in_time(folder: Path, offer: StatusOffer) -> None:
    counts = Counts()
    with listen(folder, 4711, b'{"half": ', hold_s=3):
        started = time.monotonic()
        assert [status.pid for status in read_statuses(folder=folder, counts=counts)] == [
            os.getpid()
        ]
        assert time.monotonic() - started < 2
    assert counts.totals() == {"status_unreadable": 1}


def test_other_files_in_the_folder_are_left_alone(folder: Path, offer: StatusOffer) -> None:
    (folder / "notes.sock").write_text("mine")
    (folder / "99999.sock").write_text("no socket")
    assert len(read_statuses(folder=folder)) == 1
    assert {path.name for path in folder.iterdir()} > {"notes.sock", "99999.sock"}


def test_a_provider_that_fails_or_tells_too_much_never_reaches_the_host(folder: Path) -> None:
    counts = Counts()
    provided: list[object] = [{"unserialisable": object()}, {"long": "x" * MAX_STATUS_BYTES}]

    def provide() -> dict[str, object]:
        if not provided:
            raise RuntimeError("provider")
        value = provided.pop()
        assert isinstance(value, dict)
        return value

    offer = StatusOffer(provide, counts=counts, folder=folder)
    offer.start()
    try:
        told = [read_statuses(folder=folder)[0].fields for _ in range(3)]
    finally:
        offer.stop()
    assert [fields["error"] for fields in told] == [
        "status_too_large",
        "status_provider_failed",
        "status_provider_failed",
    ]
    assert counts.totals() == {"status_provider_failed": 2, "status_too_large": 1}


def test_a_path_too_long_for_a_socket_is_counted_and_nothing_more(folder: Path) -> None:
    counts = Counts()
    offer = StatusOffer(dict, counts=counts, folder=folder.parent / ("x" * 150))
    offer.start()
    offer.stop()
    assert counts.totals() == {"status_unavailable": 1}


def test_a_forked_child_does_not_take_its_parents_socket_away(folder: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from zeta_context.status import StatusOffer, read_statuses\n"
        "folder = Path(sys.argv[1])\n"
        "offer = StatusOffer(lambda: {'n': 1}, folder=folder)\n"
        "offer.start()\n"
        "if os.fork() == 0:\n"
        "    offer.stop(); os._exit(0)\n"
        "os.wait()\n"
        "print(len(read_statuses(folder=folder)))\n"
        "offer.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


def test_the_folder_is_the_users_runtime_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert status_folder() == tmp_path / "zeta-context"
    assert read_statuses() == ()


def test_without_a_runtime_folder_of_the_system_nobody_is_warned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert status_folder().name == "zeta-context"
