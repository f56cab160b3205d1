"""A desk with an editor, a clock that only the test moves, and proposers that answer when told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from zeta_context.context.gather import ContextSettings
from zeta_context.counts import Counts
from zeta_context.events.event import Cause
from zeta_context.events.projects import Projects
from zeta_context.predict.composition import compose
from zeta_context.predict.prediction import Discarded, Outcome, Part, Prediction
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.view import Proposer, View
from zeta_context.prompt.input import Trigger
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

Answer = Prediction | Discarded


def put(at: int, text: str) -> TextEdit:
    return TextEdit(Span(at, at), text)


def cut(start: int, end: int) -> TextEdit:
    return TextEdit(Span(start, end), "")


def swap(start: int, end: int, text: str) -> TextEdit:
    return TextEdit(Span(start, end), text)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread's doing."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - threads set no asyncio event
            await asyncio.sleep(0.001)


class Scripted:
    """Proposes the scripted edits in turn, for the document of the cursor; None is silence."""

    name = "scripted"

    def __init__(self, *answers: Sequence[TextEdit] | TextEdit | None) -> None:
        self._answers = list(answers)
        self.views: list[View] = []

    @property
    def asked(self) -> int:
        return len(self.views)

    def propose(self, view: View) -> Answer:
        self.views.append(view)
        answer = self._answers.pop(0) if self._answers else None
        if answer is None:
            return Discarded(reason="no_rule")
        edits = (answer,) if isinstance(answer, TextEdit) else tuple(answer)
        return Prediction(
            id=f"p{self.asked}",
            project=view.document.project,
            path=view.document.path,
            version=view.document.version,
            edits=edits,
            proposer=self.name,
            why="the test says so",
        )


class Slow:
    """Answers as another proposer does, each question only when the test lets it go on.

    A question whose cancel token fires is given up and is in `canceled`, by its number.
    """

    name = "slow"

    def __init__(self, proposer: Scripted) -> None:
        self._proposer = proposer
        self._lock = threading.Lock()
        self._gates: list[threading.Event] = []
        self.canceled: list[int] = []

    @property
    def asked(self) -> int:
        return len(self._gates)

    def propose(self, view: View) -> Answer:
        gate = threading.Event()
        with self._lock:
            number = len(self._gates)
            self._gates.append(gate)
        while not gate.wait(0.002):
            if view.cancel.is_cancelled:
                self.canceled.append(number)
                return Discarded(reason="canceled")
        with self._lock:
            return self._proposer.propose(view)

    async def until_asked(self, count: int) -> None:
        await until(lambda: self.asked >= count)

    async def until_canceled(self, count: int) -> None:
        await until(lambda: len(self.canceled) >= count)

    def let_go(self, number: int) -> None:
        self._gates[number].set()


class Desk:
    """Predicting for one project folder, with nothing but the clock of the test."""

    def __init__(
        self, root: Path, *proposers: Proposer, settings: PredictSettings | None = None
    ) -> None:
        self.now = 100.0
        self.counts = Counts()
        self._alarms: list[tuple[float, asyncio.Future[None]]] = []
        projects = Projects((root,))
        self.project = next(iter(projects)).name
        self.tracker, self.gatherer, self.offers, self.follower, self.predictor = compose(
            projects,
            ContextSettings(definitions=False),
            settings if settings is not None else PredictSettings(),
            proposers,
            counts=self.counts,
            clock=lambda: self.now,
            sleep=self._sleep,
        )
        self._version = 0

    async def _sleep(self, seconds: float) -> None:
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alarms.append((self.now + seconds, alarm))
        await alarm

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(0)
        self.now = round(self.now + seconds, 6)
        for due, alarm in self._alarms:
            if due <= self.now + 1e-9 and not alarm.done():
                alarm.set_result(None)
        self._alarms = [(due, one) for due, one in self._alarms if not one.done()]
        await self.settle()

    async def settle(self) -> None:
        """Let what can happen without the clock happen."""
        for _ in range(10):
            await asyncio.sleep(0)

    def open(self, text: str, path: str = "a.py") -> None:
        self.tracker.open(self.project, path, text, "python")

    def edit(self, edit: TextEdit, path: str = "a.py", *, cause: Cause | None = None) -> None:
        key = (self.project, path)
        predicted = self.offers.take_edits(key, (edit,))
        self.tracker.edit_many(*key, (edit,), predicted=predicted, cause=cause)

    def type(self, at: int, text: str, path: str = "a.py") -> None:
        """Key by key, a tenth of a second apart."""
        for index, key in enumerate(text):
            self.edit(put(at + index, key), path)
            self.now = round(self.now + 0.1, 6)

    def text(self, path: str = "a.py") -> str:
        return self.tracker.document(self.project, path).snapshot.text

    def ask(
        self, cursor: int = 0, path: str = "a.py", *, trigger: Trigger = "buffer_edit"
    ) -> asyncio.Task[Answer]:
        key = (self.project, path)
        return asyncio.create_task(self.predictor.predict(key, cursor, trigger))

    async def predict(
        self, cursor: int = 0, path: str = "a.py", *, trigger: Trigger = "other"
    ) -> Answer:
        async with asyncio.timeout(10):
            return await self.ask(cursor, path, trigger=trigger)

    async def shown(self, cursor: int = 0, path: str = "a.py") -> Prediction:
        answer = await self.predict(cursor, path)
        assert isinstance(answer, Prediction), answer
        return answer

    async def reason(self, cursor: int = 0, path: str = "a.py") -> str:
        answer = await self.predict(cursor, path)
        assert isinstance(answer, Discarded), answer
        return answer.reason

    def accept(self, prediction: Prediction, *, part: Part | None = None) -> Outcome:
        return self.offers.accept(prediction, self.tracker, part=part)

    def reject(self, prediction: Prediction) -> None:
        self.offers.reject(prediction, "rejected", was_shown=True)
