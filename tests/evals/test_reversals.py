"""The metric of taking back, against hand labels and a plain reference."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.evals.reversals import (
    MAX_EARLIER,
    EarlierTexts,
    count_edits,
    is_reversal,
    share_taken_back,
)

LABELLED = [
    # name, the texts that were there (the last is now), the prediction, whether it takes back
    ("deletes what was just typed", ["x = 1\n", "x = 1\ny = 2\n"], "x = 1\n", True),
    ("deletes half of it", ["x = \n", "x = total\n"], "x = to\n", True),
    ("restores a deleted row", ["a\nbb\nc\n", "a\nc\n"], "a\nbb\nc\n", True),
    ("restores the old name", ["user = 1\n", " = 1\n", "account = 1\n"], "user = 1\n", True),
    ("puts a typo back", ["teh", "te", "t"], "teh", True),
    ("does again what was undone", ["a\n", "a\nb\n", "a\n"], "a\nb\n", True),
    ("takes back one of two rows", ["a\n", "a\nfirst\n", "a\nfirst\nlast\n"], "a\nlast\n", True),
    ("finishes a half-typed word", ["x = \n", "x = to\n"], "x = total\n", False),
    ("renames the next", ["user(user)\n", "account(user)\n"], "account(account)\n", False),
    (
        "repeats a row elsewhere",
        ["a\nb\nc\n", "a\nlog()\nb\nc\n"],
        "a\nlog()\nb\nlog()\nc\n",
        False,
    ),
    (
        "puts a cut row where it is wanted",
        ["first = 1\nsecond = 2\nthird = 3\n", "second = 2\nthird = 3\n"],
        "second = 2\nthird = 3\nfirst = 1\n",
        False,
    ),
    ("writes the new name into the gap", ["user = 1\n", " = 1\n"], "account = 1\n", False),
    ("deletes the next like the last", ["log(a)\nlog(b)\nx\n", "log(b)\nx\n"], "x\n", False),
]


@pytest.mark.parametrize(
    ("texts", "predicted", "expected"),
    [case[1:] for case in LABELLED],
    ids=[c[0] for c in LABELLED],
)
def test_the_metric_agrees_with_hand_labels(
    texts: list[str], predicted: str, expected: bool
) -> None:
    earlier = EarlierTexts()
    for text in texts:
        earlier.add(text)
    assert is_reversal(texts[-1], predicted, earlier) is expected


def test_going_all_the_way_back_is_a_share_of_one() -> None:
    assert share_taken_back("abc", "ab", "ab") == 1.0
    assert share_taken_back("abc", "abcd", "ab") < 0
    assert share_taken_back("abc", "abc", "ab") == 0.0


def plain_count(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            kept = before if left == right else 1 + min(row[j], row[j - 1])
            before, row[j] = row[j], kept
    return row[-1]


@settings(max_examples=300, deadline=None)
@given(st.text("abcé😀", max_size=24), st.text("abcé😀", max_size=24))
def test_distances_equal_the_textbook_table(one: str, other: str) -> None:
    assert count_edits(one, other) == plain_count(one, other)


@settings(max_examples=200, deadline=None)
@given(st.text("ab", max_size=9), st.text("ab", max_size=9), st.text("ab", max_size=9))
def test_the_quick_bound_never_hides_a_reversal(now: str, predicted: str, then: str) -> None:
    change = plain_count(now, predicted)
    exact = (plain_count(now, then) - plain_count(predicted, then)) / change if change else 0.0
    assert (share_taken_back(now, predicted, then) > 0.5) is (exact > 0.5)


def test_earlier_texts_are_bounded_and_keep_the_first_and_the_newest() -> None:
    earlier = EarlierTexts()
    for n in range(1000):
        earlier.add(str(n))
    texts = list(earlier.newest_first())
    assert len(texts) <= MAX_EARLIER
    assert texts[:50] == [str(n) for n in range(999, 949, -1)]
    assert texts[-1] == "0"
