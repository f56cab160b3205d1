"""Matrix products for short passes: weights side by side, and in the order that kernels read them.

Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

Linear = Callable[[torch.Tensor], torch.Tensor]
"""Takes `[tokens, inputs]` and gives `[tokens, outputs]`."""

_SHORT = 6
"""Tokens in a pass up to which weights of 8 bits were measured to be faster."""

_USUAL_ROWS = 32
"""Tokens in a pass that the order of packed weights is chosen for."""


def make_linear(*modules: Any, has_short_int8: bool = False) -> Linear:
    """One matrix product for one or more linear layers of the same input, side by side.

    With `has_short_int8`, and in bfloat16 on a processor, a few rows at a time are multiplied by
    weights of 8 bits, which are kept beside the others.
    """
    weight = torch.cat([module.weight.detach() for module in modules])
    biases = [module.bias for module in modules]
    bias = None
    if any(one is not None for one in biases):
        bias = torch.cat(
            [
                module.weight.new_zeros(module.weight.shape[0])
                if module.bias is None
                else module.bias.detach()
                for module in modules
            ]
        )
    exact: Linear | None = None
    if weight.device.type == "cpu" and weight.dtype == torch.bfloat16:
        exact = _packed_linear(weight, bias)
        if has_short_int8:
            exact = _with_short_int8(exact or _plain_linear(weight, bias), weight, bias)
    if exact is not None:
        return exact
    return _plain_linear(modules[0].weight.detach() if len(modules) == 1 else weight, bias)


def _plain_linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Linear:
    return lambda x: functional.linear(x, weight, bias)


def _with_short_int8(exact: Linear, weight: torch.Tensor, bias: torch.Tensor | None) -> Linear:
    """The product with weights rounded to 8 bits, a scale for each row, where `x` is short.

    Short passes are bound by reading weights, and these are half of bfloat16's. The operator is
    internal to torch: where it is missing, the exact product does.
    """
    scales = (weight.abs().amax(dim=1).float() / 127).clamp(min=1e-8)
    rounded = (weight.float() / scales[:, None]).round().clamp(-127, 127).to(torch.int8)
    scales = scales.to(weight.dtype)
    product = getattr(torch, "_weight_int8pack_mm", None)
    try:
        if product is None:
            return exact
        product(weight.new_zeros(1, weight.shape[1]), rounded, scales)
    except (RuntimeError, NotImplementedError):
        return exact

    def multiply(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > _SHORT:
            return exact(x)
        y: torch.Tensor = product(x, rounded, scales)
        return y if bias is None else y + bias

    return multiply


def _packed_linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Linear | None:
    """The product over a weight in the order that the CPU's bfloat16 kernels read it.

    Measured on one machine: 12 ms instead of 18 for the short passes of 106 M parameters. The
    operators are internal to torch: where they are missing, the plain product does.
    """
    operators = torch.ops.mkldnn
    try:
        packed = operators._reorder_linear_weight(weight, _USUAL_ROWS)
        product = operators._linear_pointwise
        product(weight.new_zeros(1, weight.shape[1]), packed, bias, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):
        return None
    no_scalars: list[float] = []
    return lambda x: product(x, packed, bias, "none", no_scalars, "")
