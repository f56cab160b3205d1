import random
import re
from contextlib import contextmanager
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import OutOfRange
from zeta_context.text import rope
from zeta_context.text.point import Point, Span, column_from_units, column_to_units
from zeta_context.text.snapshot import TextSnapshot

PIECES = [
    "a",
    "bc",
    "\n",
    "\r",
    "\r\n",
    "\n\r",
    "é",
    "👍",
    "\ud83d",
    "\ude00",
    "\u2028",
    "\x0b",
    " ",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), TEXT), max_size=25)


@contextmanager
def small_chunks():
    """Chunks of a few characters, so that short texts cross many boundaries."""
    with mock.patch.multiple(rope, LEAF_TARGET=6, LEAF_MAX=12, LEAF_MIN=3, FANOUT=8):
        yield


def rows_of(text: str) -> list[str]:
    """Rows by the definition alone."""
    rows = re.findall(r"[^\r\n]*(?:\r\n|\n|\r)", text)
    return [*rows, text[sum(map(len, rows)) :]]


def assert_well_formed(snapshot: TextSnapshot, fanout: int) -> None:
    depths = set()

    def walk(node: rope.Node, depth: int) -> None:
        if isinstance(node, rope.Leaf):
            depths.add(depth)
            return
        assert 1 <= len(node.children) <= fanout
        for child in node.children:
            walk(child, depth + 1)

    walk(snapshot._root, 0)
    assert len(depths) == 1
    chunks = list(rope.leaves(snapshot._root))
    for chunk, following in pairwise(chunks):
        assert chunk.text.endswith(("\n", "\r"))
        assert following.text
        assert not (chunk.text.endswith("\r") and following.text.startswith("\n"))


def assert_reads_like(snapshot: TextSnapshot, text: str, rng: random.Random) -> None:
    rows = rows_of(text)
    assert snapshot.text == text
    assert len(snapshot) == len(text)
    assert snapshot.row_count == len(rows)
    assert [snapshot.row(i) for i in range(len(rows))] == rows
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    assert [snapshot.row_start(i) for i in range(len(rows) + 1)] == starts
    first, last = sorted(rng.randint(0, len(rows)) for _ in "ab")
    assert snapshot.rows(first, last) == rows[first:last]
    assert snapshot.has_lone_returns == bool(re.search(r"\r(?!\n)", text))
    for _ in range(4):
        start, end = sorted(rng.randint(0, len(text)) for _ in "ab")
        assert snapshot.slice(Span(start, end)) == text[start:end]
        row = max(i for i in range(len(rows)) if starts[i] <= start)
        point = Point(row, start - starts[row])
        assert snapshot.point(start) == point
        content = rows[row].rstrip("\r\n")
        assert snapshot.row_end(row) == starts[row] + len(content)
        assert snapshot.offset(point) == min(start, starts[row] + len(content))
        for encoding in ("utf-8", "utf-16", "utf-32"):
            units = column_to_units(rows[row], point.column, encoding)
            assert snapshot.position(start, encoding) == (row, units)
            for near in (units, units + 1, units + 99):
                expected = starts[row] + column_from_units(rows[row], near, encoding)
                assert snapshot.offset_of_position(row, near, encoding) == expected


@settings(max_examples=150, deadline=None)
@given(TEXT, EDITS, st.randoms(use_true_random=False))
def test_any_sequence_of_edits_reads_like_a_plain_string(text, edits, rng):
    with small_chunks():
        snapshot = TextSnapshot(text)
        for a, b, new_text in edits:
            start, end = sorted((a % (len(text) + 1), b % (len(text) + 1)))
            before, old = snapshot, text
            text = text[:start] + new_text + text[end:]
            snapshot = snapshot.edit(Span(start, end), new_text)
            assert_well_formed(snapshot, 8)
            assert before.text == old
        assert_reads_like(snapshot, text, rng)
        assert snapshot == TextSnapshot(text)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_session_of_typing_and_deleting_stays_right(seed):
    rng = random.Random(seed)
    with small_chunks():
        text = "".join(rng.choices(PIECES, k=400))
        snapshot = TextSnapshot(text)
        for step in range(1500):
            start = rng.randint(0, len(text))
            end = min(len(text), start + rng.choice([0, 0, 0, 1, 2, 5, 40]))
            new_text = "".join(rng.choices(PIECES, k=rng.choice([0, 1, 1, 2, 15])))
            text = text[:start] + new_text + text[end:]
            snapshot = snapshot.edit(Span(start, end), new_text)
            if step % 100 == 0:
                assert_well_formed(snapshot, 8)
                assert_reads_like(snapshot, text, rng)
        assert_reads_like(snapshot, text, rng)


