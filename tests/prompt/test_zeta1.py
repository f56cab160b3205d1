"""The format of Zeta 1: the reference prompt, and answers with and without its markers."""

from pathlib import Path

import pytest

from tests.prompt.prompt_cases import change, input_at
from zeta_context.errors import OutputError
from zeta_context.prompt.format import FinishReason
from zeta_context.prompt.formats.zeta1 import FORMAT, render_event, render_excerpt
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import ModelText
from zeta_context.prompt.region import CursorRegion
from zeta_context.text.edit import apply_edits
from zeta_context.text.point import Span

START, END = "<|editable_region_start|>\n", "\n<|editable_region_end|>"


def result(marked: str, output: str, finish: FinishReason | None = "stop") -> str:
    parsed = FORMAT.parse(output, input_at(marked), finish_reason=finish)
    text = apply_edits(marked.replace("|", "", 1), parsed.edits)
    return text if parsed.cursor is None else f"{text[: parsed.cursor]}|{text[parsed.cursor :]}"


def test_the_reference_prompt_is_met_byte_for_byte() -> None:
    text = "fn before() {}\nfn foo() {\n    let x = 1;\n}\nfn after() {}\n"
    start, end = text.index("fn foo"), text.index("}\nfn after")
    region = CursorRegion(
        excerpt=ModelText(text),
        editable=Span(start, end),
        context=Span(0, len(text)),
        cursor=text.index("let x"),
    )
    prompt_input = PromptInput(
        project="",
        path="src/main.rs",
        cursor_excerpt=text,
        cursor_offset=region.cursor,
        excerpt_start_row=0,
    )
    golden = (Path(__file__).parent / "golden" / "zeta1_reference.txt").read_text()
    before, _, rest = golden.partition("### User Edits:\n\n")
    event, _, rest = rest.partition("\n\n### User Excerpt:\n\n")
    assert before == FORMAT.render(prompt_input).text.partition("### User Edits:\n\n")[0]
    assert event == render_event(change("other.rs", "-old\n+new\n"))
    assert rest == render_excerpt(prompt_input, region) + "\n\n### Response:\n"


def test_a_rename_is_told_and_an_empty_diff_is_not() -> None:
    assert render_event(change("b.rs", "", old_path="a.rs")) == "User renamed a.rs to b.rs\n\n"
    assert render_event(change("b.rs", "")) == ""


def test_an_accepted_prediction_is_not_told_apart() -> None:
    diff = "@@ -1 +1 @@\n-a\n+b\n"
    assert render_event(change("a", diff, predicted=True)) == render_event(change("a", diff))


def test_the_start_of_the_file_is_marked_only_where_it_shows() -> None:
    assert "<|start_of_file|>" in FORMAT.render(input_at("a|\n")).text
    long = "".join(f"value_{row} = compute({row})\n" for row in range(400)) + "|"
    assert "<|start_of_file|>" not in FORMAT.render(input_at(long)).text


@pytest.mark.parametrize(
    "output",
    [
        f"{START}a = 2{END}",
        f"{START}a = 2{END}\n```\n",
        f"```a.rs\n<|start_of_file|>\n{START}a = 2{END}\n```",
        f"{START}a = 2\n",
        f"a = 2{END}",
        "a = 2",
        "```rust\na = 2\n```\n",
    ],
)
def test_markers_and_fences_may_be_there_or_not(output: str) -> None:
    assert result("a = |1", output) == "a = 2"


@pytest.mark.parametrize("marker", ["<|user_cursor_is_here|>", "<|user_cursor|>"])
def test_either_cursor_marker_gives_the_cursor(marker: str) -> None:
    assert result("a = |1\nb\n", f"{START}a = 22{marker}\nb\n{END}") == "a = 22|\nb\n"


@pytest.mark.parametrize("finish", ["stop", None])
def test_an_empty_region_never_deletes_the_old_one(finish: FinishReason | None) -> None:
    parsed = FORMAT.parse(f"{START}{END}", input_at("a = |1\n"), finish_reason=finish)
    assert (parsed.kind, parsed.reason) == ("no_edit", "empty_output")


def test_a_marker_within_the_region_is_an_error() -> None:
    with pytest.raises(OutputError):
        result("a = |1", f"{START}<|start_of_file|>{END}")


def test_a_cut_answer_of_unknown_end_is_truncated() -> None:
    parsed = FORMAT.parse(f"{START}a = 1\nb", input_at("a = |1\nb = 2\nc = 3\n"))
    assert (parsed.kind, parsed.edits) == ("truncated", ())
