"""The multi-region formats: where markers stand, what answers say, how targets are written."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.prompt.prompt_cases import ROWS, input_at, plain_input
from zeta_context.errors import OutputError, SpecialTokens
from zeta_context.prompt.format import FinishReason, Parsed
from zeta_context.prompt.formats.multi_region import FORMAT, FORMATS
from zeta_context.prompt.marked_blocks import (
    encode_replacement,
    read_replacement,
    render_blocks,
)
from zeta_context.prompt.marker_partition import nearest_marker, partition
from zeta_context.text.edit import apply_edits

VECTORS = json.loads((Path(__file__).parent / "marker_vectors.json").read_text())
END = "<[end▁of▁sentence]>"
CURSOR = "<|user_cursor|>"

# Three blocks of the 6/16 partition, of 7, 7 and 6 rows.
BLOCKS = [
    "".join(f"{letter}{row}\n" for row in range(6)) + "\n" * (letter != "c") for letter in "abc"
]
TEXT = "".join(BLOCKS)
STARTS = (0, len(BLOCKS[0]), len(BLOCKS[0] + BLOCKS[1]), len(TEXT))


def answer(marked: str, output: str, finish: FinishReason | None = "stop") -> Parsed:
    return FORMAT.parse(output, input_at(marked, path="notes.txt"), finish_reason=finish)


def result(marked: str, output: str, finish: FinishReason | None = "stop") -> str:
    parsed = answer(marked, output, finish)
    text = apply_edits(marked.replace("|", "", 1), parsed.edits)
    return text if parsed.cursor is None else f"{text[: parsed.cursor]}|{text[parsed.cursor :]}"


def encode(new: str, cursor: int | None = None, *, at: int = 0) -> str:
    return FORMAT.encode(plain_input(TEXT, at), new, cursor=cursor)


# Where markers stand


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_markers_stand_where_the_reference_vectors_have_them(vector: dict[str, object]) -> None:
    assert isinstance(vector["text"], str)
    assert list(partition(vector["text"], min_rows=6, max_rows=16)) == vector["offsets_6_16"]


def test_the_vectors_are_all_there_and_hold_real_partitions() -> None:
    assert len(VECTORS) == 36
    assert max(len(vector["offsets_6_16"]) for vector in VECTORS) > 4


def test_a_block_ends_before_a_row_after_a_blank_one() -> None:
    assert partition("a\nb\nc\n\nd\ne\nf\n", min_rows=3, max_rows=8) == (0, 7, 13)
    assert partition(TEXT, min_rows=6, max_rows=16) == STARTS


def test_no_tail_shorter_than_the_least_block_is_split_off_after_a_blank_row() -> None:
    assert partition("a\nb\nc\n\nd\ne\n", min_rows=3, max_rows=8) == (0, 11)


def test_a_block_without_blank_rows_ends_after_the_most_rows() -> None:
    rows = [f"r{row}\n" for row in range(20)]
    text = "".join(rows)
    assert partition(text, min_rows=3, max_rows=8) == (0, 24, len("".join(rows[:16])), len(text))


@pytest.mark.parametrize("row", ["}", "  )", "];", "break;", "return", "end", "throw", "continue;"])
def test_a_marker_moves_past_rows_that_close_or_leave(row: str) -> None:
    text = f"a\nb\nc\n\n{row}\nd\ne\nf\n"
    assert partition(text, min_rows=3, max_rows=8) == (0, 7 + len(row) + 1, len(text))


@pytest.mark.parametrize("row", ["return x", "breakfast", "ending", "throw e;"])
def test_a_row_that_only_begins_so_is_a_good_one(row: str) -> None:
    assert partition(f"a\nb\nc\n\n{row}\ne\nf\n", min_rows=3, max_rows=8)[1] == 7


def test_a_marker_moves_at_most_four_rows() -> None:
    text = "a\nb\nc\n\n}\n}\n}\n}\n}\nd\ne\nf\n"
    assert partition(text, min_rows=3, max_rows=8)[1] == 7


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n", "\n\n\n"])
def test_a_short_text_has_a_marker_at_either_end(text: str) -> None:
    assert partition(text, min_rows=6, max_rows=16) == (0, len(text))


@settings(max_examples=100, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([(3, 8), (6, 16)]))
def test_markers_cover_the_text_in_order_at_the_starts_of_rows(
    rows: list[str], is_ended: bool, size: tuple[int, int]
) -> None:
    text = "\n".join(rows) + "\n" * is_ended
    raw = text.encode()
    offsets = partition(text, min_rows=size[0], max_rows=size[1])
    assert (offsets[0], offsets[-1]) == (0, len(raw))
    assert not text or all(start < end for start, end in pairwise(offsets))
    assert all(raw[offset - 1 : offset] == b"\n" for offset in offsets[1:-1])
    lengths = [raw[start:end].count(b"\n") for start, end in pairwise(offsets)]
    assert all(size[0] <= length for length in lengths[:-1])
    assert all(length <= size[1] + 4 for length in lengths)


def test_offsets_are_bytes() -> None:
    assert partition("ä\nß\nc\n\nd\ne\nf\n", min_rows=3, max_rows=8) == (0, 9, 15)


# Prompts


def test_markers_stand_without_line_feeds_and_the_cursor_in_the_first_block_that_holds_it() -> None:
    assert (
        render_blocks("a\nb\n", (0, 2, 4), 2, "|") == "<|marker_1|>a\n|<|marker_2|>b\n<|marker_3|>"
    )
    assert render_blocks("", (0, 0), 0, "|") == "<|marker_1|>|<|marker_2|>"
    assert render_blocks("ä\nß", (0, 3, 5), 3, "|") == "<|marker_1|>ä\n|<|marker_2|>ß<|marker_3|>"


def test_the_blocks_of_the_older_format_are_smaller() -> None:
    prompt_input = plain_input(TEXT, 0)
    newer, older = (one.render(prompt_input).text.count("<|marker_") for one in FORMATS)
    assert (newer, older) == (4, 4)
    long = "".join(f"row {row}\n" for row in range(16))
    newer, older = (one.render(plain_input(long, 0)).text.count("<|marker_") for one in FORMATS)
    assert (newer, older) == (2, 3)


# Answers


def test_what_stands_between_two_markers_replaces_what_was_there_byte_for_byte() -> None:
    new = "b0\n  new\t\nlast"
    parsed = FORMAT.parse(
        f"<|marker_2|>{new}<|marker_3|>{END}", plain_input(TEXT, 0), finish_reason="stop"
    )
    assert apply_edits(TEXT, parsed.edits) == BLOCKS[0] + new + BLOCKS[2]


def test_markers_in_between_vanish_also_when_out_of_sequence() -> None:
    output = f"<|marker_1|>x\n<|marker_3|>y\n<|marker_2|>z\n<|marker_4|>{END}"
    assert apply_edits(TEXT, FORMAT.parse(output, plain_input(TEXT, 0)).edits) == "x\ny\nz\n"


@pytest.mark.parametrize("between", ["", "anything\n", "<|marker_1|>x"])
@pytest.mark.parametrize("finish", ["stop", None])
def test_one_marker_first_and_last_is_no_edit_whatever_stands_between(
    between: str, finish: FinishReason | None
) -> None:
    parsed = answer("a = |1\nb\n", f"<|marker_2|>{between}<|marker_2|>{END}", finish)
    assert (parsed.kind, parsed.reason, parsed.region) == ("no_edit", "identical", "a = 1\nb\n")


@pytest.mark.parametrize(
    "output",
    [
        "a = 2\n",
        "<|marker_1|>a = 2\n",
        "<|marker_x|>a = 2\n<|marker_2|>",
        "<|marker_0|>a<|marker_2|>",
        "<|marker_1|>a<|marker_3|>",
        f"<|marker_1|>a<|marker_{'9' * 5000}|>",
        "<|marker_2|>a<|marker_1|>",
        "<|marker_1|><[fim-middle]><|marker_2|>",
        "<|marker_1|><filename>x<|marker_2|>",
    ],
)
def test_an_answer_that_the_format_does_not_have_is_an_error(output: str) -> None:
    with pytest.raises(OutputError, match="marker"):
        answer("a = |1\nb\n", output + END)


def test_a_tag_whose_payload_is_no_number_is_text() -> None:
    assert result("|a\n", f"<|marker_1|><|marker_x|>\n<|marker_2|>{END}") == "<|marker_x|>\n"


def test_the_cursor_marker_gives_the_cursor_and_is_not_text() -> None:
    output = f"<|marker_1|>a = 12{CURSOR}3\nb\n<|marker_2|>{END}"
    assert result("a = |1\nb\n", output) == "a = 12|3\nb\n"


def test_the_end_marker_may_lack_and_nothing_after_it_counts() -> None:
    for end in (END, "", f"{END}<|marker_1|>more", "\n"):
        assert result("a|\n", f"<|marker_1|>b\n<|marker_2|>{end}") == "b\n"
        assert result("a|\n", f"<|marker_1|>b\n<|marker_2|>{end}", None) == "b\n"


@pytest.mark.parametrize(
    "output", ["<|marker_1|>a\nb", "<|marker_1|>a\n<|marker_2|>b", "<|marker_1|>"]
)
def test_an_answer_of_unknown_end_that_ends_in_no_marker_is_truncated(output: str) -> None:
    parsed = answer("a = |1\nb\n", output, None)
    assert (parsed.kind, parsed.edits) == ("truncated", ())


@pytest.mark.parametrize("finish", ["stop", None])
def test_a_region_that_had_text_is_never_emptied(finish: FinishReason | None) -> None:
    parsed = answer("a = |1\nb\n", f"<|marker_1|>\n<|marker_2|>{END}", finish)
    assert (parsed.kind, parsed.reason) == ("no_edit", "empty_output")


def test_a_block_may_be_deleted() -> None:
    parsed = FORMAT.parse(f"<|marker_2|><|marker_3|>{END}", plain_input(TEXT, 0))
    assert apply_edits(TEXT, parsed.edits) == BLOCKS[0] + BLOCKS[2]


@pytest.mark.parametrize("word", ["NO_EDITS", "KEEP_PREVIOUS\n"])
def test_the_no_edit_answer_of_related_formats_is_no_edit(word: str) -> None:
    parsed = answer("a|\n", word + END)
    assert (parsed.kind, parsed.reason) == ("no_edit", "sentinel")


def test_text_can_be_appended_at_the_end_with_and_without_a_final_newline() -> None:
    assert result("a\nb|", f"<|marker_1|>a\nb\nc<|marker_2|>{END}") == "a\nb\nc"
    assert result("a\nb|\n", f"<|marker_1|>a\nb\nc\n<|marker_2|>{END}") == "a\nb\nc\n"
    assert result("|", f"<|marker_1|>a\n<|marker_2|>{END}") == "a\n"


# Targets


def test_a_target_spans_the_fewest_markers() -> None:
    changed = BLOCKS[1].replace("b3", "B3")
    assert encode(BLOCKS[0] + changed + BLOCKS[2]) == f"<|marker_2|>{changed}<|marker_3|>{END}"
    changed = BLOCKS[0].replace("a0", "A0")
    assert encode(changed + BLOCKS[1] + BLOCKS[2]) == f"<|marker_1|>{changed}<|marker_2|>{END}"


def test_a_target_repeats_the_markers_between() -> None:
    first, second = BLOCKS[0].replace("a3", "A3"), BLOCKS[1].replace("b3", "B3")
    assert encode(first + second + BLOCKS[2]) == (
        f"<|marker_1|>{first}<|marker_2|>{second}<|marker_3|>{END}"
    )


def test_an_inner_marker_moves_on_to_the_start_of_a_row() -> None:
    # 34 bytes from offset 9 stand for 21, so the marker at 19 comes to 9 + 10 * 34 // 21 = 25,
    # in the row of c that ends at 34.
    new = TEXT[:9] + "A" * 10 + "\n" + "c" * 13 + "\n" + "B" * 9 + TEXT[30:]
    end = len(new) - len(BLOCKS[2])
    assert encode(new) == (f"<|marker_1|>{new[:34]}<|marker_2|>{new[34:end]}<|marker_3|>{END}")


def test_an_insertion_at_a_marker_needs_the_block_after_it_and_at_the_end_the_one_before() -> None:
    assert encode(BLOCKS[0] + "new\n" + BLOCKS[1] + BLOCKS[2]) == (
        f"<|marker_2|>new\n{BLOCKS[1]}<|marker_3|>{END}"
    )
    assert encode(TEXT + "new\n") == f"<|marker_3|>{BLOCKS[2]}new\n<|marker_4|>{END}"


def test_no_edit_is_the_nearest_marker_twice_the_first_of_equals() -> None:
    for cursor, number in ((0, 1), (STARTS[1] - 3, 2), (STARTS[1] + 3, 2), (len(TEXT), 4)):
        assert encode(TEXT, cursor) == f"<|marker_{number}|>" * 2 + END
        assert encode(TEXT, at=cursor) == f"<|marker_{number}|>" * 2 + END
    assert nearest_marker((0, 10), 5) == 0
    assert nearest_marker((0, 0), 0) == 0


def test_the_cursor_is_told_where_it_lies_in_the_answer_before_a_marker_there() -> None:
    new = BLOCKS[0].replace("a3", "A3") + BLOCKS[1].replace("b3", "B3") + BLOCKS[2]
    assert f"{CURSOR}<|marker_2|>" in encode(new, STARTS[1])
    assert f"<|marker_1|>{CURSOR}" in encode(new, 0)
    assert CURSOR not in encode(new, len(new))


def test_a_target_with_a_marker_of_the_format_is_refused() -> None:
    with pytest.raises(SpecialTokens):
        encode("<|marker_1|>\n")


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS, st.sampled_from([(3, 8), (6, 16)]), st.data())
def test_any_target_comes_back_byte_for_byte(
    old_rows: list[str], new_rows: list[str], size: tuple[int, int], data: st.DataObject
) -> None:
    old = "\n".join(old_rows) + "\n" * data.draw(st.integers(0, 1))
    kept = data.draw(st.integers(0, len(old_rows)))
    new = "\n".join([*old_rows[:kept], *new_rows, *old_rows[kept:]])
    new += "\n" * data.draw(st.integers(0, 1))
    if old == new:
        return
    offsets = partition(old, min_rows=size[0], max_rows=size[1])
    output = encode_replacement(old, new, offsets, None, CURSOR)
    replacement = read_replacement(output, offsets)
    raw = old.encode()
    assert replacement.is_edit
    assert (
        raw[: replacement.start] + replacement.text.encode() + raw[replacement.end :]
    ) == new.encode()


@settings(max_examples=200, deadline=None)
@given(st.text("aäàe\n😀", max_size=40), st.text("aäàe\n😀", max_size=40), st.data())
def test_no_target_is_cut_inside_a_character(old: str, new: str, data: st.DataObject) -> None:
    if old == new:
        return
    offsets = partition(old, min_rows=1, max_rows=3)
    cursor = len(new[: data.draw(st.integers(0, len(new)))].encode())
    output = encode_replacement(old, new, offsets, cursor, CURSOR).replace(CURSOR, "")
    replacement = read_replacement(output, offsets)
    raw = old.encode()
    assert (
        raw[: replacement.start] + replacement.text.encode() + raw[replacement.end :]
    ) == new.encode()
