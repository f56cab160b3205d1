"""Which paths of a project git ignores, from the files that say so.

Reads `.gitignore` in each folder, `.git/info/exclude` and the user's `core.excludesFile`, and never
asks git or a git library. A path that git tracks although a pattern covers it counts as ignored:
the index is not read. What cannot be read counts as covering all below it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from zeta_context.consent.gitignore import PatternList, UnusableList
from zeta_context.consent.safe_read import CannotRead, Stamp, read_small_file, take_stamp
from zeta_context.repository.discovery import Location, locate

IgnoreRule = Literal["git_ignored", "user_ignored", "unreadable_ignore_file"]

_MAX_FOLDERS = 10_000
_SETTING = re.compile(
    rb"^\s*(?:\[\s*(?P<section>[\w.-]+)(?:\s+\"[^\"\n]*\")?\s*\][ \t]*)?"
    rb"(?:(?P<key>[A-Za-z][\w-]*)[ \t]*=[ \t]*(?P<value>[^\n]*))?",
    re.MULTILINE,
)

_Source = tuple[Stamp | None, PatternList | None]


class GitIgnores:
    """The ignore files above and below a project's root; each is read again when it changed."""

    def __init__(
        self,
        root: Path,
        *,
        ignores_case: bool | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`root` is a real path. `environment` is where the user's git configuration is found."""
        self.top = find_top(root)
        if ignores_case is None:
            ignores_case = folder_ignores_case(self.top)
        self.ignores_case = ignores_case
        location = locate(self.top)
        directory = location.common_directory if isinstance(location, Location) else None
        self._exclude = directory / "info" / "exclude" if directory else None
        self._user_excludes = _user_excludes_file(
            os.environ if environment is None else environment
        )
        local = _setting(directory / "config") if directory else None
        self._git_excludes = self.top / _expand(local) if local else self._user_excludes
        self._lists: dict[Path, _Source] = {}
        self._folders: dict[bytes, IgnoreRule | None] = {}

    def refresh(self) -> None:
        """Forget what was decided about folders when any ignore file in use has changed."""
        for path, (stamp, _) in list(self._lists.items()):
            if take_stamp(path, follows_links=self._is_users(path)) != stamp:
                del self._lists[path]
                self._folders.clear()

    def decide(self, path: str, *, is_folder: bool = False) -> IgnoreRule | None:
        """Why a path relative to `top` is ignored, or None. It has slashes and no dot parts."""
        data = os.fsencode(path)
        at = data.find(b"/")
        while at >= 0:
            folder = data[:at]
            if folder not in self._folders:
                if len(self._folders) >= _MAX_FOLDERS:
                    self._folders.clear()
                self._folders[folder] = self._decide_one(folder, is_folder=True)
            found = self._folders[folder]
            if found is not None:
                return found
            at = data.find(b"/", at + 1)
        return self._decide_one(data, is_folder=is_folder)

    def _decide_one(self, path: bytes, *, is_folder: bool) -> IgnoreRule | None:
        """The decision about a path whose folders are not ignored."""
        try:
            if self._is_ignored_by_git(path, is_folder):
                return "git_ignored"
            # What users exclude themselves, no pattern of a repository takes back.
            for source in (self._exclude, self._user_excludes):
                if source is not None:
                    patterns = self._read(source)
                    if patterns is not None and patterns.decide(path, is_folder=is_folder):
                        return "user_ignored"
        except (UnusableList, CannotRead):
            return "unreadable_ignore_file"
        return None

    def _is_ignored_by_git(self, path: bytes, is_folder: bool) -> bool:
        end = path.rfind(b"/")
        while True:
            folder = path[: max(end, 0)]
            patterns = self._read(self.top / os.fsdecode(folder) / ".gitignore")
            if patterns is not None:
                below = path[len(folder) + 1 :] if folder else path
                decision = patterns.decide(below, is_folder=is_folder)
                if decision is not None:
                    return decision
            if not folder:
                break
            end = path.rfind(b"/", 0, end)
        for source in (self._exclude, self._git_excludes):
            patterns = self._read(source) if source is not None else None
            decision = patterns.decide(path, is_folder=is_folder) if patterns else None
            if decision is not None:
                return decision
        return False

    def _read(self, path: Path) -> PatternList | None:
        known = self._lists.get(path)
        if known is not None:
            return known[1]
        follows = self._is_users(path)
        stamp = take_stamp(path, follows_links=follows)
        content = read_small_file(path, follows_links=follows) if stamp is not None else None
        patterns = None
        if content:
            patterns = PatternList.from_file(content, ignores_case=self.ignores_case)
        if len(self._lists) >= _MAX_FOLDERS:
            self._lists.clear()
        self._lists[path] = (stamp, patterns)
        return patterns

    def _is_users(self, path: Path) -> bool:
        return path in (self._exclude, self._user_excludes, self._git_excludes)


def find_top(root: Path) -> Path:
    """The folder at or above `root` that has a `.git`; `root` itself when there is none."""
    for folder in (root, *root.parents):
        if os.path.lexists(folder / ".git"):
            return folder
    return root


def folder_ignores_case(folder: Path) -> bool:
    """Whether the file system takes names in other letters for the same, as far as can be told."""
    probe = folder / ".git"
    if not os.path.lexists(probe):
        probe = folder
    other = probe.with_name(probe.name.swapcase()) if probe.name else probe
    try:
        return other != probe and os.path.samestat(probe.lstat(), other.lstat())
    except OSError:
        return False


def _user_excludes_file(environment: Mapping[str, str]) -> Path | None:
    """The user's own excludes file: as configured, or git's default for it."""
    home = environment.get("HOME") or environment.get("USERPROFILE")
    xdg = environment.get("XDG_CONFIG_HOME")
    if not xdg and home:
        xdg = str(Path(home) / ".config")
    named = environment.get("GIT_CONFIG_GLOBAL")
    files = [Path(named)] if named else []
    if not named:
        files += [Path(home) / ".gitconfig"] if home else []
        files += [Path(xdg) / "git" / "config"] if xdg else []
    if "GIT_CONFIG_NOSYSTEM" not in environment:
        files.append(Path("/etc/gitconfig"))
    for file in files:
        value = _setting(file)
        if value is not None:
            return _expand(value, home) if value else None
    return Path(xdg) / "git" / "ignore" if xdg else None


def _setting(file: Path) -> str | None:
    """The last value of `core.excludesFile` in one file of git's configuration."""
    try:
        content = read_small_file(file, follows_links=True) or b""
    except CannotRead:
        return None
    section, value = b"", None
    for match in _SETTING.finditer(content):
        if match["section"] is not None:
            section = match["section"].lower()
        if section == b"core" and (match["key"] or b"").lower() == b"excludesfile":
            value = match["value"].strip()
    if value is None:
        return None
    if value.startswith(b'"'):
        value = value[1:].partition(b'"')[0].replace(b"\\\\", b"\\")
    else:
        value = re.split(rb"\s*[#;]", value, maxsplit=1)[0].strip()
    return os.fsdecode(value)


def _expand(value: str, home: str | None = None) -> Path:
    if value.startswith("~/"):
        return Path(home or os.path.expanduser("~")) / value[2:]
    return Path(value)
