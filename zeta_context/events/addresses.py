"""Turns the paths that an embedder uses into documents of projects, once for each path.

Following symbolic links costs a system call a folder, which no keystroke should pay.
"""

from __future__ import annotations

from pathlib import Path

from zeta_context.events.projects import ProjectPath, Projects

UNTITLED = "untitled:"
"""The scheme of documents that have no file yet, as editors name them."""


class Addresses:
    """Paths relative to the first root, or absolute below any root, or `untitled:` names."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._first = next(iter(projects))
        self._known: dict[str, ProjectPath] = {}

    def find(self, path: str) -> ProjectPath:
        """The document that a path means; raises OutsideProject."""
        known = self._known.get(path)
        return known if known is not None else self._locate(path)

    def keep(self, path: str) -> ProjectPath:
        """The same, looked up anew and remembered while the document is open."""
        key = self._known[path] = self._locate(path)
        return key

    def drop(self, path: str) -> ProjectPath:
        """The same, and forgotten."""
        return self._known.pop(path, None) or self._locate(path)

    def _locate(self, path: str) -> ProjectPath:
        if path.startswith(UNTITLED):
            return ProjectPath(self._first.name, path)
        return self._projects.locate(Path(self._first.root, path))
