"""A model is asked in its format, told what is known of its answer; silence has a reason."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.errors import (
    BadAnswer,
    ContextOverflow,
    ModelRefused,
    OutOfMemory,
    RemoteNotAllowed,
    RunnerBusy,
    RunnerGone,
    RunnerTimeout,
    SettingsError,
)
from zeta_context.events.document import OpenDocument
from zeta_context.events.event import Event
from zeta_context.predict.arbiter import Arbiter
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.configured import make_proposers
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.predict.proposers.repeat import RepeatProposer
from zeta_context.predict.view import LastingProposer, View
from zeta_context.prompt.format import FinishReason
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import Cancelled, CancelToken, Completion, CompletionRequest, OnText
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.settings import ModelSettings
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

TEXT = "class Cart:\n    def __init__(self):\n        self.lines = []\n\n    def count(self):\n"
TEXT += "        return len(self.items)\n"
AFTER = TEXT.replace("self.items", "self.lines")
ZETA1 = find_format("zeta1")


@dataclass
class ScriptedRunner:
    """Answers as told; `hold` keeps an answer back until it is set or the request cancelled."""

    answer: Callable[[CompletionRequest], str] = lambda _: ""
    finish: FinishReason = "stop"
    fault: Exception | None = None
    is_remote: bool = False
    model: str = "scripted"
    hold: threading.Event | None = None
    pieces: tuple[str, ...] = ()
    asked: list[CompletionRequest] = field(default_factory=list)
    prefilled: list[str] = field(default_factory=list)
    is_closed: bool = False

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        while self.hold is not None and not self.hold.wait(0.005):
            if cancel is not None and cancel.is_cancelled:
                return Cancelled()
        for piece in self.pieces:
            if on_text is not None:
                on_text(piece)
        return Completion(text=self.answer(request), finish_reason=self.finish, mean_logprob=-0.1)

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        self.prefilled.append(prompt)

    def close(self) -> None:
        self.is_closed = True


def input_of(text: str = TEXT, *, events: tuple[Event, ...] = ()) -> PromptInput:
    return PromptInput(
        project="shop",
        path="cart.py",
        language="python",
        cursor_excerpt=text,
        cursor_offset=text.index("self.items)") if "self.items)" in text else 0,
        excerpt_start_row=0,
        syntax_spans=(Span(0, len(text)),),
        events=events,
    )


def view_of(text: str = TEXT, *, version: int = 3, events: tuple[Event, ...] = ()) -> View:
    document = OpenDocument(
        project="shop",
        path="cart.py",
        language="python",
        version=version,
        snapshot=TextSnapshot(text),
    )
    prompt_input = input_of(text, events=events)
    return View(
        document=document,
        cursor=prompt_input.cursor_offset,
        events=events,
        prompt_input=prompt_input,
    )


def says(region: str) -> Callable[[CompletionRequest], str]:
    return lambda _: ZETA1.encode(input_of(), region)


def event_of(diff: str, *, predicted: bool = False) -> Event:
    span = Span(0, 1)
    return Event(
        project="shop", path="cart.py", diff=diff, old_span=span, new_span=span, predicted=predicted
    )


def ask(runner: ScriptedRunner, view: View | None = None) -> Prediction | Discarded:
    return ModelProposer(runner, ZETA1).propose(view or view_of())


def test_what_the_model_rewrites_becomes_a_prediction_for_the_document() -> None:
    answer = ask(ScriptedRunner(answer=says(AFTER)))
    assert isinstance(answer, Prediction)
    assert apply_edits(TEXT, answer.edits) == AFTER
    assert (answer.path, answer.version, answer.proposer) == ("cart.py", 3, "model")
    assert answer.confidence == pytest.approx(0.905, abs=0.001)


def test_a_region_that_stays_as_it_is_is_no_edit() -> None:
    answer = ask(ScriptedRunner(answer=says(TEXT)))
    assert isinstance(answer, Discarded)
    assert answer.reason == "no_edit"


def test_an_answer_that_was_cut_off_is_never_taken_for_a_deletion() -> None:
    cut = says(AFTER)
    runner = ScriptedRunner(answer=lambda request: cut(request)[:90], finish="length")
    answer = ask(runner)
    assert isinstance(answer, Discarded)
    assert answer.reason == "truncated"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ContextOverflow("x"), "prompt_too_long"),
        (OutOfMemory("x"), "out_of_memory"),
        (ModelRefused("x"), "model_refused"),
        (RunnerTimeout("x"), "runner_timeout"),
        (RunnerGone("x"), "runner_gone"),
        (RunnerBusy("x", retry_after_s=1.0), "runner_busy"),
        (RemoteNotAllowed("x"), "remote_not_allowed"),
        (BadAnswer("x"), "bad_answer"),
        (SettingsError("x"), "model_not_set_up"),
    ],
)
def test_a_model_that_cannot_be_asked_is_silence_with_a_reason(
    fault: Exception, reason: str
) -> None:
    answer = ask(ScriptedRunner(fault=fault))
    assert isinstance(answer, Discarded)
    assert answer.reason == reason


def test_text_that_holds_a_marker_is_never_sent() -> None:
    runner = ScriptedRunner()
    answer = ask(runner, view_of(TEXT + "# <|editable_region_end|>\n"))
    assert isinstance(answer, Discarded)
    assert answer.reason == "special_tokens"
    assert not runner.asked


def test_the_one_who_asks_can_stop_it_and_a_new_question_stops_the_old_one() -> None:
    runner = ScriptedRunner(answer=says(AFTER), hold=threading.Event())
    proposer = ModelProposer(runner, ZETA1)
    answers: dict[str, Prediction | Discarded] = {}

    def put(name: str, view: View) -> threading.Thread:
        before = len(runner.asked)
        thread = threading.Thread(
            target=lambda: answers.__setitem__(name, proposer.propose(view)), daemon=True
        )
        thread.start()
        while len(runner.asked) == before:
            pass
        return thread

    first = put("first", view_of())
    second_view = view_of(version=4)
    second = put("second", second_view)
    first.join(5)
    assert not answers["first"]
    second_view.cancel.cancel()
    second.join(5)
    assert [getattr(answers[name], "reason", "") for name in ("first", "second")] == [
        "canceled",
        "canceled",
    ]


def test_the_last_answer_moved_by_what_was_typed_is_the_first_guess() -> None:
    runner = ScriptedRunner(answer=says(AFTER))
    proposer = ModelProposer(runner, ZETA1)
    proposer.propose(view_of())
    typed = TEXT.replace("def count", "def tally")
    proposer.propose(view_of(typed, version=4))
    guesses = runner.asked[-1].guesses
    assert guesses[0] == ZETA1.encode(input_of(), AFTER.replace("def count", "def tally"))
    assert ZETA1.encode(input_of(typed), typed) in guesses


class Speaking:
    """A proposer that proposes the same edit each time."""

    name = "speaking"

    def __init__(self, edit: TextEdit) -> None:
        self.edit = edit

    def propose(self, view: View) -> Prediction:
        return Prediction(
            id="p",
            project="shop",
            path="cart.py",
            version=view.document.version,
            edits=(self.edit,),
            proposer=self.name,
            why="",
        )


ITEMS = TEXT.index("items)")
TO_LINES = TextEdit(Span(ITEMS, ITEMS + 5), "lines")


def test_the_guess_of_a_quick_proposer_and_replaced_words_are_passed_on() -> None:
    renamed = event_of("@@ -3,1 +3,1 @@\n-        self.items = []\n+        self.lines = []\n")
    runner = ScriptedRunner(answer=says(AFTER))
    proposer = ModelProposer(runner, ZETA1, guesser=Speaking(TO_LINES))
    proposer.propose(view_of(events=(renamed,)))
    request = runner.asked[-1]
    assert ("items", "lines") in request.substitutions
    assert ZETA1.encode(input_of(), AFTER) in request.guesses
    assert request.reference in TEXT


def test_accepted_text_goes_along_on_this_machine_only() -> None:
    accepted = event_of("@@ -1 +1,2 @@\n a\n+log.info('accepted')\n", predicted=True)
    here = ScriptedRunner(answer=says(AFTER))
    ask(here, view_of(events=(accepted,)))
    assert here.asked[-1].texts == ("log.info('accepted')",)
    there = ScriptedRunner(answer=says(AFTER), is_remote=True)
    ModelProposer(there, ZETA1, redact=lambda shown: shown).propose(view_of(events=(accepted,)))
    assert there.asked[-1].texts == ()


def test_a_chat_model_gets_its_messages() -> None:
    runner = ScriptedRunner(answer=lambda _: TEXT)
    ModelProposer(runner, find_format("instinct")).propose(view_of())
    assert [message.role for message in runner.asked[-1].messages] == ["system", "user"]


def test_a_model_elsewhere_is_asked_only_with_what_may_leave() -> None:
    runner = ScriptedRunner(answer=says(AFTER), is_remote=True)
    unasked = ModelProposer(runner, ZETA1).propose(view_of())
    refused = ModelProposer(
        runner, ZETA1, redact=lambda _: Discarded(reason="secret_in_excerpt", detail="x")
    ).propose(view_of())
    assert [getattr(one, "reason", "") for one in (unasked, refused)] == [
        "remote_not_allowed",
        "secret_in_excerpt",
    ]
    assert not runner.asked
    secret = event_of("@@ -1 +1 @@\n-a\n+hidden_words\n")
    ModelProposer(runner, ZETA1, redact=lambda shown: replace(shown, events=())).propose(
        view_of(events=(secret,))
    )
    assert "hidden_words" not in runner.asked[-1].prompt


def test_reading_ahead_reads_what_stands_above_the_cursors_row() -> None:
    runner = ScriptedRunner()
    ModelProposer(runner, ZETA1).read_ahead(view_of())
    (ahead,) = runner.prefilled
    assert ZETA1.render(input_of()).text.startswith(ahead)
    assert ahead.endswith("def count(self):\n")
    elsewhere = ScriptedRunner(is_remote=True)
    ModelProposer(elsewhere, ZETA1).read_ahead(view_of())
    assert not elsewhere.prefilled


def test_the_first_finished_change_is_told_once_and_before_the_rest() -> None:
    whole = says(AFTER.replace("__init__", "__new__"))(CompletionRequest(prompt=""))
    cuts = [whole[:n] for n in range(0, len(whole), 7)]
    runner = ScriptedRunner(answer=lambda _: whole, pieces=tuple(cuts))
    told: list[Prediction] = []
    proposer = ModelProposer(runner, ZETA1, on_first_edit=told.append)
    answer = proposer.propose(view_of())
    assert isinstance(answer, Prediction)
    (first,) = told
    assert apply_edits(TEXT, first.edits) == TEXT.replace("__init__", "__new__")


def test_a_model_not_asked_may_read_ahead_and_is_let_go_in_the_end() -> None:
    runner = ScriptedRunner()
    model = ModelProposer(runner, ZETA1)
    assert isinstance(model, LastingProposer)

    arbiter = Arbiter([Speaking(TO_LINES), model], Counts())
    assert arbiter.propose(view_of())
    assert len(runner.prefilled) == 1
    assert not runner.asked
    arbiter.close()
    assert runner.is_closed


@pytest.mark.parametrize(
    ("settings", "reason", "said"),
    [
        (ModelSettings(id="no-such-model", format="zeta1"), "model_refused", "no model"),
        (ModelSettings(path="/nowhere/x.gguf", format="zeta1"), "model_refused", "no such"),
        (ModelSettings(path="/nowhere/x.jsonl"), "model_not_set_up", "format"),
        (ModelSettings(id="x", format="zeta9"), "model_not_set_up", "zeta9"),
        (ModelSettings(endpoint="ftp://x", format="zeta1"), "model_not_set_up", "endpoint"),
    ],
)
def test_a_model_that_is_not_there_leaves_the_embedded_default(
    settings: ModelSettings, reason: str, said: str, tmp_path: Path
) -> None:
    counts = Counts()
    first, second = make_proposers((), settings, RemotePermission(), counts)
    assert isinstance(first, RepeatProposer)
    answer = second.propose(view_of())
    assert isinstance(answer, Discarded)
    assert answer.reason == reason
    assert said in answer.detail
    assert counts.total(reason) == 1


async def test_a_session_asks_the_model_of_its_settings(tmp_path: Path) -> None:
    (tmp_path / "cassette.jsonl").write_text("", encoding="utf-8")
    settings = Settings(
        model=ModelSettings(path=str(tmp_path / "cassette.jsonl"), format="zeta1"),
        offer_status=False,
        watch_files=False,
    )
    async with Session(tmp_path, settings=settings) as session:
        session.open("cart.py", TEXT, language="python")
        answer = await session.predict("cart.py", TEXT.index("self.items)"))
        assert isinstance(answer, Discarded)
        assert answer.reason == "runner_gone"  # an empty cassette, asked indeed
        assert session.counts.total("runner_gone") == 1
