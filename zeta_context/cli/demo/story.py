"""Replays the demo's recorded session with a real language server and keeps what is worth showing.

Decides at which moments a prediction is asked for; knows nothing of how moments are shown.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from zeta_context.context.gather import ContextSettings, Stage
from zeta_context.context.layout import Found
from zeta_context.errors import PromptError
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.events.event import Event
from zeta_context.events.trace import Edited
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_replay import ReplayClock, Step, replay
from zeta_context.lsp.servers import find_installed, servers_for
from zeta_context.predict.explanation import Explanation
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.prompt.registry import find_format
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import apply_edits
from zeta_context.text.snapshot import TextSnapshot

PAUSE_MS = 600
"""A prediction is asked for when the recorded user paused this long after an edit."""

DEFINITION_DEADLINE_MS = 400.0
"""Longer than in an editor, since a replay leaves the server no time between keystrokes."""

PROMPT_FORMAT = "zeta2"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSize:
    """A section of the prompt that a model would be given, and its estimated tokens."""

    name: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A pause of the recorded user, and what was predicted there.

    `news` are the events that formed since the last moment. `before` and `after` are the predicted
    document without and with the prediction; `came_true` says whether the user went on to make
    that very change by hand.
    """

    number: int
    at_ms: int
    path: str
    row: int
    news: tuple[Event, ...]
    found: tuple[Found, ...]
    sections: tuple[SectionSize, ...]
    answer: Prediction | Discarded
    stages: tuple[Stage, ...]
    before: TextSnapshot
    after: TextSnapshot | None = None
    came_true: bool = False


OnMoment = Callable[[Moment], None]


@dataclass(slots=True, kw_only=True)
class Story:
    """The whole replay: its moments, and what it took and touched."""

    project: str
    recorded_in: str
    server: str
    model: str = ""
    server_ready_ms: float = 0.0
    moments: list[Moment] = field(default_factory=list)
    keystrokes: int = 0
    elapsed_s: float = 0.0
    connections: int = 0

    @property
    def predictions(self) -> list[Moment]:
        """The moments at which something was predicted."""
        return [moment for moment in self.moments if moment.answer]


class ConnectionCount:
    """Counts the network connections of this process, by an audit hook that sees every one."""

    def __init__(self) -> None:
        self.total = 0
        sys.addaudithook(self._see)

    def _see(self, name: str, arguments: tuple[object, ...]) -> None:
        if name not in ("socket.connect", "socket.sendto") or len(arguments) != 2:
            return
        family = getattr(arguments[0], "family", None)
        if family in (socket.AF_INET, socket.AF_INET6):
            self.total += 1


async def tell_story(
    trace: Path,
    repository: Path,
    settings: Settings | None = None,
    *,
    on_moment: OnMoment = lambda _: None,
) -> Story:
    """Replay `trace` over a copy of `repository`, asking for a prediction at each pause.

    With the model of the settings, if they name one. `on_moment` is given each pause as it comes.
    """
    connections = ConnectionCount()
    with TraceReader.open(trace) as reader, tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / repository.name
        shutil.copytree(repository, root)
        server = next(filter(find_installed, servers_for("python")), None)
        story = Story(
            project=root.name,
            recorded_in=reader.header.editor,
            server=server.name if server is not None else "",
            model=settings.model.model_name if settings is not None else "",
        )
        settings = replace(
            settings or Settings(),
            context=ContextSettings(
                definitions=server is not None, deadline_ms=DEFINITION_DEADLINE_MS
            ),
            offer_status=False,
            watch_files=False,
        )
        started = time.perf_counter()
        await _replay(reader, root, settings, story, on_moment)
        story.elapsed_s = time.perf_counter() - started
    story.connections = connections.total
    return story


async def _replay(
    reader: TraceReader, root: Path, settings: Settings, story: Story, on_moment: OnMoment
) -> None:
    clock = ReplayClock()
    async with Session(root, settings=settings, clock=clock) as session:
        teller = _Teller(session, story)
        for step in replay(reader, ReplayedEditor(session), clock):
            moment = await teller.follow(step)
            if moment is not None:
                on_moment(moment)


class _Teller:
    """Follows the steps of a replay and asks for a prediction where the user paused."""

    def __init__(self, session: Session, story: Story) -> None:
        self._session = session
        self._story = story
        self._known: tuple[Event, ...] = ()
        self._is_due = False

    async def follow(self, step: Step) -> Moment | None:
        if isinstance(step.entry, Edited):
            self._story.keystrokes += 1
            self._is_due = True
            self._settle()
        if self._is_due and step.path and (step.idle_ms is None or step.idle_ms >= PAUSE_MS):
            self._is_due = False
            moment = await self._ask(step)
            self._story.moments.append(moment)
            return moment
        return None

    async def _ask(self, step: Step) -> Moment:
        answer, explanation = await self._session.explain(
            step.path, step.cursor, trigger="buffer_edit"
        )
        document = self._session.document(step.path)
        events = self._session.events()
        news = tuple(event for event in events if event not in self._known)
        self._known = events
        before = document.snapshot
        after = None
        if isinstance(answer, Prediction):
            before = self._session.document(answer.path).snapshot
            after = apply_edits(before, answer.edits)
        return Moment(
            number=len(self._story.moments) + 1,
            at_ms=step.entry.at_ms,
            path=step.path,
            row=document.snapshot.point(step.cursor).row,
            news=news,
            found=_found(explanation),
            sections=_sections(explanation),
            answer=answer,
            stages=explanation.stages if explanation is not None else (),
            before=before,
            after=after,
        )

    def _settle(self) -> None:
        """Mark the predictions that the user's own typing has just made come true."""
        for index, moment in enumerate(self._story.moments):
            if moment.came_true or not isinstance(moment.answer, Prediction):
                continue
            now = self._session.document(moment.answer.path).snapshot
            if _is_made(moment, now):
                self._story.moments[index] = replace(moment, came_true=True)


def _is_made(moment: Moment, now: TextSnapshot) -> bool:
    """Whether the rows that the prediction would give stand in the document now."""
    if moment.after is None or not isinstance(moment.answer, Prediction):
        return False
    first = moment.answer.edits[0].span.start
    row = moment.before.point(first).row
    rows_after = moment.after.row_count - moment.before.row_count
    last = moment.before.point(moment.answer.edits[-1].span.end).row + rows_after
    predicted = moment.after.rows(row, last + 1)
    return (
        row + len(predicted) <= now.row_count and now.rows(row, row + len(predicted)) == predicted
    )


def _found(explanation: Explanation | None) -> tuple[Found, ...]:
    definitions = explanation.gathered.definitions if explanation is not None else None
    return definitions.found if definitions is not None else ()


def _sections(explanation: Explanation | None) -> tuple[SectionSize, ...]:
    if explanation is None:
        return ()
    try:
        rendered = find_format(PROMPT_FORMAT).render(explanation.gathered.prompt_input)
    except PromptError:
        return ()
    return tuple(SectionSize(name=one.name, tokens=one.tokens) for one in rendered.sections)
