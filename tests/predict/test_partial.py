"""Accepting the next word or the next line, and what is left then."""

from __future__ import annotations

import pytest

from tests.predict.edit_sequences import change_of
from zeta_context.predict.interpolation import interpolate
from zeta_context.predict.partial import cut_part
from zeta_context.predict.prediction import Part
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


def steps(text: str, edits: list[tuple[int, int, str]], part: Part) -> list[str]:
    """The texts after each acceptance of a part, until nothing is left."""
    base = TextSnapshot(text)
    left = tuple(TextEdit(Span(start, end), new) for start, end, new in edits)
    made: list[str] = []
    while left:
        taken = cut_part(base, left, part)
        assert taken
        now = apply_edits(base.text, taken)
        change = change_of(base.text, TextEdit(Span(0, len(base)), now))
        rest = interpolate(base, left, change)
        assert rest is not None, (made, now)
        base, left = TextSnapshot(now), rest
        made.append(now)
        assert len(made) < 50
    return made


def test_words_come_with_the_blanks_before_them() -> None:
    assert steps("x\n", [(1, 1, " = total(a, b)")], "word") == [
        "x =\n",
        "x = total\n",
        "x = total(\n",
        "x = total(a\n",
        "x = total(a,\n",
        "x = total(a, b\n",
        "x = total(a, b)\n",
    ]


def test_a_word_takes_away_what_its_edit_replaces() -> None:
    assert steps("old = 1\n", [(0, 3, "new name")], "word") == ["new = 1\n", "new name = 1\n"]


def test_edits_follow_each_other_word_by_word() -> None:
    assert steps("a b\n", [(0, 1, "xx"), (2, 3, "yy zz")], "word") == [
        "xx b\n",
        "xx yy\n",
        "xx yy zz\n",
    ]


def test_lines_end_after_their_line_feed() -> None:
    assert steps("def f():\n", [(9, 9, "    a\n    b\n    c")], "line") == [
        "def f():\n    a\n",
        "def f():\n    a\n    b\n",
        "def f():\n    a\n    b\n    c",
    ]


def test_a_line_has_every_edit_of_its_row() -> None:
    edits = [(0, 1, "xx"), (2, 3, "yy"), (4, 5, "zz")]
    assert steps("a b\nc\n", edits, "line") == ["xx yy\nc\n", "xx yy\nzz\n"]


@pytest.mark.parametrize("part", ["word", "line"])
def test_a_deletion_is_one_part(part: Part) -> None:
    assert steps("a bc d\n", [(1, 4, "")], part) == ["a d\n"]


def test_no_edits_have_no_part() -> None:
    assert cut_part(TextSnapshot("a"), (), "word") == ()
