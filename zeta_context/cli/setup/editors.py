"""The editors that can be set up: how each is found, and what is to be put where.

Data and lines of configuration; reads nothing but whether a program or a folder is there, and
writes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "BEGIN zeta-context", "END zeta-context"
"""What a block in a file of the user's starts and ends with, behind a comment sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file of ours, which nobody else writes."""

    path: Path
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines at the end of a file of the user's, between two marks; `sign` begins a comment."""

    path: Path
    sign: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCopy:
    """The plugin's own files, copied from the library."""

    plugin: str
    target: Path


Step = NewFile | Block | PluginCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """One editor: `steps` set it up, or, where they are empty, `lines` tell how to by hand."""

    name: str
    title: str
    programs: tuple[str, ...]
    lines: Callable[[str], str]
    steps: Callable[[Path, str], Sequence[Step]] = lambda home, program: ()
    keys: str = ""

    def find(self) -> str | None:
        """Its program, if it is installed."""
        return next((found for one in self.programs if (found := shutil.which(one))), None)


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _neovim_lines(program: str) -> str:
    return f'require("zeta_context").setup({{ cmd = {{ {_lua(program)}, "serve" }} }})\n'


def _neovim_steps(home: Path, program: str) -> Sequence[Step]:
    pack = home / ".local/share/nvim/site/pack/zeta-context/start/zeta_context"
    return (
        PluginCopy(plugin="neovim", target=pack),
        NewFile(
            path=home / ".config/nvim/plugin/zeta_context.lua",
            content="-- Written by `zeta-context setup`; `zeta-context uninstall` removes it.\n"
            + _neovim_lines(program),
        ),
    )


def _vim_lines(program: str) -> str:
    return f"let g:zeta_context_program = '{program}'\n"


def _vim_steps(home: Path, program: str) -> Sequence[Step]:
    pack = home / ".vim/pack/zeta-context/start/zeta_context"
    settings = pack.with_name("zeta_context_settings") / "plugin" / "settings.vim"
    return (
        PluginCopy(plugin="vim", target=pack),
        NewFile(path=settings, content=_vim_lines(program)),
    )


def _emacs_lines(program: str) -> str:
    return (
        '(add-to-list \'load-path "~/.emacs.d/zeta-context")\n'
        f"(setq zeta-context-program '({_lua(program)}))\n"
        '(autoload \'zeta-context-mode "zeta-context" nil t)\n'
        "(add-hook 'prog-mode-hook #'zeta-context-mode)\n"
    )


def _emacs_steps(home: Path, program: str) -> Sequence[Step]:
    candidates = (".emacs", ".emacs.el", ".config/emacs/init.el", ".emacs.d/init.el")
    init = next((home / one for one in candidates if (home / one).exists()), None)
    return (
        PluginCopy(plugin="emacs", target=home / ".emacs.d/zeta-context"),
        Block(path=init or home / ".emacs.d/init.el", sign=";;", content=_emacs_lines(program)),
    )


def _vscode_lines(program: str) -> str:
    return (
        "// in plugins/vscode of a clone: npm install && npm run package, and then\n"
        "// code --install-extension dist/zeta-context.vsix; in settings.json:\n"
        f'"zetaContext.program": {_lua(program)}\n'
    )


def _helix_lines(program: str) -> str:
    return (
        "# ~/.config/helix/languages.toml; repeat the second table for your languages\n"
        "[language-server.zeta-context]\n"
        f"command = {_lua(program)}\n"
        'args = ["serve", "--code-actions"]\n\n'
        "[[language]]\n"
        'name = "python"\n'
        'language-servers = ["basedpyright", "zeta-context"]\n'
    )


def _kate_lines(program: str) -> str:
    return (
        "// Settings, Configure Kate, LSP Client, User Server Settings\n"
        '{ "servers": { "python": {\n'
        f'  "command": [{_lua(program)}, "proxy", "--code-actions", "--", "pylsp"],\n'
        '  "rootIndicationFileNames": ["pyproject.toml", ".git"]\n'
        "} } }\n"
    )


def _sublime_lines(program: str) -> str:
    return (
        "// Preferences, Package Settings, LSP, Settings\n"
        '{ "clients": { "zeta-context": {\n'
        f'  "enabled": true, "command": [{_lua(program)}, "serve", "--code-actions"],\n'
        '  "selector": "source"\n'
        "} } }\n"
    )


def _zed_lines(program: str) -> str:
    return (
        f"// first: {program} model serve MODEL --tcp --port 8765 --token-file token\n"
        "// then start Zed with the token in ZED_OPEN_AI_COMPATIBLE_EDIT_PREDICTION_API_KEY,\n"
        "// and in settings.json; prompt_format is the model's, see zeta-context model list\n"
        '{ "edit_predictions": { "provider": "open_ai_compatible_api",\n'
        '  "open_ai_compatible_api": { "api_url": "http://127.0.0.1:8765/v1/completions",\n'
        '    "model": "MODEL", "prompt_format": "zeta2", "max_output_tokens": 512 } } }\n'
    )


EDITORS: tuple[Editor, ...] = (
    Editor(
        name="neovim",
        title="Neovim",
        programs=("nvim",),
        lines=_neovim_lines,
        steps=_neovim_steps,
        keys="Alt+Y goes to a prediction and accepts it, Alt+N turns it down",
    ),
    Editor(
        name="vim",
        title="Vim 9 with +python3",
        programs=("vim",),
        lines=_vim_lines,
        steps=_vim_steps,
        keys="Ctrl+G Ctrl+Y goes to a prediction and accepts it, Ctrl+G Ctrl+N turns it down",
    ),
    Editor(
        name="emacs",
        title="Emacs",
        programs=("emacs",),
        lines=_emacs_lines,
        steps=_emacs_steps,
        keys="M-RET goes to a prediction and accepts it, M-p turns it down",
    ),
    Editor(name="vscode", title="VS Code", programs=("code", "codium"), lines=_vscode_lines),
    Editor(name="helix", title="Helix", programs=("hx", "helix"), lines=_helix_lines),
    Editor(name="kate", title="Kate", programs=("kate",), lines=_kate_lines),
    Editor(name="sublime", title="Sublime Text", programs=("subl",), lines=_sublime_lines),
    Editor(name="zed", title="Zed", programs=("zed", "zeditor"), lines=_zed_lines),
)


def find_editor(name: str) -> Editor | None:
    """An editor by its name here."""
    return next((one for one in EDITORS if one.name == name), None)
