"""The state of an editor, from which a scenario can be written: `zeta/state`.

Holds the text of files, so it goes to the editor that has it anyway, and nowhere else. Knows a
session, not what a scenario looks like.
"""

from __future__ import annotations

from typing import Any

from zeta_context.events.event import Event
from zeta_context.predict.prediction import Prediction
from zeta_context.session import Session
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.text.unified import render_names

STATE_SCHEMA = 1


def describe_state(
    session: Session, address: str, cursor: int, prediction: Prediction | None
) -> dict[str, Any]:
    """The document at `address`, the edits that led there, and what was predicted, as diffs."""
    document = session.document(address)
    events = [one for one in session.events(document.project) if one.project == document.project]
    others = {one.path for one in events} - {document.path}
    files = []
    for path in sorted(others):
        file = str(session.projects.file(document.project, path))
        files.append({"path": path, "text": session.document(file).snapshot.text})
    predicted = None
    if prediction is not None and prediction.path == document.path:
        after = apply_edits(document.snapshot, prediction.edits)
        names = (document.path, document.path)
        predicted = render_unified(document.snapshot, after, paths=names)
    return {
        "schema": STATE_SCHEMA,
        "path": document.path,
        "text": document.snapshot.text,
        "cursor": cursor,
        "files": files,
        "history": [{"diff": _with_names(one), "predicted": one.predicted} for one in events],
        "predicted": predicted,
        "why": prediction.why if prediction is not None else "",
    }


def _with_names(event: Event) -> str:
    return render_names(event.old_path or event.path, event.path) + event.diff
