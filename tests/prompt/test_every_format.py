"""What holds for every registered prompt format, and the golden prompts of each."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.prompt.prompt_cases import CASES, LONG, ROWS, change, files, input_at, plain_input
from zeta_context.errors import OutputError, OverBudget, SpecialTokens
from zeta_context.prompt.format import Format
from zeta_context.prompt.input import RelatedExcerpt, RelatedFile
from zeta_context.prompt.model_text import ModelText
from zeta_context.prompt.registry import find_format, formats
from zeta_context.text.edit import apply_edits

GOLDEN = Path(__file__).parent / "golden"
OWN_GOLDEN = {"V0211SeedCoder"}
"""Formats whose golden prompts another test file checks."""

EXACT = {one.name for one in formats() if "MultiRegions" in one.name or "fim" in one.name}
"""Formats whose answers can say everything; others cannot drop a final empty row."""

each_format = pytest.mark.parametrize("one", formats(), ids=lambda one: one.name)
WITH_MARKERS = [one for one in formats() if one.special_tokens]


def golden_path(one: Format, case: str) -> Path:
    return GOLDEN / f"{one.name}_{case}.txt"


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize(
    "one", [one for one in formats() if one.name not in OWN_GOLDEN], ids=lambda one: one.name
)
def test_prompts_are_the_golden_ones_byte_for_byte(one: Format, case: str) -> None:
    assert one.render(CASES[case]).text.encode() == golden_path(one, case).read_bytes()


@each_format
@pytest.mark.parametrize("case", sorted(CASES))
def test_sections_cover_the_prompt(one: Format, case: str) -> None:
    rendered = one.render(CASES[case])
    assert "".join(rendered.text[slice(*each.span)] for each in rendered.sections) == rendered.text
    assert rendered.format == one.name
    assert rendered.max_output_tokens > 0
    context, editable = rendered.context, rendered.editable
    assert 0 <= context.start <= editable.start <= editable.end <= context.end
    assert context.end <= len(CASES[case].cursor_excerpt)


@each_format
def test_messages_are_the_users_text_where_a_format_has_them(one: Format) -> None:
    rendered = one.render(CASES["rename"])
    assert all(message.content in rendered.text for message in rendered.messages)
    if rendered.messages:
        assert rendered.messages[-1].role == "user"


@each_format
def test_the_cursor_lies_in_what_may_be_rewritten(one: Format) -> None:
    for prompt_input in (*CASES.values(), LONG):
        assert one.render(prompt_input).editable.contains(prompt_input.cursor_offset)


@each_format
def test_a_part_of_the_file_is_marked_by_rows(one: Format) -> None:
    rendered = one.render(LONG)
    text = LONG.cursor_excerpt
    assert rendered.editable.length < len(text)
    for edge in rendered.context:
        assert edge in (0, len(text)) or text[edge - 1] == "\n" or text[edge] == "\n"


@pytest.mark.parametrize("one", WITH_MARKERS, ids=lambda one: one.name)
def test_every_marker_beside_the_cursor_refuses_the_prompt(one: Format) -> None:
    for token in one.special_tokens:
        row = token if token.endswith("\n") else f"x = '{token}'\n"
        with pytest.raises(SpecialTokens, match="marker"):
            one.render(input_at(f"a|\n{row}b\n"))
        if not token.endswith("\n"):
            with pytest.raises(SpecialTokens):
                one.render(input_at("a|\n", path=f"x{token}.rs"))
    with pytest.raises(SpecialTokens):
        one.render(input_at("a|\n", path="a\nb.rs"))


@each_format
def test_tainted_history_and_related_files_are_left_out_and_reported(one: Format) -> None:
    token = one.special_tokens[0].strip()
    tainted = replace(
        CASES["rename"],
        events=(*CASES["rename"].events, change("tainted.py", f"@@ -1 +1 @@\n-a\n+{token}\n")),
        related_files=(
            RelatedFile(
                project="",
                path="tainted.py",
                last_row=1,
                excerpts=(RelatedExcerpt(start_row=0, end_row=1, text=f"{token}\n"),),
            ),
            *CASES["rename"].related_files,
        ),
    )
    clean, rendered = one.render(CASES["rename"]), one.render(tainted)
    assert rendered.text == clean.text
    shown = {section.name for section in rendered.sections}
    reported = [item.label for item in rendered.left_out if item.reason == "special_token"]
    assert len(reported) == len(shown & {"edit_history", "related_files"})
    assert all(label.startswith("tainted.py") for label in reported)


@each_format
def test_a_tight_budget_drops_what_can_be_dropped_and_then_is_an_error(one: Format) -> None:
    least = one.render(replace(CASES["rename"], events=(), related_files=()))
    for max_tokens in range(least.tokens, least.tokens + 300, 25):
        rendered = one.render(CASES["rename"], max_tokens=max_tokens)
        assert rendered.tokens <= max_tokens
    if least.tokens < one.render(CASES["rename"]).tokens:
        assert one.render(CASES["rename"], max_tokens=least.tokens + 2).left_out
    with pytest.raises(OverBudget, match="need about"):
        one.render(CASES["rename"], max_tokens=least.tokens - 20)


@each_format
def test_a_row_too_long_for_any_prompt_is_an_error_without_its_text(one: Format) -> None:
    with pytest.raises(OverBudget) as caught:
        one.render(input_at("secret|" + "x" * 4 * one.max_prompt_tokens))
    assert "secret" not in str(caught.value)


@each_format
@pytest.mark.parametrize("output", ["", "\n", "\n\n"])
def test_nothing_answered_is_no_edit(one: Format, output: str) -> None:
    parsed = one.parse(output, CASES["rename"], finish_reason="stop")
    assert (parsed.kind, parsed.edits, parsed.reason) == ("no_edit", (), "empty_output")


@each_format
@pytest.mark.parametrize("case", sorted(CASES))
def test_the_encoded_region_itself_is_no_edit(one: Format, case: str) -> None:
    prompt_input = CASES[case]
    region = prompt_input.cursor_excerpt[slice(*one.render(prompt_input).editable)]
    output = one.encode(prompt_input, ModelText(region).text)
    parsed = one.parse(output, prompt_input, finish_reason="stop")
    assert (parsed.kind, parsed.edits) == ("no_edit", ())
    assert parsed.reason in ("identical", "empty_output")


@each_format
def test_an_answer_cut_at_the_token_limit_gives_nothing_unless_it_was_whole(one: Format) -> None:
    text = "a = |1\nb = 2\nc = 3\n"
    prompt_input = input_at(text)
    output = one.encode(prompt_input, "a = 1\nchanged = 2\nc = 3\n")
    whole = one.parse(output, prompt_input, finish_reason="stop")
    assert whole.edits
    for length in range(len(output)):
        parsed = one.parse(output[:length], prompt_input, finish_reason="length")
        assert parsed.edits in ((), whole.edits), length
        assert parsed.kind != "edits" or len(output) - length < 25, length


@each_format
@settings(max_examples=60, deadline=None)
@given(
    file=files(st.sampled_from(["\n", "\r\n"])), rows=ROWS, is_ended=st.booleans(), data=st.data()
)
def test_an_encoded_answer_comes_back(
    one: Format, file: tuple[str, int], rows: list[str], is_ended: bool, data: st.DataObject
) -> None:
    text, cursor = file
    prompt_input = plain_input(text, cursor)
    start, end = one.render(prompt_input).editable
    new = "\n".join(rows) + ("\n" if is_ended else "")
    if not new.strip():
        return  # nothing answered is no edit, by design
    place = data.draw(st.none() | st.integers(0, len(new)))
    output = one.encode(prompt_input, new, cursor=place)
    parsed = one.parse(output, prompt_input, finish_reason="stop")
    after = apply_edits(text, parsed.edits)
    if one.name not in EXACT and text[start:end].endswith("\n") and not new.endswith("\n"):
        new += "\n"
    ending = ModelText(text).line_ending
    assert after == text[:start] + new.replace("\n", ending) + text[end:]
    if parsed.region is not None:
        assert parsed.region == new.replace("\n", ending)
    if parsed.cursor is not None:
        assert place is not None
        assert ModelText(after[start : parsed.cursor]).text == new[:place]


@each_format
@settings(max_examples=60, deadline=None)
@given(
    file=files(st.sampled_from(["\n", "\r\n"])),
    pieces=st.lists(st.integers(0, 30), max_size=8),
    finish=st.sampled_from(["stop", "length", None]),
)
def test_no_output_gives_edits_that_do_not_fit_the_file(
    one: Format, file: tuple[str, int], pieces: list[int], finish: str | None
) -> None:
    text, cursor = file
    words = [
        "a",
        "\n",
        "b = 1\n",
        "NO_EDITS",
        "```\n",
        "```",
        "None",
        "<|marker_1|>",
        "<|marker_2|>",
    ]
    words += [token.strip() for token in (*one.special_tokens, *one.render(CASES["crlf"]).stop)]
    output = "".join(words[piece % len(words)] for piece in pieces)
    prompt_input = plain_input(text, cursor)
    try:
        parsed = one.parse(output, prompt_input, finish_reason=finish)  # type: ignore[arg-type]
    except OutputError:
        return
    after = apply_edits(text, parsed.edits)
    assert (parsed.kind == "edits") == bool(parsed.edits)
    assert bool(after.strip()) or not text.strip()
    if parsed.cursor is not None:
        assert 0 <= parsed.cursor <= len(after)
    if not parsed.edits:
        assert parsed.reason


def test_every_format_is_in_the_documents_table() -> None:
    path = Path(__file__).parents[2] / "docs" / "prompt-formats.md"
    table = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in path.read_text().replace("\\|", "¦").splitlines()
        if row.startswith("| `")
    ]
    assert [row[0].strip("`") for row in table] == [one.name for one in formats()]
    for one, row in zip(formats(), table, strict=True):
        assert row[1] == (", ".join(f"`{alias}`" for alias in one.aliases) or "none"), one.name
        tokens = ", ".join(f"`{token}`".replace("|", "¦") for token in one.single_tokens)
        assert row[6] == (tokens or "none"), one.name
        assert all(row)


def test_a_format_is_found_by_the_names_that_people_configure() -> None:
    for name, wanted in (
        ("zeta", "zeta1"),
        ("zeta2", "V0211SeedCoder"),
        ("V0131", "V0131GitMergeMarkersPrefix"),
    ):
        assert find_format(name).name == wanted
