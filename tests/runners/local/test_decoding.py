"""Decoding with drafts gives token for token what plain greedy decoding gives."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zeta_context.errors import ContextOverflow, ModelRefused
from zeta_context.runners.base import CancelToken
from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.course import Segment
from zeta_context.runners.local.engine import Engine, KeyValues
from zeta_context.runners.local.prefixes import HeldSequence

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("transformers", reason="transformers is not installed: run `make test-local`")

import torch

from tests.runners.local.conftest import FAMILIES, VOCABULARY, WINDOW
from zeta_context.runners.local.decoding import Decoded, Decoding, Limits
from zeta_context.runners.local.flat_engine import FlatEngine
from zeta_context.runners.local.hf_engine import HFEngine
from zeta_context.runners.local.static_engine import StaticEngine

if TYPE_CHECKING:
    from transformers import PreTrainedModel

END = 1
ENGINES = [f"hf {family}" for family in FAMILIES] + [
    f"{engine} {family}"
    for engine in ("flat", "static")
    for family in ("llama", "llama-rope3", "qwen2", "mistral")
]
_FIRST = 0x4E00
_CLEAR_MARGIN = 1e-5


class CharacterCodec:
    """Each token is one character."""

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(_FIRST + token) for token in ids)

    def encode_after(self, ids: Sequence[int], parts: Sequence[str]) -> list[list[int]]:
        return [[ord(character) - _FIRST for character in part] for part in parts]


class NoisyDrafts:
    """The right continuation with some tokens wrong, lost or put in, in two segments."""

    def __init__(self, answer: Sequence[int], seed: int, noise: float) -> None:
        self._answer = answer
        self._random = random.Random(seed)
        self._noise = noise

    def draft(self, answer: str, *, is_split: bool = False) -> Sequence[Segment]:
        draft: list[int] = []
        for token in [*self._answer[len(answer) :], END, 7, 8]:
            roll = self._random.random() / max(self._noise, 1e-9)
            if roll < 0.3:
                continue
            draft.append(self._random.randrange(VOCABULARY) if roll < 0.7 else token)
            if 0.7 <= roll < 1:
                draft.append(self._random.randrange(VOCABULARY))
        text = CharacterCodec().decode(draft)
        cut = self._random.randint(0, len(text))
        return (Segment(text[:cut], 0.9), Segment(text[cut:], self._random.random()))


@pytest.fixture(scope="module")
def engines(models: dict[str, PreTrainedModel]) -> dict[str, Engine]:
    made: dict[str, Engine] = {}
    for kind in ENGINES:
        name, _, family = kind.partition(" ")
        if name == "flat":
            made[kind] = FlatEngine(copy.deepcopy(models[family]), context_window=WINDOW)
        elif name == "static":
            made[kind] = StaticEngine(copy.deepcopy(models[family]), context_window=WINDOW)
        else:
            made[kind] = HFEngine(models[family], context_window=WINDOW)
    return made


def plain_greedy(model: PreTrainedModel, prompt: Sequence[int], most: int) -> list[int]:
    """Token by token, everything computed anew each time: the reference, with no cache at all.

    The library's norms compute in single precision whatever the model has: where the two best
    tokens are closer than that, which one wins says nothing, and the example is left out.
    """
    ids = list(prompt)
    answer: list[int] = []
    while len(answer) < most:
        with torch.inference_mode():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = logits.topk(2).values
        assume(float(best[0] - best[1]) > _CLEAR_MARGIN)
        token = int(logits.argmax())
        if token == END:
            break
        answer.append(token)
        ids.append(token)
    return answer


def decode(
    engine: Engine,
    held: HeldSequence,
    prompt: Sequence[int],
    drafts: NoisyDrafts | None,
    *,
    stop: tuple[str, ...] = (),
    most: int = 12,
    cancel: CancelToken | None = None,
) -> Decoded:
    limits = Limits(end_tokens=frozenset({END}), stop=stop, max_tokens=most)
    return Decoding(
        engine, CharacterCodec(), held, prompt, limits, drafts=drafts, cancel=cancel
    ).run()


@pytest.mark.parametrize("kind", list(ENGINES))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    prompt=st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=40),
    seed=st.integers(0, 2**30),
    noise=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    flat=st.booleans(),
)
def test_any_draft_leaves_the_greedy_answer_as_it_is(
    models: dict[str, PreTrainedModel],
    engines: dict[str, Engine],
    kind: str,
    *,
    prompt: list[int],
    seed: int,
    noise: float,
    flat: bool,
) -> None:
    model = models[kind.partition(" ")[2]]
    engine = engines[kind]
    engine.cost = CostCurve(widths=(1, 64), times_ms=(10.0, 10.0 if flat else 400.0))
    expected = plain_greedy(model, prompt, 12)
    held = HeldSequence(engine.new_sequence())
    out = decode(engine, held, prompt, NoisyDrafts(expected, seed, noise))
    assert out.ids == expected
    assert out.finish == ("length" if len(expected) == 12 else "stop")
    assert held.sequence.length == len(held.tokens)
    if noise == 0.0 and flat:
        assert out.passes == 1
    again = decode(engine, _shortened(held, prompt), prompt, None)
    assert again.ids == expected
    assert again.passes == len(expected) + (again.finish == "stop")


def _shortened(held: HeldSequence, prompt: Sequence[int]) -> HeldSequence:
    held.truncate(len(prompt) - 1)
    return held


@pytest.mark.parametrize("kind", ["hf llama", "flat qwen2"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    prompt=st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=30),
    seed=st.integers(0, 2**30),
    stops=st.lists(st.lists(st.integers(2, 12), min_size=1, max_size=2), max_size=12),
)
def test_stop_strings_cut_where_decoding_token_by_token_would(
    engines: dict[str, Engine],
    kind: str,
    prompt: list[int],
    seed: int,
    stops: list[list[int]],
) -> None:
    codec = CharacterCodec()
    engine = engines[kind]
    stop = tuple(codec.decode(one) for one in stops)
    plain = decode(engine, HeldSequence(engine.new_sequence()), prompt, None, stop=stop)
    full = decode(engine, HeldSequence(engine.new_sequence()), prompt, None)
    drafts = NoisyDrafts(full.ids, seed, 0.2)
    quick = decode(engine, HeldSequence(engine.new_sequence()), prompt, drafts, stop=stop)
    assert (quick.text, quick.finish) == (plain.text, plain.finish)
    assert not any(one in quick.text for one in stop)
    assert full.text.startswith(quick.text)


@pytest.mark.parametrize("family", ["llama", "llama-rope3", "qwen2", "mistral"])
def test_the_flat_forward_pass_equals_the_one_of_transformers(
    models: dict[str, PreTrainedModel], family: str
) -> None:
    model = models[family]
    flat = FlatEngine(copy.deepcopy(model), context_window=WINDOW)
    ids = torch.randint(2, VOCABULARY, (1, 90), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = model(ids).logits[0]
        sequence = flat.new_sequence()
        got: list[torch.Tensor] = []
        for start, end in ((0, 31), (31, 32), (32, 90)):
            got.append(flat._head(flat._forward(sequence, ids[0, start:end].tolist(), 0)))
    torch.testing.assert_close(torch.cat(got), expected, rtol=1e-4, atol=1e-4)


def test_a_model_with_sliding_attention_is_left_to_the_other_engine(
    models: dict[str, PreTrainedModel],
) -> None:
    from zeta_context.runners.local.flat_engine import why_unsupported

    assert why_unsupported(models["llama"], WINDOW) == ""
    assert "sliding" in why_unsupported(_with_window(models["mistral"], 24), WINDOW)
    assert "gemma2" in why_unsupported(models["gemma2"], WINDOW)
    with pytest.raises(ModelRefused, match="sliding"):
        FlatEngine(_with_window(models["mistral"], 24), context_window=WINDOW)


def _with_window(model: PreTrainedModel, window: int | None) -> PreTrainedModel:
    changed = copy.copy(model)
    changed.config = copy.deepcopy(model.config)
    changed.config.sliding_window = window
    return changed


def test_a_cancelled_prompt_stops_between_passes_and_keeps_what_was_read(
    engines: dict[str, Engine],
) -> None:
    engine = engines["flat llama"]
    cancel = CancelToken()
    held = HeldSequence(engine.new_sequence())
    reads: list[int] = []

    class Watched:
        """The engine, cancelling after the second pass."""

        cost = CostCurve(widths=(1, 2), times_ms=(1.0, 50.0))
        context_window = WINDOW
        can_interrupt = False
        interrupt = None

        def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
            reads.append(len(ids))
            engine.read(sequence, ids)
            if len(reads) == 2:
                cancel.cancel()

        def verify(self, *_: object, **__: object) -> None:
            raise AssertionError("the prompt was cancelled before its end")

    prompt = list(range(2, 47)) * 4
    out = decode(Watched(), held, prompt, None, cancel=cancel)  # type: ignore[arg-type]
    assert out.finish is None
    assert held.tokens == prompt[: sum(reads)]
    assert held.sequence.length == sum(reads) < len(prompt)
    rest = decode(engine, held, prompt, None)
    fresh = decode(engine, HeldSequence(engine.new_sequence()), prompt, None)
    assert rest.cached_tokens == sum(reads)
    assert (rest.ids, rest.text) == (fresh.ids, fresh.text)


def test_a_prompt_beyond_the_window_is_refused(engines: dict[str, Engine]) -> None:
    for kind in ("hf llama", "flat llama"):
        engine = engines[kind]
        with pytest.raises(ContextOverflow, match=f"context of {WINDOW}"):
            engine.read(engine.new_sequence(), [5] * (WINDOW + 1))


def test_probabilities_are_those_of_the_tokens_chosen(
    models: dict[str, PreTrainedModel], engines: dict[str, Engine]
) -> None:
    prompt = list(range(2, 30))
    for kind in ("hf llama", "flat llama"):
        engine = engines[kind]
        sequence = engine.new_sequence()
        verified = engine.verify(sequence, prompt, 20, with_logprobs=True)
        with torch.inference_mode():
            logits = models["llama"](torch.tensor([prompt])).logits[0, 20:]
        expected = logits.log_softmax(-1).max(-1)
        count = len(verified.tokens)
        assert list(verified.tokens) == expected.indices[:count].tolist()
        assert verified.logprobs == pytest.approx(expected.values[:count].tolist(), abs=1e-4)
