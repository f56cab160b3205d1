"""Which model files may be read: weights that are data, configuration that is known."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from zeta_context.errors import ModelRefused
from zeta_context.runners.local.model_files import (
    allowed_config,
    assert_unchanged,
    digest_files,
    inspect_model,
)


def write_model(directory: Path, config: dict[str, Any] | None = None) -> Path:
    directory.mkdir(exist_ok=True)
    config = {"model_type": "llama", "eos_token_id": [2, 5]} if config is None else config
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


def test_a_plain_model_is_taken_with_its_end_tokens_and_digests(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "m")
    (directory / "generation_config.json").write_text('{"eos_token_id": 9}', encoding="utf-8")
    files = inspect_model(directory)
    assert files.name == "m"
    assert files.weights == ("model.safetensors",)
    assert files.end_token_ids == {2, 5, 9}
    assert files.weight_bytes == 7
    assert digest_files(files)["model.safetensors"] == hashlib.sha256(b"weights").hexdigest()


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_pickled_weights_are_refused_and_never_opened(tmp_path: Path, name: str) -> None:
    directory = write_model(tmp_path / "m")
    marker = tmp_path / "owned"
    (directory / name).write_bytes(pickle.dumps(Payload(marker)))
    assert inspect_model(directory).weights == ("model.safetensors",)
    (directory / "model.safetensors").unlink()
    for path in (directory, directory / name):
        with pytest.raises(ModelRefused, match="is a pickle, which can run any code"):
            inspect_model(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"auto_map": {"AutoModel": "evil.py"}}, "names code of its own"),
        ({"quantization_config": {"bits": 4}}, "use GGUF"),
    ],
)
def test_configurations_that_ask_for_more_are_refused(
    tmp_path: Path, config: dict[str, Any], sentence: str
) -> None:
    directory = write_model(tmp_path / "m", {"model_type": "llama", **config})
    with pytest.raises(ModelRefused, match=sentence):
        inspect_model(directory)


def test_a_tokenizer_with_code_and_an_adapter_are_refused(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "m")
    (directory / "tokenizer_config.json").write_text('{"auto_map": {}}', encoding="utf-8")
    with pytest.raises(ModelRefused, match="tokenizer names code"):
        inspect_model(directory)
    (directory / "tokenizer_config.json").unlink()
    (directory / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelRefused, match="merge it into its base model"):
        inspect_model(directory)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.json", None, "config.json is missing"),
        ("config.json", "{", "is not JSON"),
        ("config.json", "[" * 100_000, "is not JSON"),
        ("config.json", "[1]", "holds no object"),
        ("model.safetensors", None, "has no weights"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
        ("model.safetensors.index.json", "{}", "lists no weights"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "b.safetensors"}}', "are missing"),
        (
            "model.safetensors.index.json",
            '{"weight_map": {"a": "../b.safetensors"}}',
            "outside the model",
        ),
        ("model.safetensors.index.json", '{"weight_map": {"a": "b.bin"}}', "outside the model"),
    ],
)
def test_damaged_models_are_refused_with_what_is_wrong(
    tmp_path: Path, name: str, content: str | None, sentence: str
) -> None:
    directory = write_model(tmp_path / "m")
    if content is None:
        (directory / name).unlink()
    else:
        (directory / name).write_text(content, encoding="utf-8")
    with pytest.raises(ModelRefused, match=sentence) as caught:
        inspect_model(directory)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("x", encoding="utf-8")
    with pytest.raises(ModelRefused, match="neither a model directory nor a GGUF"):
        inspect_model(other)
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"GGML")
    with pytest.raises(ModelRefused, match="is no GGUF file"):
        inspect_model(fake)
    with pytest.raises(ModelRefused, match="no such model directory"):
        inspect_model(tmp_path / "nowhere")


def test_weights_exchanged_while_they_are_read_are_noticed(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "m")
    other = tmp_path / "other"
    other.write_bytes(b"weights")
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors").symlink_to(other)
    files = inspect_model(directory)
    assert_unchanged(files)
    swapped = tmp_path / "swapped"
    swapped.write_bytes(b"WEIGHTS")
    os.replace(swapped, other)
    with pytest.raises(ModelRefused, match="changed while they were being read"):
        assert_unchanged(files)


def test_only_declared_keys_reach_the_library() -> None:
    config = {
        "hidden_size": 8,
        "eos_token_id": 2,
        "_attn_implementation_internal": "evil/kernel",
        "attn_implementation": "evil/kernel",
        "experts_implementation": "x",
        "architectures": ["Evil"],
        "custom": 1,
        "dtype": "float16",
    }
    declared = frozenset({"hidden_size", "attn_implementation", "dtype", "experts_implementation"})
    assert allowed_config(config, declared) == {"hidden_size": 8, "eos_token_id": 2}
