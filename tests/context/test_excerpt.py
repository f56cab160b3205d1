"""The cursor excerpt: rows around the cursor within 8,192 estimated tokens."""

import time

import pytest

from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.syntax import parse
from zeta_context.errors import OutOfRange
from zeta_context.text.snapshot import TextSnapshot


def test_a_small_file_is_its_own_excerpt_with_its_syntax_nodes() -> None:
    text = "import os\n\ndef f(größe):\n    return g(größe)\n"
    cursor = text.index("größe)\n")
    excerpt = gather_excerpt(TextSnapshot(text), cursor, parse("python", text))
    assert (excerpt.text, excerpt.cursor_offset, excerpt.start_row) == (text, cursor, 0)
    assert [text[slice(*span)] for span in excerpt.syntax_spans] == [
        "größe",
        "(größe)",
        "g(größe)",
        "return g(größe)",
        "def f(größe):\n    return g(größe)",
        text,
    ]


def test_plain_text_has_no_syntax_nodes() -> None:
    assert gather_excerpt(TextSnapshot("a\nb"), 2, None).syntax_spans == ()


def test_a_large_file_gives_as_many_rows_below_as_above() -> None:
    snapshot = TextSnapshot("abc\n" * 20_000)
    cursor = snapshot.row_start(10_000) + 1
    excerpt = gather_excerpt(snapshot, cursor, None)
    # 8,192 rows of one token: the cursor's, 4,096 below and 4,095 above.
    assert excerpt.start_row == 10_000 - 4_095
    assert excerpt.text.count("\n") == 8_191
    assert not excerpt.text.endswith("\n")
    assert excerpt.start == snapshot.row_start(excerpt.start_row)
    assert excerpt.cursor_offset == cursor - excerpt.start


def test_syntax_nodes_are_clipped_to_the_excerpt() -> None:
    text = "def f():\n" + "    x = 1\n" * 60
    snapshot = TextSnapshot(text)
    cursor = snapshot.row_start(30)
    excerpt = gather_excerpt(snapshot, cursor, parse("python", text), max_tokens=20)
    assert excerpt.syntax_spans[-1] == (0, len(excerpt.text))
    assert all(0 <= span.start <= span.end <= len(excerpt.text) for span in excerpt.syntax_spans)
    assert len(set(excerpt.syntax_spans)) == len(excerpt.syntax_spans)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_an_excerpt_ends_before_the_ending_of_its_last_row(ending: str) -> None:
    text = ending.join(["abc"] * 9)
    snapshot = TextSnapshot(text)
    excerpt = gather_excerpt(snapshot, snapshot.row_start(4), None, max_tokens=3)
    assert excerpt.text == ending.join(["abc"] * 3)
    assert excerpt.start_row == 3


def test_the_cursor_at_the_end_of_a_file_is_on_its_last_row() -> None:
    excerpt = gather_excerpt(TextSnapshot("a\nb\n"), 4, None)
    assert (excerpt.text, excerpt.cursor_offset) == ("a\nb\n", 4)
    assert gather_excerpt(TextSnapshot(""), 0, None).text == ""


def test_a_huge_row_is_an_excerpt_of_its_own_and_quick() -> None:
    snapshot = TextSnapshot("a\n" + "x" * 10_000_000 + "\nb")
    began = time.perf_counter()
    excerpt = gather_excerpt(snapshot, 500, None)
    assert time.perf_counter() - began < 2
    assert len(excerpt.text) == 10_000_000


def test_a_cursor_outside_the_text_is_an_error() -> None:
    with pytest.raises(OutOfRange):
        gather_excerpt(TextSnapshot("a"), 2, None)
