"""Loads a model from its files: the fastest engine for it on this machine, checked and measured.

Knows nothing of prompts or requests.
"""

from __future__ import annotations

import gc
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import torch

from zeta_context.errors import ModelRefused, OutOfMemory
from zeta_context.runners.local import cost, model_files
from zeta_context.runners.local.engine import Engine
from zeta_context.runners.local.model_files import ModelFiles, inspect_model
from zeta_context.runners.local.tokenizer import ModelTokenizer
from zeta_context.runners.local.torch_support import (
    choose_dtype,
    choose_threads,
    memory_errors,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TEST_TOKENS = 24
_SAME_DIRECTION = 0.98
"""The least cosine between the logits of both engines: rounding leaves it above 0.999."""


@dataclass(slots=True, kw_only=True)
class LoadedModel:
    """A model that is ready: what computes it, its tokenizer, where its answers end.

    `sha256` are the digests of its files by name, `notes` what people should know of the choices.
    """

    name: str
    engine: Engine
    tokenizer: ModelTokenizer
    end_tokens: frozenset[int]
    sha256: dict[str, str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load: what is None is chosen by what the machine has, or by measuring.

    `max_context` bounds the context window, and with it memory. `cache_directory` is where a GGUF
    file is kept as unpacked weights; None is the user's own cache. `name` is what people call the
    model, by default its file or folder. `short_passes` is `exact`, or `int8`: passes of a few
    tokens then read weights of 8 bits, faster and not quite the same model.
    """

    name: str = ""
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    max_context: int = 8192
    engine: str = "auto"
    cache_directory: Path | None = None
    calibration_s: float = 1.0
    short_passes: str = "exact"


def load_model(path: Path, options: LoadOptions | None = None) -> LoadedModel:
    """Load the model at a path, a directory or a GGUF file.

    Raises ModelRefused and OutOfMemory. Takes seconds, and the memory of the weights.
    """
    options = options or LoadOptions()
    files = inspect_model(path)
    if files.is_gguf:
        files = unpack_gguf(files, options.cache_directory)
    digests: dict[str, str] = {}
    hashing = threading.Thread(target=lambda: digests.update(model_files.digest_files(files)))
    hashing.start()
    device = torch.device(options.device or _best_device())
    dtype = getattr(torch, options.dtype) if options.dtype else choose_dtype(device)
    notes: list[str] = []
    if device.type == "cpu":
        threads = options.threads or choose_threads(dtype)
        torch.set_num_threads(threads)
        notes.append(f"{threads} threads")
    tokenizer = ModelTokenizer.from_directory(files.directory)
    engine = _make_engine(files, options, device, dtype, notes)
    hashing.join()
    model_files.assert_unchanged(files)
    engine.cost = calibrate(engine, budget_s=options.calibration_s)
    return LoadedModel(
        name=options.name or files.name,
        engine=engine,
        tokenizer=tokenizer,
        end_tokens=files.end_token_ids,
        sha256=digests,
        notes=notes,
    )


def calibrate(engine: Engine, *, budget_s: float) -> cost.CostCurve:
    """Measure what passes of the engine take, after one to warm up."""
    sequence = engine.new_sequence()
    widest = max(width for width in cost.WIDTHS if width < engine.context_window // 3)
    ids = [(7 * number) % 97 for number in range(widest)]
    engine.read(sequence, ids)

    def run(width: int) -> None:
        sequence.truncate(widest)
        engine.verify(sequence, ids[:width], 0)

    widths = [width for width in cost.WIDTHS if width <= widest]
    return cost.measure(run, budget_s=budget_s, widths=widths)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _make_engine(
    files: ModelFiles,
    options: LoadOptions,
    device: torch.device,
    dtype: torch.dtype,
    notes: list[str],
) -> Engine:
    from zeta_context.runners.local.flat_engine import FlatEngine, why_unsupported
    from zeta_context.runners.local.hf_engine import HFEngine

    model = load_weights(files, device, dtype)
    window = _context_window(model, options)
    problem = why_unsupported(model, window) if options.engine != "transformers" else "not wanted"
    if options.engine == "flat" and problem:
        raise ModelRefused(f"{files.name}: {problem}")
    if problem:
        notes.append(f"transformers engine: {problem}")
        return HFEngine(model, context_window=window)
    ids = [(11 * number) % min(97, model.config.vocab_size) for number in range(_TEST_TOKENS)]
    with torch.inference_mode(), memory_errors():
        expected = model(torch.tensor([ids], device=device)).logits[0]
        flat = FlatEngine(model, context_window=window)
        got = flat.logits(ids)
    alike = torch.nn.functional.cosine_similarity(got.float(), expected.float(), dim=-1)
    if float(alike.min()) >= _SAME_DIRECTION:
        return flat
    notes.append("transformers engine: the flat one did not pass its self-test")
    flat.close()
    del model, flat
    gc.collect()
    return HFEngine(load_weights(files, device, dtype), context_window=window)


def load_weights(files: ModelFiles, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """The library's own model with the weights of these files; raises ModelRefused."""
    from transformers import AutoModelForCausalLM

    config = _library_config(files)
    with _as_refusals(files.name), _quiet_library():
        model, report = AutoModelForCausalLM.from_pretrained(
            files.directory,
            config=config,
            dtype=dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelRefused(
            f"{files.name}: its weights are not those of a {config.model_type} model: "
            f"{len(missing)} are missing, {missing[0]} among them"
        )
    loaded: PreTrainedModel = model.to(device).eval()
    return loaded


def _library_config(files: ModelFiles) -> Any:
    """The configuration, from the keys that the library's class for the architecture declares."""
    import inspect

    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    kind = files.config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ModelRefused(f"{files.name}: the architecture {str(kind)[:40]!r} is not known")
    family = CONFIG_MAPPING[kind]
    if family not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelRefused(f"{files.name}: {kind} is no causal language model")
    declared = frozenset(inspect.signature(family.__init__).parameters) | frozenset(
        name for one in family.__mro__ for name in getattr(one, "__annotations__", ())
    )
    # Older files keep the rotary base and scaling under names that the classes only convert.
    declared |= {"rope_theta", "rope_scaling", "rope_parameters"}
    with _as_refusals(files.name):
        return family(**model_files.allowed_config(files.config, declared))


def _context_window(model: PreTrainedModel, options: LoadOptions) -> int:
    trained = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(options.max_context, int(trained)) if trained else options.max_context


@contextmanager
def _as_refusals(name: str) -> Iterator[None]:
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
def _quiet_library() -> Iterator[None]:
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
    cache = cache or platformdirs.user_cache_path("zeta-context") / "models"
    directory = cache / f"{files.name}-{digest[:16]}"
    if not (directory / "config.json").exists():
        partial = directory.with_name(directory.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_unpacked(files, partial)
        model_files.assert_unchanged(files)
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    return inspect_model(directory)


def _write_unpacked(files: ModelFiles, directory: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with _as_refusals(files.name), _quiet_library():
        tokenizer = AutoTokenizer.from_pretrained(
            files.directory,
            gguf_file=files.weights[0],
            local_files_only=True,
            trust_remote_code=False,
        )
        model = AutoModelForCausalLM.from_pretrained(
            files.directory,
            gguf_file=files.weights[0],
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
            local_files_only=True,
            trust_remote_code=False,
        )
        model.save_pretrained(directory, safe_serialization=True)
        tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
