"""The one seam between a prompt and a model: what is asked, what comes back, how it is stopped.

Knows nothing of prompt formats, of models or of where they run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from zeta_context.prompt.format import FinishReason, Message

OnText = Callable[[str], None]
"""Takes the whole output so far, each time there is more of it; called in the runner's thread."""


class CancelToken:
    """Asks a runner to stop, from any thread; it does between two passes of the model."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask to stop; asking again changes nothing."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """A prompt, and what is known beforehand of its answer.

    `guesses` are whole answers, the likeliest first: the previous prediction carried over to the
    text as it is now, then the answer that changes nothing. `reference` is the text that the
    answer repeats for the most part, the editable region as the prompt shows it.
    `substitutions` are pairs of old and new words from the recent events, `texts` what was accepted
    earlier, the newest last. None of these changes the answer, only how fast it comes; a runner
    that cannot use them leaves them alone.
    `messages` say the same as `prompt` in turns of a chat, for a server that wants those.
    """

    prompt: str
    stop: tuple[str, ...] = ()
    max_output_tokens: int = 512
    guesses: tuple[str, ...] = ()
    reference: str = ""
    substitutions: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer took, times in milliseconds.

    `cached_tokens` of the prompt were there from earlier requests. `passes` are the passes of the
    model that produced output, the one that ends the prompt included; `prefill_passes` those
    before. `drafted` tokens were guessed, `accepted` of them were right. A runner that does not
    know a figure says 0.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    passes: int = 0
    prefill_passes: int = 0
    drafted: int = 0
    accepted: int = 0
    queue_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The output of a model, without the stop string that ended it.

    `mean_logprob` is the mean natural logarithm of the probabilities of the output's tokens,
    None where the runner does not tell.
    """

    text: str
    finish_reason: FinishReason
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    mean_logprob: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """No output, since nobody wants it any more. Falsy, so that `if completion:` reads right."""

    reason: Literal["canceled", "replaced", "closed"] = "canceled"

    def __bool__(self) -> Literal[False]:
        return False


class Runner(Protocol):
    """Completes prompts with one model. Synchronous: called in a worker thread, never in a loop."""

    @property
    def model(self) -> str:
        """What the model is called."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether prompts leave this machine: then only redacted ones may be given to it."""
        ...

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The model's most likely output (greedy), or why there is none.

        Raises RunnerError: ContextOverflow, OutOfMemory, RunnerGone, BadAnswer.
        """
        ...

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Read a prompt ahead of time, so that one that begins alike is answered sooner.

        Returns at once where the runner has no use for it; never raises for lack of room.
        """
        ...

    def close(self) -> None:
        """Give back memory and processes; a call in flight ends as cancelled."""
        ...
