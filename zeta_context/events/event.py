"""One entry of the edit history.

The record that the tracker produces, prompts render, and stores keep. Knows nothing of buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zeta_context.text.point import Span

Cause = Literal["edit", "undo", "redo"]
"""How the change came about, where it can be told; a model's accepted edit is an `edit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A `BufferChange`: what changed in one document, as a unified diff with 3 context lines.

    `project` is the name of the project's root folder, `path` the POSIX path below it; `old_path`
    differs from `path` only when the file was renamed. `diff` starts at the `@@` line: no file
    header. `old_span` and `new_span` (code points) hold all that changed, in the text before and
    after. `predicted` tells an accepted prediction from the user's own typing. `at` is the time
    of the last change in it, in seconds on the session's clock. `in_open_source_repo` is None
    while nobody has asked the licence gate.
    """

    project: str
    path: str
    diff: str
    old_span: Span
    new_span: Span
    predicted: bool = False
    cause: Cause = "edit"
    at: float = 0.0
    old_path: str | None = None
    in_open_source_repo: bool | None = None
