"""One hop further: the types of the parameters and fields that a found signature names.

Knows nothing of the cursor. Only what lies in the project is followed: the standard library's
types are known to every model.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.context import syntax
from zeta_context.context.assemble import is_big
from zeta_context.context.files import SourceFile, SourceFiles
from zeta_context.context.questions import Server, Target, resolve
from zeta_context.context.syntax import Identifier, OutlineItem
from zeta_context.errors import DocumentError, LspError, TextError
from zeta_context.text.point import Span

MAX_HOPS = 256
MAX_NAMES = 24
"""Names of one signature or one record that are followed."""

_TYPES = frozenset({"class", "struct", "interface", "type", "enum", "trait"})


@dataclass(slots=True, eq=False)
class Hop:
    """A signature and the types that it names; `targets` is None until the server answered.

    `text` is what was looked at: the same text names the same types, wherever it has moved to.
    """

    text: str
    targets: tuple[Target, ...] | None = None
    task: asyncio.Task[None] | None = None


class Hops:
    """Asks for the types in signatures, and remembers them while their file stays as it is."""

    def __init__(
        self,
        server: Server,
        files: SourceFiles,
        *,
        is_outside: Callable[[Path], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._server = server
        self._files = files
        self._is_outside = is_outside
        self._spawn = spawn
        self._hops: OrderedDict[tuple[Path, str], Hop] = OrderedDict()

    def follow(self, file: SourceFile, span: Span) -> Hop | None:
        """The hop from the definition whose name is at `span`; None where there is nothing."""
        if file.tree is None or self._is_outside(file.path):
            return None
        item = next((one for one in reversed(file.enclosing(span.start))), None)
        if item is None or not item.header.contains(span.start):
            return None
        text = file.snapshot.slice(_looked_at(file, item))
        key = (file.path, text)
        hop = self._hops.get(key)
        if hop is None:
            hop = self._hops[key] = Hop(text)
            while len(self._hops) > MAX_HOPS:
                self._hops.popitem(last=False)
        if hop.targets is None and hop.task is None and self._server.is_running:
            hop.task = self._spawn(self._answer(hop, file, item))
        return hop

    async def _answer(self, hop: Hop, file: SourceFile, item: OutlineItem) -> None:
        names = signature_names(file, item)
        path = file.path
        try:
            if names:
                self._server.visit(path, language=file.language, snapshot=file.snapshot)
            answers = await asyncio.gather(*(self._types(path, name) for name in names))
        finally:
            hop.task = None
        found: dict[tuple[Path, int], Target] = {}
        for targets in answers:
            for target in targets:
                is_itself = target.path == path and item.span.contains(target.span.start)
                if not is_itself and not self._is_outside(target.path):
                    found.setdefault((target.path, target.span.start), target)
        hop.targets = tuple(found.values())

    async def _types(self, path: Path, name: Identifier) -> tuple[Target, ...]:
        try:
            locations = await self._server.type_definition(path, name.span.start)
        except (LspError, DocumentError, TextError):
            return ()
        return await resolve(self._files, name.name, (("second_hop", locations),))


def signature_names(file: SourceFile, item: OutlineItem) -> list[Identifier]:
    """The names in an item's header but its own, and for a small type those of its fields."""
    if file.tree is None:
        return []
    names = list(syntax.identifiers_in(file.tree, item.header))
    if item.body is not None and _looked_at(file, item) == item.span:
        inner = [child.span for child in file.children(item) or ()]
        names += [
            one
            for one in syntax.identifiers_in(file.tree, item.body)
            if not any(span.contains(one.span.start) for span in inner)
        ]
    seen: dict[str, Identifier] = {}
    for one in names:
        if one.span != item.name_span:
            seen.setdefault(one.name, one)
    return list(seen.values())[:MAX_NAMES]


def _looked_at(file: SourceFile, item: OutlineItem) -> Span:
    """The header; the whole of a small type, whose fields are as good as parameters."""
    return item.span if item.kind in _TYPES and not is_big(file, item) else item.header
