"""What an embedder tells a session of its documents; wiring only, it decides nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from zeta_context.counts import Counts
from zeta_context.events.addresses import Addresses
from zeta_context.events.content_change import ContentChange
from zeta_context.events.disk import DiskFollower
from zeta_context.events.document import OpenDocument
from zeta_context.events.event import Cause, Event
from zeta_context.events.projects import Projects
from zeta_context.predict.composition import Parts
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Encoding, Span


class OpenDocuments:
    """The documents half of a session: takes in what is opened, changed, saved and closed.

    Paths are relative to the first root, or absolute below one of the roots; offsets and columns
    are code points. Nothing here waits. Knows nothing of predicting.
    """

    def __init__(self, projects: Projects, parts: Parts, counts: Counts) -> None:
        self.projects = projects
        self._addresses = Addresses(projects)
        self._tracker = parts.tracker
        self._gatherer = parts.gatherer
        self._offers = parts.offers
        self._follower = parts.follower
        self._disk = DiskFollower(projects, parts.tracker, counts)

    def open(
        self, path: str, text: str, *, language: str = "", version: int | None = None
    ) -> OpenDocument:
        """Take in an opened document; the language is told from the path where none is given."""
        key = self._addresses.keep(path)
        self._follower.drop(key)
        document = self._tracker.open(*key, text, language, version)
        self._gatherer.warm_up(document)
        self._disk.follow(key.project)
        return document

    def edit(
        self, path: str, span: Span, new_text: str, *, version: int | None = None
    ) -> OpenDocument:
        """Replace `span` of a document by `new_text`, as the user just did."""
        return self.edit_many(path, (TextEdit(span, new_text),), version=version)

    def edit_many(
        self,
        path: str,
        edits: Sequence[TextEdit],
        *,
        version: int | None = None,
        cause: Cause | None = None,
        predicted: bool = False,
    ) -> OpenDocument:
        """Make several disjoint edits of the same text at once; the offered ones are predicted."""
        key = self._addresses.find(path)
        predicted = self._offers.take_edits(key, edits) or predicted
        return self._tracker.edit_many(
            *key, edits, version=version, predicted=predicted, cause=cause
        )

    def apply_changes(
        self,
        path: str,
        changes: Sequence[ContentChange],
        *,
        encoding: Encoding = "utf-16",
        version: int | None = None,
    ) -> OpenDocument:
        """Take in the `contentChanges` of a language-server client's `didChange`."""
        key = self._addresses.find(path)
        predicted = self._offers.take_changes(key, self._tracker.document(*key), changes, encoding)
        return self._tracker.apply_changes(
            *key, changes, encoding=encoding, version=version, predicted=predicted
        )

    def reload(self, path: str, text: str) -> OpenDocument:
        """Take in that the editor read the file again: nobody typed what differs."""
        return self._tracker.replace(*self._addresses.find(path), text, is_reload=True)

    def save(self, path: str) -> OpenDocument:
        """Take in that a document was saved as it stands."""
        return self._tracker.save(*self._addresses.find(path))

    def rename(self, old_path: str, path: str) -> OpenDocument:
        """Take in that a document got another path in the same project."""
        project, old = self._addresses.drop(old_path)
        return self._tracker.rename(project, old, self._addresses.keep(path).path)

    def close(self, path: str) -> None:
        """Take in that a document was closed."""
        key = self._addresses.drop(path)
        self._follower.drop(key)
        self._gatherer.forget(self._tracker.document(*key))
        self._tracker.close(*key)
        self._disk.follow(key.project)

    def document(self, path: str) -> OpenDocument:
        """An open document as it stands; raises NotOpen."""
        return self._tracker.document(*self._addresses.find(path))

    def events(self, project: str | None = None) -> tuple[Event, ...]:
        """The edit history of a project (the first root's by default), oldest first."""
        return self._tracker.history(project or next(iter(self.projects)).name).events()
