"""The projects of a session: which one a file belongs to, and by which path.

A file belongs to the project with the longest root above it, and only if it really lies there once
all symbolic links are followed. Knows nothing of git or of which files are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from zeta_context.errors import OutsideProject


class ProjectPath(NamedTuple):
    """A file by the name of its project and its POSIX path below the project's root."""

    project: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A root folder and the name that its files are told by."""

    name: str
    root: Path


class Projects:
    """The root folders of a session, each with a name of its own."""

    def __init__(self, roots: Iterable[Path | str] = ()) -> None:
        self._projects: dict[str, Project] = {}
        self._resolved: dict[str, Path] = {}
        for root in roots:
            self.add(root)

    def __iter__(self) -> Iterator[Project]:
        return iter(self._projects.values())

    def add(self, root: Path | str) -> Project:
        """Take in a root folder; its name is the folder's, with a number if that is taken."""
        path = _normalise(root)
        for project in self._projects.values():
            if project.root == path:
                return project
        stem = path.name or "root"
        name, number = stem, 2
        while name in self._projects:
            name, number = f"{stem}-{number}", number + 1
        project = self._projects[name] = Project(name=name, root=path)
        self._resolved[name] = _resolve(path)
        return project

    def remove(self, name: str) -> None:
        """Forget a project; its name may be given again."""
        self._projects.pop(name, None)
        self._resolved.pop(name, None)

    def root(self, name: str) -> Path:
        """The root folder of a project; OutsideProject if there is none of that name."""
        if name not in self._projects:
            raise OutsideProject("no such project is open")
        return self._projects[name].root

    def locate(self, file: Path | str) -> ProjectPath:
        """The project and path of a file, which need not exist yet.

        Raises OutsideProject when it lies in none, or leaves its own through a symbolic link.
        """
        path = _normalise(file)
        found = self._find(path, {name: each.root for name, each in self._projects.items()})
        resolved = _resolve(path)
        if found is None:
            # The editor may name the root by another way to the same place.
            found = self._find(resolved, self._resolved)
            path = resolved
        if found is None:
            raise OutsideProject("the file lies in no open project")
        name, root = found
        if not resolved.is_relative_to(self._resolved[name]):
            raise OutsideProject("the file leaves its project through a symbolic link")
        return ProjectPath(name, path.relative_to(root).as_posix())

    def file(self, project: str, path: str) -> Path:
        """Where a document's file is on this machine; OutsideProject if not below the root."""
        root = self.root(project)
        relative = PurePath(path)
        if relative.is_absolute() or ".." in relative.parts or "\0" in path:
            raise OutsideProject("the path leaves its project")
        file = root / relative
        if not _resolve(file).is_relative_to(self._resolved[project]):
            raise OutsideProject("the file leaves its project through a symbolic link")
        return file

    @staticmethod
    def _find(path: Path, roots: dict[str, Path]) -> tuple[str, Path] | None:
        above = [
            (name, root)
            for name, root in roots.items()
            if path != root and path.is_relative_to(root)
        ]
        return max(above, key=lambda each: len(each[1].parts), default=None)


def _normalise(path: Path | str) -> Path:
    """The absolute path without `.` and `..`, symbolic links left as they are."""
    if "\0" in str(path):
        raise OutsideProject("a path with a zero character")
    return Path(os.path.abspath(path))


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise OutsideProject("a path that cannot be followed to its end") from None
