"""Places in files that are not open, of which an editor was told, until it says what became of it.

Knows the session's word for a rejection, no protocol. Bounded: an editor that never answers costs
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from zeta_context.lsp import uri as uris
from zeta_context.predict.prediction import Jump
from zeta_context.server.documents import EditorDocuments
from zeta_context.session import Session

MAX_KEPT = 8


class ToldJumps:
    """The newest `MAX_KEPT` by id."""

    def __init__(self, session: Session, documents: EditorDocuments) -> None:
        self._session = session
        self._documents = documents
        self._by_id: OrderedDict[str, Jump] = OrderedDict()

    def get(self, jump_id: object) -> Jump | None:
        """A jump by its id."""
        return self._by_id.get(jump_id) if isinstance(jump_id, str) else None

    def describe(self, jump: Jump) -> dict[str, Any]:
        """What an editor needs to go there, and to say why; from now on it is known by its id."""
        self._by_id[jump.id] = jump
        while len(self._by_id) > MAX_KEPT:
            self._by_id.popitem(last=False)
        return {
            "id": jump.id,
            "uri": self.uri(jump),
            "position": self._documents.position(jump.text, jump.offset),
            "why": jump.why,
        }

    def uri(self, jump: Jump) -> str:
        """The file of a jump."""
        return uris.from_path(self._session.projects.file(jump.project, jump.path))

    def reject(self, jump: Jump) -> None:
        """The user does not want to leave the open files."""
        if self._by_id.pop(jump.id, None) is not None:
            self._session.reject_jump(jump)
