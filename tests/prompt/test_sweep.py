"""The format of sweep-next-edit: the block before the last edit, recent changes, answers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.prompt.prompt_cases import CASES, LONG, ROWS, change, input_at, plain_input
from zeta_context.prompt.formats.sweep import FORMAT, render_change
from zeta_context.prompt.hunks import take_back_newest_edit, trim_context
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import parse_patch, render_hunks, render_unified
from zeta_context.text.point import Span


def before_last_edit(prompt: str) -> str:
    return prompt.partition("<|file_sep|>original/")[2].partition("\n")[2].partition("<|file")[0]


def test_the_block_is_21_rows_around_the_cursor_named_by_its_rows() -> None:
    rendered = FORMAT.render(LONG)
    rows = LONG.cursor_excerpt[slice(*rendered.editable)].split("\n")
    assert (rows[0].split()[0], rows[-1].split()[0], len(rows)) == ("value_030", "value_050", 21)
    for name in ("original", "current", "updated"):
        assert f"<|file_sep|>{name}/generated.py:31:51\n" in rendered.text
    assert rendered.text.endswith("<|file_sep|>updated/generated.py:31:51\n")


def test_rows_count_from_the_start_of_the_file() -> None:
    rendered = FORMAT.render(replace(LONG, excerpt_start_row=100))
    assert "current/generated.py:131:151\n" in rendered.text


def test_the_original_block_is_what_stood_there_before_the_newest_edit() -> None:
    prompt = FORMAT.render(CASES["rename"]).text
    block = before_last_edit(prompt)
    assert "def __init__(self, r: float)" in block
    assert "self.r = r\n" in block
    assert "math.pi * self.radius ** 2" in block
    assert "<|cursor|>" not in block


def test_without_an_edit_in_the_file_the_original_block_is_the_current_one() -> None:
    for events in ((), CASES["rename"].events[:1]):
        prompt = FORMAT.render(replace(CASES["rename"], events=events)).text
        current = prompt.partition("<|file_sep|>current/")[2].partition("\n")[2]
        assert before_last_edit(prompt) == (
            current.partition("<|file_sep|>")[0].replace("<|cursor|>", "")
        )


@pytest.mark.parametrize(
    "diff",
    [
        "@@ -1,1 +1,1 @@\n-x\n+not what stands there\n",
        "@@ -900,1 +900,1 @@\n-x\n+y\n",
        "@@ @@\n-x\n+def area(self) -> float:\n",
        "no diff at all",
    ],
)
def test_an_edit_that_cannot_be_taken_back_stays(diff: str) -> None:
    prompt_input = CASES["rename"]
    event = change("shapes/circle.py", diff, project="geometry")
    prompt = FORMAT.render(replace(prompt_input, events=(event,))).text
    assert "self.radius = radius\n" in before_last_edit(prompt)


def test_an_edit_across_the_edge_of_the_block_stays_and_one_before_the_excerpt_too() -> None:
    text = "".join(f"{row}\n" for row in range(9))
    old = text.replace("2\n3\n", "x\n")
    event = change("a.txt", render_unified(old, text), project="p")
    prompt_input = replace(plain_input(text, 0), events=(event,))
    assert take_back_newest_edit(prompt_input, text, Span(6, 13)) == "3\n4\n5\n6"
    assert take_back_newest_edit(prompt_input, text, Span(0, 13)) == "0\n1\nx\n4\n5\n6"
    moved = replace(prompt_input, excerpt_start_row=3)
    assert take_back_newest_edit(moved, text[6:], Span(0, 7)) == "3\n4\n5\n6"


def test_an_original_block_with_a_marker_is_not_shown() -> None:
    event = change("a.rs", "@@ -1,1 +1,1 @@\n-<|file_sep|>\n+a\n")
    prompt = FORMAT.render(replace(input_at("a|\n", path="a.rs"), events=(event,))).text
    assert before_last_edit(prompt) == "a\n\n"


def test_a_change_has_one_row_of_context_and_the_rows_that_it_replaced() -> None:
    prompt = FORMAT.render(CASES["rename"]).text
    assert (
        "<|file_sep|>geometry/shapes/circle.py:8:11\noriginal:\n"
        "    def __init__(self, r: float) -> None:\n        self.r = r\nupdated:\n"
        "    def __init__(self, radius: float) -> None:\n        self.radius = radius\n"
        "<|file_sep|>original/"
    ) in prompt
    assert render_change(change("b.py", "", old_path="a.py")) == ""


def test_every_hunk_is_a_change_and_the_newest_six_are_shown_oldest_first() -> None:
    old = "".join(f"{row}\n" for row in range(80))
    new = "".join(f"{row}{'!' * (row % 10 == 5)}\n" for row in range(80))
    event = change("b.py", render_unified(old, new))
    prompt = FORMAT.render(replace(input_at("a|\n"), events=(event,)))
    assert prompt.text.count("updated:\n") == 6
    assert prompt.text.index("25!") < prompt.text.index("75!")
    assert "15!" not in prompt.text
    assert [one.reason for one in prompt.left_out] == ["over_count"] * 2


def test_context_is_trimmed_around_changes_only() -> None:
    hunk = parse_patch("@@ -1,7 +1,7 @@\n a\n b\n-c\n+C\n d\n-e\n+E\n f\n g\n").files[0].hunks[0]
    assert render_hunks([trim_context(hunk, 1)]) == (
        "@@ -2,5 +2,5 @@\n b\n-c\n+C\n d\n-e\n+E\n f\n"
    )
    assert trim_context(hunk, 9) == hunk


@settings(max_examples=100, deadline=None)
@given(ROWS, ROWS)
def test_a_whole_files_newest_edit_is_taken_back_exactly(
    old_rows: list[str], new_rows: list[str]
) -> None:
    old, new = ("".join(f"{row}\n" for row in rows) for rows in (old_rows, new_rows))
    event = change("a.txt", render_unified(old, new), project="p")
    prompt_input = replace(plain_input(new.removesuffix("\n"), 0), events=(event,))
    if not new:
        return
    text = new.removesuffix("\n")
    undone = take_back_newest_edit(prompt_input, text, Span(0, len(text)))
    assert undone == old.removesuffix("\n")


@pytest.mark.parametrize(
    "end", ["\n", "", "\n<|endoftext|>", "\n<|file_sep|>x.py\nmore\n", "<|file_sep|>"]
)
def test_the_answer_ends_at_either_marker_or_by_itself(end: str) -> None:
    marked = "a = |1\nb"
    parsed = FORMAT.parse(f"a = 2\nb{end}", input_at(marked), finish_reason="stop")
    assert apply_edits("a = 1\nb", parsed.edits) == "a = 2\nb"
    whole = "<|" in end
    parsed = FORMAT.parse(f"a = 2\nb{end}", input_at(marked), finish_reason="length")
    assert parsed.kind == ("edits" if whole else "truncated")
