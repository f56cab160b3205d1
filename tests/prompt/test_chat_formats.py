"""The formats of chat models: their messages, and answers with tags and fences or without."""

from dataclasses import replace

import pytest

from tests.prompt.prompt_cases import CASES, LONG, input_at
from zeta_context.errors import OutputError
from zeta_context.prompt.format import FinishReason, Format
from zeta_context.prompt.formats.instinct import FORMAT as INSTINCT
from zeta_context.prompt.formats.instinct import Instinct
from zeta_context.prompt.formats.mercury import FORMAT as MERCURY
from zeta_context.text.edit import apply_edits


def result(one: Format, marked: str, output: str, finish: FinishReason | None = "stop") -> str:
    parsed = one.parse(output, input_at(marked), finish_reason=finish)
    return apply_edits(marked.replace("|", "", 1), parsed.edits)


def test_instinct_is_asked_in_two_messages_or_in_the_models_own_markup() -> None:
    rendered = INSTINCT.render(CASES["rename"])
    system, user = rendered.messages
    assert (system.role, user.role) == ("system", "user")
    assert rendered.text == (
        f"<|im_start|>system\n{system.content}<|im_end|>\n"
        f"<|im_start|>user\n{user.content}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_instructions_of_instinct_can_be_given() -> None:
    system, user = Instinct(system="S", instruction="I").render(CASES["rename"]).messages
    assert system.content == "S"
    assert user.content.startswith("I\n\n### Context:\n")


def test_instinct_sees_25_rows_on_either_side_and_rewrites_one_above_and_five_below() -> None:
    rendered = INSTINCT.render(LONG)
    text = LONG.cursor_excerpt
    assert text[slice(*rendered.editable)].split("\n")[0].startswith("value_039 ")
    assert text[slice(*rendered.editable)].split("\n")[-1].startswith("value_045 ")
    assert text[slice(*rendered.context)].split("\n")[0].startswith("value_015 ")
    assert text[slice(*rendered.context)].split("\n")[-1].startswith("value_065 ")


def test_long_rows_around_the_region_are_left_out_of_the_context() -> None:
    rows = ["x" * 3000] * 20 + ["a = |1"] + ["y" * 30] * 20
    prompt_input = input_at("\n".join(rows), path="a.txt")
    rendered = INSTINCT.render(prompt_input)
    shown = prompt_input.cursor_excerpt[slice(*rendered.context)].split("\n")
    assert shown.count("x" * 3000) == 3
    assert shown.count("y" * 30) == 9


def test_the_newest_edit_comes_first_in_instinct_and_last_in_mercury() -> None:
    instinct, mercury = (one.render(CASES["rename"]).text for one in (INSTINCT, MERCURY))
    assert instinct.index("+        self.radius") < instinct.index("+    size")
    assert mercury.index("+    size") < mercury.index("+        self.radius")


@pytest.mark.parametrize(
    "output",
    [
        "a = 2\nb\n",
        "a = 2\nb",
        "```\na = 2\nb\n```",
        "```rust\na = 2\nb\n\n```\n",
        "a = 2\nb<|im_end|>\n<|im_start|>user",
        "<|editable_region_start|>\na = 2\nb\n<|editable_region_end|>",
        "a = 2\nb\n<|editable_region_end|>```",
    ],
)
def test_instinct_may_answer_with_markers_and_fences_or_without(output: str) -> None:
    assert result(INSTINCT, "a = |1\nb\n", output) == "a = 2\nb\n"


@pytest.mark.parametrize(
    "output",
    [
        "a = 2\nb\n",
        "```\na = 2\nb\n```",
        "```rust\na = 2\nb\n\n```",
        "<|code_to_edit|>\na = 2\nb\n<|/code_to_edit|>",
        "```\n<|code_to_edit|>\na = 2<|cursor|>\nb\n<|/code_to_edit|>\n```",
    ],
)
def test_mercury_may_answer_with_tags_and_fences_or_without(output: str) -> None:
    assert result(MERCURY, "a = |1\nb\n", output) == "a = 2\nb\n"


@pytest.mark.parametrize("output", ["None", "```\nNone\n```", "None\n"])
def test_none_is_mercurys_word_for_no_edit_unless_it_is_the_text(output: str) -> None:
    parsed = MERCURY.parse(output, input_at("a = |1\n"), finish_reason="stop")
    assert (parsed.kind, parsed.reason) == ("no_edit", "sentinel")
    parsed = MERCURY.parse(output, input_at("None|"), finish_reason="stop")
    assert (parsed.kind, parsed.reason) == ("no_edit", "identical")


@pytest.mark.parametrize("one", [INSTINCT, MERCURY], ids=lambda one: one.name)
@pytest.mark.parametrize("output", ["```\n```", "```\n\n```", "```python\n```\n"])
def test_an_empty_fence_deletes_nothing(one: Format, output: str) -> None:
    parsed = one.parse(output, input_at("a = |1\n"), finish_reason="stop")
    assert (parsed.kind, parsed.reason) == ("no_edit", "empty_output")


@pytest.mark.parametrize("one", [INSTINCT, MERCURY], ids=lambda one: one.name)
def test_a_fence_that_was_there_before_is_text(one: Format) -> None:
    marked = "```sh\nmake| test\n```"
    assert result(one, marked, "```sh\nmake check\n```") == "```sh\nmake check\n```"
    assert result(one, marked, "```\n```sh\nmake check\n```\n```") == "```sh\nmake check\n```"


@pytest.mark.parametrize("one", [INSTINCT, MERCURY], ids=lambda one: one.name)
def test_another_marker_in_the_answer_is_an_error(one: Format) -> None:
    token = next(token for token in one.special_tokens if "snippet" in token)
    with pytest.raises(OutputError):
        result(one, "a = |1\n", f"a\n{token}\n")


def test_all_rows_of_the_excerpt_are_mercurys_context() -> None:
    rendered = MERCURY.render(LONG)
    assert rendered.context == (0, len(LONG.cursor_excerpt))
    assert [message.role for message in rendered.messages] == ["user"]


def test_a_related_excerpt_that_the_file_shows_anyway_is_left_out() -> None:
    file = replace(CASES["rename"].related_files[0], path="shapes/circle.py", last_row=17)
    rendered = MERCURY.render(replace(CASES["rename"], related_files=(file,)))
    assert {one.reason for one in rendered.left_out} == {"in_cursor_excerpt"}
