"""Language servers that texts can be shown to, in documents that are no files.

One of our own may be shown any. The editor's is shown one only beside what its user sees, and only
such as changes nothing for other files. Knows nothing of what is asked about them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from zeta_context.context.questions import Server
from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.lsp.documents import Location
from zeta_context.predict.view import Document
from zeta_context.text.snapshot import TextSnapshot

if TYPE_CHECKING:
    from zeta_context.lsp.client import LanguageServer

_MODULE = re.compile(r"^(?:import|export)\b", re.MULTILINE)


class Showing(Protocol):
    """A server that can be shown a text as a document, asked about it, and told to forget it."""

    @property
    def is_running(self) -> bool: ...

    def supports(self, method: str) -> bool: ...

    def sync(self, path: Path, *, language: str, version: int, snapshot: TextSnapshot) -> None: ...

    def close_document(self, path: Path) -> None: ...

    async def diagnostics(
        self, path: Path, *, timeout_s: float
    ) -> tuple[ServerDiagnostic, ...]: ...

    async def was_told(self, path: Path, *, timeout_s: float) -> bool: ...

    def known_diagnostics(self, path: Path) -> tuple[ServerDiagnostic, ...]: ...

    async def definition(self, path: Path, offset: int) -> tuple[Location, ...]: ...

    async def references(self, path: Path, offset: int) -> tuple[Location, ...]: ...


@runtime_checkable
class Lent(Protocol):
    """A server that somebody else listens to, and the way round them.

    `uses` tells where a name is defined and where it is used, even if the text changes meanwhile:
    the answer is then about either text.
    """

    @property
    def beside(self) -> Showing: ...

    async def uses(
        self, path: Path, offset: int
    ) -> tuple[tuple[Location, ...], tuple[Location, ...]]: ...


def name_beside(path: Path, mark: Literal["is", "was", "would"]) -> Path:
    """What a text is called that is shown in place of a file."""
    return path.with_name(f"{path.stem}__zeta_{mark}{path.suffix}")


def stands_alone(document: Document) -> bool:
    """Whether a second document with the same text leaves all others as they are.

    Where files share names without importing them, as in Go, both would be at fault.
    """
    if document.language == "python":
        return True
    is_script = document.language.startswith(("javascript", "typescript"))
    return is_script and _MODULE.search(document.snapshot.text) is not None


def own_server(server: Server | None) -> LanguageServer | None:
    """A server that nobody else listens to, if it is one."""
    from zeta_context.lsp.client import LanguageServer

    return server if isinstance(server, LanguageServer) else None
