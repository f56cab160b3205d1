"""The files that definitions are found in: their text and syntax, read once and kept.

Knows nothing of language servers. An open document's text comes before the one on disk. Reading
and parsing run in a thread, one at a time, so that nobody who waits with a deadline overruns it.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zeta_context.context import syntax
from zeta_context.context.grammars import language_of
from zeta_context.context.syntax import OutlineItem, SyntaxTree
from zeta_context.prompt.input import RelatedFile
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

if TYPE_CHECKING:
    from zeta_context.context.assemble import DefinitionRows

MAX_FILE_BYTES = 1024 * 1024
MAX_FILES = 96
CHECK_AGAIN_S = 1.0
"""How long a file on disk is taken as unchanged without looking."""

OUTLINE_STRETCH = 16_384
"""Code points whose outline is made at a time."""

Stamp = tuple[int, int, int]
T = TypeVar("T")


@dataclass(slots=True, kw_only=True, eq=False)
class SourceFile:
    """A file's text and tree at one moment; `tree` is None for plain text.

    `excerpts` and `facts` remember what was worked out from this text alone, by place and by what
    worked it out; `assembled` what was last made of it, and of what.
    """

    path: Path
    language: str
    snapshot: TextSnapshot
    tree: SyntaxTree | None
    stamp: Stamp | None = None
    excerpts: dict[Span, DefinitionRows] = field(default_factory=dict)
    facts: dict[Callable[[SourceFile], object], Any] = field(default_factory=dict)
    assembled: tuple[object, RelatedFile] | None = None
    _enclosing: dict[int, tuple[OutlineItem, ...]] = field(default_factory=dict)
    _children: dict[Span, list[OutlineItem]] = field(default_factory=dict)
    _outline: tuple[OutlineItem, ...] | None = None

    @property
    def outline(self) -> tuple[OutlineItem, ...]:
        """Everything that the file defines, worked out once: it takes a while for a long file."""
        if self._outline is None:
            self.work_out()
        return self._outline or ()

    def once(self, work: Callable[[SourceFile], T]) -> T:
        """What `work` makes of this file, made once."""
        if work not in self.facts:
            self.facts[work] = work(self)
        found: T = self.facts[work]
        return found

    def work_out(self) -> None:
        """Make the outline, a stretch at a time: others get to run in between.

        A syntax query keeps the whole interpreter waiting until it is done.
        """
        found: dict[Span, OutlineItem] = {}
        length = len(self.snapshot)
        for start in range(0, length if self.tree is not None else 0, OUTLINE_STRETCH):
            assert self.tree is not None
            stretch = Span(start, min(start + OUTLINE_STRETCH, length))
            found.update((item.span, item) for item in syntax.items_in(self.tree, stretch))
        items = sorted(found.values(), key=lambda item: (item.span.start, -item.span.end))
        self._outline = tuple(items)

    @property
    def has_outline(self) -> bool:
        """Whether `outline` costs nothing any more."""
        return self._outline is not None

    def enclosing(self, offset: int) -> tuple[OutlineItem, ...]:
        """The outline items around an offset, outermost first."""
        if self.tree is None:
            return ()
        if offset not in self._enclosing:
            if self._outline is not None:
                around = (one for one in self._outline if one.span.contains(offset))
                self._enclosing[offset] = tuple(around)
            else:
                self._enclosing[offset] = syntax.enclosing_items(self.tree, offset)
        return self._enclosing[offset]

    def children(self, parent: OutlineItem) -> list[OutlineItem] | None:
        """The outline items directly inside of another; None for a long one without an outline."""
        if self.tree is None:
            return []
        if self._outline is None and parent.span.length > OUTLINE_STRETCH:
            return None
        start, end = parent.span
        if parent.span not in self._children:
            items = self._outline
            self._children[parent.span] = [
                item
                for item in (syntax.items_in(self.tree, parent.span) if items is None else items)
                if item.depth == parent.depth + 1
                and start <= item.span.start
                and item.span.end <= end
            ]
        return self._children[parent.span]


class SourceFiles:
    """The newest state of files by path; memory is bounded by count and size.

    `open_snapshot` gives the text of a document that an editor holds, or None.
    """

    def __init__(
        self,
        *,
        open_snapshot: Callable[[Path], TextSnapshot | None] = lambda path: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_snapshot = open_snapshot
        self._clock = clock
        self._files: OrderedDict[Path, SourceFile | None] = OrderedDict()
        self._checked: dict[Path, float] = {}
        self._one_at_a_time = asyncio.Lock()

    def ready(self, path: Path) -> SourceFile | None:
        """The file as it was last read, at no cost; None when it was not or cannot be."""
        return self._files.get(path)

    def is_current(self, path: Path) -> bool:
        """Whether `ready` gives what the file holds now, as far as is known."""
        if path not in self._files:
            return False
        file = self._files[path]
        snapshot = self._open_snapshot(path)
        if snapshot is not None:
            return file is not None and file.snapshot.is_same(snapshot)
        now = self._clock()
        if now - self._checked.get(path, -CHECK_AGAIN_S) < CHECK_AGAIN_S:
            return True
        self._checked[path] = now
        return (file.stamp if file is not None else None) == _stamp(path)

    async def read(self, path: Path) -> None:
        """Make `ready` give the file as it is now."""
        await self.get(path)

    async def get(self, path: Path) -> SourceFile | None:
        """The file as it is now; None for what is gone, too large, binary or no plain file."""
        if self.is_current(path):
            return self._files[path]
        async with self._one_at_a_time:
            if self.is_current(path):
                return self._files[path]
            snapshot = self._open_snapshot(path)
            file = await asyncio.to_thread(_load, path, snapshot)
            self._files[path] = file
            self._files.move_to_end(path)
            self._checked[path] = self._clock()
            while len(self._files) > MAX_FILES:
                gone, _ = self._files.popitem(last=False)
                self._checked.pop(gone, None)
            return file


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _load(path: Path, snapshot: TextSnapshot | None) -> SourceFile | None:
    stamp: Stamp | None = None
    if snapshot is None:
        stamp = _stamp(path)
        text = _read(path) if stamp is not None else None
        if text is None:
            return None
        snapshot = TextSnapshot(text)
    language = language_of(path.name)
    tree = syntax.parse(language, snapshot, path=path.name) if language else None
    file = SourceFile(path=path, language=language, snapshot=snapshot, tree=tree, stamp=stamp)
    file.work_out()
    return file


def _read(path: Path) -> str | None:
    try:
        # Not blocking: what was a file a moment ago may be a pipe now.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None
    if len(data) > MAX_FILE_BYTES or b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8")
    except UnicodeDecodeError:
        return None
