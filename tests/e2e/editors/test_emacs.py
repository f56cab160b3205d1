"""The Emacs package in a real Emacs in a terminal, with real keys."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import BASKET, MAIN, PRICES
from tests.e2e.editors.emacs import PLUGIN, Emacs
from tests.e2e.editors.parts import may_fetch, need_program
from tests.e2e.servers import Program, need
from tools.terminal import wait_for
from zeta_context.evals.scenario_files import read_scenarios

pytestmark = pytest.mark.e2e

ROWS = MAIN.splitlines()
LAST_ROW = len(ROWS) - 1
Keep = Callable[[list[str]], None]


@pytest.fixture(params=["installed", "newest"])
def program(request: pytest.FixtureRequest) -> Program:
    """The Emacs of this machine (28 on Debian 12, with eglot as a package), and the newest one."""
    if request.param == "installed":
        return Program([need_program("emacs")])
    if not may_fetch():
        pytest.skip("make test-editors runs the newest Emacs")
    return need("emacs-nox")


@pytest.fixture
def emacs(program: Program, project: Path, tmp_path: Path) -> Iterator[Emacs]:
    editor = Emacs(program, project, tmp_path / "e")
    yield editor
    editor.close()


def test_the_package_compiles_without_a_warning(program: Program, tmp_path: Path) -> None:
    files = [shutil.copy(path, tmp_path) for path in sorted(PLUGIN.glob("*.el"))]
    strict = ["--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile"]
    command = [*program.command, "-Q", "--batch", "-L", str(tmp_path), *strict, *files]
    done = subprocess.run(
        command,
        env={**os.environ, **program.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_prediction_appears_is_gone_to_accepted_and_undone_in_one_step(
    emacs: Emacs, keep: Keep
) -> None:
    emacs.rename_twice()
    before = emacs.rows
    screen = emacs.terminal.screen()
    keep(screen)
    shown = next(row for row in screen if "logger.warn('" in row and "2'" in row)
    assert "→ logger.warning(" in shown
    emacs.press("\x1b\r")
    assert (emacs.row, emacs.rows) == (10, before)
    emacs.press("\x1b\r")
    wait_for(lambda: emacs.rows != before)
    assert emacs.rows[10] == ROWS[10].replace("warn", "warning")
    after = emacs.rows
    assert wait_for(lambda: emacs.counts().get("accepted")) == 1
    emacs.press("\x1f")
    wait_for(lambda: emacs.rows != after)
    assert emacs.rows == before
    assert emacs.told_rows() == before


def test_a_far_prediction_is_gone_to_and_the_rest_stays_in_step(emacs: Emacs) -> None:
    emacs.rename_twice()
    for _ in range(8):
        wait_for(emacs.has_prediction)
        if emacs.lisp("(plist-get (plist-get zeta-context--offer :jump) :line)") == LAST_ROW:
            break
        emacs.press("\x1b\r")
    emacs.press("\x1b<")
    wait_for(lambda: any("↕ line" in row for row in emacs.terminal.screen()))
    emacs.press("\x1b\r")
    assert emacs.row == LAST_ROW
    emacs.press("\x1b\r")
    wait_for(lambda: emacs.rows[LAST_ROW] == "    logger.warning('ü', extra=data)")
    assert emacs.told_rows() == emacs.rows


def test_a_rejected_prediction_stays_away_and_keys_mean_what_they_did(emacs: Emacs) -> None:
    emacs.rename_twice()
    before = emacs.rows
    emacs.press("\x1bp")
    assert wait_for(lambda: emacs.counts().get("rejected")) == 1
    assert not emacs.has_prediction()
    emacs.press("\x1bxzeta-context-predict\r")
    time.sleep(0.5)
    if emacs.has_prediction():
        assert emacs.lisp("(plist-get (plist-get zeta-context--offer :jump) :line)") != 10
    assert emacs.rows == before


def test_the_completion_menu_goes_first(emacs: Emacs) -> None:
    emacs.rename_twice()
    emacs.press("\x05\r")
    emacs.lisp(
        "(progn (setq-local completion-at-point-functions (list (lambda ()"
        ' (list (line-beginning-position) (point) \'("zeta1" "zeta2"))))) t)'
    )
    emacs.terminal.type("ze")
    emacs.press("\x1b\t")
    emacs.press("\x1b\t")
    wait_for(lambda: emacs.lisp("(and completion-in-region-mode t)"))
    assert not emacs.has_prediction()


def test_nothing_is_predicted_while_text_is_selected(emacs: Emacs) -> None:
    emacs.begin()
    emacs.press("\x1b<\x00\x0e\x0e")
    assert emacs.lisp("(use-region-p)")
    assert wait_for(lambda: emacs.counts().get("editor_busy"))


def test_a_word_at_a_time_keeps_what_is_left(emacs: Emacs) -> None:
    emacs.rename_twice("öpt.warning")
    emacs.press("\x1bn")
    wait_for(lambda: emacs.row == 10)
    emacs.press("\x1bn")
    wait_for(lambda: emacs.rows[10] == ROWS[10].replace("warn", "öpt"))
    assert wait_for(lambda: emacs.counts().get("partially_accepted")) == 1
    emacs.wait_for_prediction()
    emacs.press("\x15\x1bn")
    wait_for(lambda: emacs.rows[10] == ROWS[10].replace("warn", "öpt.warning"))
    emacs.press("\x1f")
    wait_for(lambda: emacs.rows[10] == ROWS[10].replace("warn", "öpt"))


def test_a_killed_agent_is_there_again_without_a_word(emacs: Emacs) -> None:
    emacs.begin()
    killed = wait_for(emacs.agent)
    said = emacs.messages()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: emacs.agent() not in (None, killed), 40)
    for row in (6, 8):
        emacs.rename(row)
        time.sleep(0.5)
    emacs.wait_for_prediction()
    new = emacs.messages().removeprefix(said)
    assert "rror" not in new
    assert "xited" not in new


def test_a_rename_goes_on_in_a_file_that_was_not_open(
    program: Program, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
    monkeypatch.setenv("PATH", f"{ty.parent}{os.pathsep}{os.environ['PATH']}")
    (project / "prices.py").write_text(PRICES)
    (project / "basket.py").write_text(BASKET)
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[context]\ndefinitions = true\n")
    more = "(add-hook 'prog-mode-hook #'zeta-context-mode)"
    emacs = Emacs(program, project, tmp_path / "e", more)
    try:
        emacs.press("\x18\x06prices.py\r")
        wait_for(lambda: emacs.lisp('(and zeta-context--open (equal (buffer-name) "prices.py"))'))
        emacs.go_to(0, "total")
        time.sleep(2)  # the server reads the project, and is asked where the name is used
        emacs.press("\x02")
        emacs.press("\x06")
        time.sleep(1)
        emacs.press("\x1b\x7f")
        emacs.terminal.type("amount")
        emacs.press("\x0e")
        emacs.wait_for_prediction()
        emacs.press("\x1b\r")
        emacs.press("\x1b\r")
        wait_for(lambda: emacs.rows[4] == "print(amount([1]))")
        told = "→ `total` is called `amount` now: place 2 of 3, in basket.py:1"
        wait_for(lambda: any(told in row for row in emacs.terminal.screen()))
        keep(emacs.terminal.screen())
        emacs.press("\x1b\r")
        wait_for(lambda: emacs.lisp("(buffer-name)") == "basket.py")
        for row in (0, 4):
            emacs.wait_for_prediction()
            if emacs.row != row:
                emacs.press("\x1b\r")
            emacs.press("\x1b\r")
            wait_for(partial(emacs.reads, row, BASKET.splitlines()[row].replace("total", "amount")))
        assert (project / "basket.py").read_text() == BASKET
    finally:
        emacs.close()


def test_a_wrong_prediction_is_written_down_as_a_scenario(emacs: Emacs, tmp_path: Path) -> None:
    emacs.rename_twice()
    emacs.press("\x1bxzeta-context-wrong\r")
    (path,) = wait_for(lambda: list(tmp_path.rglob("wrong/*.md")))
    wait_for(lambda: path.read_text(encoding="utf-8"))
    (scenario,) = read_scenarios(path)
    assert scenario.text.splitlines() == emacs.rows
    assert scenario.rejected is not None


def test_it_quits_and_leaves_no_process_behind(emacs: Emacs) -> None:
    emacs.begin()
    pid = wait_for(emacs.agent)
    emacs.press("\x18\x03")
    assert emacs.terminal.process.wait(10) == 0
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("peer", ["eglot", "lsp-mode"])
def test_a_server_behind_the_proxy_predicts(
    program: Program, project: Path, tmp_path: Path, peer: str
) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
    if peer == "lsp-mode" and program.environment:
        pytest.skip("the lsp-mode that is installed is for the Emacs that is installed")
    more = {
        "eglot": (
            f"(require 'eglot) (add-to-list 'eglot-server-programs '(python-mode \"{ty}\""
            ' "server")) (zeta-context-wrap-eglot \'python-mode)'
            " (add-hook 'python-mode-hook #'eglot-ensure)"
        ),
        "lsp-mode": (
            "(setq lsp-auto-guess-root t lsp-enable-snippet nil lsp-client-packages nil"
            " lsp-enable-file-watchers nil lsp-warn-no-matched-clients nil"
            ' lsp-server-install-dir "/nonexistent" lsp-session-file (make-temp-name "/tmp/l"))'
            " (require 'lsp-mode) (zeta-context-wrap-lsp-mode)"
            " (lsp-register-client (make-lsp-client :new-connection (lsp-stdio-connection"
            f' \'("{ty}" "server")) :activation-fn (lsp-activate-on "python")'
            " :server-id 'ty)) (add-hook 'python-mode-hook #'lsp)"
        ),
    }[peer]
    emacs = Emacs(program, project, tmp_path / "e", more)
    try:
        if peer == "lsp-mode" and not emacs.lisp("(and (featurep 'lsp-mode) t)"):
            pytest.skip("lsp-mode is not installed")
        wait_for(lambda: emacs.lisp("(symbol-name (zeta-context--peer))") == peer, 30)
        emacs.begin()
        for row in (6, 8):
            emacs.rename(row)
            time.sleep(0.7)
        wait_for(emacs.has_prediction)
        emacs.press("\x1b\r")
        emacs.press("\x1b\r")
        wait_for(lambda: emacs.rows[10] == ROWS[10].replace("warn", "warning"))
        assert wait_for(lambda: emacs.counts().get("accepted")) == 1
        emacs.press("\x1f")
        wait_for(lambda: emacs.rows[10] == ROWS[10])
        assert emacs.told_rows() == emacs.rows
    finally:
        emacs.close()
