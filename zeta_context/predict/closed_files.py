"""Reads files of a project that nobody has open, as documents to plan edits in.

What is planned there is made nowhere: the editor opens the file first, and its text is then looked
at again. Knows nothing of proposers.
"""

from __future__ import annotations

from zeta_context.errors import OutsideProject, Unreadable
from zeta_context.events.document import OpenDocument
from zeta_context.events.language import language_of
from zeta_context.events.projects import Projects
from zeta_context.events.reading import read_text
from zeta_context.text.snapshot import TextSnapshot

MAX_FILE_BYTES = 1_048_576


class ClosedFiles:
    """The files of some projects as they are on disk now; thread-safe."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def read(self, project: str, path: str) -> OpenDocument | None:
        """A file by its project and path; None if it is not there, no text, too large, or outside.

        Its version is 0: no editor has given it one.
        """
        try:
            file = self._projects.file(project, path)
            text = read_text(file, max_bytes=MAX_FILE_BYTES).text
        except (OutsideProject, Unreadable):
            return None
        return OpenDocument(
            project=project,
            path=path,
            language=language_of(path),
            version=0,
            snapshot=TextSnapshot(text),
        )
