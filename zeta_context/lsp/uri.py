"""File URIs to paths and back, as language servers spell them.

Knows nothing of projects or open documents, and never touches the disk. Servers disagree on the
spelling (`file:///c%3A/x`, `file:///C:/x`, percent-encoded or raw non-ASCII), so two URIs are
compared by the path they name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_CELL = "vscode-notebook-cell"
_DRIVE = re.compile(r"/[A-Za-z]:")
_MAX_URI = 8192


def from_path(path: Path) -> str:
    """The `file` URI of an absolute path (RFC 8089); raises ValueError for a relative one."""
    return path.as_uri()


def name_drive(path: str) -> str:
    """The path of a URI as Windows has it: `/c:/x` is `C:/x`; any other is left as it is."""
    return path[1].upper() + path[2:] if _DRIVE.match(path) else path


def to_cell(uri: str) -> Path | None:
    """The path that stands for a notebook's cell, or None: its notebook's, with the cell below it.

    There is no such file; but whatever is said of the notebook, as that it is to be left alone,
    holds for what is below it.
    """
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != _CELL:
        return None
    notebook, _, fragment = rest.partition("#")
    path = to_path(f"file:{notebook}")
    name = re.sub(r"[^\w-]", "-", unquote(fragment))
    return path / name if path is not None and name else None


def to_path(uri: str) -> Path | None:
    """The absolute path that a `file` URI names, or None.

    None for every other scheme (`untitled:`, `jdt:`, `git:`), another host, NUL characters and
    absurd lengths: such a target is nothing that can be read from this machine's disk.
    """
    if len(uri) > _MAX_URI:
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        return None
    # A raw '?' or '#' cannot stand in a file URI unless a server forgot to encode it.
    raw = uri[uri.index(":") + 1 :].removeprefix("//")
    raw = raw.removeprefix(parts.netloc)
    text = unquote(raw, errors="surrogateescape")
    if "\0" in text or not text.startswith("/"):
        return None
    if os.name == "nt":
        text = name_drive(text)
    path = Path(os.path.normpath(text))
    return path if path.is_absolute() else None
