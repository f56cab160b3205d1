"""What a proposer may look at: the open documents, the recent events, the prompt input.

Immutable, so that a proposer can run in another thread while the user types on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from zeta_context.events.document import OpenDocument
from zeta_context.events.event import Event
from zeta_context.events.tracker import Tracker
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.provenance import Provenance
from zeta_context.predict.ripples import Ripple
from zeta_context.prompt.input import PromptInput
from zeta_context.runners.base import CancelToken

Document = OpenDocument
"""What a proposer calls a document is the tracker's own record of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The state that a prediction is made from.

    `document` holds the cursor, at offset `cursor` (code points). `others` are the other open
    documents, the most recently edited first. `events` is the edit history, oldest first.
    `provenance` tells, by path, what of the documents' text was just typed and what deleted;
    `ripple` what else a change of the user concerns, as far as a language server has told;
    `cancel` whether anybody still waits for an answer, which a proposer that takes long looks at.
    """

    document: Document
    cursor: int
    events: tuple[Event, ...] = ()
    others: tuple[Document, ...] = ()
    prompt_input: PromptInput | None = None
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    ripple: Ripple | None = None
    cancel: CancelToken = field(default_factory=CancelToken)

    def find(self, project: str, path: str) -> Document | None:
        """One of the open documents."""
        documents = (self.document, *self.others)
        return next((one for one in documents if (one.project, one.path) == (project, path)), None)


def look(
    tracker: Tracker,
    document: Document,
    cursor: int,
    prompt_input: PromptInput | None,
    *,
    provenance: Mapping[str, Provenance] | None = None,
    cancel: CancelToken | None = None,
) -> View:
    """The view of what a tracker holds, with the cursor in `document`."""
    return View(
        document=document,
        cursor=cursor,
        events=tracker.history(document.project).known(),
        others=tuple(
            other for other in tracker.documents(document.project) if other.path != document.path
        ),
        prompt_input=prompt_input,
        provenance=provenance or {},
        cancel=cancel or CancelToken(),
    )


class Proposer(Protocol):
    """Proposes the next edit. Synchronous and pure: called off the keystroke path."""

    @property
    def name(self) -> str: ...

    def propose(self, view: View) -> Prediction | Discarded: ...


@runtime_checkable
class LastingProposer(Proposer, Protocol):
    """A proposer with something behind it: a model that can read ahead, and is to be let go."""

    def read_ahead(self, view: View) -> None:
        """Make use of idle time: a question about a view like this one may come. Returns soon."""
        ...

    def close(self) -> None:
        """Let go of what it holds; `propose` ends early."""
        ...
