"""Reading unified diffs as git, people and models write them.

Knows nothing of the texts that a diff belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from zeta_context.errors import PatchError
from zeta_context.text.unified import (
    FilePatch,
    HunkLine,
    Patch,
    PatchHunk,
    find_quote_end,
    unquote_path,
)


def parse_patch(text: str, *, strict: bool = False) -> Patch:
    """Read a unified diff, with anything around it.

    Blank context lines may have lost their one space, as editors do it. Unless `strict`, hunks may
    also have wrong counts (what follows and begins as a hunk's line does is taken for one, so a
    blank line must part a hunk from such text) and headers without rows (`@@ @@`). When strict,
    these raise `PatchError`; otherwise nothing does.
    """
    return _Parser(text, strict).parse()


_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)", re.DOTALL)
_SIGNATURE = re.compile(r"-- \r?\n?\Z")
_HEADER = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to"
    r"|similarity index|dissimilarity index|index|Binary files|GIT binary patch) ?(.*)",
    re.DOTALL,
)


@dataclass(slots=True)
class _Counts:
    """How many old and new lines of a hunk are still to come; not known for one without rows."""

    old: int
    new: int
    are_known: bool = True

    def take(self, op: str) -> None:
        self.old -= op != "+"
        self.new -= op != "-"

    @property
    def are_met(self) -> bool:
        return self.are_known and self.old <= 0 and self.new <= 0


@dataclass(slots=True)
class _Parser:
    """Walks over the lines once; `at` is the next one."""

    text: str
    is_strict: bool
    lines: list[str] = field(init=False)
    at: int = 0
    files: list[FilePatch] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A diff cut off before its last line feed still means a whole line.
        self.lines = [line + "\n" for line in self.text.removesuffix("\n").split("\n")]
        if not self.text:
            self.lines.clear()

    def parse(self) -> Patch:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith("diff --git "):
                self._read_git_header()
            elif self._is_file_header(self.at):
                self._read_file_header()
            elif self._is_hunk_header(self.at):
                self._read_hunk()
            else:
                self.loose.append(line)
                self.at += 1
        return Patch(files=tuple(self.files), trailer=tuple(self.loose))

    def _line(self, at: int) -> str:
        return self.lines[at] if at < len(self.lines) else ""

    def _is_file_header(self, at: int) -> bool:
        return self._line(at).startswith("--- ") and self._line(at + 1).startswith("+++ ")

    def _is_hunk_header(self, at: int) -> bool:
        line = self._line(at)
        if _HUNK.match(line):
            return True
        is_placeless = line.startswith("@@") and not line.startswith("@@@")
        if is_placeless and self.is_strict:
            raise PatchError(f"line {at + 1}: a hunk header without the rows it is about")
        return is_placeless and self._line(at + 1).startswith((" ", "-", "+"))

    def _take_loose(self) -> tuple[str, ...]:
        loose = tuple(self.loose)
        self.loose.clear()
        return loose

    def _read_git_header(self) -> None:
        names = _split_git_names(self.lines[self.at][len("diff --git ") :].rstrip("\r\n"))
        file = FilePatch(old_path=names[0], new_path=names[1], preamble=self._take_loose())
        self.at += 1
        while match := _HEADER.match(self._line(self.at)):
            file = _with_header(file, match[1], match[2].rstrip("\r\n"))
            self.at += 1
        self.files.append(file)
        if self._is_file_header(self.at):
            self._read_file_header(continues=True)

    def _read_file_header(self, *, continues: bool = False) -> None:
        old = _read_name(self.lines[self.at][4:])
        new = _read_name(self.lines[self.at + 1][4:])
        self.at += 2
        if continues:
            file = self.files.pop()
            if file.is_copy or file.is_rename:
                self.files.append(file)
                return
        else:
            file = FilePatch(preamble=self._take_loose())
        old, new = _without_prefixes(old, new)
        self.files.append(replace(file, old_path=old, new_path=new))

    def _read_hunk(self) -> None:
        header_at = self.at
        match = _HUNK.match(self.lines[self.at])
        self.at += 1
        if match:
            counts = _Counts(int(match[2] or 1), int(match[4] or 1))
        else:
            counts = _Counts(0, 0, are_known=False)
        lines = self._read_body(counts, header_at)
        if not self.files:
            self.files.append(FilePatch())
        file = self.files.pop()
        hunk = PatchHunk(
            old_start=_first_row(match[1] if match else "1", any(op != "+" for op, _ in lines)),
            new_start=_first_row(match[3] if match else "1", any(op != "-" for op, _ in lines)),
            lines=tuple(lines),
            section=match[5].rstrip("\r\n") if match else "",
            preamble=self._take_loose(),
            has_place=match is not None,
        )
        self.files.append(replace(file, hunks=(*file.hunks, hunk)))

    def _read_body(self, counts: _Counts, header_at: int) -> list[HunkLine]:
        lines: list[HunkLine] = []
        bare = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            op = line[:1]
            if op == "\\":
                if lines:
                    lines[-1] = lines[-1]._replace(text=lines[-1].text.removesuffix("\n"))
            elif op in (" ", "-", "+") and not self._ends_body(counts):
                lines.append(HunkLine(op, line[1:]))  # type: ignore[arg-type]
                counts.take(op)
                bare = 0
            elif line in ("\n", "\r\n") and not counts.are_met:
                lines.append(HunkLine(" ", line))
                counts.take(" ")
                bare += 1
            else:
                break
            self.at += 1
        is_more = self.is_strict and self._looks_like_more()
        if counts.old or counts.new or is_more:
            if self.is_strict:
                raise PatchError(f"line {header_at + 1}: a hunk whose counts do not fit its lines")
            self.at -= bare
            lines = lines[: len(lines) - bare]
        return lines

    def _looks_like_more(self) -> bool:
        """Whether a line taken away or added follows where a hunk should be at its end."""
        line = self._line(self.at)
        return (
            line.startswith(("-", "+"))
            and not _SIGNATURE.match(line)
            and not self._is_file_header(self.at)
        )

    def _ends_body(self, counts: _Counts) -> bool:
        """Whether the next line, though it looks like one of the hunk's, is not."""
        if self.is_strict:
            return counts.are_met
        if _SIGNATURE.match(self.lines[self.at]):
            return counts.are_met or not counts.are_known
        if not (self._is_file_header(self.at) and _HUNK.match(self._line(self.at + 2))):
            return False
        # A deleted line "-- x" and an added "++ y" at the end of a hunk look just the same.
        return not counts.are_known or (counts.old, counts.new) != (1, 1)


