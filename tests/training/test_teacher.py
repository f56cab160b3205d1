"""Asking a teacher: once each, whatever happens, and only what may be trained on is kept."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.conftest import STORE
from tests.training.teacher_server import TeacherServer, answer_by_program
from zeta_context.counts import Counts
from zeta_context.errors import BadAnswer, OutputError, SettingsError
from zeta_context.prompt.format import Message
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.training.example import Example, Target, write_examples
from zeta_context.training.select import SelectSettings, find_leak, refuse_target
from zeta_context.training.teacher.bulk import (
    ask_in_batches,
    ask_teacher,
    estimate_teaching,
    taught_examples,
)
from zeta_context.training.teacher.cache import Answer, AnswerCache, make_key
from zeta_context.training.teacher.endpoint import TeacherSettings, open_teacher, read_message
from zeta_context.training.teacher.prompt import (
    CLOSE,
    CURSOR,
    OPEN,
    SIZE_RULES,
    read_answer,
    read_prompt,
    render_question,
)
from zeta_context.training.teacher.run import Question, RunLimits, ask_all
from zeta_context.training.teacher.teach import TeachSettings, ask_questions, is_approved

SETTINGS = TeachSettings(prompt=read_prompt("teacher-v1"))


def state(number: int) -> Example:
    text = STORE + f"\nTOTAL_{number} = "
    prompt_input = PromptInput(
        project="readings",
        path="readings/store.py",
        language="python",
        cursor_excerpt=text,
        cursor_offset=len(text),
        excerpt_start_row=0,
    )
    settled = Target(edits=(TextEdit(Span(0, 0), "# SETTLED-CANARY\n"),), source="settled")
    return Example(
        name=f"state-{number}",
        repository="readings",
        prompt_input=prompt_input,
        origin="capture",
        purpose="training",
        targets=(settled,),
    )


class Served:
    """A teacher endpoint in a thread of its own."""

    def __init__(self, server: TeacherServer) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(TeacherServer(log=tmp_path / "calls.log"))
    yield one
    one.close()


def settings_for(served: Served, **changes: object) -> TeacherSettings:
    defaults = {"api": "openai", "endpoint": served.url + "/v1", "price_in": 3.0, "price_out": 15.0}
    return TeacherSettings(**{**defaults, **changes})  # type: ignore[arg-type]


@pytest.fixture
def states(tmp_path: Path) -> Path:
    path = tmp_path / "states.jsonl"
    write_examples(path, map(state, range(30)))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    one = AnswerCache(tmp_path / "answers.sqlite")
    yield one
    one.close()


def test_every_example_is_asked_once_and_a_second_run_asks_nobody(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    teacher = settings_for(served)
    bill = ask_teacher(states, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    assert bill.answers == 30
    assert bill.input_tokens == served.server.billed[0]
    assert bill.cost == pytest.approx(
        (served.server.billed[0] * 3 + served.server.billed[1] * 15) / 1e6
    )
    ask_teacher(states, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    assert set(served.server.calls.values()) == {1}
    assert len(served.server.calls) == 30


def test_what_is_taught_is_the_teachers_and_never_the_users(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    teacher = settings_for(served)
    ask_teacher(states, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    taught = list(taught_examples(states, cache, teacher, SETTINGS, counts=Counts()))
    assert len(taught) == 30
    for example in taught:
        assert [one.source for one in example.targets] == ["teacher"]
        after = example.text_after(example.targets[0])
        assert "CANARY" not in after
        assert after.endswith("= value")
        assert find_leak(after) is None


def test_completions_are_asked_apart_and_the_key_covers_what_changes_the_answer(
    served: Served,
) -> None:
    def keys(prompt: str = "teacher-v1", **changes: object) -> list[str]:
        settings = TeachSettings(prompt=read_prompt(prompt), completions=3)
        return [
            one.key for one in ask_questions([state(1)], settings_for(served, **changes), settings)
        ]

    first = keys()
    assert len(set(first)) == 3
    assert keys() == first
    assert not set(keys(temperature=0.1)) & set(first)
    assert not set(keys(model="other")) & set(first)
    assert not set(keys(max_output_tokens=99)) & set(first)
    assert keys(price_in=1.0) == first


def test_failures_are_tried_again_and_counted(tmp_path: Path, cache: AnswerCache) -> None:
    served = Served(TeacherServer(failures=[500, 429, 400]))
    path = tmp_path / "states.jsonl"
    write_examples(path, map(state, range(3)))
    counts = Counts()
    try:
        bill = ask_teacher(
            path, cache, settings_for(served), SETTINGS, RunLimits(concurrency=1), counts=counts
        )
    finally:
        served.close()
    assert bill.answers == 3
    assert counts.total("teacher_failed_gone") == 1
    assert counts.total("teacher_busy") == 1
    assert counts.total("teacher_failed_bad_answer") == 1


def test_a_key_that_is_refused_ends_the_run(tmp_path: Path, cache: AnswerCache) -> None:
    served = Served(TeacherServer(failures=[401] * 9))
    path = tmp_path / "states.jsonl"
    write_examples(path, [state(0)])
    try:
        with pytest.raises(SettingsError, match="refuses the key"):
            ask_teacher(path, cache, settings_for(served), SETTINGS, RunLimits(), counts=Counts())
    finally:
        served.close()


def test_the_budget_ends_the_run_and_keeps_what_was_bought(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    counts = Counts()
    limits = RunLimits(concurrency=2, budget_tokens=served_tokens(served))
    bill = ask_teacher(states, cache, settings_for(served), SETTINGS, limits, counts=counts)
    assert 3 <= bill.answers <= 6
    assert counts.total("teacher_budget") == 2


def served_tokens(served: Served) -> int:
    question = render_question(state(0).prompt_input, SETTINGS.prompt, "normal")
    from tests.training.teacher_server import count_tokens

    return 4 * count_tokens(question)


def test_never_more_at_a_time_than_allowed(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    limits = RunLimits(concurrency=3)
    ask_teacher(states, cache, settings_for(served), SETTINGS, limits, counts=Counts())
    assert served.server.most_in_flight <= 3


def test_a_rate_is_kept(served: Served, tmp_path: Path, cache: AnswerCache) -> None:
    path = tmp_path / "few.jsonl"
    write_examples(path, map(state, range(5)))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    limits = RunLimits(concurrency=1, requests_per_minute=60)
    original = asyncio.sleep
    asyncio.sleep = sleep  # type: ignore[assignment]
    try:
        ask_teacher(path, cache, settings_for(served), SETTINGS, limits, counts=Counts())
    finally:
        asyncio.sleep = original
    assert sum(one > 0.5 for one in slept) == 4


def test_an_estimate_after_a_few_answers_is_near_the_bill(
    served: Served, tmp_path: Path, cache: AnswerCache
) -> None:
    few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
    write_examples(few, map(state, range(50)))
    write_examples(many, map(state, range(300)))
    teacher = settings_for(served)
    ask_teacher(few, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    before = cache.bill().cost
    estimate = estimate_teaching(many, cache, teacher, SETTINGS)
    assert estimate.is_measured
    assert (estimate.questions, estimate.answered) == (300, 50)
    bill = ask_teacher(many, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    assert estimate.cost == pytest.approx(bill.cost - before, rel=0.05)


DRIVER = """
import sys
from pathlib import Path
from zeta_context.counts import Counts
from zeta_context.training.teacher.bulk import ask_teacher
from zeta_context.training.teacher.cache import AnswerCache
from zeta_context.training.teacher.endpoint import TeacherSettings
from zeta_context.training.teacher.prompt import read_prompt
from zeta_context.training.teacher.run import RunLimits
from zeta_context.training.teacher.teach import TeachSettings
states, cache, url = sys.argv[1:]
ask_teacher(
    Path(states), AnswerCache(Path(cache)), TeacherSettings(api="openai", endpoint=url),
    TeachSettings(prompt=read_prompt("teacher-v1")), RunLimits(), counts=Counts(),
)
"""


@pytest.mark.timeout(240)
def test_killed_at_any_moment_it_asks_nothing_twice(served: Served, tmp_path: Path) -> None:
    states, path = tmp_path / "many.jsonl", tmp_path / "answers.sqlite"
    write_examples(states, map(state, range(250)))
    chance = random.Random(7)
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(states), str(path), served.url + "/v1"]
        )
        if kills >= 3:
            assert process.wait(120) == 0
            break
        before = len(served.server.calls)
        while len(served.server.calls) < before + 5 and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.1)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    assert max(served.server.calls.values()) == 1
    cache = AnswerCache(path)
    bill = cache.bill()
    cache.close()
    assert bill.answers + bill.in_doubt == 250
    assert bill.in_doubt <= kills * RunLimits().concurrency


def test_what_is_in_doubt_is_asked_again_only_when_told(
    served: Served, tmp_path: Path, cache: AnswerCache
) -> None:
    path = tmp_path / "one.jsonl"
    write_examples(path, [state(0)])
    teacher = settings_for(served)
    (question,) = ask_questions([state(0)], teacher, SETTINGS)
    cache.note_sent(question.key)
    bill = ask_teacher(path, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    assert (bill.answers, bill.in_doubt) == (0, 1)
    limits = RunLimits(ask_doubtful=True)
    bill = ask_teacher(path, cache, teacher, SETTINGS, limits, counts=Counts())
    assert (bill.answers, bill.in_doubt) == (1, 0)


def test_batches_are_sent_collected_and_found_again_after_a_crash(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    teacher = settings_for(served, api="anthropic", endpoint=served.url)
    counts = Counts()
    assert ask_in_batches(states, cache, teacher, SETTINGS, counts=counts, waits=True) == 0
    assert cache.bill().answers == 30
    assert set(served.server.calls.values()) == {1}
    # A crash between the server's answer and the note of it: the key is in doubt, and found.
    (question, *_) = ask_questions([state(0)], teacher, SETTINGS)
    cache._db.execute(
        "UPDATE answers SET state = 'sent', batch = NULL WHERE key = ?", (question.key,)
    )
    ask_in_batches(states, cache, teacher, SETTINGS, counts=counts, waits=True)
    assert counts.total("teacher_adopted") == 1
    assert cache.bill().answers == 30
    assert set(served.server.calls.values()) == {1}


def test_anthropic_messages_are_asked_like_any_other(
    served: Served, states: Path, cache: AnswerCache
) -> None:
    teacher = settings_for(served, api="anthropic", endpoint=served.url)
    assert ask_teacher(states, cache, teacher, SETTINGS, RunLimits(), counts=Counts()).answers == 30


def test_a_command_can_be_the_teacher(tmp_path: Path, cache: AnswerCache) -> None:
    program = tmp_path / "teacher.py"
    program.write_text(
        "import json, sys\n"
        "question = json.load(sys.stdin)\n"
        "assert question['messages'][0]['role'] == 'user'\n"
        "print('Nothing follows.\\n\\n```\\nNO_EDITS\\n```')\n"
    )
    path = tmp_path / "one.jsonl"
    write_examples(path, [state(0)])
    teacher = TeacherSettings(api="command", endpoint=f"{sys.executable} {program}")
    ask_teacher(path, cache, teacher, SETTINGS, RunLimits(), counts=Counts())
    counts = Counts()
    (taught,) = taught_examples(path, cache, teacher, SETTINGS, counts=counts)
    assert taught.targets[0].edits == ()
    assert counts.total("answer_quiet") == 1


def test_bad_answers_are_repaired_with_the_reason(tmp_path: Path, cache: AnswerCache) -> None:
    asked: list[str] = []

    def answer(messages: list[dict[str, str]]) -> str:
        if len(messages) == 1:
            return "I would write `value` there."
        asked.append(messages[-1]["content"])
        return answer_by_program(messages)

    served = Served(TeacherServer(answer))
    path = tmp_path / "one.jsonl"
    write_examples(path, [state(0)])
    settings = TeachSettings(prompt=read_prompt("teacher-v1"), has_repair=True)
    try:
        teacher = settings_for(served)
        ask_teacher(path, cache, teacher, settings, RunLimits(), counts=Counts())
    finally:
        served.close()
    (taught,) = taught_examples(path, cache, teacher, settings, counts=Counts())
    assert taught.targets[0].source == "repaired"
    assert "no fenced block" in asked[0]


def test_a_second_opinion_can_refuse_an_answer(tmp_path: Path, cache: AnswerCache) -> None:
    def answer(messages: list[dict[str, str]]) -> str:
        if "You judge a prediction" in messages[0]["content"]:
            return '```json\n{"reasoning": "no", "reverts_edits": true, "confidence": 4}\n```'
        return answer_by_program(messages)

    served = Served(TeacherServer(answer))
    path = tmp_path / "one.jsonl"
    write_examples(path, [state(0)])
    settings = TeachSettings(prompt=read_prompt("teacher-v1"), has_review=True)
    counts = Counts()
    try:
        teacher = settings_for(served)
        ask_teacher(path, cache, teacher, settings, RunLimits(), counts=Counts())
    finally:
        served.close()
    assert list(taught_examples(path, cache, teacher, settings, counts=counts)) == []
    assert counts.total("answer_judged") == 1


@pytest.mark.parametrize(
    ("opinion", "approved"),
    [
        ('{"reverts_edits": false, "confidence": 4}', True),
        ('{"reverts_edits": false, "confidence": 2}', False),
        ('{"reverts_edits": true, "confidence": 5}', False),
        ("I cannot say", True),
    ],
)
def test_second_opinions_are_read(opinion: str, approved: bool) -> None:
    assert is_approved(opinion) is approved


def question_parts() -> tuple[PromptInput, str]:
    prompt_input = state(0).prompt_input
    text = render_question(prompt_input, read_prompt("teacher-v1"), "small")
    start = text.rindex(OPEN) + len(OPEN)
    return prompt_input, text[start : text.index(CLOSE, start)]


def test_the_question_holds_the_rules_the_size_and_the_cursor() -> None:
    prompt_input, region = question_parts()
    text = render_question(prompt_input, read_prompt("teacher-v1"), "small")
    assert SIZE_RULES["small"] in text
    assert region.endswith(f"TOTAL_0 = {CURSOR}")
    assert "{{" not in text


def test_the_last_block_is_the_answer_and_fences_within_it_are_text() -> None:
    prompt_input, region = question_parts()
    rewritten = region.replace(CURSOR, "'''```py\nx\n```'''")
    answer = f"First:\n\n```\nnot this\n```\n\n`````python\n{rewritten}\n`````\n"
    edits = read_answer(answer, prompt_input)
    after = apply_edits(prompt_input.cursor_excerpt, edits)
    assert after.endswith("TOTAL_0 = '''```py\nx\n```'''")


@pytest.mark.parametrize("answer", ["NO_EDITS", "Nothing.\n\n```\nNO_EDITS\n```"])
def test_no_edits_is_an_answer(answer: str) -> None:
    assert read_answer(answer, question_parts()[0]) == ()


@pytest.mark.parametrize("answer", ["I would add a value.", "```\nx\nNO_EDITS y\n```"])
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(OutputError):
        read_answer(answer, question_parts()[0])


LEAKS = [
    "NO_EDITS",
    "KEEP_PREVIOUS",
    "<|editable_region_start|>",
    "<|user_cursor|>",
    "<|marker_1|>",
    "<|file_sep|>",
    "<[fim-suffix]>",
    ">>>>>>> UPDATED",
    "<<<<<<< CURRENT",
    "[CURSOR_POSITION]",
    "`````",
]


@pytest.mark.parametrize("leak", LEAKS)
def test_no_target_may_hold_a_sentinel_a_marker_or_a_region_tag(leak: str) -> None:
    prompt_input = state(0).prompt_input
    end = len(prompt_input.cursor_excerpt)
    edits = (TextEdit(Span(end, end), f"1\n{leak}\n"),)
    assert refuse_target(prompt_input, edits, SelectSettings()) == "leak"


def test_a_marker_that_was_in_the_file_may_stay() -> None:
    assert find_leak("a = '<|file_sep|>'\nb\n", "a = '<|file_sep|>'\n") is None


def test_a_response_that_is_cut_off_is_no_answer() -> None:
    settings = TeacherSettings(api="openai")
    response = {
        "choices": [{"message": {"content": "x"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    with pytest.raises(BadAnswer, match="cut off"):
        read_message(settings, response)
    with pytest.raises(BadAnswer, match="shape"):
        read_message(settings, json.loads("{}"))


async def test_two_writers_do_not_ask_the_same_question(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    teacher = settings_for(served)
    message = (Message(role="user", content=f"{OPEN}x{CURSOR}{CLOSE}"),)
    questions = [Question(key=make_key({"n": n}), messages=message) for n in range(40)]
    caches = [AnswerCache(path), AnswerCache(path)]
    await asyncio.gather(
        *(ask_all(questions, open_teacher(teacher), cache, RunLimits()) for cache in caches)
    )
    assert set(served.server.calls.values()) == {1}
    for cache in caches:
        cache.close()


def test_an_answer_is_kept_as_it_came(cache: AnswerCache) -> None:
    answer = Answer(text="é\0\ud800x".replace("\ud800", "?"), input_tokens=3, output_tokens=4)
    cache.note_sent("k")
    cache.note_answer("k", answer)
    known = cache.find("k")
    assert known is not None
    assert known.answer == answer
