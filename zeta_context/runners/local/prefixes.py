"""Remembers what the model has read for the last few requests, and finds what a new one shares.

Compares tokens, never text. Knows nothing of drafts or of how a pass is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from zeta_context.runners.local.engine import Engine, KeyValues

MAX_SEQUENCES = 3
_WORTH_KEEPING = 0.5
"""A held sequence of which less than this would be reused is left as it is, for its own file."""


class HeldSequence:
    """A sequence of the engine, and which tokens it holds."""

    __slots__ = ("sequence", "tokens", "used_at")

    def __init__(self, sequence: KeyValues) -> None:
        self.sequence = sequence
        self.tokens: list[int] = []
        self.used_at = 0

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self.sequence.truncate(length)
        del self.tokens[length:]


class PrefixCache:
    """At most `max_sequences` held sequences in at most `max_bytes`; the least used goes first."""

    def __init__(self, engine: Engine, *, max_sequences: int, max_bytes: int) -> None:
        if max_sequences < 1:
            raise ValueError("a prefix cache holds one sequence at least")
        self._engine = engine
        self._max_sequences = max_sequences
        self._max_bytes = max_bytes
        self._held: list[HeldSequence] = []
        self._clock = 0

    @property
    def nbytes(self) -> int:
        """The memory that all held sequences take."""
        return sum(held.sequence.nbytes for held in self._held)

    @property
    def held_tokens(self) -> tuple[int, ...]:
        """How many tokens each held sequence has."""
        return tuple(len(held.tokens) for held in self._held)

    def take(self, prompt: Sequence[int]) -> HeldSequence:
        """A sequence that holds a prefix of the prompt, as long as there is one, and no more.

        The last token of the prompt is never in it: what follows that is what is asked.
        """
        self._clock += 1
        shared = [(common_prefix(held.tokens, prompt), held) for held in self._held]
        length, best = max(shared, key=lambda pair: pair[0], default=(0, None))
        length = min(length, len(prompt) - 1)
        if best is None or length < _WORTH_KEEPING * min(len(best.tokens), len(prompt)):
            best = self._fresh(best, length)
        best.truncate(length)
        best.used_at = self._clock
        return best

    def trim(self) -> None:
        """Drop the least recently used sequences until the rest fits; the latest one stays."""
        self._held.sort(key=lambda held: held.used_at)
        while len(self._held) > 1 and self.nbytes > self._max_bytes:
            del self._held[0]

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def _fresh(self, source: HeldSequence | None, length: int) -> HeldSequence:
        if len(self._held) < self._max_sequences:
            held = HeldSequence(self._engine.new_sequence())
            self._held.append(held)
        else:
            held = min(self._held, key=lambda one: one.used_at)
        if source is not None and source is not held:
            held.truncate(0)
            if length:
                self._engine.copy_prefix(source.sequence, held.sequence, length)
                held.tokens = source.tokens[:length]
        return held


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))
