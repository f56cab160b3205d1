"""Fill-in-the-middle: the order of each family, insertions at the cursor, and where they end."""

from dataclasses import replace

import pytest

from tests.prompt.prompt_cases import CASES, input_at
from zeta_context.prompt.format import FinishReason, Parsed
from zeta_context.prompt.formats.fim import FORMATS, FillInTheMiddle
from zeta_context.prompt.registry import find_format
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span

each_family = pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
MARKED = "def f(x):\n    return |\n\nprint(f(1))\n"


def answer(
    one: FillInTheMiddle, output: str, finish: FinishReason | None = "stop", marked: str = MARKED
) -> Parsed:
    return one.parse(output, input_at(marked, path="a.py"), finish_reason=finish)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("qwen-coder", "<|fim_prefix|>a b<|fim_suffix|> c\nd<|fim_middle|>"),
        ("seed-coder", "<[fim-suffix]> c\nd<[fim-prefix]>a b<[fim-middle]>"),
        ("starcoder2", "<fim_prefix>a b<fim_suffix> c\nd<fim_middle>"),
        ("deepseek-coder", "<｜fim▁begin｜>a b<｜fim▁hole｜> c\nd<｜fim▁end｜>"),
        ("codestral", "[SUFFIX] c\nd[PREFIX]a b"),
        ("codegemma", "<|fim_prefix|>a b<|fim_suffix|> c\nd<|fim_middle|>"),
        ("granite", "<|fim_prefix|>a b<|fim_suffix|> c\nd<|fim_middle|>"),
    ],
)
def test_without_other_files_a_prompt_is_prefix_suffix_and_tokens(name: str, prompt: str) -> None:
    assert find_format(name).render(input_at("a b| c\nd", path="x.py")).text == prompt


@each_family
def test_other_files_stand_before_the_cursors_where_the_family_shows_them(
    one: FillInTheMiddle,
) -> None:
    rendered = one.render(CASES["rename"])
    shown = [section for section in rendered.sections if section.name == "related_files"]
    assert len(shown) == (one.layout is not None)
    for section in shown:
        assert [item.label for item in section.items] == [
            "geometry/shapes/base.py:1-2",
            "geometry/shapes/base.py:10-10",
            "math.pyi:31-31",
        ]
        assert rendered.text.count("shapes/circle.py\n") == 1
        assert rendered.text.index("math.pyi") < rendered.text.index("shapes/circle.py\n")


def test_a_file_of_no_project_has_no_repository_name() -> None:
    for name in ("qwen-coder", "starcoder2"):
        text = find_format(name).render(replace(CASES["rename"], project="")).text
        assert "repo_name" not in text
        assert "shapes/circle.py\n" in text


@each_family
def test_an_answer_is_inserted_at_the_cursor(one: FillInTheMiddle) -> None:
    at = MARKED.index("|")
    assert answer(one, "x + 1").edits == (TextEdit(Span(at, at), "x + 1"),)
    assert answer(one, "x + 1", None).edits == (TextEdit(Span(at, at), "x + 1"),)


@each_family
def test_an_answer_ends_at_every_string_of_the_family(one: FillInTheMiddle) -> None:
    for end in (*one.stop, *one.special_tokens):
        for finish in ("stop", "length", None):
            parsed = answer(one, f"x + 1{end}more", finish)  # type: ignore[arg-type]
            assert apply_edits(MARKED.replace("|", ""), parsed.edits) == MARKED.replace(
                "|", "x + 1"
            )


@each_family
def test_an_answer_cut_at_the_token_limit_is_truncated(one: FillInTheMiddle) -> None:
    parsed = answer(one, "x + 1\n    y", "length")
    assert (parsed.kind, parsed.edits) == ("truncated", ())


@each_family
@pytest.mark.parametrize("output", ["", " ", "\n\n"])
def test_blanks_are_no_edit(one: FillInTheMiddle, output: str) -> None:
    parsed = answer(one, output + one.stop[0])
    assert (parsed.kind, parsed.reason) == ("no_edit", "empty_output")


def test_new_rows_get_the_endings_of_the_file() -> None:
    one = FORMATS[0]
    marked = "a = 1\r\n|\r\nb = 2\r\n"
    parsed = answer(one, "x = 1\ny = 2", marked=marked)
    assert parsed.region == "x = 1\r\ny = 2"
    assert apply_edits(marked.replace("|", ""), parsed.edits) == (
        "a = 1\r\nx = 1\r\ny = 2\r\nb = 2\r\n"
    )


def test_a_comment_does_not_end_an_answer_of_deepseek() -> None:
    one = find_format("deepseek-coder")
    assert not any("//" in end for end in one.render(CASES["rename"]).stop)


def test_the_window_grows_evenly_around_the_cursor_within_its_tokens() -> None:
    rows = [f"value_{row:04} = compute({row})" for row in range(1000)]
    rows[500] += "|"
    prompt_input = input_at("\n".join(rows), path="a.py")
    rendered = FORMATS[0].render(prompt_input)
    shown = prompt_input.cursor_excerpt[slice(*rendered.context)].split("\n")
    at = next(row for row, text in enumerate(shown) if text.startswith("value_0500"))
    assert abs(at - (len(shown) - 1 - at)) <= 1
    assert 1900 < rendered.tokens < 2300
