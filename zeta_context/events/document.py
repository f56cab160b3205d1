"""An open document: the record that others see, and the state behind it that changes.

Knows nothing of histories, files or how documents come to be.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.errors import StaleSnapshot, VersionGap
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDocument:
    """A document as it stands: `project` and the POSIX `path` below its root identify it.

    `is_dirty` tells whether it changed since it was opened or saved. While `needs_resync` the text
    may differ from the editor's, so nothing may be predicted from it.
    """

    project: str
    path: str
    language: str
    version: int
    snapshot: TextSnapshot
    is_dirty: bool = False
    needs_resync: bool = False


class DocumentState:
    """What changes about an open document.

    `saved` is the text at the latest open or save; `expected` a text that the editor is about to
    reload from disk.
    """

    __slots__ = (
        "_view",
        "expected",
        "language",
        "needs_resync",
        "path",
        "project",
        "saved",
        "snapshot",
        "version",
    )

    def __init__(
        self, project: str, path: str, language: str, version: int, snapshot: TextSnapshot
    ) -> None:
        self.project = project
        self.path = path
        self.language = language
        self.version = version
        self.snapshot = snapshot
        self.saved = snapshot
        self.needs_resync = False
        self.expected: str | None = None
        self._view: OpenDocument | None = None

    @property
    def is_dirty(self) -> bool:
        """Whether it changed since it was opened or saved."""
        return not self.snapshot.is_same(self.saved)

    def view(self) -> OpenDocument:
        """The record of this moment; the same one until something changes."""
        if self._view is None:
            self._view = OpenDocument(
                project=self.project,
                path=self.path,
                language=self.language,
                version=self.version,
                snapshot=self.snapshot,
                is_dirty=self.is_dirty,
                needs_resync=self.needs_resync,
            )
        return self._view

    def touch(self) -> None:
        """Note that something changed."""
        self._view = None

    def next_version(self, version: int | None, base_version: int | None) -> int:
        """The version that an edit leads to, after asking whether it fits the one we hold.

        The protocol lets versions grow by any step, so only a client that tells `base_version`,
        the version that its edit starts from, can show that one was missed.
        """
        if self.needs_resync:
            raise VersionGap(f"version {self.version} is out of step: resend the whole text")
        if base_version is not None and base_version < self.version:
            raise StaleSnapshot(f"edit of version {base_version}, but {self.version} is current")
        if base_version is not None and base_version > self.version:
            self.mark_out_of_step()
            raise VersionGap(
                f"edit of version {base_version}, but only {self.version} came: "
                "resend the whole text"
            )
        if version is None:
            return self.version + 1
        if version <= self.version:
            self.mark_out_of_step()
            raise VersionGap(
                f"version {version} came after version {self.version}: resend the whole text"
            )
        return version

    def mark_out_of_step(self) -> None:
        """From now on nothing but a whole text is taken."""
        self.needs_resync = True
        self.touch()

    def take_whole(self, version: int | None) -> int:
        """The version that a whole text leads to; it puts the document back in step."""
        if version is not None and version <= self.version and not self.needs_resync:
            self.mark_out_of_step()
            raise VersionGap(
                f"version {version} came after version {self.version}: resend the whole text"
            )
        self.needs_resync = False
        return self.version + 1 if version is None else version
