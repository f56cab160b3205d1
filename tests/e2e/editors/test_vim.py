"""The Vim plugin, with the library inside a real Vim in a terminal, with real keys."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.vim import Vim
from tools.terminal import wait_for
from zeta_context.evals.scenario_files import read_scenarios

pytestmark = pytest.mark.e2e

ROWS = MAIN.splitlines()
LAST_ROW = len(ROWS) - 1
Keep = Callable[[list[str]], None]


@pytest.fixture
def vim(project: Path, tmp_path: Path) -> Iterator[Vim]:
    editor = Vim(project, tmp_path / "v")
    yield editor
    editor.close()


def test_a_prediction_appears_is_gone_to_accepted_and_undone_in_one_step(
    vim: Vim, keep: Keep
) -> None:
    vim.rename_twice()
    before = vim.rows
    time.sleep(0.2)
    screen = vim.terminal.screen()
    keep(screen)
    assert "→ logger.warning(" in screen[10]
    assert screen[10].startswith("    logger.warn('")
    vim.press("\x07\x19")
    assert (vim.row, vim.rows) == (10, before)
    vim.press("\x07\x19")
    wait_for(lambda: vim.rows != before)
    after = vim.rows
    assert after[10] == ROWS[10].replace("warn", "warning")
    assert wait_for(lambda: vim.counts().get("accepted")) == 1
    vim.press("u")
    assert vim.rows == before
    vim.press("\x12")
    assert vim.rows == after
    assert vim.text() == "\n".join(vim.rows) + "\n"


def test_a_far_prediction_is_told_and_gone_to(vim: Vim) -> None:
    vim.rename_twice()
    for _ in range(6):
        wait_for(vim.has_prediction)
        if any("line 56" in row for row in vim.terminal.screen()):
            break
        vim.press("\x07\x19")
    wait_for(lambda: any("↓ line 56" in row for row in vim.terminal.screen()))
    vim.press("\x07\x19")
    assert vim.row == LAST_ROW
    vim.press("\x07\x19")
    wait_for(lambda: vim.rows[LAST_ROW] == "    logger.warning('ü', extra=data)")
    assert vim.text() == "\n".join(vim.rows) + "\n"


def test_a_rejected_prediction_stays_away_and_tab_stays_tab(vim: Vim) -> None:
    vim.rename_twice()
    vim.press("\x07\x0e")
    assert wait_for(lambda: vim.counts().get("rejected")) == 1
    vim.press("ggO\tx\x1b")
    assert vim.rows[0] == "\tx"
    vim.press("u")
    time.sleep(0.5)
    assert "→" not in vim.terminal.screen()[10]


def test_the_completion_menu_goes_first(vim: Vim) -> None:
    vim.rename_twice()
    vim.press("o    logg\x0e")
    wait_for(lambda: vim.expr("pumvisible()"))
    assert not vim.has_prediction()
    before = vim.rows
    vim.press("\x07\x19")
    assert vim.rows[10:] == before[10:]


def test_nothing_is_predicted_while_text_is_selected(vim: Vim) -> None:
    vim.press("ggVj")
    assert wait_for(lambda: vim.counts().get("editor_busy"))


def test_a_word_at_a_time_keeps_what_is_left(vim: Vim) -> None:
    vim.rename_twice("öpt.warning")
    vim.press("\x07\x17")
    wait_for(lambda: vim.row == 10)
    vim.press("\x07\x17")
    wait_for(lambda: vim.rows[10] == ROWS[10].replace("warn", "öpt"))
    assert wait_for(lambda: vim.counts().get("partially_accepted")) == 1
    wait_for(vim.has_prediction)
    vim.press("\x07\x19")
    wait_for(lambda: vim.rows[10] == ROWS[10].replace("warn", "öpt.warning"))
    assert vim.text() == "\n".join(vim.rows) + "\n"
    vim.press("u")
    assert vim.rows[10] == ROWS[10].replace("warn", "öpt")


def test_the_session_has_the_text_after_every_kind_of_change(vim: Vim) -> None:
    for keys in (
        "Oü𝒳\x1b", "ddp", "ggyyGp", ":7m0\r", ":%s/run/walk/g\r", "u", "\x12", "u", ":3,5join\r",
        "u", "5>>", ":g/#/d\r", "u", "ggdG", "u", "Go\r\rx\x1b", "ggqqIz\x1bjq3@q", "J", "ggdG",
        "ione\rtwo\x1b", "Gdd",
    ):  # fmt: skip
        vim.press(keys)
        vim.expr("listener_flush()")
        assert vim.text() == "\n".join(vim.rows) + "\n", f"after {keys!r}"


def test_a_wrong_prediction_is_written_down_as_a_scenario(vim: Vim, tmp_path: Path) -> None:
    vim.rename_twice()
    vim.press(":ZetaWrong\r")
    (path,) = wait_for(lambda: list(tmp_path.rglob("wrong/*.md")))
    wait_for(lambda: path.read_text(encoding="utf-8"))
    (scenario,) = read_scenarios(path)
    assert scenario.text.splitlines() == vim.rows
    assert scenario.rejected is not None


PRICES = "def total(prices):\n    return sum(prices)\n\n\nprint(total([1]))\n"
BASKET = "from main import total\n\n\ndef pay(basket):\n    return total(basket)\n"


def test_a_rename_goes_on_in_a_file_that_was_not_open(
    project: Path, tmp_path: Path, keep: Keep
) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
    (project / "main.py").write_text(PRICES)
    (project / "basket.py").write_text(BASKET)
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    servers = f'[context.servers]\npython = ["{ty}", "server"]\n'
    config.write_text(f"[context]\ndefinitions = true\n{servers}")
    vim = Vim(project, tmp_path / "v")
    try:
        vim.press("0w")
        time.sleep(2)  # the server reads the project, and is asked where the name is used
        vim.press("l")
        time.sleep(1)
        vim.press("b")
        vim.terminal.type("cwamount")
        vim.press("\x1b")
        vim.press("j")
        wait_for(vim.has_prediction)
        vim.press("\x07\x19")
        vim.press("\x07\x19")
        assert vim.rows[4] == "print(amount([1]))"
        wait_for(
            lambda: any("place 2 of 3, in basket.py:1" in row for row in vim.terminal.screen())
        )
        keep(vim.terminal.screen())
        vim.press("\x07\x19")
        wait_for(lambda: vim.rows == BASKET.splitlines())
        for row in (0, 4):
            wait_for(vim.has_prediction)
            if vim.row != row:
                vim.press("\x07\x19")
            assert vim.row == row
            vim.press("\x07\x19")
        wait_for(lambda: vim.rows == BASKET.replace("total", "amount").splitlines())
        assert (project / "basket.py").read_text() == BASKET
    finally:
        vim.close()


def test_predictions_that_are_turned_off_start_nothing(project: Path, tmp_path: Path) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[predict]\nenabled = false\n")
    vim = Vim(project, tmp_path / "v", is_on=False)
    try:
        vim.press("ohello\x1b")
        assert vim.expr("py3eval('int(zeta_vim.desk is None)')") == 1
        assert vim.expr("py3eval('len(__import__(\"threading\").enumerate())')") == 1
    finally:
        vim.close()


def test_it_quits_and_leaves_no_process_behind(vim: Vim) -> None:
    pid = vim.expr("getpid()")
    vim.press("\x1b:qa!\r")
    assert vim.terminal.process.wait(10) == 0
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
