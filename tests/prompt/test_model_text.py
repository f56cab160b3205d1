"""Line endings and surrogates: what the model sees, and the way back to the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.prompt.model_text import ModelText, normalize
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

TEXTS = st.text(alphabet="ab\r\n\ud800é", max_size=30)


@given(TEXTS)
def test_a_model_sees_line_feeds_only_and_no_surrogates(text: str) -> None:
    seen = normalize(text)
    assert "\r" not in seen
    seen.encode()
    assert seen.count("\n") == len((text + "|").splitlines()) - 1


@given(TEXTS)
def test_every_place_of_the_models_text_has_its_place_in_the_source(text: str) -> None:
    both = ModelText(text)
    for offset in range(len(both.text) + 1):
        place = both.to_source(offset)
        assert normalize(text[:place]) == both.text[:offset]
        assert both.to_model(place) == offset
    assert both.to_source(len(both.text)) == len(text)


def test_a_place_between_the_two_halves_of_an_ending_is_before_it() -> None:
    both = ModelText("a\r\nb")
    assert [both.to_model(offset) for offset in range(5)] == [0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "ending"),
    [("", "\n"), ("a\nb\r\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r")],
)
def test_new_text_gets_the_ending_that_most_rows_have(text: str, ending: str) -> None:
    edit = ModelText(text).to_source_edit(TextEdit(Span(0, 0), "x\ny"))
    assert edit == TextEdit(Span(0, 0), f"x{ending}y")
