"""Reversal ratio: the reference's asserted numbers, excerpts, and several edits back."""

from __future__ import annotations

import pytest

from zeta_context.metrics.reversal import (
    SIGNATURE,
    Reversal,
    leads_back,
    score_reversal,
    score_reversal_window,
    undo_in_excerpt,
)
from zeta_context.text.patch import render_unified


def reversal(before: str, current: str, predicted: str) -> Reversal:
    return score_reversal(before=before, current=current, predicted=predicted)


@pytest.mark.parametrize(
    ("before", "current", "predicted", "undone", "total"),
    [
        ("a\nb\n", "a\nnew line\nb\n", "a\nb\n", 9, 9),
        ("a\ndeleted\nb\n", "a\nb\n", "a\ndeleted\nb\n", 8, 8),
        ("hello beautiful world", "hello world", "hello beautiful world", 10, 10),
        ("foo", "", "bar", 0, 3),
        ("line1\nline2\nline3", "LINE1\nline2\nline3", "LINE1\nline2\nLINE3", 0, 10),
        ("same", "same", "different", 0, 13),
        ("delete_me", "added", "delete_me", 14, 14),
        ("quick", "slow", "fast", 4, 8),
        ("", "epr", "eprintln!()", 0, 8),
        ("", "my_function()", "test_my_function()", 0, 5),
        ("", "test_my_function", "a_test_for_my_special_function_plz", 0, 18),
        ("", "a_b_c", "_a__b__c__", 0, 5),
        ("", "abc", "xyz", 3, 6),
        ("", "abc", "cba", 3, 6),
        ("", "abcd", "axbx", 4, 8),
        ("", "vec.pu", "vec.push(item)", 0, 8),
        ("", "use std::col", "use std::collections::HashMap", 0, 17),
        ("", "hello", "world", 5, 10),
        ("", "mistake", "", 7, 7),
        ("", "<dv", "<div>", 0, 2),
        ("from", "ifrom", "from", 1, 1),
        ("from x import y", "ifrom x import y", "import\nfrom x import y", 0, 6),
        (
            'print("Hello, World!")',
            'sys.("Hello, World!")',
            'sys.stdout.write("Hello, World!\\n")',
            0,
            14,
        ),
        ("", "日", "日本語", 0, 2),
        ("héllo wörld", "héllo", "héllo wörld", 6, 6),
        ("café", "café latté", "café", 6, 6),
        ("", "日本", "中国", 2, 4),
        ("a\n", "b\n", "b\n", 0, 0),
    ],
)
def test_the_references_asserted_numbers(
    *, before: str, current: str, predicted: str, undone: int, total: int
) -> None:
    found = reversal(before, current, predicted)
    assert (found.reversed_characters, found.total) == (undone, total)


def test_only_what_is_nearly_all_a_reversal_is_one() -> None:
    assert reversal("delete_me", "added", "delete_me").is_reversal
    assert not reversal("quick", "slow", "fast").is_reversal
    assert Reversal(reversed_characters=0, total=0).ratio == 0
    assert SIGNATURE == "reversal|tokens:512B,8rows|events:1|v:1"


EXCERPT_ROW = 10
FILE = [f"row {n}\n" for n in range(30)]


def undone(old: list[str], new: list[str], rows: slice) -> str:
    """Rows of the new file with the change undone, as from an excerpt of it."""
    diff = render_unified("".join(old), "".join(new))
    return undo_in_excerpt("".join(new[rows]), diff, start_row=rows.start)


def test_an_edit_outside_an_excerpt_does_not_change_it() -> None:
    above = [*FILE[:2], "typed\n", *FILE[2:]]
    assert undone(FILE, above, slice(10, 20)) == "".join(above[10:20])
    below = [*FILE[:28], "typed\n", *FILE[28:]]
    assert undone(FILE, below, slice(10, 20)) == "".join(below[10:20])


def test_an_edit_in_an_excerpt_is_undone_there() -> None:
    new = [*FILE[:12], "typed\n", *FILE[12:]]
    before = undone(FILE, new, slice(10, 20))
    assert before == "".join(FILE[10:19])
    predicted = "".join(FILE[10:19])
    found = reversal(before, "".join(new[10:20]), predicted)
    assert (found.reversed_characters, found.total) == (6, 6)


def test_of_an_edit_over_the_end_of_an_excerpt_the_rows_inside_are_undone() -> None:
    new = [*FILE[:8], *(f"typed {n}\n" for n in range(4)), *FILE[8:]]
    assert undone(FILE, new, slice(10, 20)) == "".join(new[12:20])


def test_of_two_edits_one_in_the_excerpt_counts() -> None:
    new = [*FILE[:2], "above\n", *FILE[2:14], "inside\n", *FILE[14:]]
    assert undone(FILE, new, slice(10, 20)) == "".join([*new[10:15], *new[16:20]])


def test_a_deletion_is_put_back_and_what_does_not_fit_is_left_alone() -> None:
    new = [*FILE[:12], *FILE[13:]]
    assert undone(FILE, new, slice(10, 20)) == "".join(FILE[10:21])
    diff = render_unified("x\ny\n", "x\nz\n")
    assert undo_in_excerpt("quite\nother\n", diff) == "quite\nother\n"


def test_a_reversal_of_the_edit_before_the_last_shows_in_a_window() -> None:
    first, second, current = "a = 1\n", "a = 1\nb = 2\n", "a = 1\nb = 2\nc = 3\n"
    predicted = "a = 1\nc = 3\n"
    assert reversal(second, current, predicted).ratio == 0
    found = score_reversal_window(earlier=[first, second], current=current, predicted=predicted)
    assert found.ratio == 1
    assert leads_back(earlier=[first, second], current=current, predicted="a = 1\nb = 2\n")
    assert not leads_back(earlier=[first, second], current=current, predicted=current + "d = 4\n")
    assert score_reversal_window(earlier=[], current=current, predicted=predicted).total == 0
