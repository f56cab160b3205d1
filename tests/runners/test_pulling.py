"""Models are fetched from a hub, here a small one of our own over real sockets."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runners.test_installed_models import write_safetensors
from zeta_context.errors import ModelRefused
from zeta_context.runners.installed import list_installed
from zeta_context.runners.pulling import pull_model

COMMIT = "c0ffee" + "0" * 34


class Hub(ThreadingHTTPServer):
    """Has one repository, `toy/model`; can break off in the middle of a file."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.files = files
        self.asked: list[tuple[str, str, str]] = []
        self.breaks_after: int | None = None
        self.loses_files = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        path, hub = self.path.partition("?")[0], self.server
        hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if (refusal := self._refuse(path)) is not None:
            return self._json({"error": "no"}, *refusal)
        if path.startswith("/api/models/toy/model/tree"):
            rows = [
                {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
                for name, data in hub.files.items()
            ]
            return self._json(rows)
        if path.startswith("/api/models/toy/model"):
            siblings = [{"rfilename": name} for name in hub.files]
            return self._json({"id": "toy/model", "sha": COMMIT, "siblings": siblings})
        name = path.removeprefix(f"/toy/model/resolve/{COMMIT}/")
        if name not in hub.files:
            code = "EntryNotFound" if name != path else "RepoNotFound"
            return self._json({"error": "none"}, 404, {"X-Error-Code": code})
        return self._file(hub.files[name], with_body=with_body)

    def _refuse(self, path: str) -> tuple[int, dict[str, str]] | None:
        if self.server.loses_files and path.rstrip("/") != "/api/models/toy/model":
            return 404, {}
        if path.startswith("/api/models/toy/locked"):
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}
        if path.startswith("/api/models/toy/busy"):
            return 503, {}
        if path.startswith(("/api/models/toy/gated", "/toy/gated")):
            return 403, {"X-Error-Code": "GatedRepo"}
        return None

    def _file(self, data: bytes, *, with_body: bool) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_oid(data)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not with_body:
            return
        if self.server.breaks_after is not None and len(data) > self.server.breaks_after:
            self.wfile.write(data[start : start + self.server.breaks_after])
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    weights = write_safetensors(tmp_path / "w", data=os.urandom(8)).read_bytes()
    hub = Hub(
        {
            "model.safetensors": weights,
            "config.json": b'{"model_type": "llama"}',
            "tokenizer.json": b"{}",
            "README.md": b"read me",
            "pytorch_model.bin": b"\x80\x04.",
            "modeling_evil.py": b"raise SystemExit",
            "toy.gguf": b"GGUF" + os.urandom(24_000_000),
            "onnx/model.json": b"{}",
        }
    )
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()


PULL = """
import sys
from pathlib import Path
from zeta_context.errors import ZetaError
from zeta_context.runners.pulling import pull_model
told = []
try:
    made = pull_model(sys.argv[2], name="toy", format_name="zeta1", file=sys.argv[3],
                      folder=Path(sys.argv[1]), on_progress=lambda n, of: told.append((n, of)))
    print("pulled", made.name, max(told, default=None))
except ZetaError as error:
    print(type(error).__name__, error)
"""


def _pull(
    folder: Path, url: str, repository: str = "toy/model", file: str = "", **variables: str
) -> str:
    """In a process of its own, since the hub's client reads its environment once."""
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "HF_ENDPOINT": url,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "HF_HUB_ETAG_TIMEOUT": "2",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", PULL, str(folder), repository, file],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def needs_hub_client() -> None:
    pytest.importorskip(
        "huggingface_hub", reason="huggingface_hub is not installed: run `make test-local`"
    )


