"""Asks the language server whether a prediction would bring new errors.

The text as it is and the text as it would be are shown to a server as two documents that are no
files, side by side with the real one. What counts against a prediction is an error of a kind that
the text does not have yet: in the rows that it changes, or, unless it is one step of several that
are known to follow, anywhere while there are more errors than before. Errors of a known kind are on
the user's own way.

The editor's own server is shown such documents only where its user never gets to see them, and only
files that no other file depends on unasked. Knows nothing of proposers.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from zeta_context.context.questions import Server
from zeta_context.counts import Counts
from zeta_context.errors import ZetaError
from zeta_context.events.projects import Projects
from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.predict.showing import Lent, Showing, name_beside, own_server, stands_alone
from zeta_context.predict.view import Document
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.snapshot import TextSnapshot

Verdict = Literal["better", "neutral", "worse", "unknown"]
"""Fewer errors, no new ones, new ones where it changes something, or not told in time."""

TIMEOUT_S = 2.0
"""So long a server may take to answer, whoever has stopped waiting."""

MAX_LATE = 3
SPARED_S = 60.0
"""After so many answers in a row that came too late, an editor's server is spared for so long."""

SETTLE_S = 0.2
"""A server that is not asked but tells may tell in several parts, at most so long apart."""

_ERROR = 1


class _Error(NamedTuple):
    kind: tuple[str, str]
    row: int


Errors = tuple[_Error, ...]
_NUMBERS = itertools.count()


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
        self._shown: tuple[Showing, Path] | None = None
        self._work: set[asyncio.Task[Verdict]] = set()
        self._turn = asyncio.Lock()
        self._late = 0
        self._late_until = 0.0

    async def check(
        self,
        document: Document,
        edits: Sequence[TextEdit],
        *,
        deadline_s: float,
        is_step: bool = False,
    ) -> Verdict:
        """What the server of a document says of edits of it, as far as it is told in time.

        With `is_step` other edits are known to follow: errors elsewhere may be what they mend.
        """
        found = self._find_server(document)
        is_lent = isinstance(found, Lent)
        server = found.beside if isinstance(found, Lent) else own_server(found)
        if server is None or not server.is_running:
            self._counts.add("verify_no_server")
            return "unknown"
        if is_lent and not stands_alone(document):
            self._counts.add("verify_not_alone")
            return "unknown"
        if is_lent and self._is_spared:
            self._counts.add("verify_too_slow")
            return "unknown"
        work = asyncio.create_task(
            self._compare(server, document, edits, is_lent=is_lent, is_step=is_step)
        )
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        await asyncio.wait((work,), timeout=deadline_s)
        verdict: Verdict = work.result() if work.done() and not work.cancelled() else "unknown"
        self._counts.add(f"verify_{verdict}")
        if work.done():
            self._late = 0
        else:
            self._late += 1
            self._late_until = self._clock() + SPARED_S
        return verdict

    @property
    def _is_spared(self) -> bool:
        """Whether an editor's server is busy with the last question, or always too late."""
        is_late = self._late >= MAX_LATE and self._clock() < self._late_until
        return is_late or self._turn.locked()

    async def aclose(self) -> None:
        """Give up what is being asked."""
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def _compare(
        self,
        server: Showing,
        document: Document,
        edits: Sequence[TextEdit],
        *,
        is_lent: bool,
        is_step: bool,
    ) -> Verdict:
        path = self._projects.root(document.project) / document.path
        predicted = apply_edits(document.snapshot, edits)
        async with self._turn:
            self._show(server, path)
            try:
                before, after = await asyncio.gather(
                    self._errors_now(server, path, document),
                    _errors_of(server, name_beside(path, "would"), document, predicted),
                )
            except ZetaError:
                return "unknown"
            finally:
                if is_lent:
                    self._take_away()
        if before is None or after is None:
            return "unknown"
        known = {one.kind for one in before}
        changed = _changed_rows(edits, predicted)
        new = [one for one in after if one.kind not in known]
        if any(one.row in changed for one in new):
            return "worse"
        if new and not is_step and len(after) > len(before):
            return "worse"
        return "better" if len(after) < len(before) else "neutral"

    def _show(self, server: Showing, path: Path) -> None:
        """Take away what was shown beside another document."""
        if self._shown is not None and self._shown != (server, path):
            self._take_away()
        self._shown = (server, path)

    def _take_away(self) -> None:
        if self._shown is not None:
            server, path = self._shown
            self._shown = None
            server.close_document(name_beside(path, "is"))
            server.close_document(name_beside(path, "would"))

    async def _errors_now(self, server: Showing, path: Path, document: Document) -> Errors | None:
        known = self._known
        if known is not None and known[0] == path and known[1].is_same(document.snapshot):
            return known[2]
        errors = await _errors_of(server, name_beside(path, "is"), document, document.snapshot)
        if errors is not None:
            self._known = (path, document.snapshot, errors)
        return errors


async def _errors_of(
    server: Showing, path: Path, document: Document, text: TextSnapshot
) -> Errors | None:
    """The errors that a server finds in a text shown as `path`; None: not told."""
    found: tuple[ServerDiagnostic, ...] | None
    if server.supports("textDocument/diagnostic"):
        # It stays, so that the next time only what is different is looked at again.
        server.sync(path, language=document.language, version=0, snapshot=text)
        found = await server.diagnostics(path, timeout_s=TIMEOUT_S)
    else:
        # What it says does not tell which text it is about, and may come late: each has a name.
        path = path.with_name(f"{path.stem}{next(_NUMBERS)}{path.suffix}")
        server.sync(path, language=document.language, version=0, snapshot=text)
        found = await _listen(server, path)
    if found is None:
        return None
    return tuple(
        _Error(kind=(one.code, one.message), row=text.point(one.span.start).row)
        for one in found
        if one.severity == _ERROR
    )


async def _listen(server: Showing, path: Path) -> tuple[ServerDiagnostic, ...] | None:
    """What a server tells of a text that it has just been shown; it is taken away again."""
    try:
        if not await server.was_told(path, timeout_s=TIMEOUT_S):
            return None
        found = server.known_diagnostics(path)
        while True:
            await asyncio.sleep(SETTLE_S)
            more = server.known_diagnostics(path)
            if more == found:
                return found
            found = more
    finally:
        server.close_document(path)


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
