"""Which files are never kept or sent: by name, by the user's globs, by the repository, by git.

Decides about paths, never about content (see `secrets`). A repository can only add to what is
excluded. Knows nothing of consent: an excluded file is excluded whatever was consented to.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zeta_context.consent.denied_paths import DENIED_PATHS
from zeta_context.consent.git_ignores import GitIgnores
from zeta_context.consent.gitignore import PatternList, UnusableList
from zeta_context.consent.path_forms import fold, is_elsewhere, is_unusual, spell_out
from zeta_context.consent.repository_file import (
    NO_RULES,
    REPOSITORY_FILE,
    UNREADABLE,
    RepositoryRules,
    parse_repository_file,
)
from zeta_context.consent.safe_read import CannotRead, Stamp, read_small_file, take_stamp
from zeta_context.counts import Counts
from zeta_context.errors import SettingsError

MAX_AGE_S = 1.0
"""For how long a decision stands before the files that it rests on are looked at again."""

_MAX_DECISIONS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDecision:
    """Whether a path is excluded, and by which rule (empty when it is not): a word, no path."""

    is_excluded: bool
    rule_id: str = ""


ALLOWED = PathDecision(is_excluded=False)


class Exclusions:
    """The exclusions of one project; `decide` is cheap enough to be asked about every excerpt."""

    def __init__(
        self,
        root: Path | str,
        *,
        user_globs: Iterable[str] = (),
        respects_git_ignore: bool = True,
        ignores_case: bool | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`user_globs` are from the user's own settings and come on top of the built-in ones.

        Raises SettingsError for a glob that would take an exclusion back. `ignores_case` says
        whether git takes names without regard to case here; by default the file system is asked.
        """
        self._root = Path(os.path.abspath(root))
        self._real_root = Path(os.path.realpath(root))
        self._user = _user_list(user_globs)
        self._counts = counts if counts is not None else Counts()
        self._clock = clock
        self._lock = threading.Lock()
        self._git = (
            GitIgnores(self._real_root, ignores_case=ignores_case, environment=environment)
            if respects_git_ignore
            else None
        )
        self._prefix = ""
        if self._git is not None and self._git.top != self._real_root:
            self._prefix = self._real_root.relative_to(self._git.top).as_posix() + "/"
        self._decisions: dict[tuple[str, bool], PathDecision] = {}
        self._named: dict[str, str] = {}
        self._fresh_until = -1.0
        self._file_stamp: Stamp | None = None
        self._rules = NO_RULES
        self._repository_list: PatternList | None = None

    @property
    def root(self) -> Path:
        """The root folder, as it was given."""
        return self._root

    @property
    def repository_rules(self) -> RepositoryRules:
        """What the repository says about itself now."""
        with self._lock:
            self._refresh()
            return self._rules

    def forget(self) -> None:
        """Look at the files that decisions rest on anew at the next question, as before a send."""
        with self._lock:
            self._fresh_until = -1.0

    def decide(self, path: str | os.PathLike[str], *, is_folder: bool = False) -> PathDecision:
        """Whether a file is excluded; it need not exist.

        `path` is relative to the root or absolute. Anything that is not below the root once links
        are followed is excluded, and so is a path that no rule could be relied upon for.
        """
        key = (os.fspath(path), is_folder)
        with self._lock:
            if self._clock() >= self._fresh_until:
                self._refresh()
            found = self._decisions.get(key)
            if found is None:
                found = self._decide(*key)
                if len(self._decisions) >= _MAX_DECISIONS:
                    self._decisions.clear()
                self._decisions[key] = found
            return found

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._fresh_until:
            return
        self._decisions.clear()
        if self._git is not None:
            self._git.refresh()
        self._read_repository_file()
        self._fresh_until = now + MAX_AGE_S

    def _read_repository_file(self) -> None:
        file = self._real_root / REPOSITORY_FILE
        stamp = take_stamp(file)
        if stamp is not None and stamp == self._file_stamp:
            return
        rules, patterns = NO_RULES, None
        if stamp is not None or os.path.lexists(file):
            try:
                # A link or a folder in the file's place says nothing that can be relied upon.
                content = read_small_file(file) if stamp is not None else None
                rules = UNREADABLE if content is None else self._parse(content)
                globs = [_as_pattern(glob) for glob in rules.exclude]
                patterns = PatternList(globs, ignores_case=True, is_strict=True) if globs else None
            except (CannotRead, UnusableList, UnicodeEncodeError):
                rules = UNREADABLE
        if rules.is_unreadable and not self._rules.is_unreadable:
            self._counts.note("repository_file_unreadable", place=REPOSITORY_FILE)
        if (rules, stamp) != (self._rules, self._file_stamp):
            self._named.clear()
        self._rules, self._file_stamp, self._repository_list = rules, stamp, patterns

    def _parse(self, content: bytes) -> RepositoryRules:
        return parse_repository_file(content, self._counts)

    def _decide(self, path: str, is_folder: bool) -> PathDecision:
        if self._rules.is_unreadable:
            return _excluded("repository_file_unreadable")
        if path.endswith(("/", os.sep)) and len(path) > 1:
            path, is_folder = path.rstrip("/" + os.sep), True
        relative = self._relative(path)
        if isinstance(relative, PathDecision):
            return relative
        rule = self._rule_of(relative, is_folder)
        if not rule:
            real = self._real(relative)
            if real is None:
                rule = "outside_project"
            elif real != relative:
                rule = self._rule_of(real, is_folder)
        return _excluded(rule) if rule else ALLOWED

    def _relative(self, path: str) -> str | PathDecision:
        """The path below the root with slashes, or the decision that there is none."""
        if is_unusual(path):
            return _excluded("unusual_path")
        if not os.path.isabs(path):
            if is_elsewhere(path):
                return _excluded("outside_project")
            relative = os.path.normpath(path)
        else:
            if path.startswith("//"):
                return _excluded("outside_project")
            plain = Path(os.path.normpath(path))
            for root in (self._root, self._real_root):
                if plain.is_relative_to(root):
                    relative = str(plain.relative_to(root))
                    break
            else:
                real = Path(os.path.realpath(plain))
                if not real.is_relative_to(self._real_root):
                    return _excluded("outside_project")
                relative = str(real.relative_to(self._real_root))
        return relative.replace(os.sep, "/")

    def _real(self, relative: str) -> str | None:
        """Where a path leads, relative to the root; None when it leads out of it."""
        try:
            real = os.path.realpath(self._real_root / relative)
        except (OSError, ValueError):
            return None
        if not Path(real).is_relative_to(self._real_root):
            return None
        return os.path.relpath(real, self._real_root).replace(os.sep, "/")

    def _rule_of(self, path: str, is_folder: bool) -> str:
        """The first rule that excludes a path below the root by what it is called."""
        for spelling in spell_out(path):
            if is_unusual(spelling) or is_elsewhere(spelling) or spelling.startswith("/"):
                return "unusual_path"
            at = spelling.find("/")
            while at >= 0:
                folder = spelling[:at]
                if folder not in self._named:
                    if len(self._named) >= _MAX_DECISIONS:
                        self._named.clear()
                    self._named[folder] = self._rule_by_name(folder, is_folder=True)
                if self._named[folder]:
                    return self._named[folder]
                at = spelling.find("/", at + 1)
            rule = self._rule_by_name(spelling, is_folder=is_folder)
            if rule:
                return rule
        return self._git_rule(path, is_folder)

    def _rule_by_name(self, path: str, *, is_folder: bool) -> str:
        data = path.encode("utf-8", "surrogatepass")
        for rule_id, patterns in _denied_lists():
            if patterns.decide(data, is_folder=is_folder):
                return rule_id
        if self._user is not None and self._user.decide(data, is_folder=is_folder):
            return "user_glob"
        if self._repository_list is not None and self._repository_list.decide(
            data, is_folder=is_folder
        ):
            return "repository_glob"
        return ""

    def _git_rule(self, path: str, is_folder: bool) -> str:
        if self._git is None or path == ".":
            return ""
        try:
            return self._git.decide(self._prefix + path, is_folder=is_folder) or ""
        except UnicodeEncodeError:
            return "unusual_path"


