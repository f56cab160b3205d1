"""Replays a recorded session: the same calls in the same order at the same times.

Deterministic: the only clock is the trace's own. Waiting between steps, if anybody wants it, is
the caller's business; `Step.idle_ms` says for how long. Knows nothing of what it drives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, assert_never

from zeta_context.errors import NotOpen, OutOfRange, TraceError, ZetaError
from zeta_context.events.event import Cause
from zeta_context.events.trace import (
    Closed,
    CursorMoved,
    Edited,
    Ended,
    Focused,
    Opened,
    PredictionState,
    Reloaded,
    Renamed,
    Reported,
    Saved,
    TraceEntry,
    digest_text,
)
from zeta_context.text.point import Span


class TraceTarget(Protocol):
    """What a replay drives; `TraceRecorder` is one too, so a replay can be recorded again."""

    def open(self, path: str, text: str, *, language: str = "") -> object: ...

    def edit(
        self,
        path: str,
        span: Span,
        new_text: str,
        *,
        predicted: bool = False,
        cause: Cause = "edit",
    ) -> object: ...

    def close(self, path: str) -> object: ...

    def cursor(self, path: str, offset: int) -> object: ...

    def focus(self, path: str) -> object: ...

    def save(self, path: str) -> object: ...

    def reload(self, path: str, text: str) -> object: ...

    def rename(self, path: str, new_path: str) -> object: ...

    def report(
        self, prediction: str, state: PredictionState, *, reason: str | None = None
    ) -> object: ...


class ReplayClock:
    """The trace's time. Calling it gives seconds, as every `clock` parameter here expects."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> float:
        return self.now_ms / 1000

    def advance_to(self, at_ms: int) -> None:
        """Move on to a time; an earlier one leaves the clock where it is."""
        self.now_ms = max(self.now_ms, at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An entry that was just applied, the `number`th of its trace counted from 1.

    `idle_ms` is the time until the next entry, None after the last. `path` and `cursor` say where
    the user then is: the document that has the focus, empty before there is one, and an offset.
    """

    number: int
    entry: TraceEntry
    idle_ms: int | None
    path: str
    cursor: int


def replay(
    entries: Iterable[TraceEntry],
    target: TraceTarget,
    clock: ReplayClock,
    *,
    read_blob: Callable[[str], str] | None = None,
) -> Iterator[Step]:
    """Apply each entry to `target` at its time on `clock`, and yield it afterwards.

    `read_blob` gives the text of a git blob by its object id, for traces that refer to some.
    Raises `TraceError` when an entry does not fit the text it meets, or a blob its digest.
    """
    numbered = enumerate(entries, start=1)
    current = next(numbered, None)
    place = _Place()
    while current is not None:
        number, entry = current
        clock.advance_to(entry.at_ms)
        try:
            _apply(entry, target, read_blob)
        except (OutOfRange, NotOpen, TraceError) as error:
            raise TraceError(f"entry {number} ({entry.kind}): {error}") from error
        place.follow(entry)
        current = next(numbered, None)
        idle_ms = None if current is None else current[1].at_ms - entry.at_ms
        yield Step(
            number=number, entry=entry, idle_ms=idle_ms, path=place.path, cursor=place.cursor
        )


def _apply(entry: TraceEntry, target: TraceTarget, read_blob: Callable[[str], str] | None) -> None:
    match entry:
        case Opened():
            target.open(entry.path, _read_opened(entry, read_blob), language=entry.language)
        case Edited():
            target.edit(
                entry.path,
                entry.span,
                entry.new_text,
                predicted=entry.predicted,
                cause=entry.cause,
            )
        case CursorMoved():
            target.cursor(entry.path, entry.offset)
        case Focused():
            target.focus(entry.path)
        case Saved():
            target.save(entry.path)
        case Closed():
            target.close(entry.path)
        case Reloaded():
            target.reload(entry.path, entry.text)
        case Renamed():
            target.rename(entry.path, entry.new_path)
        case Reported():
            target.report(entry.prediction, entry.state, reason=entry.reason)
        case Ended():
            pass
        case _:
            assert_never(entry)


def _read_opened(entry: Opened, read_blob: Callable[[str], str] | None) -> str:
    text = entry.text
    if text is None:
        if read_blob is None or entry.blob is None:
            raise TraceError("its text is a git blob, and no repository was given")
        try:
            text = read_blob(entry.blob)
        except ZetaError as error:
            raise TraceError(f"its git blob cannot be read: {error}") from error
    if entry.sha256 is not None and digest_text(text) != entry.sha256:
        raise TraceError("its text is not the one that was recorded")
    return text


class _Place:
    """Where the user is, as the entries tell."""

    def __init__(self) -> None:
        self.path = ""
        self._offsets: dict[str, int] = {}

    @property
    def cursor(self) -> int:
        return self._offsets.get(self.path, 0)

    def follow(self, entry: TraceEntry) -> None:
        match entry:
            case Opened():
                self._go(entry.path, 0)
            case Edited():
                self._go(entry.path, entry.span.start + len(entry.new_text))
            case CursorMoved():
                self._go(entry.path, entry.offset)
            case Focused():
                self.path = entry.path
            case Reloaded():
                offset = min(self._offsets.get(entry.path, 0), len(entry.text))
                self._offsets[entry.path] = offset
            case Renamed():
                if entry.path in self._offsets:
                    self._offsets[entry.new_path] = self._offsets.pop(entry.path)
                if self.path == entry.path:
                    self.path = entry.new_path
            case Closed():
                self._offsets.pop(entry.path, None)
                if self.path == entry.path:
                    self.path = ""
            case _:
                pass

    def _go(self, path: str, offset: int) -> None:
        self.path = path
        self._offsets[path] = offset


class ReplayedTexts:
    """A target that keeps the texts and nothing else: to check a trace, or to see its end."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def open(self, path: str, text: str, *, language: str = "") -> None:
        self.texts[path] = text

    def edit(
        self,
        path: str,
        span: Span,
        new_text: str,
        *,
        predicted: bool = False,
        cause: Cause = "edit",
    ) -> None:
        text = self._text(path)
        if span.end > len(text):
            raise OutOfRange(f"span {tuple(span)} of a text with {len(text)} characters")
        self.texts[path] = text[: span.start] + new_text + text[span.end :]

    def close(self, path: str) -> None:
        self._text(path)
        del self.texts[path]

    def cursor(self, path: str, offset: int) -> None:
        if offset > len(self._text(path)):
            raise OutOfRange(f"offset {offset} of a text with {len(self.texts[path])} characters")

    def focus(self, path: str) -> None:
        self._text(path)

    def save(self, path: str) -> None:
        self._text(path)

    def reload(self, path: str, text: str) -> None:
        self._text(path)
        self.texts[path] = text

    def rename(self, path: str, new_path: str) -> None:
        if path in self.texts:
            self.texts[new_path] = self.texts.pop(path)

    def report(self, prediction: str, state: PredictionState, *, reason: str | None = None) -> None:
        """Outcomes change no text."""

    def digests(self) -> dict[str, str]:
        """The digest of each open document's text, as an `Ended` entry holds them."""
        return {path: digest_text(text) for path, text in sorted(self.texts.items())}

    def _text(self, path: str) -> str:
        try:
            return self.texts[path]
        except KeyError:
            raise NotOpen("the document is not open") from None
