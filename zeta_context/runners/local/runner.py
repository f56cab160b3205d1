"""The local runner: one worker thread owns the model, callers wait for their answers.

Requests wait in a short queue, where the newest wins; reading ahead fills idle time and stops for
a request; a model that nobody asks is let go and loaded again when somebody does. Knows nothing
of prompt formats.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zeta_context.counts import Counts
from zeta_context.errors import ContextOverflow, OutOfMemory, RunnerError, RunnerGone, RunnerTimeout
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Usage,
)
from zeta_context.runners.local.decoding import Decoded, Decoding, Limits
from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.prefixes import MAX_SEQUENCES, PrefixCache

if TYPE_CHECKING:
    from zeta_context.runners.local.loading import LoadedModel

Load = Callable[[], "LoadedModel"]

_LEAST_ROOM = 16
"""Tokens of the context window that must be left for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """`idle_unload_s` None keeps the model for good. `max_cache_bytes` bounds what is remembered
    of earlier prompts; the latest one is always kept. An answer may take `answer_s` once the model
    is loaded: a model that wanders must not keep the others waiting.
    """

    max_waiting: int = 4
    max_sequences: int = MAX_SEQUENCES
    max_cache_bytes: int = 768 * 1024 * 1024
    idle_unload_s: float | None = 900.0
    with_logprobs: bool = False
    answer_s: float | None = None


@dataclass(slots=True)
class _Job:
    request: CompletionRequest
    cancel: CancelToken
    on_text: OnText | None
    answer: Future[Completion | Cancelled] = field(default_factory=Future)
    asked_at: float = field(default_factory=time.perf_counter)


class _Deadline(CancelToken):
    """Cancels when its request does, or when the time is up."""

    __slots__ = ("_request", "_until")

    def __init__(self, request: CancelToken, seconds: float | None) -> None:
        super().__init__()
        self._request = request
        self._until = None if seconds is None else time.perf_counter() + seconds

    @property
    def is_cancelled(self) -> bool:
        return self._request.is_cancelled or self._is_over

    @property
    def has_passed(self) -> bool:
        """Whether the time was up before anybody cancelled."""
        return self._is_over and not self._request.is_cancelled

    @property
    def _is_over(self) -> bool:
        return self._until is not None and time.perf_counter() >= self._until


