"""An engine over llama.cpp: quantised GGUF weights as they are, in this process.

Its short passes are faster than torch's, and its weights take a quarter of the memory; where the
processor multiplies bfloat16, torch reads prompts faster. Which is better here is measured.
"""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zeta_context.errors import ContextOverflow
from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.engine import KeyValues, Verified
from zeta_context.runners.local.llama_library import LlamaModel

_BATCH = 512
_MOST_SEQUENCES = 3
_CACHE_BYTES = 1024 * 1024 * 1024
"""What all sequences together may take: llama.cpp takes all of it at once."""

_WATCHED_MS = 20.0
"""How long a pass must take to be watched: that costs the start of a thread."""


class _Sequence:
    """One of the context's sequences, by its number there."""

    def __init__(self, number: int, model: LlamaModel) -> None:
        self.number = number
        self.length = 0
        self._model = model

    @property
    def nbytes(self) -> int:
        return self.length * self._model.key_value_bytes_per_token

    def truncate(self, length: int) -> None:
        if length < self.length:
            self._model.truncate(self.number, length)
            self.length = length


class LlamaEngine:
    """Runs one GGUF file."""

    def __init__(self, path: Path, *, context_window: int, threads: int) -> None:
        """Raises ModelRefused and OutOfMemory."""
        self._model = LlamaModel(
            path,
            context=context_window,
            sequences=_MOST_SEQUENCES,
            cache_bytes=_CACHE_BYTES,
            batch=_BATCH,
            threads=threads,
        )
        self._threads = threads
        self._owners: OrderedDict[int, weakref.ref[_Sequence]] = OrderedDict()
        self.cost = CostCurve()
        self.interrupt: Callable[[], bool] | None = None

    @property
    def name(self) -> str:
        """What llama.cpp says of the weights."""
        return f"llama.cpp {self._model.description}, {self._threads} threads"

    @property
    def can_interrupt(self) -> bool:
        """It asks during passes that take long enough."""
        return True

    @property
    def context_window(self) -> int:
        """How many tokens a sequence may have."""
        return self._model.sequence_context

    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer, as the file says."""
        return self._model.end_tokens()

    @property
    def max_sequences(self) -> int:
        """How many sequences there can be at a time."""
        return self._model.sequences

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return self._model.parameters

    def new_sequence(self) -> KeyValues:
        """An empty sequence, in the place of one that nobody holds any more, else of the oldest."""
        numbers = range(self.max_sequences)
        unheld = (n for n in numbers if n not in self._owners or self._owners[n]() is None)
        number = next(unheld, next(iter(self._owners), 0))
        self._owners.pop(number, None)
        self._model.forget(number)
        made = _Sequence(number, self._model)
        self._owners[number] = weakref.ref(made)
        return made

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        """Copy the first tokens' keys and values."""
        assert isinstance(source, _Sequence)
        assert isinstance(target, _Sequence)
        self._model.copy(source.number, target.number)
        target.length = source.length
        target.truncate(length)

    def key_value_bytes(self, tokens: int) -> int:
        """Keys and values of all layers."""
        return tokens * self._model.key_value_bytes_per_token

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        """Append tokens."""
        self._decode(sequence, ids, 0)

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        """Append tokens and tell what follows, as `Engine.verify` says."""
        tokens: list[int] = []
        logprobs: list[float] = []
        for number, row in enumerate(self._decode(sequence, ids, len(ids) - first)):
            tokens.append(int(row.argmax()))
            if with_logprobs:
                logprobs.append(_logprob(row))
            if ids[first + number + 1 : first + number + 2] != [tokens[-1]]:
                break
        return Verified(tuple(tokens), tuple(logprobs))

    def close(self) -> None:
        """Give back the model's memory."""
        self._model.close()

    def _decode(self, sequence: KeyValues, ids: Sequence[int], wanted: int) -> list[Any]:
        assert isinstance(sequence, _Sequence)
        end = sequence.length + len(ids)
        if end > self.context_window:
            raise ContextOverflow(f"{end} tokens in a context of {self.context_window}")
        is_long = self.cost.pass_ms(len(ids)) > _WATCHED_MS
        rows = self._model.decode(
            sequence.number,
            ids,
            sequence.length,
            wanted,
            interrupt=self.interrupt if is_long else None,
        )
        sequence.length = end
        return rows


def _logprob(row: Any) -> float:
    """The natural logarithm of the probability of the likeliest token."""
    import numpy

    return -math.log(float(numpy.exp(row - row.max()).sum()))
