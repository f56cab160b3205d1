"""What a language server says is wrong with its open documents, pushed or pulled.

Knows nothing of prompts. Diagnostics lag behind typing, so each set is kept with the text it is
about, and its spans are carried over to the text of now.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from zeta_context.lsp.documents import change_between, decode_place, from_unit_point
from zeta_context.lsp.uri import to_path
from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot

_REMEMBERED_TEXTS = 8
MAX_DIAGNOSTICS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDiagnostic:
    """One diagnostic: severity 1 (error) to 4 (hint), `span` in the document's current text."""

    severity: int
    message: str
    span: Span
    source: str = ""
    code: str = ""


@dataclass(slots=True)
class _Known:
    items: list[Any]
    snapshot: TextSnapshot | None
    version: int
    result_id: str | None = None


class DiagnosticStore:
    """The newest diagnostics of each document of one server."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._texts: dict[str, OrderedDict[int, TextSnapshot]] = {}
        self._news = asyncio.Event()

    def remember_text(self, uri: str, version: int, snapshot: TextSnapshot) -> None:
        """Keep a text that the server was sent, to understand what it says about it."""
        texts = self._texts.setdefault(uri, OrderedDict())
        texts[version] = snapshot
        while len(texts) > _REMEMBERED_TEXTS:
            texts.popitem(last=False)

    def forget(self, uri: str) -> None:
        """Drop what is known of a closed document."""
        self._known.pop(uri, None)
        self._texts.pop(uri, None)

    def clear(self) -> None:
        """Drop everything: the server was started anew."""
        self._known.clear()
        self._texts.clear()

    def result_id(self, uri: str) -> str | None:
        """The id of the last pulled report, which lets the server answer "unchanged"."""
        known = self._known.get(uri)
        return known.result_id if known is not None else None

    def take_published(self, params: Any) -> None:
        """Take in `textDocument/publishDiagnostics`; unknown documents are ignored."""
        uri = self._own_uri(str(params["uri"]))
        texts = self._texts.get(uri)
        if not texts:
            return
        newest = next(reversed(texts))
        version = params.get("version")
        version = version if isinstance(version, int) else newest
        items = params["diagnostics"][:MAX_DIAGNOSTICS]
        self._known[uri] = _Known(items, texts.get(version), version)
        self._news.set()

    def take_report(self, uri: str, report: Any, version: int, snapshot: TextSnapshot) -> None:
        """Take in the answer to `textDocument/diagnostic`."""
        if not isinstance(report, dict):
            return
        result_id = report.get("resultId")
        if report.get("kind") == "unchanged":
            known = self._known.get(uri)
            if known is not None:
                known.result_id = result_id
            return
        items = report.get("items")
        if isinstance(items, list):
            self._known[uri] = _Known(items[:MAX_DIAGNOSTICS], snapshot, version, result_id)

    async def wait_for(self, uri: str, version: int, timeout_s: float) -> bool:
        """Wait until something is known about this version or a newer one; False: time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                while uri not in self._known or self._known[uri].version < version:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def read(self, uri: str, now: TextSnapshot, encoding: Encoding) -> tuple[ServerDiagnostic, ...]:
        """What is known of a document, with spans in the text `now`; malformed ones left out."""
        known = self._known.get(uri)
        if known is None or known.snapshot is None:
            return ()
        change = change_between(known.snapshot.text, now.text)
        found: list[ServerDiagnostic] = []
        for item in known.items:
            try:
                found.append(_decode(item, known.snapshot, encoding))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
        moved = ((one, change.map_span(one.span)) for one in found)
        return tuple(
            ServerDiagnostic(
                severity=one.severity,
                message=one.message,
                span=span,
                source=one.source,
                code=one.code,
            )
            for one, span in moved
            if span is not None
        )

    def _own_uri(self, uri: str) -> str:
        """Our spelling of a URI that the server may spell differently."""
        if uri in self._texts:
            return uri
        path = to_path(uri)
        return next((own for own in self._texts if to_path(own) == path), uri) if path else uri


def _decode(item: Any, snapshot: TextSnapshot, encoding: Encoding) -> ServerDiagnostic:
    severity = item.get("severity")
    places = (decode_place(item["range"][end]) for end in ("start", "end"))
    start, end = (from_unit_point(snapshot, place, encoding) for place in places)
    return ServerDiagnostic(
        severity=severity if severity in (1, 2, 3, 4) else 1,
        message=str(item["message"]),
        span=Span(start, max(start, end)),
        source=str(item.get("source") or ""),
        code=str(item.get("code") or ""),
    )
