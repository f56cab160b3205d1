"""Who wants to know of every change of an open document, and who made it.

Knows nothing of what observers do with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from zeta_context.events.change import Change

Author = Literal["user", "undo", "prediction", "other"]
"""Who made a change: `undo` is the user by an undo or redo of which the editor told, `other` a
reload or somebody else."""


class ChangeObserver(Protocol):
    """Is told of changes in order, after the tracker has taken them in; must not raise."""

    def follow(
        self, project: str, path: str, changes: Sequence[Change], *, author: Author, at: float
    ) -> None:
        """`changes` follow one another; `at` is in seconds on the session's clock."""
        ...
