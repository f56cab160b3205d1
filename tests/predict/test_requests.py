"""When requests are sent, held back, joined and given up."""

from __future__ import annotations

from zeta_context.predict.requests import Request, RequestSchedule

A, B = ("shop", "a.py"), ("shop", "b.py")


def ask(
    schedule: RequestSchedule,
    now: float,
    frame: int,
    key: tuple[str, str] = A,
    *,
    direct: bool = False,
) -> Request:
    return schedule.submit(key, frame, now, is_automatic=not direct).request


def sent(schedule: RequestSchedule, now: float, frame: int, key: tuple[str, str] = A) -> Request:
    request = ask(schedule, now, frame, key)
    assert schedule.send(request, max(now, request.due))
    return request


def test_the_first_goes_at_once_and_the_next_of_its_document_after_the_throttle() -> None:
    schedule = RequestSchedule(throttle_s=0.3)
    first = ask(schedule, 10.0, 1)
    assert first.due == 10.0
    assert schedule.send(first, 10.0)
    assert ask(schedule, 10.1, 2).due == 10.3
    assert ask(schedule, 10.1, 2, B).due == 10.1
    assert ask(schedule, 11.0, 3).due == 11.0


def test_the_throttle_counts_from_the_last_that_was_sent_not_asked_for() -> None:
    schedule = RequestSchedule(throttle_s=0.3)
    sent(schedule, 10.0, 1)
    waiting = ask(schedule, 10.1, 2)
    newer = ask(schedule, 10.2, 3)
    assert waiting.state == "canceled"
    assert newer.due == 10.3


def test_a_debounce_waits_until_typing_rests() -> None:
    schedule = RequestSchedule(throttle_s=0.0, debounce_s=0.2)
    first = ask(schedule, 1.0, 1)
    second = ask(schedule, 1.1, 2)
    assert (first.state, second.due) == ("canceled", 1.3)
    assert not schedule.send(first, 1.2)
    assert schedule.send(second, 1.3)


def test_duplicates_of_one_frame_are_one_request() -> None:
    schedule = RequestSchedule()
    first = ask(schedule, 1.0, 1)
    again = schedule.submit(A, 1, 1.0, is_automatic=True)
    assert again.is_joined
    assert again.request is first
    assert schedule.pending == (first,)


def test_a_direct_request_is_never_held_back_nor_given_up_for_others() -> None:
    schedule = RequestSchedule(throttle_s=5.0, max_in_flight=1)
    sent(schedule, 1.0, 1)
    direct = ask(schedule, 1.1, 2, direct=True)
    assert direct.due == 1.1
    assert schedule.send(direct, 1.1)
    for frame in range(3, 6):
        ask(schedule, 1.2, frame)
    assert direct.state == "sent"


def test_a_direct_request_joins_only_one_that_is_on_its_way() -> None:
    schedule = RequestSchedule(throttle_s=5.0)
    sent(schedule, 1.0, 1)
    assert schedule.submit(A, 1, 1.1, is_automatic=False).is_joined
    waiting = ask(schedule, 1.2, 2)
    assert not schedule.submit(A, 2, 1.3, is_automatic=False).is_joined
    assert waiting.state == "waiting"


def test_a_third_request_cancels_the_second_of_two_in_flight() -> None:
    schedule = RequestSchedule(throttle_s=0.0, max_in_flight=2)
    first, second = sent(schedule, 1.0, 1), sent(schedule, 1.1, 2)
    third = schedule.submit(A, 3, 1.2, is_automatic=True)
    assert third.canceled == (second,)
    assert second.cancel.is_cancelled
    assert not first.cancel.is_cancelled
    assert schedule.pending == (first, third.request)


def test_an_answer_cancels_what_was_asked_before_it_and_it_stays_cancelled() -> None:
    schedule = RequestSchedule(throttle_s=0.0)
    first, second = sent(schedule, 1.0, 1), sent(schedule, 1.1, 2)
    assert schedule.finish(second) == (first,)
    assert first.cancel.is_cancelled
    assert schedule.finish(first) == ()
    assert first.state == "canceled"


def test_one_that_waited_is_dropped_when_another_was_sent_meanwhile() -> None:
    schedule = RequestSchedule(throttle_s=0.3)
    sent(schedule, 1.0, 1)
    waiting = ask(schedule, 1.1, 2)
    direct = ask(schedule, 1.2, 3, direct=True)
    assert schedule.send(direct, 1.2)
    assert not schedule.send(waiting, 1.3)
    assert waiting.state == "canceled"


def test_what_was_sent_is_remembered_of_a_bounded_number_of_documents() -> None:
    schedule = RequestSchedule(throttle_s=10.0)
    for number in range(400):
        schedule.finish(sent(schedule, 1.0, 1, ("shop", f"{number}.py")))
    assert ask(schedule, 2.0, 2, ("shop", "0.py")).due == 2.0
    assert ask(schedule, 2.0, 2, ("shop", "399.py")).due == 11.0
