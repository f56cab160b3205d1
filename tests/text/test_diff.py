import random
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.text.diff import diff_rows, diff_text, split_lines, trim_edit
from zeta_context.text.edit import TextEdit, apply_edits, validate_edits
from zeta_context.text.point import Span
from zeta_context.text.sequence import MAX_DISTANCE, Hunk, diff_sequences
from zeta_context.text.snapshot import TextSnapshot

ROWS = st.lists(st.sampled_from("abcde"), max_size=14)
TEXT = st.lists(
    st.sampled_from(
        ["foo", "bar", "_x", " ", "  ", "(", ")", "\n", "\r\n", "\r", "é", "👍", "\ud83d"]
    ),
    max_size=30,
).map("".join)


def apply_hunks(old, new, hunks):
    result, reached = [], 0
    for hunk in hunks:
        result += old[reached : hunk.old_start]
        result += new[hunk.new_start : hunk.new_end]
        reached = hunk.old_end
    return result + list(old[reached:])


def longest_common_subsequence(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], last + 1 if x == y else max(row[j + 1], row[j])
    return row[-1]


def changed_rows(hunks):
    return sum(h.old_end - h.old_start + h.new_end - h.new_start for h in hunks)


@settings(max_examples=400)
@given(ROWS, ROWS)
def test_row_hunks_are_right_apart_and_minimal(old, new):
    hunks = diff_rows(old, new)
    assert apply_hunks(old, new, hunks) == new
    for hunk, following in pairwise(hunks):
        assert hunk.old_end < following.old_start
        assert hunk.new_end - hunk.old_end == following.new_start - following.old_start
    assert changed_rows(hunks) == len(old) + len(new) - 2 * longest_common_subsequence(old, new)


@pytest.mark.parametrize("seed", range(6))
def test_large_differences_are_right_though_not_minimal(seed):
    rng = random.Random(seed)
    alphabet = [str(i) for i in range(rng.choice([3, 50, 1000]))]
    old = rng.choices(alphabet, k=900)
    new = rng.choices(alphabet, k=900)
    new[300:350] = old[500:550]
    hunks = diff_rows(old, new)
    assert apply_hunks(old, new, hunks) == new


def test_a_block_moved_past_more_rows_than_are_searched_is_found_by_unique_rows():
    rows = [f"row {i}" for i in range(3 * MAX_DISTANCE)]
    noise = [f"{i % 7}" for i in range(4 * MAX_DISTANCE)]
    old = rows + noise
    new = [*noise[::-1][: 3 * MAX_DISTANCE], *rows]
    assert changed_rows(diff_rows(old, new)) <= 7 * MAX_DISTANCE


def test_an_inserted_row_that_could_stand_anywhere_stands_last():
    assert diff_rows(["a", "b", "b", "c"], ["a", "b", "b", "b", "c"]) == [Hunk(3, 3, 3, 4)]
    assert diff_rows(["a", "b", "b", "c"], ["a", "b", "c"]) == [Hunk(2, 3, 2, 2)]


def test_sequences_of_anything_hashable_can_be_compared():
    assert diff_sequences([1, 2, 3], [1, 3]) == [Hunk(1, 2, 1, 1)]
    assert diff_sequences([], []) == []
    assert diff_sequences([], [1]) == [Hunk(0, 0, 0, 1)]


@settings(max_examples=500)
@given(TEXT, TEXT)
def test_edits_from_a_diff_give_the_new_text(old, new):
    edits = diff_text(old, new)
    validate_edits(edits, len(old))
    assert apply_edits(old, edits) == new
    inside_crlf = {match.start() + 1 for match in re.finditer("\r\n", old)}
    for edit in edits:
        assert not edit.is_empty
        assert inside_crlf.isdisjoint(edit.span)
        assert trim_edit(old, edit) == edit


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_trimmed_edit_does_the_same(before, old, new, after):
    text = before + old + after
    edit = TextEdit(Span(len(before), len(before) + len(old)), new)
    trimmed = trim_edit(text, edit)
    assert trim_edit(TextSnapshot(text), edit) == trimmed
    assert apply_edits(text, [trimmed]) == apply_edits(text, [edit])
    assert trimmed.span.length <= edit.span.length


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("one two three", "one TWO three", [(4, 7, "TWO")]),
        ("user.name", "user_name.name", [(4, 4, "_name")]),
        ("f(getName)", "f(getSize, getName)", [(2, 2, "getSize, ")]),
        ("a = foo(b, c)\n", "a = bar(b, d)\n", [(4, 7, "bar"), (11, 12, "d")]),
        ("a\nb\nc\n", "a\nb\nAND\nTHEN\nc\n", [(4, 4, "AND\nTHEN\n")]),
        ("a\nb\nc\n", "a\nc\n", [(2, 4, "")]),
        ("x\ny", "x\ny\n", [(3, 3, "\n")]),
        ("x\r\ny\r\n", "x\ny\n", [(1, 3, "\n"), (4, 6, "\n")]),
        ("x\ny\n", "x\r\ny\n", [(1, 2, "\r\n")]),
        ("", "new", [(0, 0, "new")]),
        ("old", "", [(0, 3, "")]),
        ("same", "same", []),
        ("count += 1\n" * 3, "count += 2\n" * 3, [(9, 10, "2"), (20, 21, "2"), (31, 32, "2")]),
    ],
)
def test_the_edits_are_the_ones_a_person_would_name(old, new, edits):
    found = [(*edit.span, edit.new_text) for edit in diff_text(old, new)]
    assert found == edits


def test_lines_end_at_line_feeds_alone():
    assert split_lines("a\rb\r\nc\u2028d\n\ne") == ["a\rb\r\n", "c\u2028d\n", "\n", "e"]
    assert split_lines("") == []
    assert split_lines("\n") == ["\n"]


def seconds(call):
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def test_a_large_file_with_few_changes_is_compared_quickly():
    rows = [f"    value_{i % 700} = compute(argument_{i}, {i % 13})\n" for i in range(5000)]
    changed = list(rows)
    for at in (3, 2500, 4990):
        changed[at] = changed[at].replace("compute", "calculate")
    changed.insert(1000, "    inserted\n")
    old, new = "".join(rows), "".join(changed)
    assert len(diff_text(old, new)) == 4
    # A few milliseconds; the bound only has to tell linear from quadratic on a busy machine.
    assert seconds(lambda: diff_text(old, new)) < 0.05


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("".join(f"{i}\n" for i in range(6000)), "".join(f"{-i}\n" for i in range(6000))),
        ("a\nb\n" * 6000, "b\na\na\n" * 4000),
        (
            "".join(f"{i * 7919 % 6007}\n" for i in range(6000)),
            "".join(f"{i}\n" for i in range(6000)),
        ),
        ("x y " * 15_000, "y x z " * 10_000),
        ("ab" * 100_000, "ba" * 100_001),
        ("x" * 5_000_000 + " a", "x" * 2_500_000 + "y" + "x" * 2_500_000 + " b"),
    ],
    ids=["nothing shared", "two rows", "shuffled", "long row", "one word", "10 MB"],
)
def test_no_input_takes_quadratic_time(old, new):
    start = time.perf_counter()
    edits = diff_text(old, new)
    assert time.perf_counter() - start < 10
    assert apply_edits(old, edits) == new
