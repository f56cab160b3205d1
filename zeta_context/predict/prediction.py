"""What a prediction is, what became of it, and why there is none.

Knows nothing of how predictions are made or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

Part = Literal["word", "line"]
"""How much of a prediction is accepted at once."""

RejectReason = Literal[
    "canceled",
    "empty",
    "interpolated_empty",
    "interpolate_failed",
    "patch_apply_failed",
    "replaced",
    "current_preferred",
    "discarded",
    "rejected",
]
"""What became of a prediction that was not accepted, in the reference client's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """An edit prediction for one document.

    `edits` replace spans of the text that document had at `version`: sorted, disjoint, all
    against that one text. `cursor` is where the cursor would go, an offset in the resulting text.
    `why` is one sentence for people; `confidence` is in 0..1 where the proposer has one. A model's
    prediction may tell the `region` of that text that it was to rewrite, and that its output was
    cut off (`is_truncated`).
    """

    id: str
    project: str
    path: str
    version: int
    edits: tuple[TextEdit, ...]
    proposer: str
    why: str
    cursor: int | None = None
    confidence: float | None = None
    region: Span | None = None
    is_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """A place in a file that is not open where an edit waits: open it, go there and ask again.

    `edits` are planned against `text`, what the file holds on disk, and made nowhere: once the
    document is open they are proposed in it, as its text then stands. `why` is one sentence.
    """

    id: str
    project: str
    path: str
    text: TextSnapshot
    edits: tuple[TextEdit, ...]
    why: str

    @property
    def offset(self) -> int:
        """Where the first of the edits starts."""
        return self.edits[0].span.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """No prediction, and the machine-readable `reason`; `detail` is for people.

    Falsy, so that `if prediction:` reads as it should. There may be a `jump` to where there would
    be one.
    """

    reason: str
    detail: str = ""
    jump: Jump | None = None

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a prediction: accepted, or rejected with a reason.

    `edits` were made in the document by the acceptance, against the text it had: none where the
    editor had made them. After the acceptance of a `part` the rest of the prediction stands.
    """

    prediction_id: str
    accepted: bool
    was_shown: bool
    reason: RejectReason | None = None
    part: Part | None = None
    edits: tuple[TextEdit, ...] = ()
