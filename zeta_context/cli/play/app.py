"""The editor: a text, its session, and the panels beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.timer import Timer
from textual.widgets import Footer, Static, TextArea
from textual.worker import Worker

from zeta_context.cli.play.panel import tell_answer, tell_context, tell_events
from zeta_context.cli.play.text_area import PredictionArea
from zeta_context.predict.partial import cut_part
from zeta_context.predict.prediction import Discarded, Jump, Part, Prediction
from zeta_context.predict.preview import preview
from zeta_context.prompt.input import Trigger
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import map_offset
from zeta_context.text.point import Point

KEYS = "Tab: go there, accept    Shift+Tab: a word\nEscape: reject"

IDLE_S = 0.4
"""How long typing must rest before the context is explained anew."""


class Play(App[None]):
    """Edits a file with a session of its own, and those of its folder that predictions lead to."""

    CSS = """
    #panels { width: 46; border-left: solid $accent; padding: 0 1; }
    .title { color: $accent; text-style: bold; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save"),
        Binding("ctrl+q", "quit", "Quit"),
    ]
    TITLE = "zeta-context play"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        super().__init__()
        self._path = path
        self.session = Session(path.parent, settings=settings)
        self._text = path.read_text(encoding="utf-8") if path.exists() else ""
        self._others: dict[Path, str] = {}
        self.prediction: Prediction | None = None
        self.jump: Jump | None = None
        self._idle: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            area = PredictionArea(self._text, show_line_numbers=True, soft_wrap=False)
            area.tab_behavior = "indent"
            yield area
            with VerticalScroll(id="panels", can_focus=False):
                yield Static(KEYS, id="keys")
                for name in ("prediction", "events", "context"):
                    yield Static(name, classes="title")
                    yield Static("", id=name)
        yield Footer()

    async def on_mount(self) -> None:
        await self.session.__aenter__()
        self.session.open(str(self._path), self._text)
        self.area.focus()
        self._ask("other")

    async def on_unmount(self) -> None:
        await self.session.aclose()

    @property
    def area(self) -> PredictionArea:
        return self.query_one(PredictionArea)

    # What the user does.

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        text = event.text_area.text
        edits = diff_text(self._text, text)
        if edits:
            self._text = text
            self.session.edit_many(str(self._path), edits)
            self._ask("buffer_edit")

    def on_text_area_selection_changed(self) -> None:
        if self.prediction is None and self.jump is None:
            self._ask("other")
        if self._idle is not None:
            self._idle.stop()
        self._idle = self.set_timer(IDLE_S, self._explain)

    def on_prediction_area_wanted(self, event: PredictionArea.Wanted) -> None:
        if self.jump is not None:
            self._follow(self.jump, is_wanted=event.wish != "reject")
        elif self.prediction is None:
            return
        elif event.wish == "reject":
            self.session.reject(self.prediction)
            self._show(None)
            self._ask("other")
        elif not self._is_here(self.prediction):
            self._jump(self.prediction)
        else:
            self._accept(self.prediction, "word" if event.wish == "word" else None)

    def action_save(self) -> None:
        texts = {**self._others, self._path: self._text}
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
            self.session.save(str(path))
        self.notify(f"saved {', '.join(path.name for path in texts)}")

    # Predictions.

    def _cursor(self) -> Point:
        return Point(*self.area.cursor_location)

    def _file(self, target: Prediction | Jump) -> Path:
        return self.session.projects.file(target.project, target.path)

    def _row(self, prediction: Prediction) -> Point:
        document = self.session.document(str(self._file(prediction)))
        return document.snapshot.point(prediction.edits[0].span.start)

    def _is_here(self, prediction: Prediction) -> bool:
        is_this = self._file(prediction) == self._path
        return is_this and self._row(prediction).row == self._cursor().row

    def _jump(self, prediction: Prediction) -> None:
        place = self._row(prediction)
        if self._file(prediction) != self._path:
            self._open(self._file(prediction))
            self._show(prediction)
        self.area.move_cursor(place, center=True)

    def _follow(self, jump: Jump, *, is_wanted: bool) -> None:
        """Open the file in which an edit waits, and ask there; or leave it at that."""
        self._show(None)
        if is_wanted:
            self._open(self._file(jump))
            self.area.move_cursor(jump.text.point(jump.offset), center=True)
        else:
            self.session.reject_jump(jump)
        self._ask("other")

    def _open(self, path: Path) -> None:
        """Edit another file; this one stays open, with what was typed in it."""
        self._others[self._path] = self._text
        text = self._others.pop(path, None)
        if text is None:
            text = path.read_text(encoding="utf-8")
            self.session.open(str(path), text)
        self._path, self._text = path, text
        self.area.load_text(text)
        self.sub_title = path.name

    def _accept(self, prediction: Prediction, part: Part | None) -> None:
        snapshot = self.session.document(str(self._path)).snapshot
        edits = cut_part(snapshot, prediction.edits, part) if part else prediction.edits
        self._show(None)
        self.session.accept(prediction, part=part)
        after = self.session.document(str(self._path)).snapshot
        self._take_over(after.text)
        offset = prediction.cursor
        if part is not None or offset is None:
            offset = map_offset(edits[0].span.end, edits)
        self.area.move_cursor(after.point(min(offset, len(after))))
        self._ask("prediction_partially_accepted" if part else "prediction_accepted")

    def _take_over(self, text: str) -> None:
        """Make what the session has made in the text, as one step of undo."""
        old, self._text = self._text, text
        edits = diff_text(old, text)
        if not edits:
            return
        start, end = edits[0].span.start, edits[-1].span.end
        new = text[start : end + len(text) - len(old)]
        self.area.history.checkpoint()
        self.area.replace(new, _location(old, start), _location(old, end))
        self.area.history.checkpoint()

    def _ask(self, trigger: Trigger) -> None:
        work: Callable[[], Coroutine[None, None, None]] = partial(self._predict, trigger)
        # The annotation is what the checker needs.
        _: Worker[None] = self.run_worker(work, group="predict", exclusive=trigger == "buffer_edit")

    async def _predict(self, trigger: Trigger) -> None:
        started = time.perf_counter()
        version = self.session.document(str(self._path)).version
        answer = await self.session.predict(str(self._path), self._cursor(), trigger=trigger)
        document = self.session.document(str(self._path))
        if document.version != version or getattr(answer, "reason", "") == "canceled":
            return
        elapsed_ms = (time.perf_counter() - started) * 1000
        told = tell_answer(answer, document.snapshot, elapsed_ms)
        self.query_one("#prediction", Static).update(told)
        if isinstance(answer, Discarded):
            self._show(None, answer.jump)
        else:
            self._show(answer)

    def _show(self, prediction: Prediction | None, jump: Jump | None = None) -> None:
        self.prediction, self.jump = prediction, jump
        self.area.has_offer = prediction is not None or jump is not None
        snapshot = self.session.document(str(self._path)).snapshot
        is_here = prediction is not None and self._file(prediction) == self._path
        blocks = preview(snapshot, prediction.edits) if prediction is not None and is_here else ()
        self.area.show_blocks(blocks)
        self.query_one("#events", Static).update(tell_events(self.session.events()))

    async def _explain(self) -> None:
        _, explanation = await self.session.explain(str(self._path), self._cursor())
        self.query_one("#context", Static).update(tell_context(explanation))


def _location(text: str, offset: int) -> tuple[int, int]:
    row = text.count("\n", 0, offset)
    return row, offset - (text.rfind("\n", 0, offset) + 1)