def check_globs(globs: Iterable[str]) -> None:
    """Raise SettingsError for globs that cannot be a user's exclusions."""
    _user_list(globs)


@cache
def _denied_lists() -> tuple[tuple[str, PatternList], ...]:
    return tuple(
        (rule_id, PatternList([_as_pattern(_at_any_depth(g)) for g in globs], ignores_case=True))
        for rule_id, globs in DENIED_PATHS
    )


def _at_any_depth(glob: str) -> str:
    return f"**/{glob}" if "/" in glob.removesuffix("/") else glob


def _as_pattern(glob: str) -> bytes:
    """A glob as it is matched against spelled-out paths; a leading `!` is only a character."""
    return fold(glob).encode()


def _user_list(globs: Iterable[str]) -> PatternList | None:
    patterns = list(globs)
    for number, glob in enumerate(patterns, 1):
        if not glob or glob.startswith("!"):
            raise SettingsError(
                f"exclusion {number} cannot take others back: exclusions are only ever added"
            )
    try:
        folded = [_as_pattern(glob) for glob in patterns]
        return PatternList(folded, ignores_case=True, is_strict=True) if folded else None
    except (UnusableList, UnicodeEncodeError):
        raise SettingsError(
            "the exclusions are too many, too long, or not all of them valid"
        ) from None


def _excluded(rule_id: str) -> PathDecision:
    return PathDecision(is_excluded=True, rule_id=rule_id)
