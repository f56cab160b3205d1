"""The last question and its answer, kept in memory for the user who says that it was wrong.

Given away only to the same user, over a socket of its own, and written down only when they ask:
unlike what `doctor` shows, it holds text. Knows nothing of how it is written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeta_context.counts import Counts
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.status import StatusOffer, status_folder
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified

MAX_CHARACTERS = 100_000
"""Of all texts together; a longer case is told to be too long, and not cut."""


def cases_folder() -> Path:
    """The folder of this user's sockets for cases, beside those for the status."""
    return status_folder() / "cases"


class LastCase:
    """What was looked at last, and what was said; costs a reference until it is asked for."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last: tuple[float, View, Prediction | Discarded] | None = None

    def keep(self, view: View, answer: Prediction | Discarded) -> None:
        """This is the last one now."""
        self._last = (self._clock(), view, answer)

    def describe(self) -> dict[str, Any]:
        """The case as JSON-ready fields; `error` says why there is none."""
        if self._last is None:
            return {"error": "nothing was asked yet"}
        at, view, answer = self._last
        document = view.document
        files = {
            one.path: one.snapshot.text
            for one in view.others
            if any(event.path == one.path for event in view.events)
        }
        if len(document.snapshot) + sum(map(len, files.values())) > MAX_CHARACTERS:
            return {"at": at, "error": "the files of the last case are too long"}
        known = {document.path, *files}
        return {
            "at": at,
            "project": document.project,
            "path": document.path,
            "text": document.snapshot.text,
            "cursor": view.cursor,
            "files": files,
            "history": [
                {"path": event.path, "diff": event.diff, "predicted": event.predicted}
                for event in view.events
                if event.path in known and event.diff and event.old_path in (None, event.path)
            ],
            "answer": _describe_answer(view, answer),
        }


def offer_cases(last: LastCase, counts: Counts) -> StatusOffer:
    """Lets the same user's `zeta-context wrong` have the last case, once it is started."""
    return StatusOffer(last.describe, counts=counts, folder=cases_folder())


def _describe_answer(view: View, answer: Prediction | Discarded) -> dict[str, Any]:
    if isinstance(answer, Discarded):
        return {"diff": None, "reason": answer.reason, "detail": answer.detail}
    document = view.find(answer.project, answer.path)
    if document is None:
        return {"diff": None, "reason": "document_closed", "detail": ""}
    before = document.snapshot.text
    after = apply_edits(before, answer.edits)
    return {
        "diff": render_unified(before, after, paths=(answer.path, answer.path)),
        "path": answer.path,
        "why": answer.why,
        "proposer": answer.proposer,
    }
