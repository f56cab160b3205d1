"""The sides that the benchmark of the local runner compares, all forced to the same answers.

Forcing: every side computes its logits, then the true next token gets the highest one, at every
place that its own decoding looks at. So each side does its whole work, accepts and rejects drafts
as a model would that gives exactly this answer, and none is told the answer beforehand.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from tests.bench.runner_cases import Case
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.course import Segment
from zeta_context.runners.local.decoding import Decoding, Limits
from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.engine import KeyValues, Verified
from zeta_context.runners.local.flat_engine import FlatEngine
from zeta_context.runners.local.llama_engine import LlamaEngine
from zeta_context.runners.local.llama_library import LlamaModel
from zeta_context.runners.local.prefixes import MAX_SEQUENCES, PrefixCache, common_prefix
from zeta_context.runners.local.static_engine import StaticEngine
from zeta_context.runners.local.tokenizer import ModelTokenizer


class Clock:
    """What all sides are timed by: the time that passed, or what this process computed of it.

    The latter is for machines that other programs keep busy, and for one thread only: threads that
    wait for each other compute, too.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.perf_counter

    def count_own_work(self) -> None:
        """From now on only this process's own work counts."""
        self.now = time.process_time


clock = Clock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A case in tokens. `target` is the whole answer, its end marker included."""

    case: Case
    prompt: list[int]
    target: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one answer took; of ours, too, what asking took and what drafting, passes apart."""

    total_ms: float
    passes: int
    drafted: int = 0
    accepted: int = 0
    asking_ms: float | None = None
    drafting_ms: float | None = None


class Side(Protocol):
    """One way to answer."""

    name: str

    def forget(self) -> None:
        """Drop what is remembered of earlier prompts."""
        ...

    def answer(self, question: Question) -> Timing: ...


class ForcedFlatEngine(FlatEngine):
    """The flat engine, its logits topped at the true next token."""

    forced: tuple[int, list[int]] | None = None
    """The length of the prompt, and the tokens of the answer."""

    def __init__(self, model: Any, *, context_window: int) -> None:
        super().__init__(model, context_window=context_window)
        self._own_head = self._head
        self._head = self._forcing_head
        self._row = 0

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        self._row = sequence.length + first + 1
        return super().verify(sequence, ids, first, with_logprobs=with_logprobs)

    def _forcing_head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self._own_head(hidden)
        if self.forced is not None:
            prompt, target = self.forced
            places = range(self._row - prompt, self._row - prompt + logits.shape[0])
            forced = [target[place] if 0 <= place < len(target) else 0 for place in places]
            logits[torch.arange(len(forced)), torch.tensor(forced)] = 1e30
            self._row += logits.shape[0]
        return logits


class Ours:
    """The local runner's own parts, put together as its worker does."""

    def __init__(
        self,
        engine: ForcedFlatEngine | ForcedLlamaEngine | ForcedStaticEngine | CountingEngine,
        tokenizer: ModelTokenizer,
        proposer: ModelProposer,
        *,
        name: str = "ours",
    ) -> None:
        self.name = name
        self.engine = engine
        self.tokenizer = tokenizer
        self.proposer = proposer
        self.forget()

    def forget(self) -> None:
        self._prefixes = PrefixCache(
            self.engine, max_sequences=MAX_SEQUENCES, max_bytes=512 * 1024 * 1024
        )

    def answer(self, question: Question) -> Timing:
        case = question.case
        self.engine.forced = len(question.prompt), question.target
        started = clock.now()
        request = self.proposer.make_request(case.prompt_input, case.rendered)
        prompt = self.tokenizer.encode(request.prompt)
        drafter = _TimedDrafts(
            Drafter(
                request.guesses,
                reference=request.reference,
                substitutions=request.substitutions,
                texts=(*request.texts, request.prompt),
            )
        )
        limits = Limits(end_tokens=frozenset(), stop=request.stop, max_tokens=len(question.target))
        held = self._prefixes.take(prompt)
        asking_ms = (clock.now() - started) * 1000
        out = Decoding(self.engine, self.tokenizer, held, prompt, limits, drafts=drafter).run()
        total_ms = (clock.now() - started) * 1000
        self.engine.forced = None
        if out.ids != question.target[: len(out.ids)]:
            raise AssertionError("ours left the forced answer")
        return Timing(
            total_ms=total_ms,
            passes=out.passes,
            drafted=out.drafted,
            accepted=out.accepted,
            asking_ms=asking_ms,
            drafting_ms=drafter.taken_ms,
        )


