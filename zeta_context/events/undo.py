"""Tells undo and redo from other edits by the text that they restore.

Few editors say that a change is an undo, so each document keeps the short list of its recent
states, as differences from one to the next. Knows nothing of events or of what editors call one
undo step: an edit that leads back to a state on the list is an undo, one that leads forward again
is a redo, whichever command or key made it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zeta_context.events.change import Change
from zeta_context.events.event import Cause
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

MAX_STEPS = 256
"""How many states back an undo is recognised."""

MAX_STEP_CHARACTERS = 65_536
"""A change that removes and inserts more than this is not followed back."""

MAX_CHARACTERS = 1_048_576
"""How much removed and inserted text the list of one document holds in all."""

MAX_COMPARISONS = 16
"""How many states with the right length and checksum are compared, the nearest first."""


@dataclass(frozen=True, slots=True)
class _Step:
    """At offset `start`, `removed` was replaced by `inserted`."""

    start: int
    removed: str
    inserted: str

    @property
    def inverse(self) -> _Step:
        return _Step(self.start, self.inserted, self.removed)

    @property
    def size(self) -> int:
        return len(self.removed) + len(self.inserted)

    @property
    def weight(self) -> int:
        """What the step adds to a state's key; equal texts have equal keys."""
        return _weigh(self.inserted) - _weigh(self.removed)


def _weigh(text: str) -> int:
    """The length and a sum over the characters, in one number that adds up over steps."""
    return (len(text) << 48) + sum(text.encode("utf-8", "surrogatepass"))


class UndoTimeline:
    """The recent states of one document and the place among them; memory is bounded."""

    __slots__ = ("_keys", "_place", "_size", "_snapshot", "_steps")

    def __init__(self) -> None:
        self._snapshot: TextSnapshot | None = None
        self._steps: list[_Step] = []
        self._keys = [0]
        self._place = 0
        self._size = 0

    def follow(self, change: Change) -> Cause:
        """Note a change and tell how it came about; after one that was missed, start afresh."""
        continues = self._snapshot is change.old
        self._snapshot = change.new
        if not continues:
            self._reset()
        if change.old_span.length + change.new_span.length > MAX_STEP_CHARACTERS:
            self._reset()
            return "edit"
        step = _Step(
            change.old_span.start,
            change.old.slice(change.old_span),
            change.new.slice(change.new_span),
        )
        key = self._keys[self._place] + step.weight
        if key in self._keys:
            state = self._find_state(key, step, change.old)
            if state is not None:
                cause: Cause = "undo" if state < self._place else "redo"
                self._place = state
                return cause
        self._append(step, key)
        return "edit"

    def _reset(self) -> None:
        self._steps = []
        self._keys = [0]
        self._place = 0
        self._size = 0

    def _append(self, step: _Step, key: int) -> None:
        self._size -= sum(undone.size for undone in self._steps[self._place :])
        del self._steps[self._place :]
        del self._keys[self._place + 1 :]
        self._steps.append(step)
        self._keys.append(key)
        self._place += 1
        self._size += step.size
        while len(self._steps) > MAX_STEPS or self._size > MAX_CHARACTERS:
            self._size -= self._steps.pop(0).size
            del self._keys[0]
            self._place -= 1

    def _find_state(self, key: int, step: _Step, old: TextSnapshot) -> int | None:
        """The nearest state, earlier ones first, that the step leads to."""
        earlier = [i for i in range(self._place - 1, -1, -1) if self._keys[i] == key]
        later = [i for i in range(self._place + 1, len(self._keys)) if self._keys[i] == key]
        for state in (earlier + later)[:MAX_COMPARISONS]:
            if state < self._place:
                between = [step.inverse for step in reversed(self._steps[state : self._place])]
            else:
                between = self._steps[self._place : state]
            if _agree([step], between, old):
                return state
        return None


def _agree(left: list[_Step], right: list[_Step], old: TextSnapshot) -> bool:
    """Whether two runs of steps lead from one text to the same text."""
    spans = [_enclose(left), _enclose(right)]
    around = Span(min(span.start for span in spans), max(span.end for span in spans))
    if around.length > MAX_STEP_CHARACTERS:
        return False
    text = old.slice(around)
    return _apply(left, text, around.start) == _apply(right, text, around.start)


def _enclose(steps: Iterable[_Step]) -> Span:
    """The span, in the text before the steps, that holds all that they change."""
    start, end, growth = -1, -1, 0
    for step in steps:
        step_end = step.start + len(step.removed)
        if start < 0:
            start, end = step.start, step_end
        else:
            start, end = min(start, step.start), max(end, step_end - growth)
        growth += len(step.inserted) - len(step.removed)
    return Span(start, end)


def _apply(steps: Iterable[_Step], text: str, offset: int) -> str:
    """The text, which starts at `offset` of the document, after the steps."""
    for step in steps:
        at = step.start - offset
        text = text[:at] + step.inserted + text[at + len(step.removed) :]
    return text
