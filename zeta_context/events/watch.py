"""Sees what changes in the projects' folders behind the editor's back.

Watches folders through the operating system, and the checked out branch through `HEAD`; where the
system will not watch so many folders, it looks at `HEAD` and at the open files again and again.
Knows nothing of documents or of what changed inside a file. Reports come from a thread of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from zeta_context.counts import Counts
from zeta_context.events.outside_change import (
    MAX_PENDING,
    OutsideChange,
    OutsideKind,
    PendingChanges,
)
from zeta_context.events.polled import GitHead, PolledFiles
from zeta_context.events.projects import Project

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

DEBOUNCE_SECONDS = 0.1
"""Changes are reported when none has come for so long."""

MAX_WAIT_SECONDS = 1.0
"""Changes are reported at the latest after so long, however many still come."""

POLL_SECONDS = 1.0
"""How often is looked where folders cannot be watched."""

MAX_FOLDERS = 8_192
"""A project with more folders than this is polled: each costs a watch, of which users have few."""

MAX_TREES = 64
"""Each folder at the top of a project costs a thread; with more of them the project is polled."""

IGNORED_FOLDERS = frozenset(
    {
        ".direnv",
        ".git",
        ".gradle",
        ".hg",
        ".hypothesis",
        ".jj",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".terraform",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
    }
)
"""Folders by these names hold no file that a person edits, wherever they are."""

_WATCHES_EACH_TREE = sys.platform.startswith("linux")

_KINDS: dict[str, OutsideKind] = {
    "created": "created",
    "modified": "changed",
    "deleted": "deleted",
}


class _Watched:
    """One project: what is watched of it, and what is looked at when it cannot be."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.head = GitHead(project.root)
        self.files = PolledFiles(project)
        self.folders: dict[Path, ObservedWatch] = {}
        self.is_polled = False

    def locate(self, path: str) -> str | None:
        """The POSIX path below the root; None for the root and what lies elsewhere."""
        root = str(self.project.root)
        if not path.startswith(root) or path[len(root) : len(root) + 1] not in ("/", os.sep):
            return None
        return path[len(root) + 1 :].replace(os.sep, "/")