@pytest.mark.usefixtures("needs_hub_client")
def test_a_model_is_fetched_without_its_code_and_pickles(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert _pull(folder, hub.url).startswith("pulled toy (")
    (made,) = list_installed(folder)
    assert (made.name, made.format, made.source) == ("toy", "zeta1", "toy/model")
    assert set(made.sha256) == {"model.safetensors", "config.json", "tokenizer.json"}
    asked = " ".join(path for _, path, _ in hub.asked)
    for name in ("pytorch_model.bin", "modeling_evil.py", "toy.gguf", "onnx"):
        assert name not in asked
    assert not list(folder.glob(".pulling-*"))


@pytest.mark.usefixtures("needs_hub_client")
def test_a_fetch_that_broke_off_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    hub.breaks_after = 15_000_000  # the client keeps whole pieces of 10 MB
    told = _pull(folder, hub.url, file="toy.gguf")
    hub.breaks_after = None
    if not told.startswith("pulled"):  # newer clients go on by themselves
        assert told.startswith(f"RunnerGone the hub at {hub.url} cannot be reached")
        assert list_installed(folder) == ()
        assert _pull(folder, hub.url, file="toy.gguf").startswith("pulled toy")
    (made,) = list_installed(folder)
    assert made.path.read_bytes() == hub.files["toy.gguf"]
    assert [header for _, path, header in hub.asked if path.endswith("toy.gguf") and header]


@pytest.mark.usefixtures("needs_hub_client")
def test_what_the_hub_refuses_or_has_not_is_said_in_one_sentence(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert _pull(folder, hub.url, "toy/none") == (
        "ModelRefused the hub has no toy/none, or not for you"
    )
    assert "asks for consent to its licence" in _pull(folder, hub.url, "toy/gated")
    assert _pull(folder, hub.url, "a b c").startswith("ModelRefused a repository is called")
    assert "has no other.gguf" in _pull(folder, hub.url, file="other.gguf")
    del hub.files["model.safetensors"]
    assert "lacks a file that it lists" in _pull(folder, hub.url)
    assert "weights as safetensors" in _pull(tmp_path / "others", hub.url)
    assert list_installed(folder) == ()


@pytest.mark.usefixtures("needs_hub_client")
def test_without_a_network_the_way_without_one_is_named(tmp_path: Path) -> None:
    told = _pull(tmp_path / "models", "http://127.0.0.1:9")
    assert told.startswith("RunnerGone the hub at http://127.0.0.1:9 cannot be reached")
    assert "model import" in told


@pytest.mark.usefixtures("needs_hub_client")
def test_why_the_hub_gives_nothing_is_told(hub: Hub, tmp_path: Path) -> None:
    assert "(HF_HUB_OFFLINE is set)" in _pull(tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert "(it answered 503)" in _pull(tmp_path, hub.url, "toy/busy")
    told = _pull(tmp_path, hub.url, "toy/locked", HF_TOKEN="hf_wrong")
    assert "it does not take your token: `hf auth login`" in told
    assert "hf_wrong" not in told


@pytest.mark.usefixtures("needs_hub_client")
def test_half_a_model_is_not_installed_when_the_hub_has_gone(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    half = folder / ".pulling-toy"
    half.mkdir(parents=True)
    for name in ("model.safetensors", "config.json"):
        (half / name).write_bytes(hub.files[name])
    for url, offline in (("http://127.0.0.1:9", "0"), (hub.url, "1")):
        assert _pull(folder, url, HF_HUB_OFFLINE=offline).startswith("RunnerGone")
    hub.loses_files = True
    assert _pull(folder, hub.url).startswith("RunnerGone")
    assert list_installed(folder) == ()
    hub.loses_files = False
    assert _pull(folder, hub.url).startswith("pulled toy")


@pytest.mark.usefixtures("needs_hub_client")
def test_a_damaged_model_is_not_installed(hub: Hub, tmp_path: Path) -> None:
    hub.files["model.safetensors"] = hub.files["model.safetensors"][:-1]
    assert "damaged" in _pull(tmp_path / "models", hub.url)
    assert list_installed(tmp_path / "models") == ()


def test_a_model_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    with pytest.raises(ModelRefused):
        pull_model("toy/model", name="toy", folder=tmp_path)


def test_without_the_hubs_client_its_installation_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelRefused, match=r"install .*\[local\]"):
        pull_model("toy/model", name="toy", folder=tmp_path)
