"""The files of figures in the user's state folder, and how large they may become."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 1_000_000
"""Of one file; it and the full one before it are kept."""


def set_full_aside(path: Path) -> None:
    """Make room for a new file where the one at `path` is full; the one set aside before goes."""
    with suppress(FileNotFoundError):
        if path.stat().st_size >= MAX_BYTES:
            os.replace(path, path.with_name(f"{path.stem}.old{path.suffix}"))


def manifest_path(folder: Path) -> Path:
    """Where the newest manifest is kept."""
    return folder / "rollout.json"


def outcomes_path(folder: Path) -> Path:
    """Where the rows of this user's sessions are."""
    return folder / "outcomes.jsonl"


def sent_path(folder: Path) -> Path:
    """Where the last row that a server has taken is named."""
    return folder / "outcomes.sent"


def asked_path(folder: Path) -> Path:
    """A file that is touched whenever a server is asked."""
    return folder / "rollout.asked"


def shadow_path(folder: Path) -> Path:
    """Where the records of shadow runs are."""
    return folder / "shadow.jsonl"


def forget_outcomes(folder: Path) -> None:
    """Take away what is kept here of a user's outcomes."""
    for path in (outcomes_path(folder), sent_path(folder)):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.stem}.old{path.suffix}").unlink(missing_ok=True)