class Watcher:
    """Watches projects and reports what changed, debounced and bounded, to one callback.

    Counted reasons: `watch_polling` (with the project as place), `watch_overflow`,
    `watch_report_failed`.
    """

    def __init__(
        self,
        projects: Iterable[Project],
        report: Callable[[tuple[OutsideChange, ...]], None],
        *,
        counts: Counts | None = None,
        is_ignored: Callable[[str, str], bool] | None = None,
        debounce_seconds: float = DEBOUNCE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        max_folders: int = MAX_FOLDERS,
    ) -> None:
        """Prepare to watch; `start` begins.

        `is_ignored` takes a project's name and a POSIX path below its root, that of a folder with
        a slash at its end. `report` and `is_ignored` are called in the watcher's thread.
        """
        self._counts = counts if counts is not None else Counts()
        self._report = report
        self._is_ignored = is_ignored
        self._debounce_seconds = debounce_seconds
        self._poll_seconds = poll_seconds
        self._max_folders = max_folders
        self._projects = [_Watched(project) for project in projects]
        self._wake = threading.Condition()
        self._pending = PendingChanges()
        self._folder_events: dict[Path, _Watched] = {}
        self._touched_heads: set[str] = set()
        self._latest = 0.0
        self._is_stopping = False
        self._observer: BaseObserver | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch; when it returns, all projects are watched or polled."""
        from watchdog.observers import Observer

        self._observer = Observer()
        try:
            self._observer.start()
        except OSError:
            self._observer = None
        for watched in self._projects:
            self._watch_project(watched)
        self._thread = threading.Thread(target=self._run, name="zeta-context-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End watching; nothing is reported after it returns."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def is_polling(self, project: str) -> bool:
        """Whether a project is polled because it could not be watched."""
        return any(each.is_polled for each in self._projects if each.project.name == project)

    def follow(self, project: str, paths: Iterable[str]) -> None:
        """Say which files of a project are open: where it is polled, these are looked at."""
        with self._wake:
            for watched in self._projects:
                if watched.project.name == project:
                    watched.files.follow(paths)

    # What follows runs in the caller's thread of `start`, and then in the watcher's own.

    def _watch_project(self, watched: _Watched) -> None:
        try:
            count = 0
            for tree in self._find_trees(watched):
                count += _count_folders(tree, self._max_folders - count)
                if count > self._max_folders or len(watched.folders) >= MAX_TREES:
                    raise OSError("more folders than may be watched")
                self._watch_folder(watched, tree, recursive=True)
            # The single folders come last: below a tree, watchdog says nothing of a folder that it
            # could not watch, but that the system's limit was met shows at the next folder.
            if watched.head.folder is not None:
                self._watch_folder(watched, watched.head.folder, recursive=False)
            self._watch_folder(watched, watched.project.root, recursive=False)
        except OSError:
            self._poll_instead(watched)

    def _poll_instead(self, watched: _Watched) -> None:
        for folder in list(watched.folders):
            self._unwatch_folder(watched, folder)
        watched.is_polled = True
        self._counts.note("watch_polling", place=watched.project.name)

    def _find_trees(self, watched: _Watched) -> Iterator[Path]:
        """The folders to watch with all below them: on Linux, where each costs, not the root."""
        root = watched.project.root
        if not _WATCHES_EACH_TREE:
            yield root
            return
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            if not self._is_ignored_path(watched.project.name, f"{name}/"):
                yield root / name

    def _watch_folder(self, watched: _Watched, folder: Path, *, recursive: bool) -> None:
        if self._observer is None:
            raise OSError("the system watches no more folders")
        if folder not in watched.folders:
            handler = _make_handler(lambda event: self._take(watched, event))
            watched.folders[folder] = self._observer.schedule(
                handler, str(folder), recursive=recursive, event_filter=_event_kinds()
            )

    def _unwatch_folder(self, watched: _Watched, folder: Path) -> None:
        watch = watched.folders.pop(folder, None)
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def _is_ignored_path(self, project: str, path: str) -> bool:
        if not IGNORED_FOLDERS.isdisjoint(path.split("/")):
            return True
        return self._is_ignored is not None and self._is_ignored(project, path)

    def _run(self) -> None:
        while self._await_changes():
            with self._wake:
                folders, self._folder_events = self._folder_events, {}
            for folder, watched in folders.items():
                self._follow_folder(watched, folder)
            changes = self._drain_changes()
            if changes:
                try:
                    self._report(changes)
                except Exception:
                    # Whatever is wrong with the receiver must not end the watch.
                    self._counts.note("watch_report_failed")

    def _await_changes(self) -> bool:
        """Wait until there is something to report and nothing more has come for a moment."""
        is_polled = any(watched.is_polled for watched in self._projects)
        with self._wake:
            self._wake.wait_for(
                lambda: self._is_stopping or self._has_news(),
                timeout=self._poll_seconds if is_polled else None,
            )
            deadline = time.monotonic() + MAX_WAIT_SECONDS
            while not self._is_stopping and self._has_news():
                now = time.monotonic()
                quiet_at = min(self._latest + self._debounce_seconds, deadline)
                if now >= quiet_at:
                    break
                self._wake.wait(timeout=quiet_at - now)
            return not self._is_stopping

    def _has_news(self) -> bool:
        return bool(self._pending or self._folder_events or self._touched_heads)

    def _drain_changes(self) -> tuple[OutsideChange, ...]:
        with self._wake:
            for watched in self._projects:
                name = watched.project.name
                if watched.is_polled:
                    for change in watched.files.look():
                        self._pending.add(change)
                if (watched.is_polled or name in self._touched_heads) and watched.head.has_moved():
                    self._pending.add(OutsideChange(kind="head", project=name))
            self._touched_heads.clear()
            changes = self._pending.drain()
        return tuple(
            change
            for change in changes
            if not change.path or not self._is_ignored_path(change.project, change.path)
        )

    def _follow_folder(self, watched: _Watched, folder: Path) -> None:
        """Watch a folder at the top of a project that appeared or was replaced, or forget it."""
        if watched.is_polled:
            return
        self._unwatch_folder(watched, folder)
        try:
            if not folder.is_dir() or folder.is_symlink():
                return
            if folder.name == ".git":
                watched.head.find()
                self._watch_folder(watched, folder, recursive=False)
            elif not self._is_ignored_path(watched.project.name, f"{folder.name}/"):
                self._watch_folder(watched, folder, recursive=True)
                self._add_files_below(watched, folder)
        except OSError:
            if folder.exists():
                self._poll_instead(watched)

    def _add_files_below(self, watched: _Watched, folder: Path) -> None:
        """Tell of what was put into a new folder before it was watched."""
        told = 0
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in IGNORED_FOLDERS]
            for name in names:
                path = watched.locate(os.path.join(parent, name))
                if path is not None:
                    with self._wake:
                        self._add(
                            OutsideChange(kind="created", project=watched.project.name, path=path)
                        )
                told += 1
                if told > MAX_PENDING:
                    return

    # What follows runs in watchdog's thread too.

    def _take(self, watched: _Watched, event: FileSystemEvent) -> None:
        """Take in one event; however many come, this is short and keeps little."""
        ends = [(os.fsdecode(event.src_path), _KINDS.get(event.event_type, "deleted"))]
        if event.event_type == "moved":
            # Editors save by moving a new file over the old one.
            kind: OutsideKind = "created" if event.is_directory else "changed"
            ends.append((os.fsdecode(event.dest_path), kind))
        with self._wake:
            for path, kind in ends:
                self._take_end(watched, path, kind, is_folder=event.is_directory)
            if self._has_news():
                self._latest = time.monotonic()
                self._wake.notify_all()

    def _take_end(
        self, watched: _Watched, path: str, kind: OutsideKind, *, is_folder: bool
    ) -> None:
        head = watched.head.folder
        if head is not None and path == str(head / "HEAD"):
            self._touched_heads.add(watched.project.name)
            return
        relative = watched.locate(path)
        if relative is None:
            return
        if is_folder and "/" not in relative and _WATCHES_EACH_TREE:
            self._folder_events[Path(path)] = watched
        if not IGNORED_FOLDERS.isdisjoint(relative.split("/")) or (is_folder and kind != "deleted"):
            return
        self._add(OutsideChange(kind=kind, project=watched.project.name, path=relative))

    def _add(self, change: OutsideChange) -> None:
        if not self._pending.add(change):
            self._counts.note("watch_overflow", place=change.project)


def _count_folders(tree: Path, limit: int) -> int:
    """How many folders a tree has, itself included; counting ends beyond the limit."""
    count = 0
    for _ in os.walk(tree):
        count += 1
        if count > limit:
            break
    return count


def _event_kinds() -> list[type[FileSystemEvent]]:
    from watchdog import events

    return [
        events.FileCreatedEvent,
        events.FileDeletedEvent,
        events.FileModifiedEvent,
        events.FileMovedEvent,
        events.DirCreatedEvent,
        events.DirDeletedEvent,
        events.DirMovedEvent,
    ]


def _make_handler(take: Callable[[FileSystemEvent], None]) -> FileSystemEventHandler:
    from watchdog.events import FileSystemEventHandler

    class Taker(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            take(event)

    return Taker()
