"""Tells the tracker what other programs do to the files of open documents.

Joins the watcher, which sees files change, and the tracker, which must not take an editor's reload
for typing. Knows nothing of what either does with it. The watcher's news come from a thread of its
own; the tracker is told on the event loop that `start` was called on.
"""

from __future__ import annotations

import asyncio
import time

from zeta_context.counts import Counts
from zeta_context.errors import DocumentError
from zeta_context.events.outside_change import OutsideChange
from zeta_context.events.projects import Projects
from zeta_context.events.reading import read_text
from zeta_context.events.tracker import Tracker
from zeta_context.events.watch import Watcher

_OF_MANY_FILES = ("head", "overflow")


class DiskFollower:
    """Watches the projects of a session while it runs; what cannot be read is counted.

    Counted reasons: `disk_changed`, `disk_reloaded`, `disk_gone`, `disk_unreadable`, and those of
    the watcher.
    """

    def __init__(self, projects: Projects, tracker: Tracker, counts: Counts) -> None:
        self._projects = projects
        self._tracker = tracker
        self._counts = counts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher = Watcher(projects, self._hand_over, counts=counts)

    def start(self) -> None:
        """Begin to watch, in the background; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching; may be called again, or without having begun."""
        self._loop = None
        self._watcher.stop()

    def follow(self, project: str) -> None:
        """Say that documents of a project were opened or closed, in case files must be polled."""
        paths = [document.path for document in self._tracker.documents(project)]
        self._watcher.follow(project, paths)

    def _hand_over(self, changes: tuple[OutsideChange, ...]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._take, changes)

    def _take(self, changes: tuple[OutsideChange, ...]) -> None:
        for change in changes:
            if change.kind in _OF_MANY_FILES:
                for document in self._tracker.documents(change.project):
                    self._read(change.project, document.path)
            elif change.kind == "deleted":
                self._note_gone(change)
            else:
                self._read(change.project, change.path)

    def _read(self, project: str, path: str) -> None:
        if not any(document.path == path for document in self._tracker.documents(project)):
            return
        try:
            file = self._projects.file(project, path)
            age = time.time() - file.stat().st_mtime
            text = read_text(file).text
        except FileNotFoundError:
            self._counts.note("disk_gone", place=path)
        except (OSError, DocumentError):
            self._counts.note("disk_unreadable", place=path)
        else:
            state = self._tracker.take_disk(project, path, text, age_seconds=age)
            if state in ("changed", "reloaded"):
                self._counts.note(f"disk_{state}", place=path)

    def _note_gone(self, change: OutsideChange) -> None:
        folder = change.path + "/"
        for document in self._tracker.documents(change.project):
            if document.path == change.path or document.path.startswith(folder):
                self._counts.note("disk_gone", place=document.path)
