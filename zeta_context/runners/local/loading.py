"""Loads a model from its files: the fastest engine for it on this machine, checked and measured.

Knows nothing of prompts or requests.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zeta_context.errors import ModelRefused, OutOfMemory, SettingsError
from zeta_context.runners.local import cost, model_files
from zeta_context.runners.local.engine import Engine
from zeta_context.runners.local.model_files import ModelFiles, inspect_model
from zeta_context.runners.local.tokenizer import ModelTokenizer
from zeta_context.runners.local.torch_support import (
    choose_dtype,
    choose_threads,
    memory_errors,
    total_memory,
)
from zeta_context.runners.local.unpacking import (
    as_refusals,
    quiet_library,
    unpack_gguf,
    unpack_tokenizer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ENGINES = ("auto", "flat", "transformers", "llama.cpp")
"""What computes a model: torch with our own forward pass or the library's, or llama.cpp."""

DTYPES = ("bfloat16", "float16", "float32")
"""In what precision torch may compute a model."""

_SHARE_OF_MEMORY = 0.25
"""Of the machine's memory, what unpacked weights may take just to try whether they are faster."""

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

    `max_context` bounds the context window, and with it memory; `engine` is one of ENGINES.
    `cache_directory` is where a GGUF file is kept unpacked; None is the user's own cache. `name` is
    what people call the model, by default its file or folder. `short_passes` is `exact`, or `int8`:
    passes of a few tokens then read weights of 8 bits, faster and not quite the same model.
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
    if options.short_passes not in ("exact", "int8"):
        raise SettingsError(f"short_passes = {options.short_passes!r} is neither exact nor int8")
    if options.dtype and options.dtype not in DTYPES:
        raise SettingsError(f"dtype = {options.dtype!r} is none of {', '.join(DTYPES)}")
    if options.engine not in ENGINES:
        raise SettingsError(f"engine = {options.engine!r} is none of {', '.join(ENGINES)}")
    device = _find_device(options)
    if files.is_gguf and device.type == "cpu" and not options.dtype:
        quantised = load_quantised(files, options)
        if quantised is not None:
            return _faster(quantised, files, options)
    elif options.engine == "llama.cpp":
        raise ModelRefused(f"{files.name}: llama.cpp runs GGUF files, on the processor")
    return _load_torch(files, options, device)


def _faster(quantised: LoadedModel, files: ModelFiles, options: LoadOptions) -> LoadedModel:
    """The quantised model, or its weights unpacked for torch where that is faster and fits."""
    parameters = getattr(quantised.engine, "parameters", 0)
    if options.engine != "auto" or 2 * parameters > _SHARE_OF_MEMORY * total_memory():
        return quantised
    try:
        unpacked = _load_torch(files, options, torch.device("cpu"))
    except (ModelRefused, OutOfMemory):  # an architecture that only llama.cpp knows, say
        return quantised
    both = (quantised, unpacked)
    best = min(both, key=lambda one: one.engine.cost.answer_ms)
    times = (f"{one.engine.name} {one.engine.cost.answer_ms:.0f} ms" for one in both)
    best.notes.append(f"the faster one of: {'; '.join(times)} for a typical answer")
    for one in both:
        if one is not best:
            one.engine.close()
    gc.collect()
    return best


def _load_torch(files: ModelFiles, options: LoadOptions, device: torch.device) -> LoadedModel:
    name = options.name or files.name
    if files.is_gguf:
        files = unpack_gguf(files, options.cache_directory)
    digests: dict[str, str] = {}
    hashing = threading.Thread(target=lambda: digests.update(model_files.digest_files(files)))
    hashing.start()
    dtype = getattr(torch, options.dtype) if options.dtype else choose_dtype(device)
    notes: list[str] = []
    if device.type == "cpu":
        torch.set_num_threads(options.threads or choose_threads(dtype))
    tokenizer = ModelTokenizer.from_directory(files.directory)
    engine = _make_engine(files, options, device, dtype, notes)
    hashing.join()
    model_files.assert_unchanged(files)
    engine.cost = calibrate(engine, budget_s=options.calibration_s)
    return LoadedModel(
        name=name,
        engine=engine,
        tokenizer=tokenizer,
        end_tokens=files.end_token_ids,
        sha256=digests,
        notes=notes,
    )


def load_quantised(files: ModelFiles, options: LoadOptions) -> LoadedModel | None:
    """A GGUF file in llama.cpp; None where that is not there, not wanted or cannot run it."""
    from zeta_context.runners.local.llama_engine import LlamaEngine
    from zeta_context.runners.local.llama_library import is_installed

    is_wanted = options.engine == "llama.cpp"
    if not is_wanted and (options.engine != "auto" or not is_installed()):
        return None
    threads = options.threads or choose_threads(torch.float32)
    path = files.directory / files.weights[0]
    try:
        digests = model_files.digest_files(files)
        tokenizer = ModelTokenizer.from_directory(
            unpack_tokenizer(files, digests[files.weights[0]], options.cache_directory)
        )
        engine = LlamaEngine(path, context_window=options.max_context, threads=threads)
    except ModelRefused:
        if is_wanted:
            raise
        return None
    model_files.assert_unchanged(files)
    engine.cost = calibrate(engine, budget_s=options.calibration_s)
    return LoadedModel(
        name=options.name or files.name,
        engine=engine,
        tokenizer=tokenizer,
        end_tokens=engine.end_tokens(),
        sha256=digests,
    )


def calibrate(
    engine: Engine, *, budget_s: float, clock: Callable[[], float] = time.perf_counter
) -> cost.CostCurve:
    """Measure what passes of the engine take, after one to warm up."""
    sequence = engine.new_sequence()
    widest = max(width for width in cost.WIDTHS if width < engine.context_window // 3)
    ids = [(7 * number) % 97 for number in range(widest)]
    engine.read(sequence, ids)

    def run(width: int) -> None:
        sequence.truncate(widest)
        engine.verify(sequence, ids[:width], 0)

    widths = [width for width in cost.WIDTHS if width <= widest]
    return cost.measure(run, budget_s=budget_s, widths=widths, clock=clock)


def _find_device(options: LoadOptions) -> torch.device:
    """The device that is wished for, or the fastest kind; raises SettingsError if there is none."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if not options.device:
        wanted = "cpu" if options.engine == "llama.cpp" else ""
        return torch.device(
            wanted or next(kind for kind, is_there in available.items() if is_there)
        )
    if not available.get(options.device.partition(":")[0]):
        there = [kind for kind, is_there in available.items() if is_there]
        raise SettingsError(
            f"device = {options.device!r} cannot be used by torch here; there is {', '.join(there)}"
        )
    return torch.device(options.device)


def _make_engine(
    files: ModelFiles,
    options: LoadOptions,
    device: torch.device,
    dtype: torch.dtype,
    notes: list[str],
) -> Engine:
    from zeta_context.runners.local.flat_engine import FlatEngine, why_unsupported
    from zeta_context.runners.local.hf_engine import HFEngine
    from zeta_context.runners.local.static_engine import StaticEngine

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
        has_short_int8 = options.short_passes == "int8"
        if device.type == "cuda":
            flat: FlatEngine = StaticEngine(model, context_window=window)
        else:
            flat = FlatEngine(model, context_window=window, has_short_int8=has_short_int8)
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
    with as_refusals(files.name), quiet_library():
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
    with as_refusals(files.name):
        return family(**model_files.allowed_config(files.config, declared))


def _context_window(model: PreTrainedModel, options: LoadOptions) -> int:
    trained = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(options.max_context, int(trained)) if trained else options.max_context
