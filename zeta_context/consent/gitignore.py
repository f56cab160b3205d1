"""Lists of ignore patterns as git reads them, and which one decides about a path.

One list is one file of patterns and matches below one folder; `gitignore(5)` is the source, and the
tests compare it with `git check-ignore`. Knows nothing of where such files are, see `git_ignores`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zeta_context.consent.wildmatch import Glob, NeverMatches, parse_glob

MAX_PATTERN_BYTES = 4096
"""A longer pattern makes its list unusable; no path is that long."""

MAX_PATTERNS = 10_000


class UnusableList(ValueError):
    """A list too long to be asked about every path: what lies below it counts as ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    glob: Glob
    is_negative: bool
    needs_folder: bool
    is_name: bool


class PatternList:
    """The patterns of one file, in order; the last that matches a path decides."""

    def __init__(
        self, patterns: Iterable[bytes], *, ignores_case: bool = False, is_strict: bool = False
    ) -> None:
        """Raises UnusableList when there are too many, one is too long or, with `is_strict`, says
        nothing because it is empty or malformed.
        """
        self._ignores_case = ignores_case
        self._patterns: list[_Pattern] = []
        for pattern in patterns:
            if len(pattern) > MAX_PATTERN_BYTES or len(self._patterns) >= MAX_PATTERNS:
                raise UnusableList("too many patterns, or one too long")
            parsed = _parse(pattern, ignores_case)
            if parsed is None and is_strict:
                raise UnusableList("a pattern that says nothing")
            if parsed is not None:
                self._patterns.append(parsed)
        self._patterns.reverse()

    @classmethod
    def from_file(cls, content: bytes, *, ignores_case: bool = False) -> PatternList:
        """The list that a file's content is; raises UnusableList as the constructor does."""
        return cls(_pattern_lines(content), ignores_case=ignores_case)

    def __len__(self) -> int:
        return len(self._patterns)

    def decide(self, path: bytes, *, is_folder: bool) -> bool | None:
        """True: ignored, False: not ignored after all, None: no pattern says anything.

        `path` is relative to the list's folder, with slashes and none at the end.
        """
        if self._ignores_case:
            path = path.lower()
        name = path[path.rfind(b"/") + 1 :]
        for pattern in self._patterns:
            if pattern.needs_folder and not is_folder:
                continue
            if pattern.glob.matches(name if pattern.is_name else path):
                return not pattern.is_negative
        return None


def _pattern_lines(content: bytes) -> Iterable[bytes]:
    for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if line and not line.startswith(b"#"):
            yield _trim(line.removesuffix(b"\r").partition(b"\0")[0])


def _trim(line: bytes) -> bytes:
    """The line without the spaces at its end that no backslash keeps."""
    at, last = 0, None
    while at < len(line):
        if line[at] == ord(" "):
            last = at if last is None else last
        else:
            last = None
            if line[at] == ord("\\"):
                at += 1
                if at == len(line):
                    return line
        at += 1
    return line if last is None else line[:last]


def _parse(pattern: bytes, ignores_case: bool) -> _Pattern | None:
    is_negative = pattern.startswith(b"!")
    pattern = pattern[is_negative:]
    needs_folder = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/") if needs_folder else pattern
    is_name = b"/" not in pattern
    if not pattern:
        return None
    try:
        glob = parse_glob(
            pattern.removeprefix(b"/"), crosses_slashes=is_name, ignores_case=ignores_case
        )
    except NeverMatches:
        return None
    return _Pattern(glob=glob, is_negative=is_negative, needs_folder=needs_folder, is_name=is_name)
