"""One worker owns the model: the newest request wins, and nothing that goes wrong stops it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.runners.local.toy_engine import END, CharacterTokenizer, ToyEngine
from zeta_context.counts import Counts
from zeta_context.errors import (
    ContextOverflow,
    ModelRefused,
    OutOfMemory,
    RunnerGone,
    RunnerTimeout,
)
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest
from zeta_context.runners.local.runner import LocalRunner, LocalSettings


@dataclass
class Loaded:
    """What the runner needs of a loaded model."""

    engine: ToyEngine
    tokenizer: CharacterTokenizer = field(default_factory=CharacterTokenizer)
    end_tokens: frozenset[int] = frozenset({END})


class Toy:
    """A runner over toy engines, and all that were made."""

    def __init__(self, **settings: Any) -> None:
        self.engines: list[ToyEngine] = []
        self.load_fault: Exception | None = None
        self.counts = Counts()
        self.runner = LocalRunner(
            cast(Any, self._load),
            model="toy",
            settings=LocalSettings(**settings),
            counts=self.counts,
        )
        self.prepare: Callable[[ToyEngine], None] = lambda _: None
        self._pool = ThreadPoolExecutor(8)

    def _load(self) -> Loaded:
        if self.load_fault is not None:
            raise self.load_fault
        engine = ToyEngine()
        self.prepare(engine)
        self.engines.append(engine)
        return Loaded(engine)

    @property
    def engine(self) -> ToyEngine:
        return self.engines[-1]

    def ask(self, prompt: str, cancel: CancelToken | None = None) -> Future[Any]:
        request = CompletionRequest(prompt=prompt)
        return self._pool.submit(self.runner.complete, request, cancel=cancel)

    def close(self) -> None:
        self.runner.close()
        self._pool.shutdown()


@pytest.fixture
def toy() -> Iterator[Toy]:
    made = Toy()
    yield made
    made.close()


def until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_an_answer_comes_with_what_it_took(toy: Toy) -> None:
    answer = toy.ask("a prompt>").result(10)
    assert isinstance(answer, Completion)
    assert (answer.text, answer.finish_reason, answer.model) == ("done", "stop", "toy")
    assert answer.usage.prompt_tokens == 9
    assert answer.usage.passes >= 1


def test_a_second_prompt_reads_only_what_is_new(toy: Toy) -> None:
    toy.ask("a long shared beginning>").result(10)
    before = toy.engine.read_tokens
    answer = toy.ask("a long shared beginning, and on>").result(10)
    assert answer.usage.cached_tokens == len("a long shared beginning")
    assert toy.engine.read_tokens - before < 20


def test_prompts_of_several_files_are_remembered_beside_each_other(toy: Toy) -> None:
    for name in ("first file", "second file", "third file"):
        toy.ask(f"{name} with its text>").result(10)
    for name in ("first file", "second file", "third file"):
        answer = toy.ask(f"{name} with its text>").result(10)
        assert answer.usage.cached_tokens == len(f"{name} with its text>") - 1


def test_memory_of_earlier_prompts_is_bounded() -> None:
    toy = Toy(max_cache_bytes=40_000)
    for number in range(6):
        toy.ask(f"{number} is another prompt altogether>").result(10)
    prefixes = toy.runner._prefixes
    assert prefixes is not None
    assert prefixes.nbytes <= 40_000
    toy.close()


def test_reading_ahead_fills_idle_time_and_makes_the_answer_shorter(toy: Toy) -> None:
    toy.runner.prefill("what stands above the cursor")
    until(lambda: bool(toy.engines) and toy.engine.read_tokens > 20)
    answer = toy.ask("what stands above the cursor>").result(10)
    assert answer.usage.cached_tokens >= 20


def test_a_request_stops_what_is_read_ahead(toy: Toy) -> None:
    toy.prepare = lambda engine: setattr(engine, "hold", threading.Event())
    toy.runner.prefill("a prompt that nobody asked")
    until(lambda: bool(toy.engines) and toy.engine.in_pass.is_set())
    asked = toy.ask("now>")
    until(lambda: toy.runner._waiting.__len__() == 0)
    assert toy.engine.hold is not None
    toy.engine.hold.set()
    assert asked.result(10).text == "done"


def test_cancelling_keeps_what_was_read(toy: Toy) -> None:
    toy.ask("warm>").result(10)
    engine = toy.engine
    engine.hold, engine.cost = threading.Event(), engine.cost
    engine.in_pass.clear()
    cancel = CancelToken()
    asked = toy.ask("x" * 100 + ">", cancel)
    until(engine.in_pass.is_set)
    cancel.cancel()
    assert asked.result(10) == Cancelled()
    engine.hold.set()
    assert toy.ask("x" * 100 + ">").result(10).text == "done"
    assert toy.counts.total("runner_canceled") == 1


def test_of_too_many_waiting_the_oldest_is_replaced() -> None:
    toy = Toy(max_waiting=2)
    toy.prepare = lambda engine: setattr(engine, "hold", threading.Event())
    running = toy.ask("running>")
    until(lambda: bool(toy.engines) and toy.engine.in_pass.is_set())
    waiting = []
    for number in range(4):
        waiting.append(toy.ask(f"{number}>"))
        until(lambda n=number: len(toy.runner._waiting) == min(n + 1, 2))  # type: ignore[misc]
    assert [one.result(10) for one in waiting[:2]] == [Cancelled(reason="replaced")] * 2
    assert toy.engine.hold is not None
    toy.engine.hold.set()
    assert [one.result(10).text for one in (running, *waiting[2:])] == ["done"] * 3
    toy.close()


def test_a_prompt_beyond_the_window_is_refused_and_the_next_answered(toy: Toy) -> None:
    with pytest.raises(ContextOverflow, match="500 tokens"):
        toy.ask("x" * 499 + ">").result(10)
    assert toy.ask("short>").result(10).text == "done"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (OutOfMemory("no memory left"), "runner_out_of_memory"),
        (ZeroDivisionError("a fault of the engine"), "runner_fault_ZeroDivisionError"),
    ],
)
def test_a_fault_in_a_pass_is_counted_and_the_next_request_starts_afresh(
    toy: Toy, fault: Exception, reason: str
) -> None:
    toy.ask("warm>").result(10)
    toy.engine.fault = fault
    with pytest.raises(type(fault)):
        toy.ask("warm and more>").result(10)
    assert toy.counts.total(reason) == 1
    toy.engine.fault = None
    answer = toy.ask("warm and more>").result(10)
    assert (answer.text, answer.usage.cached_tokens) == ("done", 0)


def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(toy: Toy) -> None:
    toy.load_fault = ModelRefused("its files are damaged")
    with pytest.raises(ModelRefused, match="damaged"):
        toy.ask("a>").result(10)
    toy.load_fault = None
    assert toy.ask("a>").result(10).text == "done"


def test_a_model_that_wanders_is_cut_short() -> None:
    toy = Toy(answer_s=0.05)
    toy.prepare = lambda engine: setattr(engine, "hold", threading.Event())
    with pytest.raises(RunnerTimeout, match=r"0\.05 s"):
        toy.ask("a>").result(10)
    assert toy.counts.total("runner_timeout") == 1
    toy.close()


def test_an_idle_model_leaves_memory_and_comes_back() -> None:
    toy = Toy(idle_unload_s=0.02)
    toy.ask("a>").result(10)
    until(lambda: toy.counts.total("runner_unloaded") == 1)
    assert toy.engines[0].is_closed
    assert toy.runner.loaded is None
    assert toy.ask("a>").result(10).text == "done"
    assert len(toy.engines) == 2
    toy.close()


def test_closing_ends_what_runs_and_what_waits(toy: Toy) -> None:
    toy.prepare = lambda engine: setattr(engine, "hold", threading.Event())
    running = toy.ask("running>")
    until(lambda: bool(toy.engines) and toy.engine.in_pass.is_set())
    waiting = toy.ask("waiting>")
    until(lambda: len(toy.runner._waiting) == 1)
    toy.runner.close()
    assert [one.result(10).reason for one in (running, waiting)] == ["closed", "closed"]
    with pytest.raises(RunnerGone):
        toy.runner.complete(CompletionRequest(prompt="late>"))
