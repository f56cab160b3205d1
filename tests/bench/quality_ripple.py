"""How many of the places that a rename through the same server finds the ripple finds.

For every definition in small real projects: the server's own `textDocument/rename` tells the
places; then the name is typed over in a session, key by key, and what the session knows of the
rest is compared. Every second name is asked about beforehand, as by a cursor that rests on it; the
others are renamed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeta_context.context.gather import ContextSettings
from zeta_context.context.syntax import outline, parse
from zeta_context.errors import LspError
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.documents import UnitPoint, encode_place, from_unit_point, to_unit_point
from zeta_context.lsp.uri import from_path, to_path
from zeta_context.predict.prediction import Prediction
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Span

NEW_NAME = "renamed_here"
WAIT_S = 4.0

Site = tuple[str, int]
"""A path below the project, and the offset of the name in the text before the rename."""


@dataclass(slots=True)
class RippleTally:
    """What was found, and how long the first place took, in milliseconds, asked ahead or not."""

    names: int = 0
    sites: int = 0
    found: int = 0
    wrong: int = 0
    ahead_ms: list[float] = field(default_factory=list)
    at_once_ms: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / self.sites if self.sites else 0.0


async def measure_ripple(  # noqa: PLR0917 - all of one run
    repo: Path, language: str, suffix: str, command: list[str], tally: RippleTally, limit: int
) -> None:
    """Rename the definitions of one project, at most `limit` of them."""
    with tempfile.TemporaryDirectory() as scratch:
        root = _copy(repo, scratch)
        settings = Settings(
            offer_status=False,
            watch_files=False,
            context=ContextSettings(definitions=True, servers={language: command}),
        )
        async with Session(root, settings=settings) as session:
            texts = {
                path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
                for path in sorted(root.rglob(f"*{suffix}"))
            }
            for path, text in texts.items():
                session.open(path, text)
            server = await _warm(session, next(iter(texts)))
            names = list(_names(language, texts))[:limit]
            for number, (path, span) in enumerate(names):
                await _rename(session, server, root, path, span, tally, is_ahead=number % 2 == 0)


def _copy(repo: Path, scratch: str) -> Path:
    root = Path(os.path.realpath(scratch)) / repo.name
    shutil.copytree(repo, root)
    return root


async def _warm(session: Session, path: str) -> LanguageServer:
    server = session._gatherer.server(session.document(path))
    assert isinstance(server, LanguageServer)
    await server.start()
    for _ in range(100):
        await session.predict(path, 0)
        await asyncio.sleep(0.1)
        if not server.is_busy:
            break
    for one in session._tracker.documents():
        # Asked about everything once, it has read everything.
        file = server.root / one.path
        server.sync(file, language=one.language, version=one.version, snapshot=one.snapshot)
        with contextlib.suppress(LspError):
            await server.diagnostics(file, timeout_s=10)
            await server.references(file, one.snapshot.text.find("def ") + 4, timeout_s=10)
    return server


def _names(language: str, texts: dict[str, str]) -> Iterator[tuple[str, Span]]:
    for path, text in texts.items():
        tree = parse(language, text, path=path)
        for item in outline(tree) if tree is not None else ():
            name = text[slice(*item.name_span)] if item.name_span is not None else ""
            if item.name_span is not None and name.isidentifier() and not name.startswith("__"):
                yield path, item.name_span


async def _sites(
    session: Session, server: LanguageServer, root: Path, path: str, span: Span
) -> set[Site]:
    """The places that the server itself would rename."""
    for one in session._tracker.documents():
        server.sync(
            root / one.path, language=one.language, version=one.version, snapshot=one.snapshot
        )
    place = to_unit_point(session.document(path).snapshot, span.start, server.encoding)
    params = {
        "textDocument": {"uri": from_path(root / path)},
        "position": encode_place(place),
        "newName": NEW_NAME,
    }
    answer = await server.ask("textDocument/rename", params)
    found: set[Site] = set()
    for uri, edits in _edits(answer):
        file = to_path(uri)
        if file is None or not file.is_relative_to(root) or not file.exists():
            continue  # what is shown to the server for verification is no file
        name = file.relative_to(root).as_posix()
        snapshot = session.document(name).snapshot
        for edit in edits:
            start = edit["range"]["start"]
            unit = UnitPoint(start["line"], start["character"])
            found.add((name, from_unit_point(snapshot, unit, server.encoding)))
    return found - {(path, span.start)}


def _edits(answer: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(answer, dict):
        for change in answer.get("documentChanges") or ():
            if "textDocument" in change:
                yield change["textDocument"]["uri"], change["edits"]
        yield from (answer.get("changes") or {}).items()


async def _rename(  # noqa: PLR0917 - all of one run
    session: Session,
    server: LanguageServer,
    root: Path,
    path: str,
    span: Span,
    tally: RippleTally,
    *,
    is_ahead: bool,
) -> None:
    name = session.document(path).snapshot.slice(span)
    try:
        expected = await _sites(session, server, root, path, span)
    except LspError:
        return
    if not expected:
        return
    if is_ahead:
        await session.predict(path, span.start)
        await asyncio.sleep(0.4)
    for _ in name:
        session.edit(path, Span(span.start, span.start + 1), "")
    for index, key in enumerate(NEW_NAME):
        session.edit(path, Span(span.start + index, span.start + index), key)
    cursor = len(session.document(path).snapshot)
    started = time.perf_counter()
    ours: set[Site] = set()
    while time.perf_counter() - started < WAIT_S:
        answer = await session.predict(path, cursor)
        elapsed_ms = (time.perf_counter() - started) * 1000
        ripple = session._predictor._sites._ripples.current(session.document(path).project)  # type: ignore[union-attr]
        if ripple is not None and ripple.cause.name == name:
            if isinstance(answer, Prediction) and answer.proposer == "ripple":
                (tally.ahead_ms if is_ahead else tally.at_once_ms).append(elapsed_ms)
            growth = len(NEW_NAME) - len(name)
            ours = {
                (
                    one.path,
                    one.span.start
                    - (growth if one.path == path and one.span.start > span.start else 0),
                )
                for one in ripple.places
            }
            break
        await asyncio.sleep(0.05)
    tally.names += 1
    tally.sites += len(expected)
    tally.found += len(expected & ours)
    tally.wrong += len(ours - expected)
    tally.missed += [f"{name} {one}" for one in sorted(expected - ours)]
    session.edit(path, Span(span.start, span.start + len(NEW_NAME)), name)
    await session.predict(path, cursor)
    await asyncio.sleep(0.05)
