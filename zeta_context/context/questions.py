"""What a language server is asked about the names of open documents, and what it said.

Knows nothing of cursors, ranks or prompts. An answer stays good while its name stays as it is,
wherever the text around it moves to; what the server says while it is still at work is asked
again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from zeta_context.context.files import SourceFiles
from zeta_context.context.nearby import Name
from zeta_context.errors import DocumentError, LspError, OutOfRange, TextError
from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.lsp.documents import Location, change_between, from_unit_point
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_TARGET_BYTES = 128
"""What a server points at is a name; a longer range is a whole module or file."""

MAX_TARGETS = 8
"""Of one name: a server may list every overload or override."""

MAX_DOCUMENTS = 16
MAX_QUESTIONS = 1024
REFRESH_S = 20.0
"""An answer older than this is still used, but asked for again in the background."""

WEAK_REFRESH_S = 2.0
YOUNG_S = 30.0
"""So long, answers that name no other file are asked again every `WEAK_REFRESH_S` seconds."""

MAX_REFRESHES = 8

TargetKind = Literal["definition", "type_definition", "second_hop"]


class Server(Protocol):
    """What is asked of a language server: our own, or one that belongs to an editor."""

    @property
    def is_running(self) -> bool: ...

    @property
    def is_busy(self) -> bool: ...

    def sync(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None: ...

    def visit(self, path: Path, *, language: str, snapshot: TextSnapshot) -> None: ...

    def start_soon(self) -> None: ...

    def open_snapshot(self, path: Path) -> TextSnapshot | None: ...

    async def definition(self, path: Path, offset: int) -> tuple[Location, ...]: ...

    async def type_definition(self, path: Path, offset: int) -> tuple[Location, ...]: ...


@runtime_checkable
class DiagnosticsServer(Protocol):
    """What a server offers besides, when it can be asked for diagnostics by us."""

    def known_diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]: ...

    async def diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A place that the server named for a symbol, in the text `snapshot` of the file at `path`."""

    symbol: str
    kind: TargetKind
    path: Path
    span: Span
    snapshot: TextSnapshot
    full_rows: tuple[int, int] | None = None

    def full_rows_in(self, now: TextSnapshot) -> tuple[int, int] | None:
        """The rows of the whole definition, while its file is as it was when the server spoke."""
        return self.full_rows if now.is_same(self.snapshot) else None


@dataclass(slots=True, eq=False)
class Question:
    """A name in a document and what the server said of it; None while it said nothing."""

    name: str
    span: Span
    targets: tuple[Target, ...] | None = None
    asked_at: float = 0.0
    is_preliminary: bool = True
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class _Remembered:
    snapshot: TextSnapshot
    questions: dict[Span, Question] = field(default_factory=dict)