def _first_row(number: str, has_lines: bool) -> int:
    """0-based; a side without lines is named by the line before it."""
    return max(int(number) - 1, 0) if has_lines else int(number)


def _with_header(file: FilePatch, name: str, value: str) -> FilePatch:
    if name in ("rename from", "copy from"):
        return replace(file, old_path=unquote_path(value), is_copy=name == "copy from")
    if name in ("rename to", "copy to"):
        return replace(file, new_path=unquote_path(value))
    if name in ("Binary files", "GIT binary patch"):
        return replace(file, is_binary=True)
    if name == "new file mode":
        return replace(file, old_path=None, new_mode=value)
    if name == "deleted file mode":
        return replace(file, new_path=None, old_mode=value)
    modes = {"old mode": file.old_mode, "new mode": file.new_mode} | {name: value}
    return replace(file, old_mode=modes["old mode"], new_mode=modes["new mode"])


def _split_git_names(names: str) -> tuple[str | None, str | None]:
    """The two names of a `diff --git` line; it tells them apart only when they are equal."""
    if names.startswith('"'):
        end = find_quote_end(names)
        return _without_prefixes(unquote_path(names[: end + 1]), unquote_path(names[end + 2 :]))
    if names.endswith('"'):
        old, _, new = names.partition(' "')
        return _without_prefixes(old, unquote_path('"' + new))
    middle = len(names) // 2
    old, new = names[:middle], names[middle + 1 :]
    if old.partition("/")[2] != new.partition("/")[2]:
        old, _, new = names.partition(" b/")
        new = "b/" + new
    return _without_prefixes(old, new)


def _read_name(rest: str) -> str | None:
    name = rest.rstrip("\r\n")
    name = (
        unquote_path(name[: find_quote_end(name) + 1])
        if name.startswith('"')
        else name.split("\t")[0]
    )
    return None if name == "/dev/null" else name


def _without_prefixes(old: str | None, new: str | None) -> tuple[str | None, str | None]:
    if (old is None or old.startswith("a/")) and (new is None or new.startswith("b/")):
        return old and old[2:], new and new[2:]
    return old, new
