"""Asks the language server whether a prediction would bring new errors.

The text as it is and the text as it would be are shown to a server of our own as two documents
that are no files, side by side with the real one. What counts against a prediction is an error in
the rows that it changes, of a kind that the text does not have yet: errors elsewhere come with
every change that takes several steps, and those of a known kind are on the user's own way.

Only a server that nobody else listens to is asked: an editor's would show what it says of documents
that its user never opened. Knows nothing of proposers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from zeta_context.context.questions import Server
from zeta_context.counts import Counts
from zeta_context.errors import ZetaError
from zeta_context.events.projects import Projects
from zeta_context.predict.view import Document
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.snapshot import TextSnapshot

if TYPE_CHECKING:
    from zeta_context.lsp.client import LanguageServer

Verdict = Literal["better", "neutral", "worse", "unknown"]
"""Fewer errors, no new ones, new ones where it changes something, or not told in time."""

TIMEOUT_S = 2.0
"""So long a server may take to answer, whoever has stopped waiting."""

SETTLE_S = 0.2
"""A server that is not asked but tells may tell in several parts, at most so long apart."""

_ERROR = 1


class _Error(NamedTuple):
    kind: tuple[str, str]
    row: int


Errors = tuple[_Error, ...]
_IS = "__zeta_is"
_WOULD = "__zeta_would"


class Verifier:
    """Compares texts by their errors; belongs to one event loop."""

    def __init__(
        self,
        projects: Projects,
        find_server: Callable[[Document], Server | None],
        *,
        counts: Counts,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._projects = projects
        self._find_server = find_server
        self._counts = counts
        self._clock = clock
        self._known: tuple[Path, TextSnapshot, Errors] | None = None
        self._shown: tuple[LanguageServer, Path] | None = None
        self._work: set[asyncio.Task[Verdict]] = set()
        self._turn = asyncio.Lock()

    async def check(
        self, document: Document, edits: Sequence[TextEdit], *, deadline_s: float
    ) -> Verdict:
        """What the server of a document says of edits of it, as far as it is told in time."""
        server = _own(self._find_server(document))
        if server is None or not server.is_running:
            self._counts.add("verify_no_server")
            return "unknown"
        work = asyncio.create_task(self._compare(server, document, edits))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        await asyncio.wait((work,), timeout=deadline_s)
        verdict: Verdict = work.result() if work.done() and not work.cancelled() else "unknown"
        self._counts.add(f"verify_{verdict}")
        return verdict

    async def aclose(self) -> None:
        """Give up what is being asked."""
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def _compare(
        self, server: LanguageServer, document: Document, edits: Sequence[TextEdit]
    ) -> Verdict:
        path = self._projects.root(document.project) / document.path
        predicted = apply_edits(document.snapshot, edits)
        async with self._turn:
            self._show(server, path)
            try:
                before, after = await asyncio.gather(
                    self._errors_now(server, path, document),
                    _errors_of(server, _beside(path, _WOULD), document, predicted),
                )
            except ZetaError:
                return "unknown"
        if before is None or after is None:
            return "unknown"
        known = {one.kind for one in before}
        changed = _changed_rows(edits, predicted)
        if any(one.kind not in known and one.row in changed for one in after):
            return "worse"
        return "better" if len(after) < len(before) else "neutral"

    def _show(self, server: LanguageServer, path: Path) -> None:
        """Take away what was shown beside another document."""
        shown, self._shown = self._shown, (server, path)
        if shown is not None and shown != self._shown:
            for mark in (_IS, _WOULD):
                shown[0].close_document(_beside(shown[1], mark))

    async def _errors_now(
        self, server: LanguageServer, path: Path, document: Document
    ) -> Errors | None:
        known = self._known
        if known is not None and known[0] == path and known[1].is_same(document.snapshot):
            return known[2]
        errors = await _errors_of(server, _beside(path, _IS), document, document.snapshot)
        if errors is not None:
            self._known = (path, document.snapshot, errors)
        return errors


async def _errors_of(
    server: LanguageServer, path: Path, document: Document, text: TextSnapshot
) -> Errors | None:
    """The errors that a server finds in a text shown as `path`; None: not told."""
    server.sync(path, language=document.language, version=0, snapshot=text)
    if server.supports("textDocument/diagnostic"):
        # It stays, so that the next time only what is different is looked at again.
        found = await server.diagnostics(path, timeout_s=TIMEOUT_S)
    else:
        # What it says does not tell which text it is about: the text is shown anew each time.
        try:
            if not await server.was_told(path, timeout_s=TIMEOUT_S):
                return None
            found = server.known_diagnostics(path)
            while True:
                await asyncio.sleep(SETTLE_S)
                more = server.known_diagnostics(path)
                if more == found:
                    break
                found = more
        finally:
            server.close_document(path)
    return tuple(
        _Error(kind=(one.code, one.message), row=text.point(one.span.start).row)
        for one in found
        if one.severity == _ERROR
    )


def _changed_rows(edits: Sequence[TextEdit], predicted: TextSnapshot) -> set[int]:
    """The rows of the predicted text that edits change."""
    rows: set[int] = set()
    shift = 0
    for edit in edits:
        start = edit.span.start + shift
        first = predicted.point(start).row
        rows.update(range(first, predicted.point(start + len(edit.new_text)).row + 1))
        shift += edit.growth
    return rows


def _beside(path: Path, mark: str) -> Path:
    return path.with_name(f"{path.stem}{mark}{path.suffix}")


def _own(server: Server | None) -> LanguageServer | None:
    from zeta_context.lsp.client import LanguageServer

    return server if isinstance(server, LanguageServer) else None
