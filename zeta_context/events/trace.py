"""What a recorded editing session consists of, entry by entry.

The records of the open trace format (docs/trace.md); a trace is one `TraceHeader` and a run of
entries in the order of their times. Knows nothing of encodings (`trace_codec`) and files
(`trace_file`), of recording (`trace_recorder`) or of replaying (`trace_replay`).

Times are whole milliseconds since the start of the recording, offsets and spans are code points,
paths are POSIX paths below the project's root folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zeta_context.events.event import Cause
from zeta_context.text.point import Span

TRACE_VERSION = 1
"""The version that this library writes; every older one it reads."""

CLOCK_UNIT = "ms"
POSITION_UNIT = "code points"

PredictionState = Literal["shown", "accepted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader:
    """What holds for the whole trace: `root` is the name of the project's root folder, never a
    path. `editor` is a name and a version. `started` is the wall time of the first millisecond
    in RFC 3339, or empty. `metadata` is for whoever keeps the trace: language, purpose and so on.
    """

    root: str
    editor: str = ""
    started: str = ""
    metadata: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A document was opened with this text, or with the text of a git blob of the project.

    Either `text` or `blob` (the object id in hexadecimal) is there; with a blob, `sha256` is the
    digest of the text that it stands for.
    """

    kind: ClassVar = "open"
    at_ms: int
    path: str
    language: str = ""
    text: str | None = None
    blob: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """`span` was replaced by `new_text`, which gave the document `version`.

    The cursor is then at the end of `new_text`, unless a `CursorMoved` follows. `predicted` marks
    an accepted prediction. `cause` is `undo` or `redo` where the editor told.
    """

    kind: ClassVar = "edit"
    at_ms: int
    path: str
    span: Span
    new_text: str
    version: int
    predicted: bool = False
    cause: Cause = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorMoved:
    """The cursor stands at `offset` of a document."""

    kind: ClassVar = "cursor"
    at_ms: int
    path: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Focused:
    """The user went to an open document."""

    kind: ClassVar = "focus"
    at_ms: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A document was written to disk as it stands."""

    kind: ClassVar = "save"
    at_ms: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A document was closed."""

    kind: ClassVar = "close"
    at_ms: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """The editor took over a change made outside it: the document's whole text is now `text`."""

    kind: ClassVar = "reload"
    at_ms: int
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """A file, open or not, is called `new_path` from now on."""

    kind: ClassVar = "rename"
    at_ms: int
    path: str
    new_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What became of a prediction; its edits, when accepted, are `Edited` entries of their own."""

    kind: ClassVar = "outcome"
    at_ms: int
    prediction: str
    state: PredictionState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The recording ended in order; `texts` holds the digest of each open document's final text.

    `reason` is `full` when the recorder stopped at its limit before the session was over.
    """

    kind: ClassVar = "end"
    at_ms: int
    texts: Mapping[str, str] = field(default_factory=dict)
    reason: Literal["closed", "full"] = "closed"


TraceEntry = (
    Opened | Edited | CursorMoved | Focused | Saved | Closed | Reloaded | Renamed | Reported | Ended
)
"""Any entry of a trace."""


def digest_text(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes in hexadecimal; lone surrogates count as three bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
