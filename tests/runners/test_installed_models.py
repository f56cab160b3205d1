"""Models come onto this machine checked and hashed, and nothing of them can run code."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path

import pytest

from zeta_context.errors import ModelRefused, SettingsError
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import CompletionRequest
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.installed import (
    MANIFEST,
    check_safetensors,
    find_installed,
    import_model,
    list_installed,
)
from zeta_context.runners.models import KNOWN_MODELS, find_model, suggest_models
from zeta_context.runners.opening import choose_format, find_model_path, open_runner
from zeta_context.runners.settings import ModelSettings


def write_safetensors(path: Path, *, head: object = None, data: bytes = b"\0" * 8) -> Path:
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    text = json.dumps(head if head is not None else {"w": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "Toy-1B"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "llama", "eos_token_id": 1}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("read me")
    (folder / "modeling_toy.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_folder_is_taken_over_with_its_digests_and_without_its_code(
    model: Path, store: Path
) -> None:
    read: list[int] = []
    made = import_model(model, format_name="zeta1", folder=store, on_bytes=read.append)
    assert list_installed(store) == (made,)
    assert find_installed("TOY-1b", store) == made
    assert (made.name, made.format, made.source) == ("Toy-1B", "zeta1", "import")
    assert made.path == store / "Toy-1B"
    assert sorted(one.name for one in made.path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        MANIFEST,
    ]
    weights = made.path / "model.safetensors"
    assert made.sha256["model.safetensors"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert sum(read) == made.size_bytes
    assert not weights.is_symlink()


def test_a_gguf_file_is_taken_over_under_a_name_of_its_own(tmp_path: Path, store: Path) -> None:
    file = tmp_path / "toy.Q8_0.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 60)
    made = import_model(file, name="toy", folder=store, as_link=True)
    assert made.path == store / "toy" / "toy.Q8_0.gguf"
    assert made.path.is_symlink()
    assert find_installed("toy", store) == made


def test_a_name_that_is_taken_or_leaves_the_folder_is_refused(model: Path, store: Path) -> None:
    import_model(model, folder=store)
    with pytest.raises(ModelRefused, match="installed already"):
        import_model(model, folder=store)
    for name in ("../out", ".hidden", "a/b", "", " ", "x" * 101):
        if name:
            with pytest.raises(ModelRefused, match="letters, digits"):
                import_model(model, name=name, folder=store)
    assert [one.name for one in store.iterdir()] == ["Toy-1B"]


def test_what_cannot_be_safe_or_whole_is_refused_and_leaves_nothing(
    model: Path, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "fake.gguf").write_bytes(b"MZ")
    for path in (tmp_path / "weights.bin", tmp_path / "fake.gguf", tmp_path / "nowhere"):
        with pytest.raises(ModelRefused):
            import_model(path, folder=store)
    (model / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(ModelRefused, match="code of its own"):
        import_model(model, folder=store)
    assert list_installed(store) == ()


DAMAGED = {
    "short": b"\1\0",
    "huge head": struct.pack("<Q", 2**63) + b"{}",
    "no JSON": struct.pack("<Q", 4) + b"nope",
    "a list": struct.pack("<Q", 2) + b"[]",
    "deep": struct.pack("<Q", 5000) + b"[" * 5000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_safetensors_file_with_a_wrong_head_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match="damaged"):
        check_safetensors(path)


@pytest.mark.parametrize(
    "offsets",
    [
        [[0, 8], [4, 8]],
        [[0, 4], [5, 8]],
        [[0, 4]],
        [[0, 16]],
        [[8, 0]],
        [[-8, 0], [0, 8]],
        [[0, 4, 8]],
        [["a", "b"]],
    ],
)
def test_tensors_that_overlap_or_leave_their_file_are_refused(
    tmp_path: Path, offsets: list[list[object]]
) -> None:
    head = {f"t{n}": {"data_offsets": one} for n, one in enumerate(offsets)}
    path = write_safetensors(tmp_path / "model.safetensors", head=head)
    with pytest.raises(ModelRefused, match="damaged"):
        check_safetensors(path)


def test_a_truncated_download_is_noticed(model: Path, store: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelRefused, match="damaged"):
        import_model(model, folder=store)
    assert list(store.iterdir()) == []


def test_a_manifest_that_is_none_makes_no_model(model: Path, store: Path) -> None:
    made = import_model(model, folder=store)
    manifest = made.path / MANIFEST
    good = json.loads(manifest.read_text())
    for bad in ("", "[]", '{"schema": 2}', json.dumps({**good, "path": "../../etc/passwd"})):
        manifest.write_text(bad)
        assert list_installed(store) == ()
    manifest.write_text(json.dumps(good))
    assert list_installed(store) == (made,)
    (store / "stray").mkdir()
    (store / "file").write_text("")
    assert list_installed(store) == (made,)


def test_every_known_model_names_a_format_that_there_is() -> None:
    names = [one.name for one in KNOWN_MODELS]
    assert len(set(names)) == len(names)
    for one in KNOWN_MODELS:
        assert find_format(one.format).name == one.format
        assert find_model(one.repository.upper()) is one
        assert one.memory_bytes > one.size_bytes > 0
        assert one.licence


def test_a_model_is_found_by_path_by_name_or_not_with_advice(
    model: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.runners.installed.models_folder", lambda: store)
    import_model(model, name="own", format_name="zeta1", folder=store)
    assert find_model_path(ModelSettings(path=str(model))) == model
    assert find_model_path(ModelSettings(id="OWN")) == store / "own"
    assert choose_format(ModelSettings(id="own")).name == "zeta1"
    with pytest.raises(ModelRefused, match=r"model pull zeta-2\.1"):
        find_model_path(ModelSettings(id="zed-industries/zeta-2.1"))
    with pytest.raises(ModelRefused, match=r"did you mean .*zeta-2\.1"):
        find_model_path(ModelSettings(id="zeta2.1"))
    with pytest.raises(ModelRefused, match="no such model"):
        find_model_path(ModelSettings(path="nowhere/at/all"))
    assert "zeta-2" in suggest_models("zeta2")


def test_the_format_is_set_known_or_asked_for() -> None:
    assert choose_format(ModelSettings(id="zeta-2.1")).name == "V0318SeedMultiRegions"
    assert choose_format(ModelSettings(id="zeta-2.1", format="zeta1")).name == "zeta1"
    mercury = ModelSettings(endpoint="https://x.example", api="mercury")
    assert choose_format(mercury).name == "mercury-edit"
    with pytest.raises(SettingsError, match="set `format`"):
        choose_format(ModelSettings(path="some/where"))


def test_settings_open_the_runner_they_ask_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no model is chosen"):
        open_runner(ModelSettings())
    with pytest.raises(ModelRefused, match="no such cassette"):
        open_runner(ModelSettings(path=str(tmp_path / "gone.jsonl")))
    (tmp_path / "tape.jsonl").write_text("")
    assert open_runner(ModelSettings(path=str(tmp_path / "tape.jsonl"))).model == "tape"
    url = "https://models.example.com/v1/completions"
    remote = open_runner(
        ModelSettings(endpoint=url, id="m"), permission=RemotePermission.from_urls([url])
    )
    assert (remote.model, remote.is_remote) == ("m", True)
    shared = open_runner(ModelSettings(runner="shared"))
    assert not shared.is_remote
    assert "completions" in shared.model
    for one in (remote, shared):
        one.close()
    with pytest.raises(SettingsError, match="no known server"):
        open_runner(ModelSettings(endpoint=url, api="magic"))


def test_a_local_model_without_its_libraries_says_what_installs_them(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.runners.opening.missing_libraries", lambda: ("torch",))
    with pytest.raises(ModelRefused, match=r"needs torch.*install .*\[local\]"):
        open_runner(ModelSettings(path=str(model)))


def test_a_refusal_never_opens_a_connection() -> None:
    runner = open_runner(ModelSettings(endpoint="http://10.0.0.1/v1/completions"))
    with pytest.raises(Exception, match="not allowed"):
        runner.complete(CompletionRequest(prompt="x"))
    runner.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_to_be(model: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(ModelRefused, match="Permission denied"):
        import_model(model, folder=locked / "models")
