"""An engine without a model: it repeats a text that it was made with, one character a token.

It counts what it is asked, can be slow, can fail, and looks up from a pass as real ones do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from zeta_context.runners.local.cost import CostCurve
from zeta_context.runners.local.engine import KeyValues, PassInterrupted, Verified

END = 0


class CharacterTokenizer:
    """Each character is a token; the end token is none of them."""

    def encode(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(one) for one in ids if one != END)

    def encode_after(self, ids: Sequence[int], parts: Sequence[str]) -> list[list[int]]:
        return [self.encode(part) for part in parts]


class ToySequence:
    """The tokens themselves."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        return 1000 * len(self.ids)

    def truncate(self, length: int) -> None:
        del self.ids[length:]


class ToyEngine:
    """After a prompt that ends in `>` it says `answer`, then ends."""

    def __init__(self, answer: str = "done", *, window: int = 400) -> None:
        self.answer = [*map(ord, answer), END]
        self.context_window = window
        self.cost = CostCurve()
        self.interrupt: Callable[[], bool] | None = None
        self.can_interrupt = True
        self.name = "toy"
        self.max_sequences = 8
        self.is_closed = False
        self.read_tokens = 0
        self.fault: Exception | None = None
        self.hold: threading.Event | None = None
        self.in_pass = threading.Event()

    def new_sequence(self) -> KeyValues:
        return ToySequence()

    def copy_prefix(self, source: KeyValues, target: KeyValues, length: int) -> None:
        assert isinstance(source, ToySequence)
        assert isinstance(target, ToySequence)
        target.ids = source.ids[:length]

    def key_value_bytes(self, tokens: int) -> int:
        return 1000 * tokens

    def read(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        self._pass(sequence, ids)

    def verify(
        self, sequence: KeyValues, ids: Sequence[int], first: int, *, with_logprobs: bool = False
    ) -> Verified:
        start = sequence.length
        self._pass(sequence, ids)
        assert isinstance(sequence, ToySequence)
        tokens: list[int] = []
        for place in range(first, len(ids)):
            tokens.append(self._next(sequence.ids[: start + place + 1]))
            if place + 1 < len(ids) and ids[place + 1] != tokens[-1]:
                break
        return Verified(tuple(tokens), tuple(-0.5 for _ in tokens) if with_logprobs else ())

    def close(self) -> None:
        self.is_closed = True

    def _pass(self, sequence: KeyValues, ids: Sequence[int]) -> None:
        self.in_pass.set()
        while self.hold is not None and not self.hold.wait(0.002):
            if self.interrupt is not None and self.interrupt():
                raise PassInterrupted
        if self.fault is not None:
            raise self.fault
        assert isinstance(sequence, ToySequence)
        sequence.ids += ids
        self.read_tokens += len(ids)

    def _next(self, ids: list[int]) -> int:
        said = len(ids) - 1 - max(at for at, one in enumerate(ids) if one == ord(">"))
        return self.answer[min(said, len(self.answer) - 1)]
