"""Keeps a language server's texts of open documents the same as ours.

Knows nothing of the server's process: it hands notifications to `notify`, which drops them while
the server does not run; `tell_all` tells a server that has just started of everything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zeta_context.errors import NotOpen
from zeta_context.lsp import uri as uris
from zeta_context.lsp.diagnostics import DiagnosticStore
from zeta_context.lsp.documents import OpenDocument, encode_change
from zeta_context.lsp.servers import language_id
from zeta_context.text.point import Encoding
from zeta_context.text.snapshot import TextSnapshot

MAX_VISITED = 16
_FULL, _INCREMENTAL = 1, 2


class DocumentSync:
    """The open documents of one server, and what it is told of them."""

    def __init__(self, notify: Callable[[str, Any], bool], diagnostics: DiagnosticStore) -> None:
        self._notify = notify
        self._diagnostics = diagnostics
        self._documents: dict[Path, OpenDocument] = {}
        self._visited: OrderedDict[Path, None] = OrderedDict()
        self._wanted: Any = None
        self._encoding: Encoding = "utf-16"

    def tell_all(self, capabilities: Mapping[str, Any], encoding: Encoding) -> None:
        """Open everything with a server that has just said what it wants."""
        self._wanted = capabilities.get("textDocumentSync")
        self._encoding = encoding
        for document in self._documents.values():
            self._tell_open(document)

    def get(self, path: Path) -> OpenDocument:
        """An open document; raises NotOpen."""
        document = self._documents.get(path)
        if document is None:
            raise NotOpen("this is about a document that the language server was not told of")
        return document

    def edited_snapshot(self, path: Path) -> TextSnapshot | None:
        """The text of a document that is open because somebody edits it."""
        document = self._documents.get(path)
        return document.snapshot if document is not None and path not in self._visited else None

    def put(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None:
        """Open a document, or tell how its text has changed."""
        self._visited.pop(path, None)
        self._put(path, language, version, snapshot)

    def visit(self, path: Path, *, language: str, snapshot: TextSnapshot) -> None:
        """Open a document that nobody edits; at most `MAX_VISITED` of them stay open."""
        if path in self._documents and path not in self._visited:
            return
        self._visited[path] = None
        self._visited.move_to_end(path)
        self._put(path, language, 0, snapshot)
        while len(self._visited) > MAX_VISITED:
            oldest, _ = self._visited.popitem(last=False)
            self.close(oldest)

    def save(self, path: Path) -> None:
        """Tell of a save to a server that wants to know."""
        document = self.get(path)
        wanted = self._wanted.get("save") if isinstance(self._wanted, dict) else None
        if wanted is None or wanted is False:
            return
        params: dict[str, Any] = {"textDocument": {"uri": document.uri}}
        if isinstance(wanted, dict) and wanted.get("includeText"):
            params["text"] = document.snapshot.text
        self._notify("textDocument/didSave", params)

    def close(self, path: Path) -> None:
        """Close a document; nothing when it is not open."""
        self._visited.pop(path, None)
        document = self._documents.pop(path, None)
        if document is not None:
            self._diagnostics.forget(document.uri)
            self._notify("textDocument/didClose", {"textDocument": {"uri": document.uri}})

    def _put(self, path: Path, language: str, version: int, snapshot: TextSnapshot) -> None:
        document = self._documents.get(path)
        if document is None:
            document = OpenDocument(
                path=path,
                uri=uris.from_path(path),
                language=language_id(language),
                version=version,
                snapshot=snapshot,
            )
            self._documents[path] = document
            self._tell_open(document)
            return
        old = document.snapshot
        document.version, document.snapshot = version, snapshot
        if not old.is_same(snapshot):
            self._tell_change(document, old)

    def _tell_open(self, document: OpenDocument) -> None:
        document.sent_version += 1
        item = {
            "uri": document.uri,
            "languageId": document.language,
            "version": document.sent_version,
            "text": document.snapshot.text,
        }
        if self._notify("textDocument/didOpen", {"textDocument": item}):
            self._remember(document)

    def _tell_change(self, document: OpenDocument, old: TextSnapshot) -> None:
        kind = self._wanted.get("change") if isinstance(self._wanted, dict) else self._wanted
        changes: list[dict[str, Any]] = []
        if kind == _FULL:
            changes = [{"text": document.snapshot.text}]
        elif kind == _INCREMENTAL:
            changes = encode_change(old, document.snapshot, self._encoding)
        if not changes:
            return
        document.sent_version += 1
        target = {"uri": document.uri, "version": document.sent_version}
        params = {"textDocument": target, "contentChanges": changes}
        if self._notify("textDocument/didChange", params):
            self._remember(document)

    def _remember(self, document: OpenDocument) -> None:
        self._diagnostics.remember_text(document.uri, document.sent_version, document.snapshot)
