"""What a decoding loop needs of a model: read tokens, tell which follow, forget some again.

Knows only tokens: nothing of text, prompts or drafts. Everything is greedy: of equal logits the
one with the lowest token number counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from zeta_context.runners.local.cost import CostCurve


@dataclass(frozen=True, slots=True)
class Verified:
    """What the model says follows, from a place in what it was given on.

    `tokens` are the most likely next tokens: the first after the first place asked for, and so on
    while each equals the token that was given next; so all but the last were given. `logprobs`
    are the natural logarithms of their probabilities, if asked for.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...] = ()


class PassInterrupted(Exception):  # never leaves the decoding loop
    """A pass was given up since nobody wants it; the sequence is as it was before."""


class KeyValues(Protocol):
    """What a model remembers of one sequence of tokens; belongs to the engine that made it."""

    @property
    def length(self) -> int:
        """How many tokens it holds."""
        ...

    @property
    def nbytes(self) -> int:
        """The memory it takes, used or not."""
        ...

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        ...


class Engine(Protocol):
    """One model on one device. Not thread-safe: one thread owns it."""

    @property
    def name(self) -> str:
        """How it computes, for people: `flat cpu bfloat16, 2 threads`."""
        ...

    @property
    def context_window(self) -> int:
        """How many tokens a sequence may have."""
        ...

    @property
    def interrupt(self) -> Callable[[], bool] | None:
        """Asked now and then during a pass; when it says so the pass raises PassInterrupted.

        An engine that cannot look up from a pass leaves it alone: its passes are kept short.
        """
        ...

    @interrupt.setter
    def interrupt(self, ask: Callable[[], bool] | None) -> None: ...

    @property
    def can_interrupt(self) -> bool:
        """Whether it does ask."""
        ...

    @property
    def cost(self) -> CostCurve:
        """What a pass takes, as measured by `cost.measure`; a guess before that."""
        ...

    @cost.setter
    def cost(self, curve: CostCurve) -> None: ...

    @property
    def max_sequences(self) -> int:
        """How many sequences there can be at a time."""
        ...

    def new_sequence(self) -> KeyValues:
        """An empty sequence; raises OutOfMemory."""
        ...

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        """Make `target` hold the first `length` tokens of `source`."""
        ...

    def key_value_bytes(self, tokens: int) -> int:
        """The memory that a sequence of that many tokens takes."""
        ...

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        """Append tokens to a sequence; raises OutOfMemory and ContextOverflow."""
        ...

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        """Append all of `ids` to the sequence and tell what follows `ids[first]` and on.

        The caller forgets what turned out wrong. Raises OutOfMemory and ContextOverflow.
        """
        ...

    def close(self) -> None:
        """Give back the model's memory."""
        ...
