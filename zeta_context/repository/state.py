"""What can be said of a repository's state: HEAD, the paths that differ, the uncommitted changes.

Plain records; knows nothing of how they are found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a repository is looked at; what lies beyond is counted, not read.

    `max_files` bounds each list of a `Status` and the changes read, newest first;
    `max_scanned` bounds the entries looked at in untracked folders.
    """

    max_files: int = 500
    max_scanned: int = 10_000
    max_file_bytes: int = 1_048_576
    max_total_bytes: int = 33_554_432
    deadline_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What HEAD is: `sha` is None before the first commit, `branch` None when detached."""

    sha: str | None
    branch: str | None

    @property
    def is_unborn(self) -> bool:
        """Whether nothing was committed yet on this branch."""
        return self.sha is None

    @property
    def is_detached(self) -> bool:
        """Whether HEAD is a commit instead of a branch."""
        return self.branch is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Paths that differ, POSIX and relative to the root; `skipped` counts what was left out.

    `staged` differ between HEAD and the index, `modified` and `deleted` between the index and the
    files; a path can be in both. Ignored files are in none.
    """

    staged: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    conflicted: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether no path differs."""
        return not (
            self.staged or self.modified or self.deleted or self.untracked or self.conflicted
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file that differs from HEAD: `old` is None for a new one, `new` for a deleted one.

    `old` has the line endings of the file where git's own conversion made the difference.
    `modified_at` is the file's time of change in seconds since the epoch, 0 when it is gone.
    """

    path: str
    old: bytes | None
    new: bytes | None
    modified_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncommitted:
    """The uncommitted changes, by path, and counted reasons for those left out."""

    changes: tuple[Change, ...]
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out, and the counted reason."""

    reason: str
