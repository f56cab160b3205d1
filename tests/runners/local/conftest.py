"""Tiny models with random weights, one for each family; nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VOCABULARY = 48
WINDOW = 192

_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": WINDOW,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama-rope3": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
    "qwen2": {},
    "mistral": {"sliding_window": None, "head_dim": 16},
    "mistral-window": {"sliding_window": 24, "head_dim": 16},
    "gemma2": {"sliding_window": 24, "head_dim": 16},
    "gemma3_text": {"sliding_window": 24, "head_dim": 16},
}


def make_model(family: str, seed: int = 0) -> PreTrainedModel:
    """A model with random weights, in double precision.

    So exactness can be asserted: in single precision two logits of such a model that differ by
    their last digits change places with the shape of a pass, once in thousands of tokens.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(family.partition("-")[0], **{**_SHAPE, **FAMILIES[family]})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.fixture(scope="session")
def models() -> dict[str, PreTrainedModel]:
    """One model for each family."""
    torch = pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
    torch.set_num_threads(1)  # tiny matrices only wait for more
    return {family: make_model(family) for family in FAMILIES}
