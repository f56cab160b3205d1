"""The Emacs package in a real Emacs in a terminal, with real keys."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.editors.conftest import MAIN
from tests.e2e.editors.parts import need_program
from tools.terminal import Terminal, wait_for
from zeta_context.evals.scenario_files import read_scenarios

pytestmark = pytest.mark.e2e

PLUGIN = Path(__file__).resolve().parents[3] / "plugins" / "emacs"
PROGRAM = Path(sys.executable).with_name("zeta-context")
ROWS = MAIN.splitlines()
LAST_ROW = len(ROWS) - 1
Keep = Callable[[list[str]], None]

INIT = """
(setq inhibit-startup-screen t make-backup-files nil auto-save-default nil
      create-lockfiles nil native-comp-deferred-compilation nil server-name "s"
      server-socket-dir {folder} warning-minimum-level :emergency)
(require 'package)
(add-to-list 'package-directory-list "/usr/share/emacs/site-lisp/elpa")
(package-initialize)
(require 'server)
(server-start)
(add-to-list 'load-path {plugin})
(require 'zeta-context)
(setq zeta-context-program '({program}))
{more}
"""


class Emacs:
    """One Emacs in a terminal; what it holds is asked by emacsclient."""

    def __init__(self, project: Path, folder: Path, more: str = "") -> None:
        emacs = need_program("emacs")
        client = shutil.which("emacsclient")
        if client is None:
            pytest.skip("there is no emacsclient")
        folder.mkdir()
        folder.chmod(0o700)
        init = folder / "init.el"
        paths = {"folder": folder, "plugin": PLUGIN, "program": PROGRAM}
        quoted = {name: json.dumps(str(path)) for name, path in paths.items()}
        init.write_text(INIT.format(**quoted, more=more))
        self._client = [client, "-s", str(folder / "s")]
        command = [emacs, "-nw", "-Q", "-l", str(init), str(project / "main.py")]
        self.terminal = Terminal(command, project, {"HOME": str(folder)})
        try:
            wait_for((folder / "s").exists)
            wait_for(lambda: self.lisp("(buffer-name)") == "main.py")
        except BaseException:
            print("\n".join(self.terminal.screen()))
            self.terminal.close()
            raise

    def lisp(self, code: str) -> Any:
        """The value of an expression in the selected window's buffer, as JSON has it."""
        wrapped = (
            "(with-current-buffer (window-buffer (selected-window)) "
            f"(let ((json-false nil)) (json-encode {code})))"
        )
        done = subprocess.run(
            [*self._client, "-e", wrapped], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(json.loads(done.stdout))

    def begin(self) -> None:
        self.press("\x1bxzeta-context-mode\r")
        wait_for(lambda: self.lisp("(and zeta-context--open t)"))

    def press(self, keys: str) -> None:
        self.terminal.press(keys)
        time.sleep(0.15)

    @property
    def rows(self) -> list[str]:
        text: str = self.lisp("(buffer-substring-no-properties (point-min) (point-max))")
        return text.splitlines()

    @property
    def row(self) -> int:
        line: int = self.lisp("(line-number-at-pos)")
        return line - 1

    def has_prediction(self) -> bool:
        return bool(self.lisp("(and (zeta-context-has-prediction) t)"))

    def wait_for_prediction(self) -> None:
        """On a busy machine the keys may all come before the agent listens: then ask once more."""
        try:
            wait_for(self.has_prediction, 8)
        except AssertionError:
            self.press("\x1bxzeta-context-predict\r")
            wait_for(self.has_prediction)

    def counts(self) -> dict[str, int]:
        self.lisp(
            "(progn (setq zeta-test nil) (zeta-context--request :zeta/status nil"
            " (lambda (status) (setq zeta-test (plist-get status :counts)))) t)"
        )
        counts: dict[str, int] = wait_for(lambda: self.lisp("(bound-and-true-p zeta-test)"))
        return counts

    def go_to(self, row: int, text: str) -> None:
        self.press(f"\x1bgg{row + 1}\r")
        self.press("\x01\x13" + text + "\r")

    def rename(self, row: int) -> None:
        self.go_to(row, "warn")
        self.press("\x1b\x7f")
        self.terminal.type("warning")

    def rename_twice(self) -> None:
        self.begin()
        for row in (6, 8):
            self.rename(row)
            time.sleep(0.5)
        self.wait_for_prediction()

    def close(self) -> None:
        self.terminal.close()


@pytest.fixture
def emacs(project: Path, tmp_path: Path) -> Iterator[Emacs]:
    editor = Emacs(project, tmp_path / "e")
    yield editor
    editor.close()


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
    assert emacs.counts().get("document_textmismatch") is None


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


def test_a_killed_agent_is_there_again_without_a_word(emacs: Emacs) -> None:
    emacs.begin()
    pid = emacs.lisp("(process-id (jsonrpc--process zeta-context--agent))")
    os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: (
            emacs.lisp(
                "(and zeta-context--ready (process-id (jsonrpc--process zeta-context--agent)))"
            )
            not in (None, pid)
        )
    )
    for row in (6, 8):
        emacs.rename(row)
        time.sleep(0.5)
    emacs.wait_for_prediction()


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
    pid = emacs.lisp("(process-id (jsonrpc--process zeta-context--agent))")
    emacs.press("\x18\x03")
    assert emacs.terminal.process.wait(10) == 0
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("peer", ["eglot", "lsp-mode"])
def test_a_server_behind_the_proxy_predicts(project: Path, tmp_path: Path, peer: str) -> None:
    ty = Path(sys.executable).with_name("ty")
    if not ty.exists():
        pytest.skip("ty is not installed")
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
    emacs = Emacs(project, tmp_path / "e", more)
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
    finally:
        emacs.close()
