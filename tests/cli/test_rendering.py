"""A prediction shown as a patch that git applies, and in colour without obeying the text."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.git_repo import GitRepo
from zeta_context.cli.rendering import make_harmless, render_diff, render_patch
from zeta_context.predict.prediction import Prediction
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

TEXT = "".join(f"row {i}\n" for i in range(1, 31))


def predict(*edits: tuple[int, int, str], path: str = "a.py") -> Prediction:
    return Prediction(
        id="1",
        project="project",
        path=path,
        version=0,
        edits=tuple(TextEdit(Span(start, end), new) for start, end, new in edits),
        proposer="repeat",
        why="you did so above",
    )


def show(prediction: Prediction, text: str, *, color: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=color, color_system="standard" if color else None, soft_wrap=True
    )
    console.print(render_diff(prediction, text), end="")
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        (TEXT, [(TEXT.index("row 5"), TEXT.index("row 5") + 5, "five")]),
        (TEXT, [(0, 3, "ROW"), (len(TEXT), len(TEXT), "last")]),
        ("no end", [(0, 2, "an")]),
        ("a\r\nb\r\n", [(3, 4, "c")]),
        ("", [(0, 0, "new\n")]),
    ],
)
@pytest.mark.parametrize("path", ["a.py", "dir with space/ü.py"])
def test_git_applies_the_patch(
    tmp_path: Path, text: str, edits: list[tuple[int, int, str]], path: str
) -> None:
    repo = GitRepo(tmp_path / "project")
    repo.write(path, text)
    expected = text
    for start, end, new in reversed(edits):
        expected = expected[:start] + new + expected[end:]
    patch = render_patch(predict(*edits, path=path), text)
    repo.git("apply", "--whitespace=nowarn", "-", input=patch.encode())
    assert (repo.root / path).read_bytes() == expected.encode()


def test_people_see_place_row_numbers_and_both_sides() -> None:
    start = TEXT.index("row 12")
    shown = show(predict((start, start + 6, "line 12")), TEXT)
    assert shown.splitlines() == [
        "a.py:9",
        " 9   row 9",
        "10   row 10",
        "11   row 11",
        "12 - row 12",
        "12 + line 12",
        "13   row 13",
        "14   row 14",
        "15   row 15",
    ]


def test_row_numbers_are_those_of_each_side_after_an_insertion() -> None:
    start = TEXT.index("row 3\n")
    end = TEXT.index("row 6\n")
    shown = show(predict((start, start, "new\n"), (end, end + 5, "six")), TEXT).splitlines()
    assert " 3 + new" in shown
    assert " 6 - row 6" in shown
    assert " 7 + six" in shown
    assert " 8   row 7" in shown


def test_the_words_that_differ_stand_out() -> None:
    text = "self.user = load(user, other)\n"
    shown = show(predict((17, 21, "account")), text, color=True)
    assert "\x1b[1;7;31muser\x1b[0m" in shown
    assert "\x1b[1;7;32maccount\x1b[0m" in shown


def test_a_missing_last_line_ending_is_told() -> None:
    assert "(no line ending)" in show(predict((0, 1, "b")), "a")


def test_a_terminal_obeys_nothing_in_the_text() -> None:
    evil = "x = '\x1b]0;owned\x07\x1b[2J\x9b31m' # \u202e\u2066\u200b\n"
    shown = show(predict((0, 1, "y\x1b[1m")), evil)
    assert not set(shown) & set("\x1b\x07\x9b\u202e\u2066\u200b")
    assert "␛[2J" in shown
    assert "<U+202E>" in shown


def test_a_very_long_row_is_cut() -> None:
    text = "x" * 100_000 + "\n"
    assert len(show(predict((0, 1, "y")), text)) < 3000


@given(st.text())
def test_what_is_shown_can_be_encoded_and_holds_no_control_characters(text: str) -> None:
    harmless = make_harmless(text)
    harmless.encode()
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in harmless if c != "\t")


@given(st.text(alphabet="ab\n\r", max_size=40), st.text(alphabet="ab\n\r", max_size=10), st.data())
def test_any_edit_can_be_shown(text: str, new: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    show(predict((start, end, new)), text)
    patch = render_patch(predict((start, end, new)), text)
    assert bool(patch) == (text[start:end] != new)
