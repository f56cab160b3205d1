"""Cases for the repeat benchmark: files that one commit of a git history changed in many places.

Knows nothing of predictions. A hunk is one of `git diff -U0`: a maximal run of changed lines, no
context. Only files that a non-merge commit modified (neither added, deleted nor renamed) count.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIN_HUNKS = 3
MAX_HUNKS = 40
MAX_BYTES = 1_000_000

LANGUAGES = {
    "py": "python",
    "pyi": "python",
    "js": "javascript",
    "cjs": "javascript",
    "mjs": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "tsx": "typescript",
    "mts": "typescript",
    "rs": "rust",
    "go": "go",
    "java": "java",
    "kt": "kotlin",
    "c": "c",
    "h": "c",
    "cc": "cpp",
    "cpp": "cpp",
    "hpp": "cpp",
    "cs": "csharp",
    "rb": "ruby",
    "php": "php",
    "swift": "swift",
    "scala": "scala",
    "lua": "lua",
}
"""The file extensions that are measured when none is asked for."""

_HEADER = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_INDEX = re.compile(r"^index ([0-9a-f]{40,})\.\.([0-9a-f]{40,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines `old` (with their endings) from 0-based `old_row` on become `new`."""

    old_row: int
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file of one commit: the lines before, and the hunks from top to bottom."""

    commit: str
    path: str
    language: str
    lines: tuple[str, ...]
    hunks: tuple[Hunk, ...]


class _Blobs:
    """Reads blobs by id through one `git cat-file --batch`."""

    def __init__(self, git_dir: Path) -> None:
        self._process = subprocess.Popen(
            ["git", f"--git-dir={git_dir}", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self, blob: str) -> bytes | None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(blob.encode() + b"\n")
        stdin.flush()
        head = stdout.readline().split()
        if len(head) != 3:
            return None
        data = stdout.read(int(head[2]))
        stdout.read(1)
        return data

    def close(self) -> None:
        self._process.terminate()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()


def find_git_dir(repo: Path) -> Path:
    """The git directory of a work tree, a bare repository, or a git directory itself."""
    if (repo / ".git").exists():
        answer = subprocess.run(
            ["git", "-C", str(repo), "rev-parse", "--absolute-git-dir"],
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(answer.stdout.strip())
    return repo


def read_cases(repo: Path, *, extensions: tuple[str, ...], limit: int) -> Iterator[Case]:
    """The newest `limit` qualifying cases of the history of HEAD, newest first."""
    git_dir = find_git_dir(repo)
    blobs = _Blobs(git_dir)
    log = subprocess.Popen(
        ["git", f"--git-dir={git_dir}", "log", "--no-merges", "--no-renames", "--diff-filter=M",
         "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", "-p", "-U0",
         "--format=%x00%H", "HEAD", "--", *(f"*.{extension}" for extension in extensions)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert log.stdout is not None
    found = 0
    try:
        for commit, path, blob, text in _file_diffs(log.stdout):
            case = _make_case(commit, path, text, blobs, blob)
            if case is not None:
                yield case
                found += 1
                if found == limit:
                    return
    finally:
        log.terminate()
        log.stdout.close()
        log.wait()
        blobs.close()


def _file_diffs(stream: Iterator[bytes]) -> Iterator[tuple[str, str, str, list[bytes]]]:
    commit = path = blob = ""
    body: list[bytes] = []
    in_hunks = False
    for line in stream:
        if line.startswith((b"\0", b"diff --git ")):
            if body:
                yield commit, path, blob, body
            body, path, in_hunks = [], "", False
            if line.startswith(b"\0"):
                commit = line[1:].strip().decode()
        elif not in_hunks and line.startswith(b"index "):
            match = _INDEX.match(line.decode("ascii", "replace"))
            blob = match[1] if match else ""
        elif not in_hunks and line.startswith(b"+++ b/"):
            path = line[6:].rstrip(b"\n\t").decode("utf-8", "replace")
        elif line.startswith(b"@@ ") or in_hunks:
            in_hunks = True
            body.append(line)
    if body:
        yield commit, path, blob, body


def _make_case(commit: str, path: str, body: list[bytes], blobs: _Blobs, blob: str) -> Case | None:
    count = sum(line.startswith(b"@@ ") for line in body)
    if not MIN_HUNKS <= count <= MAX_HUNKS or not blob or not path:
        return None
    data = blobs.read(blob)
    if data is None or len(data) > MAX_BYTES or b"\0" in data:
        return None
    try:
        lines = tuple(data.decode("utf-8").splitlines(keepends=True))
        if any(line[-1:] != "\n" for line in lines[:-1]):
            lines = tuple(part + "\n" for part in data.decode("utf-8").split("\n"))
            lines = (*lines[:-1], lines[-1][:-1]) if lines[-1] != "\n" else lines[:-1]
        hunks = tuple(_parse_hunks([line.decode("utf-8") for line in body]))
    except UnicodeDecodeError:
        return None
    for hunk in hunks:
        if lines[hunk.old_row : hunk.old_row + len(hunk.old)] != hunk.old:
            return None
    language = LANGUAGES.get(path.rsplit(".", 1)[-1], path.rsplit(".", 1)[-1])
    return Case(commit=commit, path=path, language=language, lines=lines, hunks=hunks)


def _parse_hunks(body: list[str]) -> Iterator[Hunk]:
    row = 0
    old: list[str] = []
    new: list[str] = []
    side = old
    is_open = False
    for line in body:
        header = _HEADER.match(line)
        if header:
            if is_open:
                yield Hunk(old_row=row, old=tuple(old), new=tuple(new))
            start, count = int(header[1]), int(header[2] or 1)
            row = start - 1 if count else start
            old, new, is_open = [], [], True
        elif line.startswith("-"):
            side = old
            old.append(line[1:])
        elif line.startswith("+"):
            side = new
            new.append(line[1:])
        elif line.startswith("\\"):
            side[-1] = side[-1][:-1]
    if is_open:
        yield Hunk(old_row=row, old=tuple(old), new=tuple(new))
