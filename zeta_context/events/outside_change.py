"""Changes of files that no editor told us of, gathered until it is time to report them.

Knows nothing of how they were seen. However many changes come, memory is bounded: beyond a limit
only the fact remains that a project changed all over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutsideKind = Literal["created", "changed", "deleted", "head", "overflow"]
"""`head`: another commit or branch was checked out. `overflow`: anything may have changed."""

MAX_PENDING = 2_000
"""With more changed files than this between two reports, a project is reported as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideChange:
    """What happened to the file at the POSIX `path` of a project; empty for the whole project.

    A deleted path may be a folder with all that was below it.
    """

    kind: OutsideKind
    project: str
    path: str = ""


class PendingChanges:
    """The changes since the last report, one a file. Not thread-safe."""

    def __init__(self, *, max_pending: int = MAX_PENDING) -> None:
        self._max_pending = max_pending
        self._kinds: dict[tuple[str, str], OutsideKind] = {}
        self._heads: dict[str, None] = {}
        self._overflowing: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds or self._heads or self._overflowing)

    def add(self, change: OutsideChange) -> bool:
        """Take in a change; False when it was one too many for its project."""
        if change.kind == "head":
            self._heads[change.project] = None
        elif change.kind == "overflow":
            self._overflow(change.project)
        elif change.project not in self._overflowing:
            key = (change.project, change.path)
            before = self._kinds.pop(key, None)
            kind = _join(before, change.kind)
            if kind is not None:
                self._kinds[key] = kind
            if len(self._kinds) > self._max_pending:
                self._overflow(change.project)
                return False
        return True

    def drain(self) -> tuple[OutsideChange, ...]:
        """What is to be reported, checked out heads first, and start afresh."""
        changes = [OutsideChange(kind="head", project=project) for project in self._heads]
        changes += [OutsideChange(kind="overflow", project=name) for name in self._overflowing]
        changes += [
            OutsideChange(kind=kind, project=project, path=path)
            for (project, path), kind in self._kinds.items()
        ]
        self._heads.clear()
        self._overflowing.clear()
        self._kinds.clear()
        return tuple(changes)

    def _overflow(self, project: str) -> None:
        self._overflowing[project] = None
        for key in [key for key in self._kinds if key[0] == project]:
            del self._kinds[key]


def _join(before: OutsideKind | None, now: OutsideKind) -> OutsideKind | None:
    """What two changes of one file in a row amount to; None: it came and went."""
    if before == "created":
        return None if now == "deleted" else "created"
    if before == "deleted":
        return "deleted" if now == "deleted" else "changed"
    if before == "changed" and now == "created":
        return "changed"
    return now