def test_a_text_shrunk_to_nothing_grows_again():
    with small_chunks():
        snapshot = TextSnapshot("line\n" * 500)
        while len(snapshot):
            snapshot = snapshot.edit(Span(0, min(7, len(snapshot))), "")
            assert_well_formed(snapshot, 8)
        assert snapshot.row_count == 1
        for _ in range(300):
            snapshot = snapshot.edit(Span(len(snapshot) // 2, len(snapshot) // 2), "x\r\n")
            assert_well_formed(snapshot, 8)
        assert len(snapshot) == 900
        assert snapshot.row_count == len(rows_of(snapshot.text))


@pytest.mark.parametrize("half", ["\r", "\n"])
def test_a_crlf_split_over_a_chunk_boundary_joins_and_parts(half):
    with small_chunks():
        text = "aaaaaaaaaaa\r" + "\nbbbbbbbbbbbbb\n" * 3
        at = 11 if half == "\r" else 12
        parted = TextSnapshot(text).edit(Span(at, at + 1), "")
        assert parted.row_count == len(rows_of(parted.text))
        joined = parted.edit(Span(at, at), half)
        assert joined.row(0) == "aaaaaaaaaaa\r\n"
        between = joined.edit(Span(12, 12), "x")
        assert between.rows(0, 2) == ["aaaaaaaaaaa\r", "x\n"]


def test_a_real_size_file_keeps_its_chunks_small_under_typing():
    snapshot = TextSnapshot("value = compute(argument)\n" * 20_000)
    offset = 250_000
    for character in "typing a good while, with\nsome line breaks " * 60:
        snapshot = snapshot.edit(Span(offset, offset), character)
        offset += 1
    assert max(chunk.length for chunk in rope.leaves(snapshot._root)) <= rope.LEAF_MAX
    assert_well_formed(snapshot, rope.FANOUT)


def test_an_edit_shares_all_but_the_path_to_its_chunk():
    before = TextSnapshot("some text of a row\n" * 20_000)
    after = before.edit(Span(5000, 5000), "x")
    old = {id(chunk) for chunk in rope.leaves(before._root)}
    fresh = [chunk for chunk in rope.leaves(after._root) if id(chunk) not in old]
    assert len(fresh) == 1


def test_a_single_line_of_ten_megabytes_can_be_edited():
    snapshot = TextSnapshot("é" + "x" * 10_000_000 + "\r\nlast")
    for offset in (10, 9_000_000, 5_000_000):
        snapshot = snapshot.edit(Span(offset, offset + 1), "yy")
    assert snapshot.row_count == 2
    assert snapshot.position(10_000_004, "utf-8") == (0, 10_000_005)
    assert snapshot.row(1) == "last"


def test_an_edit_that_changes_nothing_gives_the_same_snapshot():
    snapshot = TextSnapshot("abc\n")
    assert snapshot.edit(Span(1, 2), "b") is snapshot
    assert snapshot.edit(Span(1, 1), "") is snapshot
    assert not snapshot.is_same(TextSnapshot("abc\n"))


def test_snapshots_are_equal_and_hash_alike_when_their_texts_are():
    one = TextSnapshot("abc\ndef")
    other = TextSnapshot("abc\n").edit(Span(4, 4), "def")
    assert one == other
    assert hash(one) == hash(other)
    assert one != TextSnapshot("abc\rdef")
    assert one != "abc\ndef"


def test_an_empty_snapshot_is_true():
    assert TextSnapshot("")


def test_a_row_past_the_last_means_the_end_as_clients_use_it():
    snapshot = TextSnapshot("abc\nde")
    assert snapshot.offset_of_position(2, 0, "utf-16") == 6
    assert snapshot.offset_of_position(2**31, 5, "utf-16") == 6
    assert snapshot.offset_of_position(-1, 2, "utf-16") == 2


@pytest.mark.parametrize(
    "read",
    [
        lambda s: s.row(2),
        lambda s: s.row(-1),
        lambda s: s.row_start(3),
        lambda s: s.rows(1, 3),
        lambda s: s.point(8),
        lambda s: s.point(-1),
        lambda s: s.offset(Point(2, 0)),
        lambda s: s.slice(Span(3, 2)),
        lambda s: s.slice(Span(0, 8)),
        lambda s: s.edit(Span(-1, 2), ""),
        lambda s: s.position(8, "utf-16"),
    ],
)
def test_places_outside_the_text_are_refused_without_quoting_it(read):
    with pytest.raises(OutOfRange) as caught:
        read(TextSnapshot("sec\nret"))
    assert "sec" not in str(caught.value)
