"""The life of a prediction: asked for, held back, shown, typed on, undone, accepted, given up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.predict.desk import Answer, Desk, Scripted, Slow, cut, put, swap, until
from zeta_context.errors import StaleSnapshot
from zeta_context.events.projects import Projects
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.report import report_session
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.view import View
from zeta_context.text.edit import TextEdit, apply_edits

TEXT = "one = 1\ntwo = \nthree = 3\n"
HOW = put(14, "how_are_you")
NO_PREFETCH = PredictSettings(prefetch_from_ms=1e9)


def edits_of(answer: object) -> tuple[TextEdit, ...]:
    assert isinstance(answer, Prediction), answer
    return answer.edits


def reason_of(answer: object) -> str:
    assert isinstance(answer, Discarded), answer
    return answer.reason


async def ask_in_turn(desk: Desk, slow: Slow, *cursors: int) -> list[asyncio.Task[Answer]]:
    """Questions from several places, each asked once the one before is being answered."""
    questions = []
    for cursor in cursors:
        asked = slow.asked
        questions.append(desk.ask(cursor))
        await slow.until_asked(asked + 1)
    return questions


# What becomes of an answer that comes late (15).


async def test_an_empty_answer_is_no_prediction(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(()))
    desk.open(TEXT)
    assert await desk.reason() == "empty"
    assert desk.counts.total("empty") == 1


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("how_are_you", "interpolated_empty"), ("why", "interpolate_failed")],
)
async def test_an_answer_that_the_user_was_quicker_than_is_not_shown(
    tmp_path: Path, typed: str, reason: str
) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow)
    desk.open(TEXT)
    question = desk.ask(14)
    await slow.until_asked(1)
    desk.type(14, typed)
    slow.let_go(0)
    assert reason_of(await question) == reason
    assert desk.counts.total(reason) == 1


async def test_an_answer_comes_without_what_was_typed_meanwhile(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow, settings=NO_PREFETCH)
    desk.open(TEXT)
    question = desk.ask(14)
    await slow.until_asked(1)
    desk.type(14, "how")
    slow.let_go(0)
    assert edits_of(await question) == (put(17, "_are_you"),)


async def test_an_answer_that_would_undo_what_was_typed_meanwhile_is_not_shown(
    tmp_path: Path,
) -> None:
    slow = Slow(Scripted(swap(0, 3, "number_one")))
    desk = Desk(tmp_path, slow, settings=NO_PREFETCH)
    desk.open(TEXT)
    question = desk.ask(3)
    await slow.until_asked(1)
    desk.edit(cut(2, 3))
    slow.let_go(0)
    assert reason_of(await question) == "reversal"


# A shown one stays (16).


async def two_in_flight(
    tmp_path: Path, first: TextEdit, second: TextEdit
) -> tuple[Desk, Prediction]:
    """The answer to the second request comes while that to the first is shown."""
    slow = Slow(Scripted(first, second))
    desk = Desk(tmp_path, slow, settings=PredictSettings(throttle_ms=0, prefetch_from_ms=1e9))
    desk.open(TEXT)
    one, two = await ask_in_turn(desk, slow, 14, 13)
    slow.let_go(0)
    shown = await one
    slow.let_go(1)
    then = await two
    assert isinstance(shown, Prediction)
    assert isinstance(then, Prediction)
    return desk, then


@pytest.mark.parametrize("second", ["how_are_you", "how_are", "why"])
async def test_an_equal_shorter_or_other_answer_does_not_replace_a_shown_one(
    tmp_path: Path, second: str
) -> None:
    desk, then = await two_in_flight(tmp_path, HOW, put(14, second))
    assert then.edits == (HOW,)
    assert (desk.counts.total("current_preferred"), desk.counts.total("replaced")) == (1, 0)


async def test_an_answer_that_goes_on_where_the_shown_one_ends_replaces_it(tmp_path: Path) -> None:
    longer = put(14, "how_are_you_today")
    desk, then = await two_in_flight(tmp_path, HOW, longer)
    assert then.edits == (longer,)
    assert (desk.counts.total("current_preferred"), desk.counts.total("replaced")) == (0, 1)
    assert edits_of(await desk.predict(14)) == (longer,)


async def test_a_shown_one_that_does_not_stand_any_more_gives_way(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW, put(15, "y")))
    desk.open(TEXT)
    await desk.shown(14)
    desk.edit(put(14, "w"))
    assert desk.counts.total("interpolate_failed") == 1
    assert edits_of(await desk.shown(15)) == (put(15, "y"),)
    assert desk.counts.total("replaced") == 0


# Cancellation (17).


async def test_the_second_answer_first_cancels_the_first_request_for_good(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow, settings=PredictSettings(throttle_ms=0, prefetch_from_ms=1e9))
    desk.open(TEXT)
    first, second = await ask_in_turn(desk, slow, 14, 13)
    slow.let_go(1)
    assert edits_of(await second) == (HOW,)
    assert reason_of(await first) == "canceled"
    slow.let_go(0)
    await desk.settle()
    assert edits_of(await desk.predict(14)) == (HOW,)
    assert desk.counts.total("canceled") == 1


async def test_a_third_request_cancels_the_second_and_its_work(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow, settings=PredictSettings(throttle_ms=0, prefetch_from_ms=1e9))
    desk.open(TEXT)
    first, second = await ask_in_turn(desk, slow, 14, 13)
    third = desk.ask(12)
    assert reason_of(await second) == "canceled"
    await slow.until_asked(3)
    slow.let_go(0)
    assert edits_of(await first) == (HOW,)
    slow.let_go(2)
    assert edits_of(await third) == (HOW,)
    await slow.until_canceled(1)
    assert slow.canceled == [1]


# What became of them is told (19; that it is sent in one batch, and again after a failure:
# tests/e2e/test_rollout_loop.py).


async def test_of_three_requests_the_second_is_told_as_canceled_and_the_first_as_replaced(
    tmp_path: Path,
) -> None:
    longer = put(14, "how_are_you_today")
    slow = Slow(Scripted(HOW, longer))
    desk = Desk(tmp_path, slow, settings=PredictSettings(throttle_ms=0, prefetch_from_ms=1e9))
    desk.open(TEXT)
    first, second = await ask_in_turn(desk, slow, 14, 13)
    third = desk.ask(12)
    assert reason_of(await second) == "canceled"
    await slow.until_asked(3)
    assert desk.counts.total("canceled") == 1
    slow.let_go(0)
    assert edits_of(await first) == (HOW,)
    assert desk.counts.total("replaced") == 0
    slow.let_go(2)
    assert edits_of(await third) == (longer,)
    assert (desk.counts.total("canceled"), desk.counts.total("replaced")) == (1, 1)


async def test_rejections_keep_their_order_their_reason_and_whether_they_were_shown(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, Scripted(HOW, put(0, "# one\n")))
    desk.open(TEXT)
    told = []
    for reason, was_shown in (("discarded", False), ("rejected", True)):
        shown = await desk.shown(14)
        outcome = desk.offers.reject(shown, reason, was_shown=was_shown)  # type: ignore[arg-type]
        assert (outcome.prediction_id, outcome.accepted) == (shown.id, False)
        told.append((outcome.reason, outcome.was_shown))
    assert told == [("discarded", False), ("rejected", True)]
    assert (desk.counts.total("discarded"), desk.counts.total("rejected")) == (1, 1)
    # One that nobody saw says nothing about what the user wants.
    assert len(desk.offers.eagerness._outcomes) == 1


async def test_a_call_that_is_cancelled_gives_the_work_up(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow)
    desk.open(TEXT)
    question = desk.ask(14)
    await slow.until_asked(1)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    await slow.until_canceled(1)


async def test_closing_gives_everything_up(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow)
    desk.open(TEXT)
    question = desk.ask(14)
    await slow.until_asked(1)
    await desk.predictor.aclose()
    assert reason_of(await question) == "canceled"


# Throttle, debounce, duplicates (18).


async def test_duplicates_of_one_frame_cost_one_question(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow)
    desk.open(TEXT)
    questions = [desk.ask(14) for _ in range(3)]
    await slow.until_asked(1)
    await desk.wait(1)
    slow.let_go(0)
    assert [edits_of(await one) for one in questions] == [(HOW,)] * 3
    assert slow.asked == 1
    assert desk.counts.total("request_joined") == 2


async def test_one_of_two_that_wait_for_an_answer_may_give_up(tmp_path: Path) -> None:
    slow = Slow(Scripted(HOW))
    desk = Desk(tmp_path, slow)
    desk.open(TEXT)
    one, other = desk.ask(14), desk.ask(14)
    await slow.until_asked(1)
    one.cancel()
    await desk.settle()
    slow.let_go(0)
    assert edits_of(await other) == (HOW,)
    assert slow.canceled == []


async def test_typing_asks_at_most_once_in_a_throttle_and_last_with_the_text_as_it_is(
    tmp_path: Path,
) -> None:
    proposer = Scripted(None, None)
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    questions = []
    for index, key in enumerate("abc"):
        desk.edit(put(14 + index, key))
        questions.append(desk.ask(15 + index))
        await desk.wait(0.05)
    await desk.wait(0.3)
    told = [reason_of(await one) for one in questions]
    assert told == ["no_rule", "canceled", "no_rule"]
    assert [view.document.snapshot.text[14:17] for view in proposer.views] == ["a\nt", "abc"]


async def test_with_a_debounce_typing_asks_once_when_it_rests(tmp_path: Path) -> None:
    proposer = Scripted(None)
    settings = PredictSettings(throttle_ms=0, debounce_ms=200)
    desk = Desk(tmp_path, proposer, settings=settings)
    desk.open(TEXT)
    questions = []
    for index, key in enumerate("abc"):
        desk.edit(put(14 + index, key))
        questions.append(desk.ask(15 + index))
        await desk.wait(0.1)
    assert proposer.asked == 0
    await desk.wait(0.1)
    assert reason_of(await questions[-1]) == "no_rule"
    assert proposer.asked == 1


async def test_an_explicit_request_never_waits(tmp_path: Path) -> None:
    proposer = Scripted(None, None)
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    await desk.predict(14, trigger="buffer_edit")
    desk.edit(put(14, "a"))
    assert reason_of(await desk.predict(15, trigger="explicit")) == "no_rule"
    assert proposer.asked == 2


# Typing on, undoing (20).


async def test_typing_what_it_says_costs_no_question_and_shrinks_it(tmp_path: Path) -> None:
    proposer = Scripted(HOW)
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    await desk.shown(14)
    for count in range(1, len(HOW.new_text)):
        desk.type(13 + count, HOW.new_text[count - 1])
        left = await desk.shown(14 + count)
        assert left.edits == (put(14 + count, HOW.new_text[count:]),)
        assert left.id == "p1"
        assert left.version == desk.tracker.document(desk.project, "a.py").version
    desk.type(24, "u")
    assert desk.counts.total("interpolated_empty") == 1
    assert proposer.asked == 1
    assert await desk.reason(25) == "no_rule"


async def test_what_was_typed_of_it_and_deleted_again_is_not_brought_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW))
    desk.open(TEXT)
    await desk.shown(14)
    desk.type(14, "how")
    assert (await desk.shown(17)).edits == (put(17, "_are_you"),)
    desk.edit(cut(16, 17))
    assert await desk.reason(16) == "no_rule"
    assert desk.counts.total("reversal") == 1


async def test_a_rejection_next_to_it_is_looked_at_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW, HOW))
    desk.open(TEXT)
    first = await desk.shown(14)
    await desk.shown(14)
    desk.offers._rejections.add(  # type: ignore[union-attr]
        desk.project, "a.py", desk.tracker.document(desk.project, "a.py").snapshot, (HOW,)
    )
    desk.offers._cache.unclear((desk.project, "a.py"))
    assert await desk.reason(14) == "rejected_before"
    assert first.edits == (HOW,)


async def test_undo_restores_what_typing_otherwise_had_ended(tmp_path: Path) -> None:
    proposer = Scripted(HOW)
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    await desk.shown(14)
    desk.edit(put(14, "x"))
    assert await desk.reason(15) == "no_rule"
    desk.edit(cut(14, 15), cause="undo")
    assert (await desk.shown(14)).edits == (HOW,)
    assert proposer.asked == 2


async def test_a_deletion_that_the_prediction_makes_is_taken_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(swap(16, 20, "drei")))
    desk.open(TEXT)
    await desk.shown(16)
    for _ in range(4):
        desk.edit(cut(16, 17))
    assert (await desk.shown(16)).edits == (put(16, "drei"),)
    desk.type(16, "dr")
    assert (await desk.shown(18)).edits == (put(18, "ei"),)


async def test_brackets_that_the_editor_closes_are_taken_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(put(14, "total(a)")))
    desk.open(TEXT)
    await desk.shown(14)
    desk.type(14, "total")
    desk.edit(put(19, "()"))
    left = await desk.shown(20)
    assert apply_edits(desk.text(), left.edits) == TEXT.replace("two = ", "two = total(a)")


async def test_one_for_another_document_stays_while_nothing_changes(tmp_path: Path) -> None:
    class Elsewhere(Scripted):
        def propose(self, view: View) -> Answer:
            answer = super().propose(view)
            return replace(answer, path="b.py", version=0) if answer else answer

    proposer = Elsewhere(put(8, "0"), put(8, "1"))
    desk = Desk(tmp_path, proposer)
    desk.open("four = 4\n", "b.py")
    desk.open(TEXT)
    shown = await desk.shown(14)
    assert shown.path == "b.py"
    assert await desk.shown(12) == shown
    assert proposer.asked == 1
    desk.edit(put(14, "w"))
    assert (await desk.shown(15)).id == shown.id
    assert proposer.asked == 2


async def test_an_edit_in_another_document_makes_the_next_question_worth_asking(
    tmp_path: Path,
) -> None:
    proposer = Scripted(HOW, None)
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    desk.open("four = 4\n", "b.py")
    await desk.shown(14)
    desk.edit(put(8, "0"), "b.py")
    await desk.predict(14)
    assert proposer.asked == 2


# Accepting.


async def test_an_acceptance_makes_the_edits_and_is_told_from_typing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW))
    desk.open(TEXT)
    outcome = desk.accept(await desk.shown(14))
    assert outcome.edits == (HOW,)
    assert desk.text() == TEXT.replace("two = ", "two = how_are_you")
    assert [event.predicted for event in desk.tracker.history(desk.project).events()] == [True]
    assert await desk.reason(25) == "no_rule"


async def test_after_a_word_the_rest_stands_and_costs_no_question(tmp_path: Path) -> None:
    proposer = Scripted(put(14, "total + rest"))
    desk = Desk(tmp_path, proposer)
    desk.open(TEXT)
    shown = await desk.shown(14)
    assert desk.accept(shown, part="word").edits == (put(14, "total"),)
    left = await desk.shown(19)
    assert (left.id, left.edits) == (shown.id, (put(19, " + rest"),))
    desk.accept(left, part="word")
    desk.accept(await desk.shown(21))
    assert desk.text() == TEXT.replace("two = ", "two = total + rest")
    assert proposer.asked == 1
    assert desk.counts.total("partially_accepted") == 2
    assert desk.counts.total("accepted") == 1


async def test_a_part_that_the_editor_has_made_and_told_is_not_made_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(put(14, "total + rest")))
    desk.open(TEXT)
    shown = await desk.shown(14)
    desk.edit(put(14, "total"))
    assert desk.accept(shown, part="word").edits == ()
    assert desk.text() == TEXT.replace("two = ", "two = total")


async def test_what_was_changed_otherwise_cannot_be_accepted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW))
    desk.open(TEXT)
    shown = await desk.shown(14)
    desk.edit(put(0, "x"))
    with pytest.raises(StaleSnapshot):
        desk.accept(shown)


async def test_the_undo_of_an_accepted_prediction_may_be_proposed_and_shown_again(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, Scripted(HOW, cut(14, 25)))
    desk.open(TEXT)
    desk.accept(await desk.shown(14))
    assert (await desk.shown(25)).edits == (cut(14, 25),)


# The prediction after the one shown.


async def prefetched(desk: Desk) -> None:
    await until(lambda: bool(desk.counts.total("prefetched")))


async def test_the_next_prediction_is_made_before_the_first_is_accepted(tmp_path: Path) -> None:
    proposer = Scripted(HOW, put(35, "5"))
    desk = Desk(tmp_path, proposer, settings=PredictSettings(prefetch_from_ms=0))
    desk.open(TEXT)
    shown = await desk.shown(14)
    await prefetched(desk)
    ahead = proposer.views[1]
    assert ahead.document.snapshot.text == TEXT.replace("two = ", "two = how_are_you")
    assert [event.predicted for event in ahead.events] == [True]
    assert ahead.prompt_input is not None
    assert "how_are_you" in ahead.prompt_input.cursor_excerpt
    assert (await desk.shown(14)).id == shown.id
    desk.accept(shown)
    assert (await desk.shown(25)).edits == (put(35, "5"),)
    assert proposer.asked == 2


async def test_what_was_made_ahead_is_not_shown_on_another_way(tmp_path: Path) -> None:
    proposer = Scripted(HOW, put(35, "5"), None)
    desk = Desk(tmp_path, proposer, settings=PredictSettings(prefetch_from_ms=0))
    desk.open(TEXT)
    await desk.shown(14)
    await prefetched(desk)
    desk.edit(put(14, "w"))
    assert await desk.reason(15) == "no_rule"


async def test_work_ahead_stops_for_a_real_question(tmp_path: Path) -> None:
    scripted = Scripted(HOW, put(15, "hy"))
    slow = Slow(scripted)
    desk = Desk(tmp_path, slow, settings=PredictSettings(prefetch_from_ms=0))
    desk.open(TEXT)
    question = desk.ask(14)
    await slow.until_asked(1)
    slow.let_go(0)
    await question
    await slow.until_asked(2)
    desk.edit(put(14, "w"))
    question = desk.ask(15, trigger="explicit")
    await slow.until_asked(3)
    slow.let_go(2)
    assert edits_of(await question) == (put(15, "hy"),)
    await slow.until_canceled(1)
    assert slow.canceled == [1]
    await desk.predictor.aclose()


# Rejecting.


async def test_what_was_rejected_does_not_come_back_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW, HOW, swap(6, 7, "2")))
    desk.open(TEXT)
    desk.reject(await desk.shown(14))
    assert await desk.reason(14) == "rejected_before"
    assert (await desk.shown(14)).edits == (swap(6, 7, "2"),)


async def test_a_rejected_one_gives_the_next_proposer_its_turn(tmp_path: Path) -> None:
    second = Scripted(swap(6, 7, "2"))
    desk = Desk(tmp_path, Scripted(HOW, HOW), second)
    desk.open(TEXT)
    desk.reject(await desk.shown(14))
    assert (await desk.shown(14)).edits == (swap(6, 7, "2"),)


async def test_rejections_outlive_the_session(tmp_path: Path) -> None:
    settings = PredictSettings(keep_rejections=True, rejections_folder=tmp_path / "state")
    root = tmp_path / "shop"
    root.mkdir()
    desk = Desk(root, Scripted(HOW), settings=settings)
    desk.open(TEXT)
    desk.reject(await desk.shown(14))
    again = Desk(root, Scripted(HOW), settings=settings)
    again.open(TEXT)
    assert await again.reason(14) == "rejected_before"
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = Desk(other, Scripted(HOW), settings=settings)
    elsewhere.open(TEXT)
    assert (await elsewhere.shown(14)).edits == (HOW,)


async def test_a_proposer_that_fails_is_silence_and_the_next_question_is_asked(
    tmp_path: Path,
) -> None:
    class Failing(Scripted):
        def propose(self, view: object) -> Prediction | Discarded:
            raise RuntimeError("secret")

    desk = Desk(tmp_path, Failing(), Scripted(HOW))
    desk.open(TEXT)
    assert (await desk.shown(14)).edits == (HOW,)
    assert desk.counts.total("fault_scripted_RuntimeError") == 1


# What the user is told of it.


async def test_a_session_tells_rates_times_and_what_was_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Scripted(HOW, None))
    desk.open(TEXT)
    assert desk.follower.kept_share() is None
    desk.accept(await desk.shown(14))
    await desk.reason(25)
    assert desk.follower.kept_share() == 1.0
    for _ in range(4):
        desk.edit(cut(21, 22))
    kept = desk.follower.kept_share()
    assert kept == pytest.approx(7 / 11)
    told = report_session(
        Projects((tmp_path,)),
        desk.tracker,
        desk.counts,
        latencies=desk.predictor.latencies,
        kept_share=kept,
    )
    rates = told["rates"]
    assert isinstance(rates, dict)
    assert (rates["asked"], rates["predicted"], rates["accepted"]) == (2, 1, 1)
    assert (rates["predicted_share"], rates["accepted_share"]) == (0.5, 1.0)
    assert rates["kept_share"] == round(7 / 11, 4)
    assert set(told["latency_ms"]) == {"p50", "p95", "p99"}  # type: ignore[call-overload]
    assert told["memory_mb"]
    desk.follower.drop((desk.project, "a.py"))
    assert desk.follower.kept_share() == kept