class _TimedDrafts:
    """A drafter, and what it took."""

    def __init__(self, drafter: Drafter) -> None:
        self._drafter = drafter
        self.taken_ms = 0.0

    def draft(self, answer: str, *, is_split: bool = False) -> Sequence[Segment]:
        started = clock.now()
        try:
            return self._drafter.draft(answer, is_split=is_split)
        finally:
            self.taken_ms += (clock.now() - started) * 1000


class ForcedStaticEngine(StaticEngine):
    """Our engine for CUDA, its choice replaced by the true next token."""

    forced: tuple[int, list[int]] | None = None

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        start = sequence.length + first + 1
        found = super().verify(sequence, ids, first, with_logprobs=with_logprobs)
        if self.forced is None:
            return found
        return choose_forced(*self.forced, start, ids[first + 1 :])


class CountingEngine:
    """Computes nothing and always knows the true next token: what takes how many passes.

    Drafts are as long as the cost of passes makes them, so that is taken from a measured engine.
    """

    context_window = 8192
    can_interrupt = True
    max_sequences = 1
    name = "counting"

    def __init__(self, cost: CostCurve) -> None:
        self.cost = cost
        self.interrupt = None
        self.forced: tuple[int, list[int]] | None = None

    def new_sequence(self) -> KeyValues:
        return _Counted()

    def key_value_bytes(self, tokens: int) -> int:
        return 0

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        raise NotImplementedError

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        assert isinstance(sequence, _Counted)
        sequence.length += len(ids)

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        assert self.forced is not None
        start = sequence.length + first + 1
        self.read(sequence, ids)
        return choose_forced(*self.forced, start, ids[first + 1 :])

    def close(self) -> None:
        pass


class _Counted:
    """A sequence of which only the length is known."""

    length = 0
    nbytes = 0

    def truncate(self, length: int) -> None:
        self.length = min(self.length, length)


def choose_forced(prompt: int, target: list[int], start: int, given: Sequence[int]) -> Verified:
    """The true tokens from place `start` of the sequence on, while they equal those given."""
    tokens: list[int] = []
    for number in range(len(given) + 1):
        place = start + number - prompt
        tokens.append(target[place] if 0 <= place < len(target) else 0)
        if list(given[number : number + 1]) != tokens[-1:]:
            break
    return Verified(tuple(tokens))


class Generate:
    """`generate` of the transformers library, with prompt lookup of `lookup` tokens if not 0."""

    def __init__(self, model: Any, lookup: int, *, reuses: bool) -> None:
        self.name = f"generate, lookup {lookup}" if lookup else "generate"
        self.name += ", cache kept" if reuses else ""
        self._model = model
        self._lookup = lookup
        self._reuses = reuses
        self._calls = 0
        self.forget()

    def forget(self) -> None:
        self._cache: Any = None
        self._read: list[int] = []

    def answer(self, question: Question) -> Timing:
        from transformers import DynamicCache, LogitsProcessorList

        prompt, target = question.prompt, question.target
        calls = _count_calls(self._model)
        started = clock.now()
        options: dict[str, Any] = {}
        if self._reuses:
            if self._cache is None:
                self._cache = DynamicCache()
            shared = min(common_prefix(self._read, prompt), len(prompt) - 1)
            surplus = self._cache.get_seq_length() - shared
            if surplus > 0:
                self._cache.crop(-surplus)
            options[_cache_argument(self._model)] = self._cache
        if self._lookup:
            options["prompt_lookup_num_tokens"] = self._lookup
        ids = torch.tensor([prompt], device=self._model.device)
        with torch.inference_mode():
            out = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=len(target),
                do_sample=False,
                pad_token_id=0,
                eos_token_id=0,
                logits_processor=LogitsProcessorList([_Forcing(len(prompt), target)]),
                **options,
            )
        total_ms = (clock.now() - started) * 1000
        if out[0, len(prompt) :].tolist() != target:
            raise AssertionError("generate left the forced answer")
        if self._reuses:
            self._read = (prompt + target)[: self._cache.get_seq_length()]
        return Timing(total_ms=total_ms, passes=calls())


