"""Puts files in place, with a backup of what was there, and takes them away again.

What was done is written down in the user's state folder, so that a later `uninstall` undoes just
that. Knows nothing of editors.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zeta_context.cli.setup.editors import BEGIN, END, Block, NewFile, PluginCopy, Step
from zeta_context.errors import SettingsError

SCHEMA = 1
"""Of the record of what was put in place."""

BACKUP_SUFFIX = ".before-zeta-context"


def plugins_folder() -> Path:
    """Where the plugins are: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "plugins", package.parent / "plugins"):
        if (folder / "neovim").is_dir():
            return folder
    raise SettingsError("the plugins are missing from this installation: reinstall zeta-context")


class Record:
    """What was put in place, by path; kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done: list[dict[str, Any]] = []
        if path.exists():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                if told["schema"] > SCHEMA:
                    raise SettingsError(f"{path} is of a newer version: update zeta-context")
                self.done = [one for one in told["done"] if isinstance(one, dict)]
            except (ValueError, KeyError, TypeError) as problem:
                raise SettingsError(f"{path} cannot be read: remove it by hand") from problem

    def add(self, entry: dict[str, Any]) -> None:
        """Note one thing that was done, in place of an older one about the same path."""
        self.done = [one for one in self.done if one["path"] != entry["path"]]
        self.done.append(entry)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"schema": SCHEMA, "done": self.done}, indent=2)
        self._path.write_text(text, encoding="utf-8")

    def known(self, path: Path) -> dict[str, Any] | None:
        """What was noted of a path."""
        return next((one for one in self.done if one["path"] == str(path)), None)

    def forget(self) -> None:
        """Everything was taken away."""
        self._path.unlink(missing_ok=True)


def install(step: Step, record: Record) -> str:
    """Do a step, and say what was done; doing it again brings it up to date."""
    if isinstance(step, PluginCopy):
        _refuse_foreign(step.target, record)
        shutil.rmtree(step.target, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.elc", "node_modules", "dist")
        shutil.copytree(plugins_folder() / step.plugin, step.target, ignore=ignored)
        record.add({"kind": "folder", "path": str(step.target)})
        return f"copied the plugin to {step.target}"
    if isinstance(step, NewFile):
        _refuse_foreign(step.path, record)
        step.path.parent.mkdir(parents=True, exist_ok=True)
        step.path.write_text(step.content, encoding="utf-8")
        record.add({"kind": "file", "path": str(step.path), "digest": _digest(step.content)})
        return f"wrote {step.path}"
    return _write_block(step, record)


def _refuse_foreign(path: Path, record: Record) -> None:
    if path.exists() and record.known(path) is None:
        raise SettingsError(f"{path} is there already and not ours: move it away first")


def _write_block(step: Block, record: Record) -> str:
    old = step.path.read_text(encoding="utf-8") if step.path.exists() else None
    backup = step.path.with_name(step.path.name + BACKUP_SUFFIX)
    if old is not None and record.known(step.path) is None:
        shutil.copy2(step.path, backup)
    text = _without_block(old or "", step.sign)
    if text and not text.endswith("\n"):
        text += "\n"
    block = f"{step.sign} {BEGIN}\n{step.content}{step.sign} {END}\n"
    step.path.parent.mkdir(parents=True, exist_ok=True)
    step.path.write_text(text + block, encoding="utf-8")
    entry = {"kind": "block", "path": str(step.path), "sign": step.sign}
    entry["backup"] = str(backup) if old is not None else ""
    if (known := record.known(step.path)) is not None:
        entry["backup"] = known["backup"]
    record.add(entry)
    return f"added lines to {step.path}" + (f" (backup: {backup.name})" if old else "")


def _without_block(text: str, sign: str) -> str:
    lines = text.splitlines(keepends=True)
    marks = [f"{sign} {BEGIN}", f"{sign} {END}"]
    found = [at for at, line in enumerate(lines) if line.strip() in marks]
    if len(found) == len(marks):
        del lines[found[0] : found[1] + 1]
    return "".join(lines)


def remove(entry: dict[str, Any]) -> str:
    """Undo what an entry of the record says, and tell; what the user changed since is kept."""
    path = Path(entry["path"])
    if not path.exists():
        return f"{path} is gone already"
    if entry["kind"] == "block":
        return _take_block_out(path, entry)
    if entry["kind"] == "folder":
        shutil.rmtree(path)
    elif _digest(path.read_text(encoding="utf-8")) != entry["digest"]:
        return f"kept {path}: you have changed it"
    else:
        path.unlink()
    _remove_empty(path.parent)
    return f"removed {path}"


def _take_block_out(path: Path, entry: dict[str, Any]) -> str:
    rest = _without_block(path.read_text(encoding="utf-8"), entry["sign"])
    backup = Path(entry["backup"]) if entry["backup"] else None
    if backup is not None and backup.exists() and _is_same(rest, backup):
        shutil.move(backup, path)
        return f"restored {path}"
    if not rest and backup is None:
        path.unlink()
        return f"removed {path}"
    path.write_text(rest, encoding="utf-8")
    return f"took our lines out of {path}"


def _is_same(text: str, backup: Path) -> bool:
    old = backup.read_text(encoding="utf-8")
    return text in (old, old + "\n")


def _remove_empty(folder: Path) -> None:
    for one in (folder, *folder.parents):
        if "zeta" not in one.as_posix() or any(one.iterdir()):
            return
        one.rmdir()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def undo(record: Record) -> Sequence[str]:
    """Undo everything, the newest first; what was done in words."""
    told = [remove(entry) for entry in reversed(record.done)]
    record.forget()
    return told
