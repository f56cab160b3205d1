"""What an answer will probably be, told from the answer before and from recent edits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zeta_context.events.event import Event
from zeta_context.predict.proposers.accepted import AcceptedTexts
from zeta_context.predict.proposers.guesses import (
    carry_over,
    find_first_finished,
    find_substitutions,
)
from zeta_context.text.point import Span

REGION = "total = 0\nfor item in items:\n    total += item\nreturn total\n"
PREDICTED = REGION.replace("total", "amount")


def _event(diff: str, *, predicted: bool = False) -> Event:
    span = Span(0, 1)
    return Event(
        project="p", path="a.py", diff=diff, old_span=span, new_span=span, predicted=predicted
    )


def test_typing_towards_a_prediction_leaves_it() -> None:
    typed = REGION.replace("total = 0", "am = 0", 1)
    assert carry_over(REGION, PREDICTED, typed) == PREDICTED


def test_typing_elsewhere_moves_a_prediction() -> None:
    typed = "# sums\n" + REGION
    assert carry_over(REGION, PREDICTED, typed) == "# sums\n" + PREDICTED


def test_another_place_carries_nothing_over() -> None:
    assert carry_over(REGION, PREDICTED, "class Other:\n    pass\n") is None


def test_replaced_words_are_told_oldest_first_and_a_word_put_back_is_none() -> None:
    events = [
        _event("@@ -1,1 +1,1 @@\n-total = one\n+amount = one\n"),
        _event("@@ -2,1 +2,1 @@\n-first = 1\n+second = 1\n"),
    ]
    assert find_substitutions(events) == (("total", "amount"), ("first", "second"))
    back = _event("@@ -1,1 +1,1 @@\n-amount = one\n+total = one\n")
    assert find_substitutions([*events, back]) == (("first", "second"), ("amount", "total"))


def test_rows_that_differ_by_more_than_words_replace_none() -> None:
    assert find_substitutions([_event("@@ -1 +1 @@\n-f(a)\n+f(a, b)\n")]) == ()
    assert find_substitutions([_event("@@ -1 +1,2 @@\n-a = 1\n+b = 1\n+c = 2\n")]) == ()


def test_the_first_change_is_finished_when_a_whole_row_follows_that_was_there_before() -> None:
    begun = "amount = 0\n"
    assert find_first_finished(REGION, begun) is None
    assert find_first_finished(REGION, begun + "for item in") is None
    finished = find_first_finished(REGION, begun + "for item in items:\n")
    assert finished == begun + REGION.split("\n", 1)[1]


@given(st.text(alphabet="ab \n", max_size=60), st.text(alphabet="ab \n", max_size=60))
def test_a_finished_answer_always_begins_with_rows_of_the_output(unchanged: str, out: str) -> None:
    finished = find_first_finished(unchanged, out)
    if finished is not None:
        rows = out[: out.rfind("\n") + 1]
        shared = next(end for end in range(len(rows), -1, -1) if finished.startswith(rows[:end]))
        assert shared > 0
        assert finished != unchanged


def test_only_what_accepted_predictions_put_in_is_remembered() -> None:
    accepted = AcceptedTexts()
    accepted.add_events(
        [
            _event("@@ -1 +1,2 @@\n a\n+    log.info('done')\n", predicted=True),
            _event("@@ -1 +1,2 @@\n a\n+typed by hand\n"),
        ]
    )
    assert accepted.texts() == ("    log.info('done')",)


def test_accepted_texts_are_bounded_and_the_newest_stay() -> None:
    accepted = AcceptedTexts(max_characters=40)
    for number in range(20):
        accepted.add(f"row {number:04}")
    accepted.add("   ")
    accepted.add("x" * 30)
    (text,) = accepted.texts()
    assert text.endswith("row 0019")
    assert "row 0000" not in text
    assert len(text) <= 44
    assert AcceptedTexts().texts() == ()
