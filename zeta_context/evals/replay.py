"""Lets a recorded session drive a `Session`, as the editor did that it was recorded in.

Knows neither what is asked of the session in between nor what comes of it.
"""

from __future__ import annotations

from zeta_context.events.event import Cause
from zeta_context.events.trace import PredictionState
from zeta_context.session import Session
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span


class ReplayedEditor:
    """The editor's side of a replay: a `TraceTarget` that tells a session what happened."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def open(self, path: str, text: str, *, language: str = "") -> None:
        """An editor opened a document."""
        self.session.open(path, text, language=language)

    def edit(
        self,
        path: str,
        span: Span,
        new_text: str,
        *,
        predicted: bool = False,
        cause: Cause = "edit",
    ) -> None:
        """The user, or a prediction accepted back then, changed a document."""
        edits = (TextEdit(span, new_text),)
        self.session.edit_many(
            path, edits, predicted=predicted, cause=None if cause == "edit" else cause
        )

    def close(self, path: str) -> None:
        """A document was closed."""
        self.session.close(path)

    def cursor(self, path: str, offset: int) -> None:
        """Where the cursor stands is asked of the replay when a prediction is."""

    def focus(self, path: str) -> None:
        """Which document has the focus is asked of the replay when a prediction is."""

    def save(self, path: str) -> None:
        """A document was written to disk."""
        self.session.save(path)

    def reload(self, path: str, text: str) -> None:
        """A document was read from disk again."""
        self.session.reload(path, text)

    def rename(self, path: str, new_path: str) -> None:
        """A file got another path."""
        self.session.rename(path, new_path)

    def report(self, prediction: str, state: PredictionState, *, reason: str | None = None) -> None:
        """What became of a prediction back then says nothing of today's."""
