"""What every prediction must pass before it may be shown, whoever proposed it.

Pure but for the syntax trees that it keeps, so that the next one costs only what changed. Knows
nothing of proposers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from zeta_context.context.syntax import SyntaxCache, error_count
from zeta_context.events.event import Event
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.provenance import Provenance, trace_events
from zeta_context.predict.reversal import undoes_user
from zeta_context.predict.view import Document, View
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """How much a prediction may change at once, and up to what length files are parsed for it."""

    max_inserted: int = 8_000
    max_deleted_rows: int = 60
    max_parsed: int = 400_000


@dataclass(slots=True)
class Checks:
    """The checks in the order in which they are made, the cheap ones first. Thread-safe."""

    settings: CheckSettings = field(default_factory=CheckSettings)
    _syntax: SyntaxCache = field(default_factory=lambda: SyntaxCache(max_documents=8))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, prediction: Prediction, view: View) -> Prediction | Discarded:
        """The prediction itself, or why it may not be shown.

        Reasons: `unknown_document`, `stale`, `truncated` (its output was cut off), `malformed`
        (edits out of bounds, out of order or overlapping), `empty`, `outside_region`, `too_large`,
        `duplicates_text`, `reversal`, `breaks_syntax`.
        """
        document = view.find(prediction.project, prediction.path)
        if document is None:
            return Discarded(reason="unknown_document", detail="it names no open document")
        if document.version != prediction.version:
            return Discarded(reason="stale", detail="the document changed while predicting")
        # A Discarded is falsy, so `or` would not stop at the first objection.
        objection = self._check_edits(prediction, document.snapshot)
        if objection is None:
            objection = check_duplicates(prediction.edits, document.snapshot)
        if objection is None:
            objection = check_reversal(prediction.edits, document, view)
        if objection is None:
            objection = self._check_syntax(prediction.edits, document)
        return prediction if objection is None else objection

    def _check_edits(self, prediction: Prediction, snapshot: TextSnapshot) -> Discarded | None:
        edits, region = prediction.edits, prediction.region
        inserted = sum(len(edit.new_text) for edit in edits)
        if prediction.is_truncated:
            return Discarded(reason="truncated", detail="the model's output was cut off")
        if not _are_in_order(edits, len(snapshot)):
            return Discarded(reason="malformed", detail="edits overlap or leave the document")
        if all(snapshot.slice(edit.span) == edit.new_text for edit in edits):
            return Discarded(reason="empty", detail="the prediction changes nothing")
        if region is not None and not (
            region.start <= edits[0].span.start and edits[-1].span.end <= region.end
        ):
            return Discarded(reason="outside_region", detail="it leaves the editable region")
        deleted_rows = sum(_row_loss(snapshot, edit) for edit in edits)
        if inserted > self.settings.max_inserted or deleted_rows > self.settings.max_deleted_rows:
            detail = f"it inserts {inserted} characters and deletes {deleted_rows} rows"
            return Discarded(reason="too_large", detail=detail)
        return None

    def _check_syntax(self, edits: Sequence[TextEdit], document: Document) -> Discarded | None:
        if len(document.snapshot) > self.settings.max_parsed:
            return None
        name = f"{document.project}/{document.path}"
        predicted = apply_edits(document.snapshot, edits)
        with self._lock:
            before = self._count_errors(name, document, document.snapshot)
            after = self._count_errors(f"{name}\0", document, predicted)
        if before is None or after is None or after <= before:
            return None
        return Discarded(reason="breaks_syntax", detail=f"{after - before} more syntax errors")

    def _count_errors(self, name: str, document: Document, text: TextSnapshot) -> int | None:
        tree = self._syntax.tree(name, document.language, text, path=document.path)
        return None if tree is None else error_count(tree)


def check_reversal(edits: Sequence[TextEdit], document: Document, view: View) -> Discarded | None:
    """`reversal` when the edits undo something that the user has just done in the document."""
    provenance = view.provenance.get(document.path)
    if provenance is None:
        provenance = _trace(document, view.events)
    if undoes_user(document.snapshot, edits, provenance):
        return Discarded(reason="reversal", detail="it would undo what you have just done")
    return None


def check_duplicates(edits: Sequence[TextEdit], snapshot: TextSnapshot) -> Discarded | None:
    """`duplicates_text` when inserted rows repeat the rows right before or after them."""
    for edit in edits:
        if edit.span.length and snapshot.slice(edit.span).strip():
            continue
        text = snapshot.edit(edit.span, edit.new_text)
        first, end = _inserted_rows(edit, text)
        rows = _stripped(text, first, end)
        if not any(_is_telling(row) for row in rows):
            continue
        count = len(rows)
        after = _stripped(text, end, end + count)
        if rows in (_stripped(text, first - count, first), after):
            return Discarded(reason="duplicates_text", detail="the same rows stand beside it")
        for tail in range(2, count):
            if sum(map(_is_telling, rows[-tail:])) >= 2 and rows[-tail:] == after[:tail]:
                return Discarded(reason="duplicates_text", detail="it repeats the rows after it")
    return None


def _trace(document: Document, events: Sequence[Event]) -> Provenance:
    return trace_events(document.snapshot, events, document.project, document.path)


def _are_in_order(edits: Sequence[TextEdit], length: int) -> bool:
    end = 0
    for edit in edits:
        if not end <= edit.span.start <= edit.span.end <= length:
            return False
        end = edit.span.end
    return True


def _row_loss(snapshot: TextSnapshot, edit: TextEdit) -> int:
    rows = snapshot.point(edit.span.end).row - snapshot.point(edit.span.start).row
    return max(0, rows - edit.new_text.count("\n"))


def _inserted_rows(edit: TextEdit, text: TextSnapshot) -> tuple[int, int]:
    """The rows of the resulting text that an edit put in whole; none where it joins older text."""
    new = edit.new_text
    bare = new.strip("\r\n")
    start = edit.span.start + new.index(bare)
    end = start + len(bare)
    first, last = text.point(start).row, text.point(end).row
    is_joined = (
        text.slice(Span(text.row_start(first), start)).strip()
        or text.slice(Span(end, text.row_end(last))).strip()
    )
    return (0, 0) if is_joined or not bare else (first, last + 1)


def _stripped(text: TextSnapshot, first: int, end: int) -> list[str]:
    return [row.strip() for row in text.rows(max(0, first), min(end, text.row_count))]


def _is_telling(row: str) -> bool:
    """Whether a row says enough not to stand twice side by side by chance."""
    return sum(character.isalnum() for character in row) >= 4
