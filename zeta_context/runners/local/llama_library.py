"""llama.cpp through its C interface: from the package `xllamacpp`, or from a library of one's own.

Source: llama.h of llama.cpp. Structures of parameters change with its versions, so only fields are
set whose place can be checked against the defaults that the library itself gives, and what came of
them is asked back; a library that does not fit is refused. Knows nothing of decoding loops.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from zeta_context.errors import ModelRefused, OutOfMemory
from zeta_context.installation import install_command
from zeta_context.runners.local.engine import PassInterrupted
from zeta_context.runners.local.llama_interrupt import PassFlag

LIBRARY_VARIABLE = "ZETA_CONTEXT_LLAMA_LIBRARY"
"""An environment variable with the path of a libllama of one's own."""

_PARAMETER_BYTES = 512
"""More than any structure of parameters has: they are copied, and what is too much is not read."""

_CONTEXT_DEFAULTS = (512, 2048, 512, 1)
"""Tokens of the context, of a batch, of a computed batch, sequences: the first four fields."""

_INTERRUPTED = 2
"""What `llama_decode` gives when it was told to stop."""

_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_QUIET = _LOG(lambda *_: None)


class _Parameters(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * (_PARAMETER_BYTES // 4))]


class Batch(ctypes.Structure):
    """`llama_batch`: tokens with their places, sequences, and whether logits are wanted."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.POINTER(ctypes.c_float)),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


_lock = threading.Lock()
_loaded: list[Any] = []


def is_installed() -> bool:
    """Whether the library is there; it is not loaded for that."""
    return find_library() is not None


def find_library() -> Path | None:
    """The library's file: the one that the environment names, else that of `xllamacpp`.

    A library built for the very processor is up to twice as fast as what packages bring.
    """
    if named := os.environ.get(LIBRARY_VARIABLE):
        return Path(named).expanduser()
    spec = importlib.util.find_spec("xllamacpp")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        for pattern in ("xllamacpp*.so", "xllamacpp*.pyd"):
            for path in Path(folder).glob(pattern):
                return path
    return None


def load_library() -> Any:
    """The library, loaded once; raises ModelRefused when it is missing or does not fit."""
    with _lock:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def describe() -> str:
    """What of the processor the library makes use of, as it says itself; raises ModelRefused."""
    told: bytes = load_library().llama_print_system_info()
    return " ".join(told.decode("utf-8", "replace").split())


def _load() -> Any:
    found = find_library()
    if found is None:
        raise ModelRefused(
            f"llama.cpp is not installed: `{install_command('local', 'llamacpp')}` brings it"
        )
    try:
        library = ctypes.CDLL(str(found))
        _declare(library)
    except (OSError, AttributeError) as problem:
        raise ModelRefused(f"the installed llama.cpp cannot be used ({problem})") from None
    library.llama_log_set(_QUIET, None)
    library.llama_backend_init()
    defaults = library.llama_context_default_params()
    if tuple(defaults.words[:4]) != _CONTEXT_DEFAULTS:
        raise ModelRefused(
            "the installed llama.cpp is of a version that is not known: install another xllamacpp"
        )
    return library


def _declare(library: Any) -> None:
    pointer, integer, flag = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool
    floats = ctypes.POINTER(ctypes.c_float)
    for name, result, arguments in (
        ("llama_log_set", None, (_LOG, pointer)),
        ("llama_backend_init", None, ()),
        ("llama_print_system_info", ctypes.c_char_p, ()),
        ("llama_model_default_params", _Parameters, ()),
        ("llama_context_default_params", _Parameters, ()),
        ("llama_model_load_from_file", pointer, (ctypes.c_char_p, _Parameters)),
        ("llama_model_free", None, (pointer,)),
        ("llama_model_get_vocab", pointer, (pointer,)),
        ("llama_model_n_ctx_train", integer, (pointer,)),
        ("llama_model_n_params", ctypes.c_uint64, (pointer,)),
        ("llama_model_size", ctypes.c_uint64, (pointer,)),
        ("llama_model_n_layer", integer, (pointer,)),
        ("llama_model_n_head", integer, (pointer,)),
        ("llama_model_n_head_kv", integer, (pointer,)),
        ("llama_model_n_embd", integer, (pointer,)),
        ("llama_model_is_recurrent", flag, (pointer,)),
        ("llama_model_is_hybrid", flag, (pointer,)),
        ("llama_model_desc", integer, (pointer, ctypes.c_char_p, ctypes.c_size_t)),
        ("llama_vocab_n_tokens", integer, (pointer,)),
        ("llama_vocab_is_eog", flag, (pointer, integer)),
        ("llama_init_from_model", pointer, (pointer, _Parameters)),
        ("llama_free", None, (pointer,)),
        ("llama_n_ctx", ctypes.c_uint32, (pointer,)),
        ("llama_n_batch", ctypes.c_uint32, (pointer,)),
        ("llama_n_seq_max", ctypes.c_uint32, (pointer,)),
        ("llama_set_n_threads", None, (pointer, integer, integer)),
        ("llama_set_abort_callback", None, (pointer, pointer, pointer)),
        ("llama_get_memory", pointer, (pointer,)),
        ("llama_memory_clear", None, (pointer, flag)),
        ("llama_memory_seq_rm", flag, (pointer, integer, integer, integer)),
        ("llama_memory_seq_cp", None, (pointer, integer, integer, integer, integer)),
        ("llama_batch_init", Batch, (integer, integer, integer)),
        ("llama_batch_free", None, (Batch,)),
        ("llama_decode", integer, (pointer, Batch)),
        ("llama_get_logits_ith", floats, (pointer, integer)),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments


class LlamaModel:
    """One model and one context of it, with room for some sequences. For one thread."""

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        sequences: int,
        cache_bytes: int,
        batch: int,
        threads: int,
    ) -> None:
        """`sequences` at most, of `context` tokens at most, in about `cache_bytes` together.

        Raises ModelRefused for a file that it cannot load, OutOfMemory.
        """
        library = self._library = load_library()
        self._model = library.llama_model_load_from_file(
            str(path).encode(), library.llama_model_default_params()
        )
        if not self._model:
            raise ModelRefused(
                f"{path.name} is damaged, of an architecture without support, or too large for the "
                "memory that is left"
            )
        if library.llama_model_is_recurrent(self._model) or library.llama_model_is_hybrid(
            self._model
        ):
            library.llama_model_free(self._model)
            raise ModelRefused(f"{path.name} has a state that cannot be taken back to a token")
        self.sequence_context = min(context, int(library.llama_model_n_ctx_train(self._model)))
        fitting = cache_bytes // (self.sequence_context * self.key_value_bytes_per_token)
        sequences = self.sequences = max(1, min(sequences, fitting))
        wanted = (self.sequence_context * sequences, batch, batch, sequences)
        parameters = library.llama_context_default_params()
        parameters.words[:4] = wanted
        self._context = library.llama_init_from_model(self._model, parameters)
        if not self._context:
            library.llama_model_free(self._model)
            raise OutOfMemory(f"there is no memory for {wanted[0]} tokens of {path.name}")
        library.llama_set_n_threads(self._context, threads, threads)
        self._flag = PassFlag(library, self._context)
        self._memory = library.llama_get_memory(self._context)
        self._vocabulary = library.llama_model_get_vocab(self._model)
        self.vocabulary_size = int(library.llama_vocab_n_tokens(self._vocabulary))
        self._batch = library.llama_batch_init(batch, 0, 1)
        self._batch_size = batch
        if (library.llama_n_batch(self._context), library.llama_n_seq_max(self._context)) != (
            batch,
            sequences,
        ):
            self.close()
            raise ModelRefused("the installed llama.cpp reads its parameters otherwise")

    @property
    def description(self) -> str:
        """Architecture, size and quantisation, as the library tells them."""
        buffer = ctypes.create_string_buffer(128)
        self._library.llama_model_desc(self._model, buffer, 128)
        return buffer.value.decode("utf-8", "replace")

    @property
    def parameters(self) -> int:
        """The number of its weights."""
        return int(self._library.llama_model_n_params(self._model))

    @property
    def key_value_bytes_per_token(self) -> int:
        """Keys and values of all layers in half precision."""
        library, model = self._library, self._model
        width = library.llama_model_n_embd(model) // library.llama_model_n_head(model)
        heads = library.llama_model_n_head_kv(model)
        return int(2 * library.llama_model_n_layer(model) * heads * width * 2)

    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer."""
        ask = self._library.llama_vocab_is_eog
        return frozenset(
            token for token in range(self.vocabulary_size) if ask(self._vocabulary, token)
        )

    def decode(
        self,
        sequence: int,
        ids: Sequence[int],
        start: int,
        wanted: int,
        *,
        interrupt: Callable[[], bool] | None = None,
    ) -> list[Any]:
        """Append tokens from place `start` on; the logits after the last `wanted` of them.

        Each is an array of numbers of its own. Raises OutOfMemory, and PassInterrupted soon after
        `interrupt` says so, the sequence then ending at `start` as before.
        """
        rows: list[Any] = []
        for first in range(0, len(ids), self._batch_size):
            part = ids[first : first + self._batch_size]
            skipped = max(0, len(ids) - wanted - first)
            self._fill(sequence, part, start + first, skipped)
            with self._flag.watch(interrupt) if interrupt is not None else nullcontext():
                status = self._library.llama_decode(self._context, self._batch)
            if status == _INTERRUPTED:
                self.truncate(sequence, start)
                raise PassInterrupted
            if status != 0:
                self.truncate(sequence, start)
                raise OutOfMemory(f"llama.cpp has no room for the next tokens (status {status})")
            rows += [self._logits(place) for place in range(min(skipped, len(part)), len(part))]
        return rows

    def truncate(self, sequence: int, length: int) -> None:
        """Forget all but the first tokens of a sequence."""
        self._library.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def forget(self, sequence: int) -> None:
        """Forget a whole sequence."""
        if self._context:
            self._library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def copy(self, source: int, target: int) -> None:
        """Make one sequence the same as another."""
        self._library.llama_memory_seq_rm(self._memory, target, -1, -1)
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def close(self) -> None:
        """Give back all memory; closing again changes nothing."""
        if self._context:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self._context)
            self._library.llama_model_free(self._model)
            self._context = self._model = None

    def _fill(self, sequence: int, ids: Sequence[int], start: int, skipped: int) -> None:
        batch = self._batch
        batch.n_tokens = len(ids)
        for number, token in enumerate(ids):
            batch.token[number] = token
            batch.pos[number] = start + number
            batch.n_seq_id[number] = 1
            batch.seq_id[number][0] = sequence
            batch.logits[number] = number >= skipped

    def _logits(self, place: int) -> Any:
        import numpy

        found = self._library.llama_get_logits_ith(self._context, place)
        return numpy.ctypeslib.as_array(found, shape=(self.vocabulary_size,)).copy()