def _cache_argument(model: Any) -> str:
    """What `generate` calls its cache: renamed in transformers 5.24."""
    names = inspect.signature(model.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


class _Forcing:
    """A logits processor that tops the true next token."""

    def __init__(self, prompt: int, target: list[int]) -> None:
        self._prompt = prompt
        self._target = target

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        place = input_ids.shape[1] - self._prompt
        scores[:, self._target[place] if place < len(self._target) else 0] = 1e30
        return scores


def _count_calls(model: Any) -> Any:
    count = [0]

    def hook(*_: object) -> None:
        count[0] += 1

    handle = model.register_forward_pre_hook(hook)

    def stop() -> int:
        handle.remove()
        return count[0]

    return stop


class LlamaCpp:
    """llama.cpp through its C interface: greedy, or with its simple n-gram drafts.

    `ngram` is the length of what is looked up and of what is drafted at most, as in the mode
    `ngram-simple` of its server, which this does again: the latest earlier occurrence counts.
    """

    def __init__(self, path: Path, ngram: tuple[int, int] | None, *, threads: int) -> None:
        self.name = f"llama.cpp {path.stem.split('.')[-1]}"
        self.name += f", ngram {ngram[0]}/{ngram[1]}" if ngram else ""
        self._ngram = ngram
        self._model = LlamaModel(
            path, context=4096, sequences=1, cache_bytes=2**30, batch=512, threads=threads
        )
        self._read: list[int] = []

    def forget(self) -> None:
        self._read = []
        self._model.forget(0)

    def close(self) -> None:
        self._model.close()

    def answer(self, question: Question) -> Timing:
        prompt, target = question.prompt, question.target
        started = clock.now()
        shared = min(common_prefix(self._read, prompt), len(prompt) - 1)
        self._model.truncate(0, shared)
        tokens = prompt[:shared]
        unread = prompt[shared:]
        answer: list[int] = []
        draft: list[int] = []
        passes = drafted = accepted = 0
        while len(answer) < len(target):
            # The greedy choice at each place that matters, as an own loop would take it.
            for row in self._model.decode(0, unread + draft, len(tokens), len(draft) + 1):
                row.argmax()
            right = common_prefix(draft, target[len(answer) :])
            right = min(right, len(target) - len(answer) - 1)
            tokens += unread + draft[:right]
            if right < len(draft):
                self._model.truncate(0, len(tokens))
            answer = target[: len(answer) + right + 1]
            unread = answer[-1:]
            passes, drafted, accepted = passes + 1, drafted + len(draft), accepted + right
            draft = self._draft(prompt + answer)
        self._read = tokens
        total_ms = (clock.now() - started) * 1000
        return Timing(total_ms=total_ms, passes=passes, drafted=drafted, accepted=accepted)

    def _draft(self, tokens: list[int]) -> list[int]:
        if self._ngram is None:
            return []
        length, most = self._ngram
        wanted = tokens[-length:]
        for at in range(len(tokens) - length - 1, -1, -1):
            if tokens[at] == wanted[0] and tokens[at : at + length] == wanted:
                return tokens[at + length : at + length + most]
        return []


class ForcedLlamaEngine(LlamaEngine):
    """Our engine over llama.cpp, its choice replaced by the true next token."""

    forced: tuple[int, list[int]] | None = None

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        start = sequence.length + first + 1
        found = super().verify(sequence, ids, first)
        if self.forced is None:
            return found
        return choose_forced(*self.forced, start, ids[first + 1 :])
