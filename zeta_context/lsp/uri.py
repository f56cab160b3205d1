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

_DRIVE = re.compile(r"/[A-Za-z]:")
_MAX_URI = 8192


def from_path(path: Path) -> str:
    """The `file` URI of an absolute path (RFC 8089); raises ValueError for a relative one."""
    return path.as_uri()


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
    if os.name == "nt" and _DRIVE.match(text):
        text = text[1].upper() + text[2:]
    path = Path(os.path.normpath(text))
    return path if path.is_absolute() else None
