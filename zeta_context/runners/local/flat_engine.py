"""A forward pass of the Llama family without the layers of the transformers library.

Llama, Seed-Coder, Qwen2, Mistral: rotary positions, grouped queries, gated feed-forward, biases
where the model has them. Short passes are bound by reading weights and by calls, so weights are
fused, on a CPU laid out once as its matrix kernels want them, and keys and values have their own
buffers. Equal to transformers up to rounding; it computes logits only where they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn import functional

from zeta_context.errors import ContextOverflow, ModelRefused
from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.engine import KeyValues, PassInterrupted, Verified
from zeta_context.runners.local.linear import Linear, make_linear
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

FAMILIES = ("llama", "qwen2", "mistral")
"""Values of `model_type` that this forward pass is known to compute."""

_ROWS = 32
"""Rows of logits computed at once: the first wrong token of a draft ends the work."""


@dataclass(slots=True)
class _Layer:
    attention_norm: torch.Tensor
    qkv: Linear
    output: Linear
    mlp_norm: torch.Tensor
    gate_up: Linear
    down: Linear


class FlatSequence:
    """Keys and values of one sequence: a buffer `[1, heads, tokens, width]` for each layer."""

    def __init__(self, layers: int, heads: int, width: int, like: torch.Tensor) -> None:
        shape = (1, heads, 0, width)
        self.keys = [like.new_empty(shape) for _ in range(layers)]
        self.values = [like.new_empty(shape) for _ in range(layers)]
        self.length = 0

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in (*self.keys, *self.values))

    def truncate(self, length: int) -> None:
        self.length = min(self.length, length)

    def reserve(self, capacity: int) -> None:
        """Take the memory for so many tokens now, so that the buffers stay where they are."""
        for buffers in (self.keys, self.values):
            for layer, one in enumerate(buffers):
                shape = (*one.shape[:-2], capacity, one.shape[-1])
                buffers[layer] = one.new_zeros(shape)

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store `[1, heads, tokens, width]` behind what is there; all of it comes back."""
        end = self.length + keys.shape[-2]
        self.keys[layer] = growing(self.keys[layer], end, used=self.length)
        self.values[layer] = growing(self.values[layer], end, used=self.length)
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]


class Appendable(Protocol):
    """Where a layer puts new keys and values, to get back all that there are."""

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]: ...


