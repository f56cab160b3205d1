"""A prediction as `zeta/predict` tells it, in the editor's positions.

`docs/protocol.md` describes the fields. Knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zeta_context.predict.offers import PARTS
from zeta_context.predict.partial import cut_part
from zeta_context.predict.preview import PreviewBlock, PreviewRow, preview
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.made import Made
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import column_to_units
from zeta_context.text.snapshot import TextSnapshot


def describe(made: Made, documents: EditorDocuments) -> dict[str, Any]:
    """What an editor needs to show a prediction, to apply it or a part of it, and to explain it."""
    prediction, before = made.prediction, made.before
    return {
        "id": made.id,
        "textDocument": {"uri": made.document.uri, "version": prediction.version},
        "edits": _edits(before, prediction.edits, documents),
        "jump": documents.position(before, prediction.edits[0].span.start),
        "cursor": _cursor(made, documents),
        "parts": {
            part: _edits(before, cut_part(before, prediction.edits, part), documents)
            for part in PARTS
        },
        "preview": [_block(before, one, documents) for one in preview(before, prediction.edits)],
        "why": prediction.why,
        "proposer": prediction.proposer,
        "confidence": prediction.confidence,
    }


def _edits(
    before: TextSnapshot, edits: Sequence[TextEdit], documents: EditorDocuments
) -> list[dict[str, Any]]:
    return [
        {"range": documents.range(before, edit.span), "newText": edit.new_text} for edit in edits
    ]


def _cursor(made: Made, documents: EditorDocuments) -> dict[str, int]:
    """Where the cursor goes: where the proposer says, else behind the first edit."""
    edits = made.prediction.edits
    after = apply_edits(made.before, edits)
    offset = made.prediction.cursor
    if offset is None or not 0 <= offset <= len(after):
        offset = edits[0].span.start + len(edits[0].new_text)
    return documents.position(after, offset)


def _block(before: TextSnapshot, block: PreviewBlock, documents: EditorDocuments) -> dict[str, Any]:
    ghost = block.ghost
    return {
        "startLine": block.first_row,
        "endLine": block.end_row,
        "rows": [_row(row, documents) for row in block.rows],
        "removed": [documents.range(before, span) for span in block.removed],
        "ghost": None
        if ghost is None
        else {"position": documents.position(before, ghost.span.start), "text": ghost.new_text},
    }


def _row(row: PreviewRow, documents: EditorDocuments) -> dict[str, Any]:
    encoding = documents.encoding
    return {
        "text": row.text,
        "added": [
            [column_to_units(row.text, column, encoding) for column in span] for span in row.added
        ],
    }
