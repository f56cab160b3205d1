"""What every prediction must pass before it may be shown, whoever proposed it.

Pure functions of the prediction and the view it was made from; knows nothing of proposers.
"""

from __future__ import annotations

from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Document, View


def check_prediction(prediction: Prediction, view: View) -> Prediction | Discarded:
    """The prediction itself, or why it may not be shown.

    Reasons: `unknown_document`, `stale`, `empty`, `malformed` (edits out of bounds, out of order
    or overlapping).
    """
    document = _document_of(prediction, view)
    if document is None:
        return Discarded(reason="unknown_document", detail="the prediction names no open document")
    if document.version != prediction.version:
        return Discarded(reason="stale", detail="the document changed while predicting")
    end = 0
    for edit in prediction.edits:
        if not end <= edit.span.start <= edit.span.end <= len(document.snapshot):
            return Discarded(reason="malformed", detail="edits overlap or leave the document")
        end = edit.span.end
    if all(document.snapshot.slice(edit.span) == edit.new_text for edit in prediction.edits):
        return Discarded(reason="empty", detail="the prediction changes nothing")
    return prediction


def _document_of(prediction: Prediction, view: View) -> Document | None:
    for document in (view.document, *view.others):
        if (document.project, document.path) == (prediction.project, prediction.path):
            return document
    return None
