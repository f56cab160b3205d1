"""The models that are known by name, as data: what each is, what it needs, and in which format.

A model that is not here can be used as well, with its path and format. Knows nothing of files or
of how models run. Parameters and licences are from the models' cards; sizes follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BF16 = 2.0
_Q8 = 34 / 32
"""Bytes a weight: 32 weights of 8 bits and their scale in a block of 34 bytes."""

_WORKING_BYTES = 600_000_000
"""What a runner takes besides weights: the library, the memory of prompts, buffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One model.

    `name` is what people type, `repository` where the hub has it. `parameters` counts weights,
    `file` names one GGUF file in the repository where that is what to take. `is_tested` says that
    this very model ran in our own tests; all others should work and were not tried.
    """

    name: str
    repository: str
    format: str
    parameters: int
    licence: str
    context_window: int
    purpose: str
    file: str = ""
    is_gated: bool = False
    is_tested: bool = False

    @property
    def size_bytes(self) -> int:
        """About how much there is to fetch."""
        return round(self.parameters * (_Q8 if self.file else _BF16))

    @property
    def memory_bytes(self) -> int:
        """About how much memory it takes while it runs in bfloat16 (a GGUF file is unpacked)."""
        return round(self.parameters * _BF16) + _WORKING_BYTES


_EDITS = "next edits"
_FILLS = "insertions at the cursor"

KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        name="zeta-2.1",
        repository="zed-industries/zeta-2.1",
        format="V0318SeedMultiRegions",
        parameters=8_250_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="zeta-2",
        repository="zed-industries/zeta-2",
        format="V0211SeedCoder",
        parameters=8_250_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="zeta",
        repository="zed-industries/zeta",
        format="zeta1",
        parameters=7_620_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="sweep-0.5b",
        repository="sweepai/sweep-next-edit-0.5B",
        file="sweep-next-edit-0.5b.q8_0.gguf",
        format="sweep-next-edit",
        parameters=494_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="sweep-1.5b",
        repository="sweepai/sweep-next-edit-1.5B",
        file="sweep-next-edit-1.5b.q8_0.v2.gguf",
        format="sweep-next-edit",
        parameters=1_544_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="instinct",
        repository="continuedev/instinct",
        format="instinct",
        parameters=7_620_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_EDITS,
    ),
    KnownModel(
        name="qwen-coder-0.5b",
        repository="Qwen/Qwen2.5-Coder-0.5B",
        format="fim-qwen-coder",
        parameters=494_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_FILLS,
    ),
    KnownModel(
        name="qwen-coder-1.5b",
        repository="Qwen/Qwen2.5-Coder-1.5B",
        format="fim-qwen-coder",
        parameters=1_544_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_FILLS,
    ),
    KnownModel(
        name="qwen-coder-7b",
        repository="Qwen/Qwen2.5-Coder-7B",
        format="fim-qwen-coder",
        parameters=7_616_000_000,
        licence="Apache-2.0",
        context_window=32_768,
        purpose=_FILLS,
    ),
    KnownModel(
        name="seed-coder-8b",
        repository="ByteDance-Seed/Seed-Coder-8B-Base",
        format="fim-seed-coder",
        parameters=8_250_000_000,
        licence="MIT",
        context_window=32_768,
        purpose=_FILLS,
    ),
    KnownModel(
        name="starcoder2-3b",
        repository="bigcode/starcoder2-3b",
        format="fim-starcoder2",
        parameters=3_030_000_000,
        licence="BigCode OpenRAIL-M",
        context_window=16_384,
        purpose=_FILLS,
    ),
    KnownModel(
        name="deepseek-coder-1.3b",
        repository="deepseek-ai/deepseek-coder-1.3b-base",
        format="fim-deepseek-coder",
        parameters=1_346_000_000,
        licence="DeepSeek License",
        context_window=16_384,
        purpose=_FILLS,
    ),
    KnownModel(
        name="codegemma-2b",
        repository="google/codegemma-2b",
        format="fim-codegemma",
        parameters=2_506_000_000,
        licence="Gemma Terms of Use",
        context_window=8_192,
        purpose=_FILLS,
        is_gated=True,
    ),
    KnownModel(
        name="codestral-22b",
        repository="mistralai/Codestral-22B-v0.1",
        format="fim-codestral",
        parameters=22_250_000_000,
        licence="MNPL-0.1 (no production use)",
        context_window=32_768,
        purpose=_FILLS,
        is_gated=True,
    ),
    KnownModel(
        name="granite-4-micro",
        repository="ibm-granite/granite-4.0-micro",
        format="fim-granite",
        parameters=3_400_000_000,
        licence="Apache-2.0",
        context_window=131_072,
        purpose=_FILLS,
    ),
    KnownModel(
        name="smollm2-135m",
        repository="HuggingFaceTB/SmolLM2-135M-Instruct",
        format="zeta1",
        parameters=134_500_000,
        licence="Apache-2.0",
        context_window=8_192,
        purpose="trying things out; too small to predict well",
        is_tested=True,
    ),
)


def find_model(name: str) -> KnownModel | None:
    """The known model of a name or repository, in any case; None for any other."""
    wanted = name.strip().lower()
    return next(
        (one for one in KNOWN_MODELS if wanted in (one.name.lower(), one.repository.lower())), None
    )


def suggest_models(name: str) -> Sequence[str]:
    """Names of known models that are written much like this one."""
    import difflib

    return difflib.get_close_matches(name.lower(), [one.name for one in KNOWN_MODELS], n=3)
