"""Exact lines, places, sizes and rates: worked numbers."""

from __future__ import annotations

import pytest

from zeta_context.metrics.change_size import ChangeSize, measure_change
from zeta_context.metrics.changed_lines import score_exact_lines
from zeta_context.metrics.counts import Hits
from zeta_context.metrics.place import measure_cursor_distance, score_files, score_rows
from zeta_context.metrics.rates import measure_rate

HEAD = "--- a/a.c\n+++ b/a.c\n"


def hits(true_positives: int, false_positives: int, false_negatives: int) -> Hits:
    return Hits(
        true_positives=true_positives,
        false_positives=false_positives,
        false_negatives=false_negatives,
    )


def test_exact_lines_count_each_line_as_often_as_it_comes() -> None:
    expected = HEAD + "@@ -1,2 +1,2 @@\n-old 1\n-old 2\n+new 1\n+new 2\n"
    actual = HEAD + "@@ -1,2 +1,3 @@\n-old 1\n+new 1\n+extra\n old 2\n"
    found = score_exact_lines(expected=expected, actual=actual)
    assert found == hits(2, 1, 2)
    assert (found.precision, found.recall) == (2 / 3, 1 / 2)
    assert found.f1 == pytest.approx(4 / 7)
    three = HEAD + "@@ -1,0 +1,3 @@\n+line a\n+line a\n+line a\n"
    two = HEAD + "@@ -1,0 +1,2 @@\n+line a\n+line a\n"
    assert score_exact_lines(expected=three, actual=two) == hits(2, 0, 1)


def test_trap_lines_that_look_like_headers_are_lines() -> None:
    sql = "--- a/a.sql\n+++ b/a.sql\n@@ -1,2 +1,1 @@\n--- a comment\n x\n"
    assert score_exact_lines(expected=sql, actual="") == hits(0, 0, 1)
    plus = HEAD + "@@ -1,1 +1,2 @@\n x\n+++i;\n"
    assert score_exact_lines(expected=plus, actual=plus) == hits(1, 0, 0)


def test_nothing_wanted_and_nothing_done_is_all_right() -> None:
    found = score_exact_lines(expected="", actual="")
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    assert hits(0, 1, 1).f1 == 0
    assert hits(1, 2, 3) + hits(1, 0, 0) == hits(2, 2, 3)


def test_rows_match_within_twenty_and_an_insertion_by_its_neighbours() -> None:
    at_five = HEAD + "@@ -5,1 +5,1 @@\n-a\n+b\n"
    at_25, at_26 = (HEAD + f"@@ -{row},1 +{row},1 @@\n-a\n+b\n" for row in (25, 26))
    assert score_rows(expected=at_five, actual=at_25) == hits(1, 0, 0)
    assert score_rows(expected=at_five, actual=at_26) == hits(0, 1, 1)
    insertion = HEAD + "@@ -1,2 +1,3 @@\n a\n+new\n b\n"
    assert score_rows(expected=insertion, actual=insertion) == hits(2, 0, 0)
    first_row = HEAD + "@@ -1,1 +1,1 @@\n-a\n+b\n"
    assert score_rows(expected=insertion, actual=first_row) == hits(1, 0, 1)


def test_files_are_matched_by_name() -> None:
    one = HEAD + "@@ -1,1 +1,1 @@\n-a\n+b\n"
    other = one.replace("a.c", "b.c")
    assert score_files(expected=one, actual=one + other) == hits(1, 1, 0)
    assert score_files(expected=one, actual="") == hits(0, 0, 1)


@pytest.mark.parametrize(
    ("old", "new", "size"),
    [
        ("a\n", "a\n", ChangeSize()),
        (
            'println!("hello");\n',
            'println!("world");\n',
            ChangeSize(
                inserted_characters=5,
                deleted_characters=5,
                inserted_tokens=1,
                deleted_tokens=1,
                inserted_rows=1,
                deleted_rows=1,
                places=1,
            ),
        ),
        (
            "x = 1\nsame\ny = 3\n",
            "x = 2\nsame\ny = 4\n",
            ChangeSize(
                inserted_characters=2,
                deleted_characters=2,
                inserted_tokens=2,
                deleted_tokens=2,
                inserted_rows=2,
                deleted_rows=2,
                places=2,
            ),
        ),
    ],
)
def test_sizes_of_changes(old: str, new: str, size: ChangeSize) -> None:
    assert measure_change(old, new) == size
    assert size.rows == size.inserted_rows + size.deleted_rows
    assert size.characters == size.inserted_characters + size.deleted_characters


def test_cursor_distance_needs_both_sides() -> None:
    assert measure_cursor_distance(5, 5) == 0
    assert measure_cursor_distance(5, 9) == 4
    assert measure_cursor_distance(None, 5) is None
    assert measure_cursor_distance(5, None) is None


@pytest.mark.parametrize(
    ("won", "trials", "low", "high"),
    [(30, 100, 0.21895, 0.39585), (0, 20, 0.0, 0.16113), (300, 1000, 0.27241, 0.32912)],
)
def test_wilsons_intervals(*, won: int, trials: int, low: float, high: float) -> None:
    rate = measure_rate(won, trials)
    assert rate.low == pytest.approx(low, abs=1e-5)
    assert rate.high == pytest.approx(high, abs=1e-5)
    mirrored = measure_rate(trials - won, trials)
    assert mirrored.high == pytest.approx(1 - low, abs=1e-5)


def test_a_rate_of_nothing_is_unknown() -> None:
    rate = measure_rate(0, 0)
    assert (rate.value, rate.low, rate.high) == (None, 0, 1)
    with pytest.raises(ValueError, match="3 hits of 2"):
        measure_rate(3, 2)