class Questions:
    """The questions about the documents of one project to one server; memory is bounded."""

    def __init__(
        self,
        server: Server,
        files: SourceFiles,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._files = files
        self._clock = clock
        self._born_at = clock()
        self._documents: OrderedDict[Path, _Remembered] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(
        self, path: Path, snapshot: TextSnapshot, names: Iterable[Name]
    ) -> tuple[list[Question], int]:
        """A question for every name, in that order, and how many of them are answered already.

        What is not answered is being asked when this returns: wait for the questions' tasks.
        """
        remembered = self._remember(path, snapshot)
        hits, refreshes = 0, 0
        questions: list[Question] = []
        for name in names:
            question = remembered.questions.get(name.span)
            if question is None:
                question = Question(name.name, name.span)
                remembered.questions[name.span] = question
            questions.append(question)
            if question.targets is None or question.is_preliminary:
                self._start(question, path)
                continue
            hits += 1
            if self._clock() - question.asked_at > self._refresh_after(question, path):
                refreshes += 1
                if refreshes <= MAX_REFRESHES:
                    self._start(question, path)
        return questions, hits

    def _refresh_after(self, question: Question, path: Path) -> float:
        """A server may take a while to load a project without telling; until then it knows no
        more than the file itself."""
        is_weak = _names_only(question.targets or (), path)
        is_young = self._clock() - self._born_at < YOUNG_S
        if is_weak and (is_young or not question.targets):
            return WEAK_REFRESH_S
        return REFRESH_S

    def known(self, path: Path, names: Iterable[Name]) -> list[Question]:
        """The question for every name as it stands, without asking anything."""
        remembered = self._documents.get(path)
        asked = remembered.questions if remembered is not None else {}
        return [asked.get(name.span) or Question(name.name, name.span) for name in names]

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background until it is done or `close` is called."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def forget(self, path: Path) -> None:
        """Drop what is known of a document that was closed."""
        self._documents.pop(path, None)

    async def close(self) -> None:
        """Give up what is still being asked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember(self, path: Path, snapshot: TextSnapshot) -> _Remembered:
        """What is known of a document, its names moved to where they are now."""
        remembered = self._documents.get(path)
        if remembered is None:
            remembered = self._documents[path] = _Remembered(snapshot)
        elif not remembered.snapshot.is_same(snapshot):
            change = change_between(remembered.snapshot.text, snapshot.text)
            moved: dict[Span, Question] = {}
            for question in remembered.questions.values():
                span = change.map_span(question.span)
                if span is not None:
                    question.span = span
                    moved[span] = question
                elif question.task is not None:
                    question.task.cancel()
            remembered.questions = moved
            remembered.snapshot = snapshot
        self._documents.move_to_end(path)
        while len(self._documents) > MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        if len(remembered.questions) > MAX_QUESTIONS:
            remembered.questions.clear()
        return remembered

    def _start(self, question: Question, path: Path) -> None:
        if question.task is None and self._server.is_running:
            question.task = self.spawn(self._answer(question, path))

    async def _answer(self, question: Question, path: Path) -> None:
        was_busy = self._server.is_busy
        offset = question.span.start
        try:
            defined, typed = await asyncio.gather(
                self._server.definition(path, offset), self._server.type_definition(path, offset)
            )
            targets = await resolve(
                self._files, question.name, (("definition", defined), ("type_definition", typed))
            )
        except (LspError, DocumentError, TextError):
            return
        finally:
            question.task = None
        is_weak = _names_only(targets, path)
        question.is_preliminary = is_weak and (was_busy or self._server.is_busy)
        question.targets = targets
        question.asked_at = self._clock()


def _names_only(targets: Iterable[Target], path: Path) -> bool:
    """Whether the server defines a name by nothing but the file that it stands in.

    That may be all there is to say, or an import that is not followed yet: no reason to believe it
    for long while the server is still at work.
    """
    return all(target.path == path for target in targets if target.kind == "definition")


async def resolve(
    files: SourceFiles,
    symbol: str,
    answers: Iterable[tuple[TargetKind, tuple[Location, ...]]],
) -> tuple[Target, ...]:
    """The server's places as targets in texts that we hold: each place once, names only.

    Left out are places in no readable file, and ranges over `MAX_TARGET_BYTES`.
    """
    targets: list[Target] = []
    seen: set[tuple[Path, Span]] = set()
    for kind, locations in answers:
        for location in locations[:MAX_TARGETS]:
            file = await files.get(location.path) if location.path is not None else None
            if file is None:
                continue
            try:
                start = from_unit_point(file.snapshot, location.start, location.encoding)
                end = from_unit_point(file.snapshot, location.end, location.encoding)
            except OutOfRange:
                continue
            span = Span(start, max(start, end))
            if span.length > MAX_TARGET_BYTES or (file.path, span) in seen:
                continue
            if len(file.snapshot.slice(span).encode("utf-8", "replace")) > MAX_TARGET_BYTES:
                continue
            seen.add((file.path, span))
            full_rows = None
            if location.full_start_row is not None and location.full_end_row is not None:
                full_rows = (location.full_start_row, location.full_end_row + 1)
            targets.append(
                Target(
                    symbol=symbol,
                    kind=kind,
                    path=file.path,
                    span=span,
                    snapshot=file.snapshot,
                    full_rows=full_rows,
                )
            )
    return tuple(targets)
