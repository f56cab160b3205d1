from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import OutOfRange, TextError
from zeta_context.text.edit import (
    TextEdit,
    apply_edits,
    compose,
    find_hull,
    invert,
    map_offset,
    map_span,
    rebase,
    sort_edits,
    validate_edits,
)
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

WORDS = st.text(alphabet="abAB\r\n👍\ud83d", max_size=4)
TEXT = st.text(alphabet="xyz\r\né", max_size=25)


@st.composite
def edits_of(draw, length):
    cuts = sorted(draw(st.lists(st.integers(0, length), max_size=8)))
    cuts = cuts[: len(cuts) // 2 * 2]
    return tuple(
        TextEdit(Span(a, b), draw(WORDS)) for a, b in zip(cuts[::2], cuts[1::2], strict=True)
    )


def edit(start, end, new_text):
    return TextEdit(Span(start, end), new_text)


@given(st.data(), TEXT)
def test_a_snapshot_and_a_string_take_edits_alike(data, text):
    edits = data.draw(edits_of(len(text)))
    expected = list(text)
    for e in reversed(edits):
        expected[e.span.start : e.span.end] = e.new_text
    assert apply_edits(text, edits) == "".join(expected)
    assert apply_edits(TextSnapshot(text), edits).text == "".join(expected)


@settings(max_examples=300)
@given(st.data(), TEXT)
def test_composed_edits_do_what_both_do_in_turn(data, text):
    first = data.draw(edits_of(len(text)))
    between = apply_edits(text, first)
    second = data.draw(edits_of(len(between)))
    composed = compose(first, second)
    validate_edits(composed, len(text))
    assert apply_edits(text, composed) == apply_edits(between, second)
    touching = [a.span.end == b.span.start for a, b in pairwise(composed)]
    assert not any(touching)


@given(st.data(), TEXT)
def test_composition_is_associative(data, text):
    first = data.draw(edits_of(len(text)))
    one = apply_edits(text, first)
    second = data.draw(edits_of(len(one)))
    two = apply_edits(one, second)
    third = data.draw(edits_of(len(two)))
    assert compose(compose(first, second), third) == compose(first, compose(second, third))


@given(st.data(), TEXT)
def test_inverted_edits_restore_the_text(data, text):
    edits = data.draw(edits_of(len(text)))
    after = apply_edits(text, edits)
    assert apply_edits(after, invert(edits, text)) == text
    assert invert(edits, TextSnapshot(text)) == invert(edits, text)
    assert apply_edits(text, invert(invert(edits, text), after)) == after


@settings(max_examples=400)
@given(st.data(), TEXT)
def test_rebased_edits_give_one_text_in_either_order(data, text):
    mine = data.draw(edits_of(len(text)))
    theirs = data.draw(edits_of(len(text)))
    rebased = rebase(mine, theirs)
    other_way = rebase(theirs, mine)
    assert (rebased is None) == (other_way is None)
    if rebased is not None and other_way is not None:
        merged = apply_edits(apply_edits(text, theirs), rebased)
        assert merged == apply_edits(apply_edits(text, mine), other_way)


@given(st.data(), TEXT)
def test_edits_apart_from_each_other_never_conflict(data, text):
    mine = data.draw(edits_of(len(text)))
    theirs = tuple(
        TextEdit(Span(e.span.start + len(text) + 1, e.span.end + len(text) + 1), e.new_text)
        for e in data.draw(edits_of(len(text)))
    )
    assert rebase(mine, theirs) == tuple(e for e in mine if not e.is_empty)
    assert rebase(theirs, mine) is not None


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (edit(2, 5, "a"), edit(4, 6, "b")),
        (edit(2, 5, ""), edit(2, 5, "")),
        (edit(3, 3, "a"), edit(2, 5, "b")),
        (edit(2, 5, "b"), edit(4, 4, "a")),
        (edit(3, 3, "a"), edit(3, 3, "b")),
    ],
)
def test_edits_of_the_same_text_or_place_conflict(mine, theirs):
    assert rebase((mine,), (theirs,)) is None


@pytest.mark.parametrize(
    ("mine", "theirs", "rebased"),
    [
        (edit(5, 5, "a"), edit(5, 8, "xyzw"), edit(5, 5, "a")),
        (edit(8, 8, "a"), edit(5, 8, "xyzw"), edit(9, 9, "a")),
        (edit(5, 8, "a"), edit(5, 5, "xy"), edit(7, 10, "a")),
        (edit(5, 8, "a"), edit(8, 8, "xy"), edit(5, 8, "a")),
        (edit(5, 8, "a"), edit(2, 5, ""), edit(2, 5, "a")),
    ],
)
def test_edits_that_only_touch_are_kept_apart(mine, theirs, rebased):
    assert rebase((mine,), (theirs,)) == (rebased,)


@given(st.data(), TEXT)
def test_an_offset_keeps_to_the_text_around_it(data, text):
    edits = data.draw(edits_of(len(text)))
    after = apply_edits(text, edits)
    for offset in range(len(text) + 1):
        left = map_offset(offset, edits, bias="left")
        right = map_offset(offset, edits, bias="right")
        assert 0 <= left <= right <= len(after)
        # Text outside every edit moves with the places at its ends.
        outside = offset < len(text) and not any(e.span.start <= offset < e.span.end for e in edits)
        if outside:
            assert after[right] == text[offset]
        if offset and not any(e.span.start < offset <= e.span.end for e in edits):
            assert after[left - 1] == text[offset - 1]


def test_a_cursor_follows_the_side_it_is_told_to():
    edits = (edit(3, 3, "ab"), edit(5, 8, "xyzw"))
    assert map_offset(3, edits, bias="left") == 3
    assert map_offset(3, edits, bias="right") == 5
    assert map_offset(6, edits, bias="left") == 7
    assert map_offset(6, edits, bias="right") == 11
    assert map_offset(8, edits) == 11
    assert map_offset(10, edits) == 13


def test_a_span_grows_over_its_ends_only_when_asked():
    edits = (edit(3, 3, "ab"), edit(6, 6, "cd"))
    assert map_span(Span(3, 6), edits) == Span(5, 8)
    assert map_span(Span(3, 6), edits, grow=True) == Span(3, 10)
    assert map_span(Span(4, 5), (edit(2, 8, "new"),)) == Span(5, 5)


@given(st.data(), TEXT)
def test_the_hull_holds_every_change(data, text):
    edits = data.draw(edits_of(len(text)))
    hull = find_hull(edits)
    if hull is None:
        assert edits == ()
        return
    after = apply_edits(text, edits)
    old, new = hull
    assert text[: old.start] == after[: new.start]
    assert text[old.end :] == after[new.end :]


def test_edits_are_sorted_with_insertions_in_order():
    edits = [edit(5, 5, "b"), edit(1, 2, "x"), edit(5, 5, "a"), edit(5, 7, "y")]
    ordered = sort_edits(edits)
    assert [e.new_text for e in ordered] == ["x", "b", "a", "y"]
    with pytest.raises(TextError):
        sort_edits([edit(1, 4, ""), edit(3, 5, "")])


@pytest.mark.parametrize(
    ("edits", "error"),
    [
        ([edit(2, 1, "")], OutOfRange),
        ([edit(-1, 1, "")], OutOfRange),
        ([edit(0, 9, "")], OutOfRange),
        ([edit(2, 3, ""), edit(0, 1, "")], TextError),
        ([edit(0, 3, ""), edit(2, 4, "")], TextError),
    ],
)
def test_edits_that_no_text_could_take_are_refused(edits, error):
    with pytest.raises(error):
        apply_edits("secret", edits)