class FlatEngine:
    """Takes over the weights of a loaded model, which is of no use afterwards."""

    def __init__(
        self, model: PreTrainedModel, *, context_window: int, has_short_int8: bool = False
    ) -> None:
        """With `has_short_int8` passes of a few tokens read weights of 8 bits: not the same model.

        Raises ModelRefused and OutOfMemory.
        """
        if problem := why_unsupported(model, context_window):
            raise ModelRefused(problem)
        config = model.config
        self._heads: int = config.num_attention_heads
        self._kv_heads: int = config.num_key_value_heads or config.num_attention_heads
        self._width: int = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        self._eps: float = config.rms_norm_eps
        self._context_window = context_window
        self._has_short_int8 = has_short_int8
        self.cost = CostCurve()
        self.interrupt: Callable[[], bool] | None = None
        with torch.inference_mode(), memory_errors():
            self._take_weights(model)
            positions = torch.arange(context_window, device=model.device)[None]
            cos, sin = model.model.rotary_emb(self._embedding.new_empty(1), positions)
            half = self._width // 2
            self._cos = cos[0, :, None, :half].contiguous()
            self._sin = sin[0, :, None, :half].contiguous()

    @property
    def name(self) -> str:
        """The device and the data type."""
        short = ", short passes in int8" if self._has_short_int8 else ""
        return f"flat {describe_device(self._embedding.device, self._embedding.dtype)}{short}"

    @property
    def can_interrupt(self) -> bool:
        """It asks between layers; elsewhere than on a processor they are only queued by then."""
        return bool(self._embedding.device.type == "cpu")

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
        return FlatSequence(len(self._layers), self._kv_heads, self._width, self._embedding)

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        """Copy the first tokens' keys and values."""
        assert isinstance(source, FlatSequence)
        assert isinstance(target, FlatSequence)
        target.truncate(0)
        with torch.inference_mode(), memory_errors():
            for layer in range(len(self._layers)):
                target.append(
                    layer, source.keys[layer][:, :, :length], source.values[layer][:, :, :length]
                )
        target.length = length

    def key_value_bytes(self, tokens: int) -> int:
        """Keys and values of all layers."""
        item = int(self._embedding.dtype.itemsize)
        return 2 * len(self._layers) * self._kv_heads * self._width * item * tokens

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        """Append tokens; they are there when it returns, so that cancelling finds no queue."""
        self._forward(sequence, ids, len(ids) - 1)
        wait_for(self._embedding.device)

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        """Append tokens and tell what follows, as `Engine.verify` says."""
        hidden = self._forward(sequence, ids, first)
        tokens: list[int] = []
        logprobs: list[float] = []
        with torch.inference_mode(), memory_errors():
            for start in range(0, hidden.shape[0], _ROWS):
                logits = self._head(hidden[start : start + _ROWS])
                given = ids[first + 1 + start : first + 1 + start + len(logits)]
                found = pick(logits, given, with_logprobs=with_logprobs)
                tokens += found.tokens
                logprobs += found.logprobs
                if len(found.tokens) < len(logits) or list(found.tokens) != list(given):
                    break
        return Verified(tuple(tokens), tuple(logprobs))

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """The logits after each of a few tokens, `[tokens, vocabulary]`: for self-tests."""
        with torch.inference_mode(), memory_errors():
            return self._head(self._forward(self.new_sequence(), ids, 0))

    def close(self) -> None:
        """Let go of the weights."""
        device = self._embedding.device
        self._layers.clear()
        del self._head, self._embedding
        give_back_memory(device)

    def _forward(self, sequence: KeyValues, ids: Sequence[int], first: int) -> torch.Tensor:
        """The last hidden states, normed, of the tokens from `first` on: `[tokens, hidden]`."""
        assert isinstance(sequence, FlatSequence)
        start = sequence.length
        end = start + len(ids)
        if end > self._context_window:
            raise ContextOverflow(f"{end} tokens in a context of {self._context_window}")
        with torch.inference_mode(), memory_errors():
            x = functional.embedding(
                torch.tensor(ids, device=self._embedding.device), self._embedding
            )
            mask = _causal_mask(start, len(ids), x)
            rope = self._cos[start:end], self._sin[start:end]
            for number, layer in enumerate(self._layers):
                if self.interrupt is not None and self.interrupt():
                    raise PassInterrupted  # what was stored lies beyond the sequence's length
                x = x + self._attend(number, sequence, x, rope, mask)
                normed = self._norm(x, layer.mlp_norm)
                gate, up = layer.gate_up(normed).chunk(2, dim=-1)
                x = x + layer.down(functional.silu(gate) * up)
            sequence.length = end
            return self._norm(x[first:], self._final_norm)

    def _attend(
        self,
        number: int,
        sequence: Appendable,
        x: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """The attention of one layer to what the sequence holds, the new tokens included."""
        layer = self._layers[number]
        tokens = x.shape[0]
        qkv = layer.qkv(self._norm(x, layer.attention_norm)).view(tokens, -1, self._width)
        rotated = _rotate(qkv[:, : self._heads + self._kv_heads], *rope)
        query = rotated[:, : self._heads].transpose(0, 1)[None]
        keys, values = sequence.append(
            number,
            rotated[:, self._heads :].transpose(0, 1)[None],
            qkv[:, self._heads + self._kv_heads :].transpose(0, 1)[None],
        )
        mixed = functional.scaled_dot_product_attention(
            query,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and tokens > 1,
            enable_gqa=self._heads != self._kv_heads,
        )
        return layer.output(mixed[0].transpose(0, 1).reshape(tokens, -1))

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self._eps)

    def _take_weights(self, model: Any) -> None:
        inner = model.model
        linear = partial(make_linear, has_short_int8=self._has_short_int8)
        self._embedding: torch.Tensor = inner.embed_tokens.weight.detach()
        self._final_norm: torch.Tensor = inner.norm.weight.detach()
        self._head = linear(model.lm_head)
        self._layers: list[_Layer] = []
        for layer in inner.layers:
            attention, mlp = layer.self_attn, layer.mlp
            self._layers.append(
                _Layer(
                    attention_norm=layer.input_layernorm.weight.detach(),
                    qkv=linear(attention.q_proj, attention.k_proj, attention.v_proj),
                    output=linear(attention.o_proj),
                    mlp_norm=layer.post_attention_layernorm.weight.detach(),
                    gate_up=linear(mlp.gate_proj, mlp.up_proj),
                    down=linear(mlp.down_proj),
                )
            )
            # Each layer's weights now exist twice: let go of the old ones before the next.
            layer.self_attn = layer.mlp = None


def why_unsupported(model: PreTrainedModel, context_window: int) -> str:
    """Why the flat engine cannot run a model, for people; empty when it can."""
    config = model.config
    if config.model_type not in FAMILIES:
        return f"{config.model_type} is not of the Llama family"
    if getattr(config, "hidden_act", "silu") != "silu":
        return f"the activation {config.hidden_act!r} is not the family's"
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if window is not None and kinds != {"full_attention"} and window < context_window:
        return "sliding attention is not computed by the flat engine"
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") in ("dynamic", "longrope"):
        return "rotary positions that change with the length are not computed by the flat engine"
    return ""


def _causal_mask(start: int, tokens: int, like: torch.Tensor) -> torch.Tensor | None:
    """What each of `tokens` after `start` others may see, added to scores; None: see `is_causal`.

    One token sees everything, and without others before it the kernel knows the mask itself.
    """
    if tokens == 1 or start == 0:
        return None
    mask = like.new_full((tokens, start + tokens), float("-inf"))
    return mask.triu_(start + 1)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions of `[tokens, heads, width]`; halves are rotated against each other."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
