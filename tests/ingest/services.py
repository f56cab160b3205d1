"""Real services for the tests: PostgreSQL, an S3-compatible store, a NATS server.

Each is started on a free port of this machine and ended after the tests; where one cannot be had,
the tests that need it are skipped with the reason.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / "build" / "services"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.skip(f"{name} did not start")


@contextlib.contextmanager
def running(command: list[str], port: int, name: str, **options: object) -> Iterator[None]:
    """A program that listens on a port, ended in the end."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )
    try:
        wait_for_port(port, process, name)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # which PostgreSQL takes as: at once, but in order
        process.wait(20)


def find_postgres() -> Path:
    """The folder of PostgreSQL's programs: Debian keeps them out of the path."""
    found = [Path(one) for one in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve().parent] if on_path else []
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A connection string of a fresh cluster; it refuses to run as root, so it runs as another."""
    folder = find_postgres()
    options: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="zeta-pg-") as place:
        if os.geteuid() == 0:
            user = next((u for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None)
            if user is None:
                pytest.skip("PostgreSQL does not run as root, and there is no other user")
            os.chown(place, user.pw_uid, user.pw_gid)
            options = {"user": user.pw_uid, "group": user.pw_gid, "cwd": place}
        data = Path(place) / "data"
        made = subprocess.run(
            [folder / "initdb", "-D", data, "-U", "zeta", "--auth=trust", "-E", "UTF8", "-N"],
            capture_output=True, check=False, **options,  # type: ignore[call-overload]
        )  # fmt: skip
        if made.returncode:
            pytest.skip("PostgreSQL cannot make a cluster here")
        port = free_port()
        command = [
            str(folder / "postgres"), "-D", str(data), "-p", str(port), "-k", place,
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
        ]  # fmt: skip
        with running(command, port, "PostgreSQL", **options):
            url = f"postgresql://zeta@127.0.0.1:{port}/postgres"
            wait_for_postgres(url)
            yield url


def wait_for_postgres(url: str) -> None:
    import psycopg

    for _ in range(200):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        time.sleep(0.05)
    pytest.skip("PostgreSQL takes no connection")


@contextlib.contextmanager
def object_store() -> Iterator[str]:
    """The endpoint of an S3-compatible store with a bucket `records`."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    running_server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running_server.start()
    try:
        host, port = running_server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        import httpx

        httpx.put(
            f"{endpoint}/records",
            headers={
                "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"
            },
        ).raise_for_status()
        yield endpoint
    finally:
        running_server.stop()


def find_nats() -> str:
    """The NATS server: installed, or taken from Debian's package without installing it."""
    installed = shutil.which("nats-server") or str(CACHE / "usr/sbin/nats-server")
    for one in (installed, str(CACHE / "usr/bin/nats-server")):
        if Path(one).exists():
            return one
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("nats-server is not installed, and this is no Debian to get it from")
    CACHE.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(
        ["apt-get", "download", "nats-server"], cwd=CACHE, capture_output=True, check=False,
        timeout=50,
    )  # fmt: skip
    packages = sorted(CACHE.glob("nats-server_*.deb"))
    if got.returncode or not packages:
        pytest.skip("nats-server cannot be downloaded (apt-get download nats-server)")
    subprocess.run(["dpkg-deb", "-x", packages[-1], CACHE], check=True, timeout=30)
    for one in CACHE.rglob("nats-server"):
        if one.is_file() and os.access(one, os.X_OK):
            return str(one)
    pytest.skip("Debian's package holds no nats-server")


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """The URL of a NATS server with JetStream."""
    program = find_nats()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="zeta-nats-") as place:
        command = [program, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", place]
        with running(command, port, "nats-server"):
            yield f"nats://127.0.0.1:{port}"
