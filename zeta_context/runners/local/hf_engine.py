"""An engine over any causal language model of the transformers library.

Correct for every family whose attention can forget its latest tokens; the flat engine is faster
for those that it knows. The model's own code runs, from the library, never from the model's files.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from zeta_context.errors import ContextOverflow, ModelRefused
from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.engine import KeyValues, PassInterrupted, Verified
from zeta_context.runners.local.torch_support import (
    describe_device,
    give_back_memory,
    growing,
    memory_errors,
    pick,
    wait_for,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _PreallocatedLayer(DynamicLayer):  # type: ignore[misc]  # the library is untyped here
    """Keys and values of one layer in a buffer that doubles, instead of one that is copied."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self._length = 0

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = key_states.new_empty((*key_states.shape[:-2], 0, key_states.shape[-1]))
        self.values = value_states.new_empty((*value_states.shape[:-2], 0, value_states.shape[-1]))
        self.is_initialized = True

    def update(
        self, key_states: Any, value_states: Any, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self._length + key_states.shape[-2]
        self.keys = growing(self.keys, end, used=self._length)
        self.values = growing(self.values, end, used=self._length)
        self.keys[..., self._length : end, :] = key_states
        self.values[..., self._length : end, :] = value_states
        self._length = end
        return self.keys[..., :end, :], self.values[..., :end, :]

    def get_seq_length(self) -> int:
        return self._length

    def keep(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._length = min(self._length, length)


class _Sequence:
    """The cache of one sequence."""

    def __init__(self) -> None:
        self.cache = Cache(layer_class_to_replicate=_PreallocatedLayer)

    @property
    def length(self) -> int:
        return int(self.cache.get_seq_length())

    @property
    def nbytes(self) -> int:
        return sum(
            layer.keys.nbytes + layer.values.nbytes
            for layer in self.cache.layers
            if layer.keys is not None
        )

    def truncate(self, length: int) -> None:
        for layer in self.cache.layers:
            layer.keep(length)


class HFEngine:
    """Runs a loaded model on the device it is on."""

    def __init__(self, model: PreTrainedModel, *, context_window: int) -> None:
        _refuse_unforgetting(model)
        self._model = model.eval()
        self._context_window = context_window
        self._cache_argument = _name_of_cache_argument(model)
        self.cost = CostCurve()
        self.interrupt: Callable[[], bool] | None = None
        layers = getattr(model.get_decoder(), "layers", ())
        for layer in layers:
            layer.register_forward_pre_hook(self._look_up)
        self._can_interrupt = len(layers) > 0 and model.device.type == "cpu"

    @property
    def name(self) -> str:
        """The library, the device, the data type."""
        return f"transformers {describe_device(self._model.device, self._model.dtype)}"

    @property
    def can_interrupt(self) -> bool:
        """It asks before each layer of a model that has them in the usual place.

        Elsewhere than on a processor layers are only queued by then.
        """
        return self._can_interrupt

    @property
    def context_window(self) -> int:
        """How many tokens a sequence may have."""
        return self._context_window

    @property
    def max_sequences(self) -> int:
        """As many as memory holds: each has buffers of its own."""
        return sys.maxsize

    def new_sequence(self) -> KeyValues:
        """An empty sequence; memory is taken as tokens come."""
        return _Sequence()

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        """Copy the first tokens' keys and values."""
        assert isinstance(source, _Sequence)
        assert isinstance(target, _Sequence)
        target.truncate(0)
        with torch.inference_mode(), memory_errors():
            for number, layer in enumerate(source.cache.layers):
                keys, values = layer.keys[..., :length, :], layer.values[..., :length, :]
                target.cache.update(keys, values, number)

    def key_value_bytes(self, tokens: int) -> int:
        """By the model's configuration; an upper bound for families that share or skip layers."""
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        return int(
            2 * config.num_hidden_layers * heads * width * self._model.dtype.itemsize * tokens
        )

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        """Append tokens; they are there when it returns, so that cancelling finds no queue."""
        self._forward(sequence, ids, 1)
        wait_for(self._model.device)

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        """Append tokens and tell what follows, as `Engine.verify` says."""
        with torch.inference_mode(), memory_errors():
            logits = self._forward(sequence, ids, len(ids) - first)
            return pick(logits, ids[first + 1 :], with_logprobs=with_logprobs)

    def close(self) -> None:
        """Let go of the model."""
        device = self._model.device
        del self._model
        give_back_memory(device)

    def _forward(self, sequence: KeyValues, ids: Sequence[int], keep: int) -> torch.Tensor:
        assert isinstance(sequence, _Sequence)
        if sequence.length + len(ids) > self._context_window:
            raise ContextOverflow(
                f"{sequence.length + len(ids)} tokens in a context of {self._context_window}"
            )
        before = sequence.length
        try:
            with torch.inference_mode(), memory_errors():
                output = self._model(
                    input_ids=torch.tensor([list(ids)], device=self._model.device),
                    use_cache=True,
                    logits_to_keep=keep,
                    **{self._cache_argument: sequence.cache},
                )
        except PassInterrupted:
            sequence.truncate(before)
            raise
        logits: torch.Tensor = output.logits[0]
        return logits

    def _look_up(self, *_: object) -> None:
        if self.interrupt is not None and self.interrupt():
            raise PassInterrupted


def _name_of_cache_argument(model: PreTrainedModel) -> str:
    """What the forward pass calls its cache: renamed in transformers 5.24."""
    names = inspect.signature(model.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


def _refuse_unforgetting(model: PreTrainedModel) -> None:
    """Refuse models with a running state, from which the latest tokens cannot be taken back."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if unknown := kinds - {"full_attention", "sliding_attention", "chunked_attention"}:
        raise ModelRefused(
            f"{config.model_type} has layers of the kind {sorted(unknown)[0]!r}, whose state "
            "cannot be taken back to an earlier token: drafts and reuse would be wrong"
        )
