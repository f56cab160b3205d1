"""Greedy decoding with drafts: the same tokens as without, in fewer passes of the model.

Each pass gives the model what it has not read yet and a draft, takes the part of the draft that
the model would have said itself, and one token more. The first draft goes with the end of the
prompt, so that an answer that was guessed takes no further pass. Knows engines and drafters only
by what they do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zeta_context.prompt.format import FinishReason
from zeta_context.runners.base import CancelToken, OnText
from zeta_context.runners.local.circling import goes_in_circles
from zeta_context.runners.local.cost import draft_length
from zeta_context.runners.local.course import Segment
from zeta_context.runners.local.engine import Engine, PassInterrupted
from zeta_context.runners.local.prefixes import HeldSequence

PASS_BUDGET_MS = 60.0
"""How long a pass may take where it cannot be interrupted, so that cancelling is quick."""

READ_BUDGET_MS = 250.0
"""How long a pass that reads the prompt may take otherwise: a cancelled one is read again."""

_LEAST_CHUNK = 48
_MOST_CHUNK = 4096


class Drafts(Protocol):
    """Where drafts come from."""

    def draft(self, answer: str, *, is_split: bool = False) -> Sequence[Segment]:
        """What may come after the answer so far; `is_split` as `Drafter.draft` says."""
        ...


class Codec(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, ids: Sequence[int]) -> str: ...

    def encode_after(self, ids: Sequence[int], parts: Sequence[str]) -> list[list[int]]: ...


@dataclass(slots=True, kw_only=True)
class Decoded:
    """What came of it; `finish` is None when it was cancelled. Times in milliseconds."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    finish: FinishReason | None = None
    cached_tokens: int = 0
    prefill_passes: int = 0
    passes: int = 0
    drafted: int = 0
    accepted: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    logprobs: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When an answer ends: at one of the tokens, before one of the strings, after so many.

    One that goes in circles is taken as too long, unless `known` does the same, the prompt.
    """

    end_tokens: frozenset[int]
    stop: tuple[str, ...] = ()
    max_tokens: int = 512
    known: str = ""
    with_logprobs: bool = False


class Decoding:
    """One answer to one prompt, from a sequence that holds a proper prefix of the prompt."""

    def __init__(
        self,
        engine: Engine,
        codec: Codec,
        held: HeldSequence,
        prompt: Sequence[int],
        limits: Limits,
        *,
        drafts: Drafts | None = None,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._engine = engine
        self._codec = codec
        self._held = held
        self._prompt = list(prompt)
        self._limits = limits
        self._drafts = drafts
        self._cancel = cancel
        self._on_text = on_text
        self._clock = clock
        self._is_split = False
        self._out = Decoded(cached_tokens=len(held.tokens))

    def run(self) -> Decoded:
        """Decode to the end or until cancelled; what was read stays in the sequence."""
        self._engine.interrupt = None if self._cancel is None else self._ask_cancel
        try:
            return self._run()
        finally:
            self._engine.interrupt = None

    def _run(self) -> Decoded:
        out = self._out
        started = self._clock()
        draft = self._draft(0)
        widest = self._widest_pass()
        if not self._read_prompt(widest, len(draft)):
            out.prefill_ms = (self._clock() - started) * 1000
            return out
        unread = self._prompt[len(self._held.tokens) :]
        is_first = True
        while not self._is_cancelled:
            if not self._engine.can_interrupt:
                draft = draft[: max(1, widest - len(unread))]
            if not self._verify(unread, draft):
                break
            unread = out.ids[-1:]
            now = self._clock()
            if is_first:
                out.prefill_ms = (now - started) * 1000
                started, is_first = now, False
            if self._is_finished():
                break
            draft = self._draft(len(out.ids))
        out.decode_ms = 0.0 if is_first else (self._clock() - started) * 1000
        return out

    def read_only(self) -> None:
        """Read all of the prompt but its last token, and answer nothing."""
        self._engine.interrupt = None if self._cancel is None else self._ask_cancel
        try:
            self._read_prompt(self._widest_pass(), self._widest_pass() - 1)
        finally:
            self._engine.interrupt = None

    def _ask_cancel(self) -> bool:
        return self._is_cancelled

    @property
    def _is_cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_cancelled

    def _widest_pass(self) -> int:
        budget_ms = READ_BUDGET_MS if self._engine.can_interrupt else PASS_BUDGET_MS
        return self._engine.cost.widest(budget_ms, least=_LEAST_CHUNK, most=_MOST_CHUNK)

    def _read_prompt(self, widest: int, drafted: int) -> bool:
        """Read all but what fits a pass together with the first draft; False when cancelled."""
        last = max(1, widest - drafted)
        unread = len(self._prompt) - len(self._held.tokens)
        while unread > last:
            if self._is_cancelled:
                return False
            chunk = min(widest, unread - last)
            at = len(self._held.tokens)
            ids = self._prompt[at : at + chunk]
            try:
                self._engine.read(self._held.sequence, ids)
            except PassInterrupted:
                return False
            self._held.tokens += ids
            self._out.prefill_passes += 1
            unread -= chunk
        return not self._is_cancelled

    def _draft(self, done: int) -> list[int]:
        if self._drafts is None:
            return []
        segments = [
            one
            for one in self._drafts.draft(self._readable_text(), is_split=self._is_split)
            if one.text
        ]
        if not segments:
            return []
        before = self._out.ids if done else self._prompt[-16:]
        parts = self._codec.encode_after(before, [one.text for one in segments])
        ids = [token for part in parts for token in part]
        lengths = [(len(part), one.probability) for part, one in zip(parts, segments, strict=True)]
        left = min(
            self._limits.max_tokens - done - 1,
            self._engine.context_window - len(self._prompt) - done - 1,
        )
        # The first draft joins a pass that is due anyway, so that all of it is worth a try.
        length = len(ids) if not done else draft_length(lengths, self._engine.cost)
        return ids[: max(0, min(length, left))]

    def _readable_text(self) -> str:
        """The answer so far without a last character that is not complete."""
        return self._out.text.rstrip("\ufffd")

    def _verify(self, unread: list[int], draft: list[int]) -> bool:
        """One pass; False when it was interrupted."""
        out = self._out
        at = len(self._held.tokens)
        ids = unread + draft
        try:
            verified = self._engine.verify(
                self._held.sequence,
                ids,
                len(unread) - 1,
                with_logprobs=self._limits.with_logprobs,
            )
        except PassInterrupted:
            return False
        self._held.tokens += ids
        accepted = len(verified.tokens) - 1
        self._held.truncate(at + len(unread) + accepted)
        out.ids += verified.tokens
        out.logprobs += verified.logprobs
        out.passes += 1
        self._is_split = accepted < len(draft) and self._begins(
            verified.tokens[-1], draft[accepted]
        )
        out.drafted += len(draft)
        out.accepted += accepted
        return True

    def _begins(self, token: int, drafted: int) -> bool:
        """Whether a token's text is a proper beginning of the drafted one's."""
        text, other = self._codec.decode([token]), self._codec.decode([drafted])
        return 0 < len(text) < len(other) and other.startswith(text)

    def _is_finished(self) -> bool:
        out = self._out
        limits = self._limits
        for number, token in enumerate(out.ids):
            if token in limits.end_tokens:
                self._cut(number)
                out.finish = "stop"
                break
        room = min(limits.max_tokens, self._engine.context_window - len(self._prompt))
        if len(out.ids) >= room and out.finish is None:
            self._cut(room)
            out.finish = "length"
        out.text = self._codec.decode(out.ids)
        if any(stop in out.text for stop in limits.stop):
            out.text = self._text_before_stop()
            out.finish = "stop"
        elif out.finish is None and goes_in_circles(out.text, limits.known):
            out.finish = "length"
        if self._on_text is not None:
            self._on_text(out.text if out.finish else self._readable_text())
        return out.finish is not None

    def _cut(self, length: int) -> None:
        del self._out.ids[length:]
        del self._out.logprobs[length:]

    def _text_before_stop(self) -> str:
        """The text up to the stop string that decoding token by token would have met first."""
        out = self._out
        low, high = 1, len(out.ids)
        while low < high:
            middle = (low + high) // 2
            text = self._codec.decode(out.ids[:middle])
            if any(stop in text for stop in self._limits.stop):
                high = middle
            else:
                low = middle + 1
        self._cut(low)
        text = self._codec.decode(out.ids)
        return text[: min(text.find(stop) for stop in self._limits.stop if stop in text)]
