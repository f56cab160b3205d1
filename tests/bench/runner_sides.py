"""The sides that the benchmark of the local runner compares, all forced to the same answers.

Forcing: every side computes its logits, then the true next token gets the highest one, at every
place that its own decoding looks at. So each side does its whole work, accepts and rejects drafts
as a model would that gives exactly this answer, and none is told the answer beforehand.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from tests.bench.runner_cases import Case
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.runners.local.decoding import Decoding, Limits
from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.engine import KeyValues, Verified
from zeta_context.runners.local.flat_engine import FlatEngine
from zeta_context.runners.local.prefixes import MAX_SEQUENCES, PrefixCache, common_prefix
from zeta_context.runners.local.tokenizer import ModelTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A case in tokens. `target` is the whole answer, its end marker included."""

    case: Case
    prompt: list[int]
    target: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one answer took; `read_ms` is the time of reading the prompt alone, where known."""

    total_ms: float
    passes: int
    drafted: int = 0
    accepted: int = 0


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
        self, engine: ForcedFlatEngine, tokenizer: ModelTokenizer, proposer: ModelProposer
    ) -> None:
        self.name = "ours"
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
        started = time.perf_counter()
        request = self.proposer.make_request(case.prompt_input, case.rendered)
        prompt = self.tokenizer.encode(request.prompt)
        drafter = Drafter(
            request.guesses,
            reference=request.reference,
            substitutions=request.substitutions,
            texts=(request.prompt,),
        )
        limits = Limits(end_tokens=frozenset(), stop=request.stop, max_tokens=len(question.target))
        held = self._prefixes.take(prompt)
        out = Decoding(self.engine, self.tokenizer, held, prompt, limits, drafts=drafter).run()
        total_ms = (time.perf_counter() - started) * 1000
        self.engine.forced = None
        if out.ids != question.target[: len(out.ids)]:
            raise AssertionError("ours left the forced answer")
        return Timing(
            total_ms=total_ms, passes=out.passes, drafted=out.drafted, accepted=out.accepted
        )


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
        started = time.perf_counter()
        options: dict[str, Any] = {}
        if self._reuses:
            if self._cache is None:
                self._cache = DynamicCache()
            shared = min(common_prefix(self._read, prompt), len(prompt) - 1)
            surplus = self._cache.get_seq_length() - shared
            if surplus > 0:
                self._cache.crop(-surplus)
            options["past_key_values"] = self._cache
        if self._lookup:
            options["prompt_lookup_num_tokens"] = self._lookup
        ids = torch.tensor([prompt])
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
        total_ms = (time.perf_counter() - started) * 1000
        if out[0, len(prompt) :].tolist() != target:
            raise AssertionError("generate left the forced answer")
        if self._reuses:
            self._read = (prompt + target)[: self._cache.get_seq_length()]
        return Timing(total_ms=total_ms, passes=calls())


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


_LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_QUIET = _LogCallback(lambda *_: None)


class LlamaCpp:
    """llama.cpp through its C interface: greedy, or with its simple n-gram drafts.

    `ngram` is the length of what is looked up and of what is drafted at most, as in the mode
    `ngram-simple` of its server, which this does again: the latest earlier occurrence counts.
    """

    def __init__(self, path: Path, ngram: tuple[int, int] | None, *, threads: int) -> None:
        import llama_cpp

        self._lib: Any = llama_cpp
        self.name = f"llama.cpp {path.stem.split('.')[-1]}"
        self.name += f", ngram {ngram[0]}/{ngram[1]}" if ngram else ""
        self._ngram = ngram
        llama_cpp.llama_log_set(_QUIET, None)
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = 4096
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocabulary_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(512, 0, 1)
        self._read: list[int] = []

    def forget(self) -> None:
        self._read = []
        self._lib.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def answer(self, question: Question) -> Timing:
        prompt, target = question.prompt, question.target
        started = time.perf_counter()
        shared = min(common_prefix(self._read, prompt), len(prompt) - 1)
        self._lib.llama_memory_seq_rm(self._memory, 0, shared, -1)
        tokens = prompt[:shared]
        unread = prompt[shared:]
        while len(unread) > 512:
            self._decode(unread[:512], len(tokens), 0)
            tokens += unread[:512]
            unread = unread[512:]
        answer: list[int] = []
        draft: list[int] = []
        passes = drafted = accepted = 0
        while len(answer) < len(target):
            ids = unread + draft
            self._decode(ids, len(tokens), len(draft) + 1)
            right = common_prefix(draft, target[len(answer) :])
            right = min(right, len(target) - len(answer) - 1)
            tokens += unread + draft[:right]
            if right < len(draft):
                self._lib.llama_memory_seq_rm(self._memory, 0, len(tokens), -1)
            answer = target[: len(answer) + right + 1]
            unread = answer[-1:]
            passes, drafted, accepted = passes + 1, drafted + len(draft), accepted + right
            draft = self._draft(prompt + answer)
        self._read = tokens
        total_ms = (time.perf_counter() - started) * 1000
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

    def _decode(self, ids: list[int], start: int, rows: int) -> None:
        """Read tokens and take the greedy choice of the last `rows`, as an own loop would."""
        batch = self._batch
        batch.n_tokens = len(ids)
        for number, token in enumerate(ids):
            batch.token[number] = token
            batch.pos[number] = start + number
            batch.n_seq_id[number] = 1
            batch.seq_id[number][0] = 0
            batch.logits[number] = number >= len(ids) - rows
        if self._lib.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        for number in range(len(ids) - rows, len(ids)):
            logits = self._lib.llama_get_logits_ith(self._context, number)
            address = ctypes.addressof(logits.contents)
            row = (ctypes.c_float * self._vocabulary_size).from_address(address)
            torch.frombuffer(row, dtype=torch.float32).argmax()


def quantise(source: Path, directory: Path) -> list[Path]:
    """The model in the quantisations that are compared, made from one file."""
    import llama_cpp

    llama_cpp.llama_log_set(_QUIET, None)
    made: list[Path] = []
    for name, kind in (
        ("Q4_0", llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0),
        ("Q8_0", llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0),
        ("BF16", llama_cpp.LLAMA_FTYPE_MOSTLY_BF16),
    ):
        path = directory / f"smollm2.{name}.gguf"
        if not path.exists():
            params = llama_cpp.llama_model_quantize_default_params()
            params.ftype = kind
            params.allow_requantize = True
            partial = path.with_suffix(".partial")
            failed = llama_cpp.llama_model_quantize(
                str(source).encode(), str(partial).encode(), ctypes.byref(params)
            )
            if failed:
                continue
            partial.rename(path)
        made.append(path)
    return made
