"""The flat forward pass for CUDA: keys and values stay in place, short passes are recorded graphs.

A short pass of a small model spends its time starting kernels, one by one. A graph starts them all
at once; for that every address and shape has to stay: passes are filled up to one of a few widths,
and attend to the whole buffer under a mask. Without CUDA the same steps run one by one, which is
how they are tested.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from zeta_context.errors import ContextOverflow
from zeta_context.runners.local.engine import KeyValues, Verified
from zeta_context.runners.local.flat_engine import FlatEngine, FlatSequence
from zeta_context.runners.local.torch_support import memory_errors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WIDTHS = (1, 8, 32, 128)
"""Tokens of the passes that are recorded; wider ones are computed as they come."""

_WARM_UPS = 2


class StaticEngine(FlatEngine):
    """Like the flat engine, with buffers of the whole context window for each sequence."""

    def __init__(self, model: PreTrainedModel, *, context_window: int) -> None:
        """Raises ModelRefused and OutOfMemory."""
        super().__init__(model, context_window=context_window)
        self._recorded: weakref.WeakKeyDictionary[FlatSequence, dict[int, _Recorded]] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def name(self) -> str:
        """The device and the data type."""
        return super().name.replace("flat ", "flat, recorded passes, ", 1)

    def new_sequence(self) -> KeyValues:
        """An empty sequence, with all the memory that it may ever take."""
        with memory_errors():
            made = FlatSequence(len(self._layers), self._kv_heads, self._width, self._embedding)
            made.reserve(self.context_window + WIDTHS[-1])
        return made

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        """Append tokens and tell what follows, as `Engine.verify` says."""
        width = next((one for one in WIDTHS if one >= len(ids)), None)
        if width is None:
            return super().verify(sequence, ids, first, with_logprobs=with_logprobs)
        assert isinstance(sequence, FlatSequence)
        end = sequence.length + len(ids)
        if end > self.context_window:
            raise ContextOverflow(f"{end} tokens in a context of {self.context_window}")
        with torch.inference_mode(), memory_errors():
            tokens, logprobs = self._record(sequence, width).run(ids, sequence.length)
        sequence.length = end
        count = 1
        while count < len(ids) - first and tokens[first + count - 1] == ids[first + count]:
            count += 1
        told = logprobs[first : first + count] if with_logprobs else []
        return Verified(tuple(tokens[first : first + count]), tuple(told))

    def close(self) -> None:
        """Let go of weights and graphs."""
        self._recorded.clear()
        super().close()

    def _record(self, sequence: FlatSequence, width: int) -> _Recorded:
        of_sequence = self._recorded.setdefault(sequence, {})
        if width not in of_sequence:
            held = weakref.ref(sequence)  # the graphs must not keep it alive
            of_sequence[width] = _Recorded(
                lambda ids, start: self._pass(cast(FlatSequence, held()), ids, start),
                width,
                self._embedding.device,
            )
        return of_sequence[width]

    def _pass(
        self, sequence: FlatSequence, ids: torch.Tensor, start: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The most likely tokens after each, and their log-probabilities; shapes never change."""
        capacity = sequence.keys[0].shape[-2]
        places = start + torch.arange(ids.shape[0], device=ids.device)
        mask = torch.arange(capacity, device=ids.device)[None] <= places[:, None]
        turned = places.clamp(max=self.context_window - 1)
        rope = self._cos[turned], self._sin[turned]
        in_place = _InPlace(sequence, places)
        x = functional.embedding(ids, self._embedding)
        for number, layer in enumerate(self._layers):
            x = x + self._attend(number, in_place, x, rope, mask)
            gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=-1)
            x = x + layer.down(functional.silu(gate) * up)
        logits = self._head(self._norm(x, self._final_norm))
        tokens = logits.argmax(dim=-1)
        logits = logits.float()
        return tokens, logits.max(dim=-1).values - logits.logsumexp(dim=-1)


class _InPlace:
    """A sequence to whose buffers new keys and values are written at places known on the device."""

    def __init__(self, sequence: FlatSequence, places: torch.Tensor) -> None:
        self._sequence = sequence
        self._places = places

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store `[1, heads, tokens, width]`; the whole buffers come back."""
        self._sequence.keys[layer].index_copy_(2, self._places, keys)
        self._sequence.values[layer].index_copy_(2, self._places, values)
        return self._sequence.keys[layer], self._sequence.values[layer]


Pass = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class _Recorded:
    """A pass of one width over one sequence: on CUDA a graph, else the steps themselves."""

    def __init__(self, steps: Pass, width: int, device: torch.device) -> None:
        self._steps = steps
        self._ids = torch.zeros(width, dtype=torch.long, device=device)
        self._start = torch.zeros(1, dtype=torch.long, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._output: tuple[torch.Tensor, torch.Tensor] | None = None

    def run(self, ids: Sequence[int], start: int) -> tuple[list[int], list[float]]:
        """The tokens and log-probabilities after each of `ids`, which stand from `start` on."""
        # What fills the pass up is written beyond the sequence's end, where nobody looks.
        filled = [*ids, *[0] * (self._ids.shape[0] - len(ids))]
        self._ids.copy_(torch.tensor(filled))
        self._start.fill_(start)
        tokens, logprobs = self._replay()
        return tokens.tolist(), logprobs.tolist()

    def _replay(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self._ids.device.type != "cuda":
            return self._steps(self._ids, self._start)
        if self._graph is None:
            self._capture()
        assert self._graph is not None
        assert self._output is not None
        self._graph.replay()
        return self._output

    def _capture(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._steps(self._ids, self._start)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = self._steps(self._ids, self._start)
