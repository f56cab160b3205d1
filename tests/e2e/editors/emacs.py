"""An Emacs in a terminal with the package, driven by real keys, which emacsclient asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.e2e.editors.in_terminal import InTerminal
from tests.e2e.servers import Program
from tools.terminal import Terminal, wait_for

PLUGIN = Path(__file__).resolve().parents[3] / "plugins" / "emacs"
PROGRAM = Path(sys.executable).with_name("zeta-context")

INIT = """
(setq inhibit-startup-screen t make-backup-files nil auto-save-default nil
      create-lockfiles nil native-comp-deferred-compilation nil
      native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil server-name "s"
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


class Emacs(InTerminal):
    """One Emacs in a terminal; what it holds is asked by emacsclient."""

    def __init__(self, emacs: Program, project: Path, folder: Path, more: str = "") -> None:
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
        command = [*emacs.command, "-nw", "-Q", "-l", str(init), str(project / "main.py")]
        environment = {"HOME": str(folder), **emacs.environment}
        self.terminal = Terminal(command, project, environment)
        try:
            wait_for(self._answers)
            wait_for(lambda: self.lisp("(buffer-name)") == "main.py")
        except BaseException:
            print("\n".join(self.terminal.screen()))
            self.terminal.close()
            raise

    def _answers(self) -> bool:
        asked = subprocess.run([*self._client, "-e", "t"], capture_output=True, check=False)
        return asked.returncode == 0

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

    def _ask(self, method: str, field: str) -> Any:
        self.lisp(
            f"(progn (setq zeta-test nil) (zeta-context--request {method} nil"
            f" (lambda (answer) (setq zeta-test (plist-get answer {field})))) t)"
        )
        return wait_for(lambda: self.lisp("(bound-and-true-p zeta-test)"))

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self._ask(":zeta/status", ":counts")
        return counts

    def told_rows(self) -> list[str]:
        """The buffer as whoever predicts knows it."""
        text: str = self._ask(":zeta/state", ":text")
        return text.splitlines()

    def agent(self) -> int | None:
        """The process that predicts, once it has shaken hands."""
        pid: int | Literal[False] = self.lisp(
            "(and zeta-context--ready (process-id (jsonrpc--process zeta-context--agent)))"
        )
        return pid or None

    def messages(self) -> str:
        """All that was said below the text."""
        messages: str = self.lisp('(with-current-buffer "*Messages*" (buffer-string))')
        return messages

    def go_to(self, row: int, text: str) -> None:
        self.press(f"\x1bgg{row + 1}\r")
        self.press("\x01\x13" + text + "\r")

    def rename(self, row: int, name: str = "warning") -> None:
        self.go_to(row, "warn")
        self.press("\x1b\x7f")
        self.terminal.type(name)

    def rename_twice(self, name: str = "warning") -> None:
        self.begin()
        for row in (6, 8):
            self.rename(row, name)
            time.sleep(0.5)
        self.wait_for_prediction()
