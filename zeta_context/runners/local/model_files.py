"""Which files of a model may be read, and what its configuration may say.

A model is data from strangers: only safetensors and GGUF weights are read, never a pickle, and of
the configuration only what the library's own class for that architecture declares. No code, chat
template or adapter of the model is used. Knows nothing of how weights are loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.errors import ModelRefused

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Weights in these run whatever code they hold when they are opened."""

_MAX_CONFIG_BYTES = 4 * 1024 * 1024
_REFUSED_KEYS = {
    "auto_map": "its configuration names code of its own to run",
    "quantization_config": "its weights are quantised in a way that is not supported: use GGUF",
    "base_model_name_or_path": "it is an adapter: merge it into its base model first",
}
_NEVER_KEYS = frozenset(
    {"architectures", "dtype", "torch_dtype", "transformers_version", "name_or_path", "model_type"}
)
_TOKEN_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of one model that may be read.

    `config` is the configuration as its file has it, empty for GGUF. `weights` are file names in
    `directory`. `state` tells whether a file was exchanged since (see `assert_unchanged`).
    """

    directory: Path
    weights: tuple[str, ...]
    config: Mapping[str, Any]
    end_token_ids: frozenset[int]
    state: tuple[tuple[str, int, int, int], ...]

    @property
    def is_gguf(self) -> bool:
        """Whether the weights are one GGUF file, which holds the tokenizer too."""
        return self.weights[0].endswith(".gguf")

    @property
    def name(self) -> str:
        """What to call the model: its directory's or file's name."""
        return self.weights[0].removesuffix(".gguf") if self.is_gguf else self.directory.name

    @property
    def weight_bytes(self) -> int:
        """The size of the weights on disk."""
        return sum((self.directory / name).stat().st_size for name in self.weights)


def inspect_model(path: Path) -> ModelFiles:
    """The files of the model at a path: a directory, or a GGUF file.

    Raises ModelRefused with what is missing, damaged or unsafe.
    """
    if path.is_file():
        if path.suffix in PICKLES:
            raise ModelRefused(_pickle_sentence(path.name))
        if path.suffix != ".gguf":
            raise ModelRefused(f"{path.name} is neither a model directory nor a GGUF file")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelRefused(f"{path.name} is no GGUF file, or is damaged")
        return _files(path.parent, (path.name,), {}, frozenset())
    if not path.is_dir():
        raise ModelRefused(f"{path.name}: there is no such model directory")
    if (path / "adapter_config.json").exists():
        raise ModelRefused(f"{path.name} {_REFUSED_KEYS['base_model_name_or_path'][3:]}")
    config = _read_json(path / "config.json")
    for key, sentence in _REFUSED_KEYS.items():
        if key in config:
            raise ModelRefused(f"{path.name}: {sentence}")
    tokenizer_config = path / "tokenizer_config.json"
    if tokenizer_config.exists() and "auto_map" in _read_json(tokenizer_config):
        raise ModelRefused(f"{path.name}: its tokenizer names code of its own to run")
    return _files(path, _find_weights(path), config, _end_token_ids(path, config))


def allowed_config(config: Mapping[str, Any], declared: frozenset[str]) -> dict[str, Any]:
    """What of a configuration may reach the library: declared keys with plain values.

    `declared` are the keys that the library's class for the architecture declares itself.
    """
    return {
        key: value
        for key, value in config.items()
        if (key in declared or key in _TOKEN_KEYS)
        and key not in _NEVER_KEYS
        and not key.startswith("_")
        and "implementation" not in key
    }


def assert_unchanged(files: ModelFiles) -> None:
    """Raise ModelRefused when a file was exchanged since it was inspected."""
    if _state(files.directory, [name for name, *_ in files.state]) != files.state:
        raise ModelRefused(f"{files.name}: its files changed while they were being read")


def digest_files(files: ModelFiles) -> dict[str, str]:
    """The SHA-256 of every file that is read, by name."""
    digests: dict[str, str] = {}
    for name, *_ in files.state:
        with (files.directory / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _find_weights(path: Path) -> tuple[str, ...]:
    index = path / "model.safetensors.index.json"
    if index.exists():
        shards = _read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ModelRefused(f"{path.name}: {index.name} lists no weights")
        names = tuple(sorted({str(name) for name in shards.values()}))
        for name in names:
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise ModelRefused(f"{path.name}: {index.name} names a file outside the model")
            if not (path / name).is_file():
                raise ModelRefused(f"{path.name}: the weights {name} are missing")
        return names
    if (path / "model.safetensors").is_file():
        return ("model.safetensors",)
    pickles = sorted(file.name for file in path.iterdir() if file.suffix in PICKLES)
    if pickles:
        raise ModelRefused(_pickle_sentence(pickles[0]))
    raise ModelRefused(f"{path.name} has no weights: model.safetensors is missing")


def _pickle_sentence(name: str) -> str:
    return (
        f"{name} is a pickle, which can run any code when it is opened: "
        "convert the weights to safetensors, or use a model that has them"
    )


def _end_token_ids(path: Path, config: Mapping[str, Any]) -> frozenset[int]:
    found: set[int] = set()
    generation = path / "generation_config.json"
    for source in (config, _read_json(generation) if generation.exists() else {}):
        value = source.get("eos_token_id")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int) and not isinstance(one, bool):
                found.add(one)
    return frozenset(found)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelRefused(f"{path.parent.name}: {path.name} is missing")
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ModelRefused(f"{path.parent.name}: {path.name} is too large to be one")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise ModelRefused(f"{path.parent.name}: {path.name} is not JSON") from problem
    if not isinstance(value, dict):
        raise ModelRefused(f"{path.parent.name}: {path.name} holds no object")
    return value


def _files(
    directory: Path, weights: tuple[str, ...], config: dict[str, Any], end: frozenset[int]
) -> ModelFiles:
    names = list(weights)
    if config:
        names += ["config.json", "tokenizer.json"]
    return ModelFiles(
        directory=directory,
        weights=weights,
        config=config,
        end_token_ids=end,
        state=_state(directory, names),
    )


def _state(directory: Path, names: list[str]) -> tuple[tuple[str, int, int, int], ...]:
    """What changes when a file, or what a link leads to, is exchanged."""
    found: list[tuple[str, int, int, int]] = []
    for name in names:
        try:
            status = os.stat(directory / name)
        except OSError as problem:
            raise ModelRefused(f"{directory.name}: {name} is missing") from problem
        found.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
