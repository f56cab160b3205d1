"""Short passes over weights of 8 bits: near the exact product, and only where asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("transformers", reason="transformers is not installed: run `make test-local`")

import torch

from tests.runners.local.conftest import WINDOW
from zeta_context.runners.local.flat_engine import FlatEngine
from zeta_context.runners.local.linear import make_linear

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def layers(*, bias: bool) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    torch.manual_seed(1)
    first = torch.nn.Linear(64, 96, bias=bias, dtype=torch.bfloat16)
    return first, torch.nn.Linear(64, 32, bias=False, dtype=torch.bfloat16)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_layers_side_by_side_give_what_each_gives(rows: int, *, bias: bool) -> None:
    modules = layers(bias=bias)
    x = torch.randn(rows, 64, dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = torch.cat([module(x) for module in modules], dim=1)
        torch.testing.assert_close(make_linear(*modules)(x), expected, rtol=0.02, atol=0.02)


def test_short_products_are_near_and_long_ones_the_same() -> None:
    modules = layers(bias=True)
    exact, short = make_linear(*modules), make_linear(*modules, has_short_int8=True)
    with torch.inference_mode():
        one, many = (torch.randn(n, 64, dtype=torch.bfloat16) for n in (1, 40))
        near = torch.cosine_similarity(short(one).float(), exact(one).float())
        assert float(near.min()) > 0.999
        assert torch.equal(short(many), exact(many))


def test_the_engine_says_so_and_keeps_its_direction(models: dict[str, PreTrainedModel]) -> None:
    ids = [5, 9, 17, 3]
    engines = [
        FlatEngine(
            copy.deepcopy(models["qwen2"]).to(torch.bfloat16),
            context_window=WINDOW,
            has_short_int8=has_short_int8,
        )
        for has_short_int8 in (False, True)
    ]
    exact, short = (engine.logits(ids).float() for engine in engines)
    assert float(torch.cosine_similarity(exact, short, dim=-1).min()) > 0.99
    assert "int8" in engines[1].name
    assert "int8" not in engines[0].name
