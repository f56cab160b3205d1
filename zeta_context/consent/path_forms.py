"""The ways in which one path may be spelled, so that a rule is not dodged by another spelling.

Percent-encoding, backslashes, Windows' alternate streams and trailing dots, composed and decomposed
letters, letter case, invisible characters. Knows nothing of rules and never touches the disk.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

MAX_PATH = 4096
"""Code points; a longer path is no path of an editor."""

_SCHEME = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]+:/|[A-Za-z]:(?:[\\/]|$)|(?:untitled|jar|git|jdt|data):)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_DECODING = 4


def is_elsewhere(path: str) -> bool:
    """Whether a path is a URI, on a drive, or on another host: nothing relative to a project."""
    return bool(_SCHEME.match(path)) or path.startswith(("\\\\", "//", "\\??\\"))


def is_unusual(path: str) -> bool:
    """Whether a path is such that no rule could be relied upon for it."""
    return (
        not path
        or len(path) > MAX_PATH
        or _CONTROL.search(path) is not None
        or ".." in path.replace("\\", "/").split("/")
        or any(len(part) > 255 for part in path.split("/"))
    )


def spell_out(path: str) -> tuple[str, ...]:
    """The spellings under which a relative path is judged: case folded as it is, and undone.

    None of them is empty; one of them may be unusual or elsewhere although the path is not.
    """
    plain = fold(path)
    undone = path
    for _ in range(_MAX_DECODING):
        decoded = unquote(undone, errors="surrogateescape")
        if decoded == undone:
            break
        undone = decoded
    undone = unicodedata.normalize("NFKC", undone).replace("\\", "/")
    undone = "".join(c for c in undone if unicodedata.category(c) != "Cf")
    if is_elsewhere(undone) or undone.startswith("/") or is_unusual(undone):
        return plain, undone
    parts = (_undo_windows(part) for part in undone.split("/"))
    undone = fold("/".join(part for part in parts if part not in ("", ".")))
    return (plain,) if undone in ("", plain) else (plain, undone)


def fold(text: str) -> str:
    """The text with composed letters and without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _undo_windows(part: str) -> str:
    """A name without its alternate stream, and without the dots and spaces Windows drops."""
    return part.partition(":")[0].rstrip(" .") or part
