"""Unpacks GGUF files into what torch and the tokenizers library read, once, into the user's cache.

The transformers library does it, kept quiet, and whatever it raises becomes a refusal. Knows
nothing of engines.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import torch

from zeta_context.errors import ModelRefused, OutOfMemory
from zeta_context.runners.local import model_files
from zeta_context.runners.local.model_files import ModelFiles, inspect_model
from zeta_context.runners.local.torch_support import memory_errors


@contextmanager
def as_refusals(name: str) -> Iterator[None]:
    """Turn whatever the library raises for damaged or odd files into ModelRefused."""
    try:
        with memory_errors():
            yield
    except (ModelRefused, OutOfMemory):
        raise
    except Exception as problem:  # the library and its parsers raise nearly every kind
        raise ModelRefused(
            f"{name} cannot be loaded: its files are damaged or not what its configuration says "
            f"({type(problem).__name__})"
        ) from problem


@contextmanager
def quiet_library() -> Iterator[None]:
    """No progress bars on somebody's terminal, no advice in somebody's log."""
    from transformers.utils import logging

    was_shown = logging.is_progress_bar_enabled()
    level = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    unpacking, bar = _unpacking_bar()
    if bar is not None:
        unpacking.tqdm = lambda rows, **_: rows
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bar is not None:
            unpacking.tqdm = bar
        if was_shown:
            logging.enable_progress_bar()


def _unpacking_bar() -> tuple[Any, Any]:
    """The library's module for GGUF files and its progress bar, which heeds no setting."""
    try:
        from transformers import modeling_gguf_pytorch_utils as module
    except ImportError:
        return None, None
    return module, getattr(module, "tqdm", None)


def unpack_gguf(files: ModelFiles, cache: Path | None = None) -> ModelFiles:
    """A model directory with the weights of a GGUF file, made once and kept by digest.

    It lies in `cache`, or in the user's own cache. Raises ModelRefused.
    """
    digest = model_files.digest_files(files)[files.weights[0]]
    directory = _make_once(files, f"{files.name}-{digest[:16]}", "config.json", cache, _write_model)
    return inspect_model(directory)


def unpack_tokenizer(files: ModelFiles, digest: str, cache: Path | None = None) -> Path:
    """A directory with the tokenizer of a GGUF file alone, made once and kept like the weights."""
    name = f"{files.name}-{digest[:16]}-tokenizer"
    return _make_once(files, name, "tokenizer.json", cache, _write_tokenizer)


def _make_once(
    files: ModelFiles,
    name: str,
    last: str,
    cache: Path | None,
    write: Callable[[ModelFiles, Path], None],
) -> Path:
    """A directory of the cache; `last` is a file that it has only when it is whole."""
    cache = cache or platformdirs.user_cache_path("zeta-context", appauthor=False) / "models"
    directory = cache / name
    if not (directory / last).exists():
        partial = directory.with_name(directory.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write(files, partial)
        model_files.assert_unchanged(files)
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    return directory


def _write_model(files: ModelFiles, directory: Path) -> None:
    from transformers import AutoModelForCausalLM, GgufConfig

    with as_refusals(files.name), quiet_library():
        model = AutoModelForCausalLM.from_pretrained(
            files.directory,
            gguf_file=files.weights[0],
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
            local_files_only=True,
            trust_remote_code=False,
        )
        model.save_pretrained(directory, safe_serialization=True)
    _write_tokenizer(files, directory)


def _write_tokenizer(files: ModelFiles, directory: Path) -> None:
    from transformers import AutoTokenizer

    with as_refusals(files.name), quiet_library():
        tokenizer = AutoTokenizer.from_pretrained(
            files.directory,
            gguf_file=files.weights[0],
            local_files_only=True,
            trust_remote_code=False,
        )
        tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
