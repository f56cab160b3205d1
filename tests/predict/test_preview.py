"""What a prediction looks like beside the text."""

from hypothesis import given
from hypothesis import strategies as st

from zeta_context.predict.preview import PreviewBlock, preview
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

texts = st.text(st.sampled_from([*"ab (\n", "é", "𝒳"]), max_size=30)


def show(text: str, *edits: TextEdit) -> tuple[PreviewBlock, ...]:
    return preview(TextSnapshot(text), edits)


def test_what_is_added_at_the_end_of_a_row_is_ghost_text() -> None:
    (block,) = show("def f(\n", TextEdit(Span(6, 6), "a):\n    pass"))
    assert block.ghost == TextEdit(Span(6, 6), "a):\n    pass")
    assert [row.text for row in block.rows] == ["def f(a):", "    pass"]
    assert block.rows[0].added == (Span(6, 9),)
    assert block.rows[1].added == (Span(0, 8),)
    assert not block.removed


def test_a_replaced_word_is_shown_as_its_row_and_what_goes() -> None:
    (block,) = show("x\nlogger.warn(a)\n", TextEdit(Span(2, 16), "logger.warning(a)"))
    assert (block.first_row, block.end_row, block.ghost) == (1, 2, None)
    assert [row.text for row in block.rows] == ["logger.warning(a)"]
    added = block.rows[0].added
    assert "".join(block.rows[0].text[span.start : span.end] for span in added) == "ing"


def test_a_new_row_comes_in_between_without_its_neighbours() -> None:
    (block,) = show("a\nc\n", TextEdit(Span(2, 2), "b\n"))
    assert (block.first_row, block.end_row) == (1, 1)
    assert [row.text for row in block.rows] == ["b"]
    assert block.ghost is None


def test_edits_in_rows_apart_are_blocks_of_their_own() -> None:
    blocks = show("a\nb\nc\n", TextEdit(Span(0, 1), "x"), TextEdit(Span(4, 5), "z"))
    assert [(block.first_row, block.end_row) for block in blocks] == [(0, 1), (2, 3)]


@given(texts, texts, st.data())
def test_the_rows_of_the_blocks_are_those_of_the_text_afterwards(
    text: str, new: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    edit = TextEdit(Span(start, end), new)
    rows = text.split("\n")
    for block in reversed(show(text, edit)):
        rows[block.first_row : block.end_row] = [row.text for row in block.rows]
    assert "\n".join(rows) == apply_edits(text, [edit])
