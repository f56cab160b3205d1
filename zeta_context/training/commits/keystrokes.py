"""Types the changes of a commit out, key by key, as a trace: with slips, false starts, corrections.

Seeded: the same places, habits and seed give the same trace. What is typed in the end is the
commit, whatever happens on the way. Knows nothing of git or of examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from zeta_context.events.language import language_of
from zeta_context.events.trace import CursorMoved, Edited, Focused, Opened, TraceEntry
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.training.commits.hunks import Place
from zeta_context.training.commits.profile import Habits
from zeta_context.training.commits.typing_model import BACKSPACE, TypingModel

PASTE_LENGTH = 240
"""A longer insertion is pasted rather than typed, as far as a trace is concerned."""

_SELECTS = 0.9
"""How often what is to go is selected, or deleted by a word command, rather than key by key."""

_WORD = re.compile(r"[^\W\d]\w{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """After entry `index` place `place` is done, and nothing that was begun is left open.

    A mark with `place` None stands inside a place: something correct has been half typed.
    """

    index: int
    place: int | None


@dataclass(slots=True)
class TypedCommit:
    """A trace, and where in it something is finished or half typed."""

    entries: list[TraceEntry] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


def type_commit(
    paths: Sequence[str],
    texts: Sequence[str],
    places: Sequence[Place],
    *,
    habits: Habits,
    seed: int,
) -> TypedCommit:
    """The trace that makes the changes at `places`, in their order, to the `texts` at `paths`."""
    return _Typist(paths, texts, habits, seed).run(places)


class _Typist:
    """Goes from place to place. Keeps, per file, how far each done place has moved the others."""

    def __init__(
        self, paths: Sequence[str], texts: Sequence[str], habits: Habits, seed: int
    ) -> None:
        self._paths = paths
        self._texts = texts
        self._habits = habits
        self._random = Random(seed)
        self._model = TypingModel(seed)
        self._typed = TypedCommit()
        self._now = 0
        self._versions = [0] * len(paths)
        self._opened: set[int] = set()
        self._at = -1
        self._growth: list[list[tuple[int, int]]] = [[] for _ in paths]
        self._removed: list[str] = []
        self._key = ""

    def run(self, places: Sequence[Place]) -> TypedCommit:
        """Type all places."""
        for number, place in enumerate(places):
            self._go_to(place.file)
            base = place.start + sum(by for at, by in self._growth[place.file] if at < place.start)
            self._pause()
            self._change(base, place)
            self._growth[place.file].append((place.start, len(place.new) - len(place.old)))
            self._typed.marks.append(Mark(index=len(self._typed.entries) - 1, place=number))
        return self._typed

    def _go_to(self, file: int) -> None:
        path = self._paths[file]
        if file not in self._opened:
            self._opened.add(file)
            self._add(
                Opened(
                    at_ms=self._now,
                    path=path,
                    language=language_of(path),
                    text=self._texts[file],
                )
            )
        elif file != self._at:
            self._add(Focused(at_ms=self._now, path=path))
        self._at = file

    def _change(self, base: int, place: Place) -> None:
        """Make the small edits of a place from left to right."""
        edits = diff_text(place.old, place.new)
        second_thought = self._choose_second_thought(edits)
        shift = 0
        undone: tuple[int, str, str] | None = None
        for number, edit in enumerate(edits):
            start = base + edit.span.start + shift
            if number:
                self._wait(self._model.think_ms(500))
            self._add(CursorMoved(at_ms=self._now, path=self._path, offset=start))
            removed = place.old[edit.span.start : edit.span.end]
            self._delete(start, removed)
            text = edit.new_text
            if second_thought is not None and second_thought[0] == number:
                _, word, other = second_thought
                at = text.index(word)
                text = text[:at] + other + text[at + len(word) :]
                undone = (start + at, other, word)
            self._insert(start, text, is_clean=undone is None)
            shift += len(edit.new_text) - len(removed)
            if undone is not None and second_thought is not None and second_thought[0] == number:
                self._mend(*undone)
                undone = None

    def _mend(self, start: int, other: str, word: str) -> None:
        """Go back to a word that was typed as another, and type the right one."""
        self._pause()
        self._add(CursorMoved(at_ms=self._now, path=self._path, offset=start))
        self._delete(start, other)
        self._insert(start, word, is_clean=False)

    def _choose_second_thought(self, edits: Sequence[TextEdit]) -> tuple[int, str, str] | None:
        """Which edit, if any, gets a word that is changed afterwards: its number, word, other."""
        if self._random.random() >= self._habits.revisit_rate:
            return None
        for number, edit in enumerate(edits):
            words = _WORD.findall(edit.new_text[:PASTE_LENGTH])
            if len(words) >= 3:
                word = self._random.choice(words)
                other = self._other_word(word)
                if other is not None:
                    return number, word, other
        return None

    def _delete(self, start: int, text: str) -> None:
        """Remove `text`, which ends at the cursor's right: at once, or key by key from its end."""
        if not text:
            return
        self._removed.append(text)
        in_one_go = "\n" in text or self._random.random() < _SELECTS
        if len(text) >= 2 and in_one_go:
            self._press(BACKSPACE, Span(start, start + len(text)), "")
            return
        for end in range(start + len(text), start, -1):
            self._press(BACKSPACE, Span(end - 1, end), "")

    def _insert(self, start: int, text: str, *, is_clean: bool) -> None:
        if not text:
            return
        if len(text) > PASTE_LENGTH or (len(text) >= 20 and text in self._removed):
            self._press("v", Span(start, start), text)
            return
        if len(text) >= 8 and self._random.random() < self._false_start_chance():
            self._start_wrongly(start, text)
        at = start
        right = 0
        wrong = 0
        keys = self._model.mistype(text, self._habits.slip_rate)
        i = 0
        while i < len(keys):
            key = keys[i]
            i += 1
            if key == BACKSPACE:
                self._press(BACKSPACE, Span(at - 1, at), "")
                at -= 1
                wrong -= 1
                continue
            if not wrong and text[right : right + 1] == key:
                piece = key
                if key == "\n":  # an editor indents the new row by itself
                    indent = re.compile(r"[ \t]*").match(keys, i)
                    piece += indent.group() if indent else ""
                    i += len(piece) - 1
                right += len(piece)
            else:
                piece = key
                wrong += 1
            self._press(key, Span(at, at), piece)
            at += len(piece)
            if is_clean and not wrong and 0 < right < len(text) and piece.strip():
                self._typed.marks.append(Mark(index=len(self._typed.entries) - 1, place=None))

    def _false_start_chance(self) -> float:
        """Once in so many insertions; a visit has about two of them that are long enough."""
        return self._habits.false_start_rate / 2

    def _start_wrongly(self, start: int, text: str) -> None:
        """Type the beginning of something else and take it back."""
        first = _WORD.search(text)
        other = self._other_word(first.group() if first else "")
        if other is None:
            return
        began = other[: self._random.randint(4, max(4, min(12, len(other))))]
        for i, key in enumerate(began):
            self._press(key, Span(start + i, start + i), key)
        self._wait(self._model.think_ms(700))
        if self._random.random() < self._habits.block_delete_share:
            self._press(BACKSPACE, Span(start, start + len(began)), "")
            return
        for end in range(start + len(began), start, -1):
            self._press(BACKSPACE, Span(end - 1, end), "")

    def _other_word(self, word: str) -> str | None:
        """Another word of the current file, near a place chosen at random."""
        text = self._texts[self._at]
        found = _WORD.search(text, self._random.randrange(max(1, len(text))))
        return found.group() if found and found.group() != word else None

    @property
    def _path(self) -> str:
        return self._paths[self._at]

    def _pause(self) -> None:
        """Read, and find the next place."""
        habits = self._habits
        self._wait(round(self._random.lognormvariate(habits.pause_log_mean, habits.pause_log_sd)))

    def _wait(self, ms: int) -> None:
        self._now += ms

    def _press(self, key: str, span: Span, new_text: str) -> None:
        self._wait(self._model.interval_ms(self._key, key))
        self._key = key
        self._versions[self._at] += 1
        self._add(
            Edited(
                at_ms=self._now,
                path=self._path,
                span=span,
                new_text=new_text,
                version=self._versions[self._at],
            )
        )

    def _add(self, entry: TraceEntry) -> None:
        self._typed.entries.append(entry)
