"""The documents of one editor as its protocol names them: URIs, encodings, ranges.

Tells a session what the editor says of its documents, and turns the session's offsets into the
editor's positions. Knows nothing of predictions. What an editor says wrongly is counted, not
raised: the document is then left alone until its whole text comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zeta_context.errors import DocumentError, OutsideProject, TextError, ZetaError
from zeta_context.events.addresses import UNTITLED
from zeta_context.events.content_change import parse_content_changes
from zeta_context.events.document import OpenDocument
from zeta_context.lsp import uri as uris
from zeta_context.session import Session
from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""A longer document is not kept; nothing is predicted in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorDocument:
    """An open document by the editor's own name for it; `path` is None while it has no file."""

    uri: str
    path: Path | None
    language: str

    @property
    def address(self) -> str:
        """What the session calls it: the absolute path, or the `untitled:` name."""
        return self.uri if self.path is None else str(self.path)


class EditorDocuments:
    """The open documents that lie in the session's projects."""

    def __init__(self, session: Session, *, encoding: Encoding = "utf-16") -> None:
        self.encoding: Encoding = encoding
        self._session = session
        self._open: dict[str, EditorDocument] = {}

    def __iter__(self) -> Iterator[EditorDocument]:
        return iter(list(self._open.values()))

    def find(self, uri: str) -> EditorDocument | None:
        """The open document of a URI, in the editor's spelling or another of the same file."""
        found = self._open.get(uri)
        if found is None and (path := _find_path(uri)) is not None:
            found = self.find_file(path)
        return found

    def find_file(self, path: Path) -> EditorDocument | None:
        """The open document of a file."""
        return next((one for one in self._open.values() if one.path == path), None)

    def state(self, document: EditorDocument) -> OpenDocument | None:
        """The document as it stands, None if the session does not have it."""
        try:
            return self._session.document(document.address)
        except ZetaError:
            return None

    # What the editor says.

    def take_open(self, params: Mapping[str, Any]) -> None:
        """`textDocument/didOpen`."""
        item = params["textDocument"]
        uri, text = item["uri"], item["text"]
        path = _find_path(uri)
        if not isinstance(text, str) or not (path or str(uri).startswith(UNTITLED)):
            self._session.counts.add("document_is_no_file")
            return
        language = item.get("languageId")
        version = item.get("version")
        self._open_text(
            EditorDocument(
                uri=uri, path=path, language=language if isinstance(language, str) else ""
            ),
            text,
            version if isinstance(version, int) else None,
        )

    def _open_text(self, document: EditorDocument, text: str, version: int | None) -> None:
        if len(text) > MAX_TEXT_BYTES:
            self._session.counts.add("document_too_large")
            return

        def tell() -> None:
            self._session.open(document.address, text, language=document.language, version=version)
            self._open[document.uri] = document

        self._try(tell)

    def take_change(self, params: Mapping[str, Any]) -> None:
        """`textDocument/didChange`; one of a document that we do not have may bring its text."""
        target = params["textDocument"]
        version = target.get("version")
        version = version if isinstance(version, int) else None
        document = self.find(target["uri"])
        if document is None:
            self._take_unknown(target["uri"], version, params["contentChanges"])
            return

        def tell() -> None:
            changes = parse_content_changes(params["contentChanges"])
            self._session.apply_changes(
                document.address, changes, encoding=self.encoding, version=version
            )

        self._try(tell)

    def _take_unknown(self, uri: Any, version: int | None, changes: Any) -> None:
        path = _find_path(uri)
        whole = changes[-1] if isinstance(changes, list) and changes else None
        if path is not None and isinstance(whole, dict) and whole.get("range") is None:
            document = EditorDocument(uri=uri, path=path, language="")
            self._open_text(document, whole["text"], version)
        else:
            self._session.counts.add("change_of_unknown_document")

    def take_close(self, params: Mapping[str, Any]) -> None:
        """`textDocument/didClose`."""
        document = self.find(params["textDocument"]["uri"])
        if document is not None:
            self._open.pop(document.uri)
            self._try(lambda: self._session.close(document.address))

    def take_save(self, params: Mapping[str, Any]) -> None:
        """`textDocument/didSave`."""
        document = self.find(params["textDocument"]["uri"])
        if document is not None:
            self._try(lambda: self._session.save(document.address))

    def forget_all(self) -> None:
        """Changes were lost: nothing is known of any document any more."""
        for document in list(self._open.values()):
            self._try(partial(self._session.close, document.address))
        self._open.clear()

    def _try(self, tell: Callable[[], Any]) -> None:
        try:
            tell()
        except OutsideProject:
            self._session.counts.add("document_outside_project")
        except (DocumentError, TextError) as error:
            self._session.counts.add(f"document_{type(error).__name__.lower()}")

    # What the editor is told.

    def offset(self, snapshot: TextSnapshot, position: Mapping[str, Any]) -> int:
        """The offset of an LSP position; past the end of a row or of the text is that end."""
        row, units = int(position["line"]), int(position["character"])
        if row >= snapshot.row_count:
            return len(snapshot)
        return snapshot.offset_of_position(max(0, row), max(0, units), self.encoding)

    def end_of_change(
        self, document: EditorDocument, params: Mapping[str, Any]
    ) -> dict[str, int] | None:
        """Where a `didChange` that was just taken ends: about where the cursor is."""
        state = self.state(document)
        change = params["contentChanges"][-1] if params.get("contentChanges") else None
        if state is None or not isinstance(change, Mapping) or change.get("range") is None:
            return None
        start = self.offset(state.snapshot, change["range"]["start"])
        return self.position(
            state.snapshot, min(len(state.snapshot), start + len(str(change.get("text"))))
        )

    def position(self, snapshot: TextSnapshot, offset: int) -> dict[str, int]:
        """The LSP position of an offset."""
        row, units = snapshot.position(offset, self.encoding)
        return {"line": row, "character": units}

    def range(self, snapshot: TextSnapshot, span: Span) -> dict[str, Any]:
        """The LSP range of a span."""
        return {
            "start": self.position(snapshot, span.start),
            "end": self.position(snapshot, span.end),
        }


def _find_path(uri: object) -> Path | None:
    """Where the file, or the notebook's cell, of a URI is; None for anything else."""
    if not isinstance(uri, str):
        return None
    return uris.to_path(uri) or uris.to_cell(uri)
