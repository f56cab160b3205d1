"""The state of the editor as it would be once a prediction is accepted.

Made from a view and a prediction, so that the next prediction can be made before the user answers
the first. Knows nothing of requests. Definitions and related files stay those of the view: no
language server knows the text yet.
"""

from __future__ import annotations

from dataclasses import replace

from zeta_context.events.change import Change
from zeta_context.events.entry import HistoryEntry
from zeta_context.predict.centering import center
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.provenance import ProvenanceRecorder
from zeta_context.predict.view import View
from zeta_context.runners.base import CancelToken
from zeta_context.text.edit import apply_edits, find_hull


def look_ahead(
    view: View, prediction: Prediction, *, at: float, cancel: CancelToken
) -> tuple[View, Change] | None:
    """The view after an acceptance at `at` seconds, and the change that this would make.

    None when the prediction is not for the document of the cursor.
    """
    document = view.document
    hull = find_hull(prediction.edits)
    if (prediction.project, prediction.path) != (document.project, document.path) or hull is None:
        return None
    after = apply_edits(document.snapshot, prediction.edits)
    change = Change(document.snapshot, after, *hull)
    cursor = hull[1].end if prediction.cursor is None else prediction.cursor
    entry = HistoryEntry(
        project=document.project, path=document.path, at=at, change=change, predicted=True
    )
    event = entry.event()
    made = () if event is None else (event,)
    recorder = ProvenanceRecorder(view.provenance.get(document.path))
    recorder.follow(change, author="prediction", at=at)
    prompt_input = view.prompt_input
    if prompt_input is not None:
        prompt_input = replace(
            center(prompt_input, replace(document, snapshot=after), cursor),
            events=(*prompt_input.events, *made),
            trigger="prediction_accepted",
        )
    ahead = View(
        document=replace(document, snapshot=after, version=document.version + 1, is_dirty=True),
        cursor=min(cursor, len(after)),
        events=(*view.events, *made),
        others=view.others,
        prompt_input=prompt_input,
        provenance={**view.provenance, document.path: recorder.provenance()},
        cancel=cancel,
    )
    return ahead, change


def turn_round(change: Change) -> Change:
    """The change that takes this one back."""
    return Change(change.new, change.old, change.new_span, change.old_span)
