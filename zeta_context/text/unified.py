"""The unified diff format: its records, writing them, and paths as git quotes them.

Knows nothing of the texts that a diff belongs to; `unified_parser` reads it. Lines are what git
calls lines: they end at a line feed, and a carriage return before it is part of the line. The
format is that of GNU diff, with git's headers (git's documentation, "Generating patch text with
-p").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

NO_NEWLINE = "\\ No newline at end of file\n"

Op = Literal[" ", "-", "+"]
"""What a line of a hunk is: context, taken away, or added."""


class HunkLine(NamedTuple):
    """One line of a hunk; `text` has its line feed, unless the file ends without one there."""

    op: Op
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchHunk:
    """One hunk: `lines` of the old text from row `old_start` on and what they become (0-based).

    `preamble` are the lines before it that belong to nothing, such as a comment on the hunk.
    `has_place` is False when its header names no rows.
    """

    old_start: int
    new_start: int
    lines: tuple[HunkLine, ...]
    section: str = ""
    preamble: tuple[str, ...] = ()
    has_place: bool = True

    @property
    def old_lines(self) -> list[str]:
        """The lines that the old text has there."""
        return [line.text for line in self.lines if line.op != "+"]

    @property
    def new_lines(self) -> list[str]:
        """The lines that the new text has there."""
        return [line.text for line in self.lines if line.op != "-"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePatch:
    """What happens to one file; a path is None where the file does not exist, or is not named.

    Paths are without git's `a/` and `b/`. Modes are git's, as octal digits. `preamble` are the
    lines before it that belong to nothing. A binary file has no hunks here.
    """

    old_path: str | None = None
    new_path: str | None = None
    hunks: tuple[PatchHunk, ...] = ()
    old_mode: str | None = None
    new_mode: str | None = None
    is_copy: bool = False
    is_binary: bool = False
    preamble: tuple[str, ...] = ()

    @property
    def is_rename(self) -> bool:
        """Whether the file is called differently afterwards, and is no copy."""
        paths = (self.old_path, self.new_path)
        return None not in paths and paths[0] != paths[1] and not self.is_copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Changes to files, one after the other: the same file may come more than once.

    `trailer` are the lines after the last that belong to nothing.
    """

    files: tuple[FilePatch, ...]
    trailer: tuple[str, ...] = ()


def render_hunks(hunks: Sequence[PatchHunk]) -> str:
    """Hunks as text, each from its `@@` line on, with its preamble before it."""
    pieces: list[str] = []
    for hunk in hunks:
        pieces += hunk.preamble
        place = "@@"
        if hunk.has_place:
            old = _range(hunk.old_start, len(hunk.old_lines))
            place = f"@@ -{old} +{_range(hunk.new_start, len(hunk.new_lines))} @@"
        pieces.append(f"{place} {hunk.section}\n" if hunk.section else f"{place}\n")
        pieces += map(render_line, hunk.lines)
    return "".join(pieces)


def render_patch(patch: Patch) -> str:
    """A patch as text that git can apply and from which `parse_patch` reads an equal one."""
    pieces: list[str] = []
    for file in patch.files:
        pieces += [*file.preamble, render_header(file), render_hunks(file.hunks)]
    return "".join([*pieces, *patch.trailer])


def render_line(line: HunkLine) -> str:
    """A line of a hunk, with git's remark when the text has no line feed there."""
    if line.text.endswith("\n"):
        return line.op + line.text
    return f"{line.op}{line.text}\n{NO_NEWLINE}"


def render_names(old_path: str | None, new_path: str | None) -> str:
    """The `---` and `+++` lines."""
    return f"--- {_name('a/', old_path)}\n+++ {_name('b/', new_path)}\n"


def render_header(file: FilePatch) -> str:
    """All that stands before a file's hunks: git's lines only where plain ones cannot say it."""
    old, new = file.old_path, file.new_path
    if old is None and new is None:
        return ""
    lines: list[str] = []
    if old is None and file.new_mode:
        lines.append(f"new file mode {file.new_mode}")
    elif new is None and file.old_mode:
        lines.append(f"deleted file mode {file.old_mode}")
    elif file.old_mode and file.new_mode:
        lines += [f"old mode {file.old_mode}", f"new mode {file.new_mode}"]
    if file.is_rename or file.is_copy:
        verb = "copy" if file.is_copy else "rename"
        lines += [f"{verb} from {quote_path(old or '')}", f"{verb} to {quote_path(new or '')}"]
    if file.is_binary:
        lines.append("Binary files differ")
    if lines or not file.hunks:
        names = (quote_path("a/" + (old or new or "")), quote_path("b/" + (new or old or "")))
        lines.insert(0, "diff --git {} {}".format(*names))
    header = "".join([line + "\n" for line in lines])
    return header + (render_names(old, new) if file.hunks else "")


def _name(prefix: str, path: str | None) -> str:
    if path is None:
        return "/dev/null"
    name = quote_path(prefix + path)
    # Where a name ends could not be told from a time stamp after it: git sets a tab.
    return name + "\t" if " " in name and not name.startswith('"') else name


def _range(start: int, count: int) -> str:
    """Rows from 1; a side without rows is named by the row before it."""
    return f"{start + 1 if count else start},{count}"


_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*')
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPES_IN_A_ROW = re.compile(r"(?:\\(?:[0-7]{1,3}|.))+", re.DOTALL)


def find_quote_end(text: str) -> int:
    """The index of the quote that closes the one at the start; the last index if none does."""
    match = _QUOTED.match(text)
    return min(match.end() if match else 0, len(text) - 1)


def unquote_path(name: str) -> str:
    """A path as git quotes it in C style, or plain."""
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name

    return _ESCAPES_IN_A_ROW.sub(_plain, name[1:-1])


def _plain(escapes: re.Match[str]) -> str:
    raw = bytearray()
    for code in _ESCAPE.findall(escapes[0]):
        if code[0] in "01234567":
            raw.append(int(code, 8) & 0xFF)
        elif code in _ESCAPES:
            raw.append(_ESCAPES[code])
        else:
            raw += code.encode("utf-8", "replace")
    return raw.decode("utf-8", "surrogateescape")


def quote_path(name: str) -> str:
    """A path as git writes it in a header: quoted when a plain one could be misread."""
    raw = b"".join(
        c.encode("utf-8", "surrogateescape" if "\udc80" <= c <= "\udcff" else "surrogatepass")
        for c in name
    )
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in raw):
        return name
    letters = {code: letter for letter, code in _ESCAPES.items()}
    quoted = [
        "\\" + letters[byte]
        if byte in letters
        else chr(byte)
        if 32 <= byte < 127
        else f"\\{byte:03o}"
        for byte in raw
    ]
    return '"' + "".join(quoted) + '"'
