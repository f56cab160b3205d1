import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.text.point import (
    Encoding,
    column_from_units,
    column_to_units,
    content_length,
    unit_length,
)

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
CONTENT = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab \té̈ßñ漢字👍🏽👩‍💻\ud83d\ude00\udfff\ud800\u2028"),
        st.characters(exclude_characters="\r\n"),
    ),
    max_size=30,
)
ENDING = st.sampled_from(["", "\n", "\r\n", "\r"])


def units_one_by_one(text: str, encoding: Encoding) -> list[int]:
    """The unit column before each character, and after the last: the definition, not the method."""
    columns = [0]
    for character in text:
        point = ord(character)
        if encoding == "utf-32":
            width = 1
        elif encoding == "utf-16":
            width = 2 if point > 0xFFFF else 1
        else:
            width = 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
        columns.append(columns[-1] + width)
    return columns


@given(CONTENT, ENDING, st.sampled_from(ENCODINGS))
def test_every_column_matches_a_count_character_by_character(content, ending, encoding):
    expected = units_one_by_one(content, encoding)
    row = content + ending
    assert [column_to_units(row, c, encoding) for c in range(len(content) + 1)] == expected
    assert unit_length(content, encoding) == expected[-1]


@given(CONTENT, ENDING, st.sampled_from(ENCODINGS))
def test_every_unit_snaps_to_the_start_of_its_character(content, ending, encoding):
    starts = units_one_by_one(content, encoding)
    for units in range(starts[-1] + 3):
        column = max(i for i, start in enumerate(starts) if start <= units)
        assert column_from_units(content + ending, units, encoding) == column


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("row", ["", "abc", "aé👍", "abc\n", "aé👍\r\n", "abc\r", "\r\n"])
def test_columns_outside_the_row_clip_to_its_content(row, encoding):
    end = content_length(row)
    assert column_from_units(row, 10_000, encoding) == end
    assert column_from_units(row, -1, encoding) == 0
    assert column_to_units(row, 10_000, encoding) == unit_length(row[:end], encoding)
    assert column_to_units(row, -3, encoding) == 0


def test_a_position_inside_a_surrogate_pair_is_its_start():
    assert column_from_units("a👍b", 2, "utf-16") == 1
    assert column_from_units("a👍b", 3, "utf-16") == 2


def test_a_position_inside_a_utf8_sequence_is_its_start():
    assert [column_from_units("é漢b", u, "utf-8") for u in range(7)] == [0, 0, 1, 1, 1, 2, 3]


def test_two_lone_surrogates_side_by_side_stay_two_characters():
    assert column_from_units("\ud83d\ude00x", 1, "utf-16") == 1
    assert column_from_units("\ud83d\ude00x", 2, "utf-16") == 2
    assert column_to_units("\ud83d\ude00x", 2, "utf-16") == 2


def test_combining_characters_are_counted_one_by_one():
    assert column_to_units("e\u0301x", 2, "utf-16") == 2
    assert column_to_units("e\u0301x", 2, "utf-8") == 3