class LocalRunner:
    """Completes prompts with a model in this process, loaded when it is first asked."""

    def __init__(
        self,
        load: Load,
        *,
        model: str,
        settings: LocalSettings | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._model = model
        self._settings = settings or LocalSettings()
        self._counts = counts if counts is not None else Counts()
        self._clock = clock
        self._wake = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._ahead: tuple[str, CancelToken] | None = None
        self._running: CancelToken | None = None
        self._reading: CancelToken | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._loaded: LoadedModel | None = None
        self._prefixes: PrefixCache | None = None

    @property
    def model(self) -> str:
        """What the model is called."""
        return self._model

    @property
    def is_remote(self) -> bool:
        """Never: the model is in this process."""
        return False

    @property
    def loaded(self) -> LoadedModel | None:
        """The model, None while it is not in memory."""
        return self._loaded

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The greedy output; see `Runner.complete`.

        Raises ModelRefused, ContextOverflow, OutOfMemory, RunnerTimeout, and RunnerGone once
        closed.
        """
        job = _Job(request, cancel or CancelToken(), on_text)
        with self._wake:
            if self._is_closed:
                raise RunnerGone("the local runner was closed")
            self._start()
            while len(self._waiting) >= self._settings.max_waiting:
                self._waiting.popleft().answer.set_result(Cancelled(reason="replaced"))
                self._counts.add("runner_replaced")
            self._waiting.append(job)
            self._stop_reading()
            self._wake.notify_all()
        return job.answer.result()

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Ask for a prompt to be read when the worker is idle; returns at once.

        A later call takes the place of an earlier one, a request goes before both.
        """
        with self._wake:
            if self._is_closed or self._waiting:
                return
            self._start()
            self._stop_reading()
            self._ahead = (prompt, cancel or CancelToken())
            self._wake.notify_all()

    def load(self) -> LoadedModel:
        """The model, loaded now in the calling thread if need be: for checks before first use."""
        with self._wake:
            if self._loaded is None:
                self._take_model(self._load())
            assert self._loaded is not None
            return self._loaded

    def close(self) -> None:
        """Let go of the model; what runs or waits ends as cancelled."""
        with self._wake:
            self._is_closed = True
            for job in self._waiting:
                job.answer.set_result(Cancelled(reason="closed"))
            self._waiting.clear()
            self._stop_reading()
            if self._running is not None:
                self._running.cancel()
            self._wake.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _stop_reading(self) -> None:
        """End what is read ahead, under way or still to come."""
        if self._reading is not None:
            self._reading.cancel()
        self._ahead = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="zeta-context-local-runner", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        while True:
            job, ahead = self._next()
            if job is not None:
                self._answer(job)
            elif ahead is not None:
                self._read_ahead(*ahead)
            elif self._is_closed:
                break
            else:
                self._unload()
        self._unload()

    def _next(self) -> tuple[_Job | None, tuple[str, CancelToken] | None]:
        """What to do next; nothing when closed, or when idle for long enough to unload."""
        idle_s = self._settings.idle_unload_s if self._loaded is not None else None
        with self._wake:
            self._running = self._reading = None
            until = None if idle_s is None else self._clock() + idle_s
            while not (self._is_closed or self._waiting or self._ahead):
                left = None if until is None else until - self._clock()
                if left is not None and left <= 0:
                    return None, None
                self._wake.wait(left)
            if self._is_closed:
                return None, None
            if self._waiting:
                job = self._waiting.popleft()
                self._running = job.cancel
                return job, None
            ahead, self._ahead = self._ahead, None
            self._reading = ahead[1] if ahead is not None else None
            return None, ahead

    def _answer(self, job: _Job) -> None:
        if job.cancel.is_cancelled:
            job.answer.set_result(Cancelled())
            return
        queue_ms = (time.perf_counter() - job.asked_at) * 1000
        try:
            answer = self._complete(job, queue_ms)
        except OutOfMemory as problem:
            self._counts.add("runner_out_of_memory")
            self._forget()
            job.answer.set_exception(problem)
        except RunnerError as problem:
            job.answer.set_exception(problem)
        except BaseException as fault:  # the caller gets it; the worker lives on, with no leftovers
            self._counts.add(f"runner_fault_{type(fault).__name__}")
            self._forget()
            job.answer.set_exception(fault)
        else:
            job.answer.set_result(answer)

    def _complete(self, job: _Job, queue_ms: float) -> Completion | Cancelled:
        loaded, prefixes = self._ensure_loaded()
        request = job.request
        prompt = loaded.tokenizer.encode(request.prompt)
        window = loaded.engine.context_window
        if len(prompt) + _LEAST_ROOM > window:
            raise ContextOverflow(
                f"the prompt has {len(prompt)} tokens, the model takes {window - _LEAST_ROOM}"
            )
        deadline = _Deadline(job.cancel, self._settings.answer_s)
        drafter = Drafter(
            request.guesses,
            reference=request.reference,
            substitutions=request.substitutions,
            texts=(*request.texts, request.prompt),
        )
        decoding = Decoding(
            loaded.engine,
            loaded.tokenizer,
            prefixes.take(prompt),
            prompt,
            Limits(
                end_tokens=loaded.end_tokens,
                stop=request.stop,
                max_tokens=request.max_output_tokens,
                known=request.prompt,
                with_logprobs=self._settings.with_logprobs,
            ),
            drafts=drafter,
            cancel=deadline,
            on_text=job.on_text,
        )
        out = decoding.run()
        prefixes.trim()
        if out.finish is None and deadline.has_passed:
            self._counts.add("runner_timeout")
            raise RunnerTimeout(f"the model gave no whole answer in {self._settings.answer_s:g} s")
        if out.finish is None:
            self._counts.add("runner_canceled")
            return Cancelled(reason="closed" if self._is_closed else "canceled")
        return _completion(out, self._model, len(prompt), queue_ms)

    def _read_ahead(self, prompt: str, cancel: CancelToken) -> None:
        try:
            loaded, prefixes = self._ensure_loaded()
            ids = loaded.tokenizer.encode(prompt)[: loaded.engine.context_window - _LEAST_ROOM]
            if ids and not cancel.is_cancelled:
                held = prefixes.take(ids)
                limits = Limits(end_tokens=frozenset())
                Decoding(
                    loaded.engine, loaded.tokenizer, held, ids, limits, cancel=cancel
                ).read_only()
                prefixes.trim()
        except RunnerError as problem:  # nobody waits for it: the next request will tell
            self._counts.add(f"runner_ahead_{type(problem).__name__}")
            self._forget()

    def _ensure_loaded(self) -> tuple[LoadedModel, PrefixCache]:
        with self._wake:
            is_loaded = self._loaded is not None
        if not is_loaded:
            loaded = self._load()
            with self._wake:
                self._take_model(loaded)
        assert self._loaded is not None
        assert self._prefixes is not None
        return self._loaded, self._prefixes

    def _take_model(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._prefixes = PrefixCache(
            loaded.engine,
            max_sequences=min(self._settings.max_sequences, loaded.engine.max_sequences),
            max_bytes=self._settings.max_cache_bytes,
        )

    def _forget(self) -> None:
        if self._prefixes is not None:
            self._prefixes.clear()

    def _unload(self) -> None:
        with self._wake:
            loaded, self._loaded, self._prefixes = self._loaded, None, None
        if loaded is not None:
            loaded.engine.close()
            self._counts.add("runner_unloaded")


def _completion(out: Decoded, model: str, prompt_tokens: int, queue_ms: float) -> Completion:
    assert out.finish is not None
    usage = Usage(
        prompt_tokens=prompt_tokens,
        cached_tokens=out.cached_tokens,
        output_tokens=len(out.ids),
        passes=out.passes,
        prefill_passes=out.prefill_passes,
        drafted=out.drafted,
        accepted=out.accepted,
        queue_ms=queue_ms,
        prefill_ms=out.prefill_ms,
        decode_ms=out.decode_ms,
    )
    mean = sum(out.logprobs) / len(out.logprobs) if out.logprobs else None
    return Completion(
        text=out.text, finish_reason=out.finish, model=model, usage=usage, mean_logprob=mean
    )
