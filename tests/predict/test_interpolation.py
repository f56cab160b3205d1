"""What is left of a prediction after the user has gone on typing."""

from __future__ import annotations

import pytest

from tests.predict.edit_sequences import change_of, count_mismatches, make_sequence
from zeta_context.predict.interpolation import interpolate
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

LOREM = "Lorem ipsum dolor"
TABLE = (TextEdit(Span(2, 5), "REM"), TextEdit(Span(9, 11), ""))


def left(
    base: str, predicted: tuple[TextEdit, ...], *edits: TextEdit
) -> tuple[TextEdit, ...] | None:
    return interpolate(TextSnapshot(base), predicted, change_of(base, *edits))


def put(at: int, text: str) -> TextEdit:
    return TextEdit(Span(at, at), text)


def cut(start: int, end: int) -> TextEdit:
    return TextEdit(Span(start, end), "")


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([cut(2, 5)], [(2, 2, "REM"), (6, 8, "")]),
        ([cut(2, 5), put(2, "R")], [(3, 3, "EM"), (7, 9, "")]),
        ([cut(2, 5), put(2, "R"), put(3, "E")], [(4, 4, "M"), (8, 10, "")]),
        ([cut(2, 5), put(2, "REM")], [(9, 11, "")]),
        ([cut(2, 5), put(2, "REM"), cut(9, 11)], []),
        ([cut(9, 11)], [(2, 5, "REM")]),
        ([cut(2, 5), put(2, "rem")], [(2, 5, "REM"), (9, 11, "")]),
        ([cut(2, 5), put(2, "R"), cut(2, 3)], [(2, 2, "REM"), (6, 8, "")]),
        ([cut(2, 5), put(2, "X")], None),
        ([cut(4, 6)], None),
        ([put(0, "z")], None),
        ([put(17, "z")], None),
    ],
)
def test_the_table_of_the_reference_client(
    edits: list[TextEdit], expected: list[tuple[int, int, str]] | None
) -> None:
    found = left(LOREM, TABLE, *edits)
    told = None if found is None else [(*edit.span, edit.new_text) for edit in found]
    assert told == expected


@pytest.mark.parametrize(
    ("base", "predicted", "typed", "rest"),
    [
        ("x = ", put(4, "total(a)"), put(4, "total()"), "x = total(a)"),
        ("x = ", put(4, "t(a, [b])"), put(4, "t(a, [])"), "x = t(a, [b])"),
        ("x = ", put(4, "'ab'"), put(4, "''"), "x = 'ab'"),
        ("f():", put(4, "\n    pass"), put(4, "\n    "), "f():\n    pass"),
        ("f():", put(4, "\n  pass"), put(4, "\n        "), "f():\n  pass"),
        ("f()", put(3, " {\n  a\n}"), put(3, " {\n}"), "f() {\n  a\n}"),
        ("f()", put(3, " {\n  a\n}"), put(3, " {\n    \n}"), "f() {\n  a\n}"),
    ],
)
def test_what_an_editor_adds_by_itself_is_no_other_way(
    base: str, predicted: TextEdit, typed: TextEdit, rest: str
) -> None:
    found = left(base, (predicted,), typed)
    assert found is not None
    assert apply_edits(apply_edits(base, (typed,)), found) == rest


@pytest.mark.parametrize(
    ("predicted", "typed"),
    [
        (put(4, "total"), put(4, "()")),
        (put(4, "(a"), put(4, "()")),
        (put(4, "total(a)"), put(4, "total(]")),
        (put(4, "total(a)"), put(4, "tx")),
        (put(4, "total"), put(4, "total()")),
    ],
)
def test_closing_brackets_that_the_prediction_does_not_have_are_another_way(
    predicted: TextEdit, typed: TextEdit
) -> None:
    assert left("x = \n", (predicted,), typed) is None


def test_a_change_far_from_the_prediction_costs_nothing_and_ends_it() -> None:
    base = "a" * 600_000
    assert left(base, (put(0, "x"),), put(600_000, "y")) is None


def test_no_edits_are_nothing_left() -> None:
    assert left("ab", (), put(0, "x")) == ()


def test_it_is_what_a_reference_makes_of_the_texts_alone() -> None:
    stood = 0
    for seed in range(400):
        sequence = make_sequence(seed)
        wrong, steps = count_mismatches(sequence)
        assert not wrong, f"sequence {seed}: {sequence}"
        stood += steps
    assert stood > 1000
