"""A model's tokenizer, from its `tokenizer.json`: no code, pickle or template of the model is run.

Knows nothing of models; special tokens stand in texts as themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zeta_context.errors import ModelRefused

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TAILS = (16, 6, 2)
"""How many tokens to encode again together with what follows, to get the same joints."""


class ModelTokenizer:
    """Text to tokens and back. Not thread-safe beyond what the tokenizers library is."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def from_directory(cls, directory: Path) -> ModelTokenizer:
        """The tokenizer of a model directory; raises ModelRefused without a readable one."""
        from tokenizers import Tokenizer

        path = directory / "tokenizer.json"
        if not path.is_file():
            raise ModelRefused(
                f"{directory.name} has no tokenizer.json: only fast tokenizers can be read safely"
            )
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as problem:  # the library raises bare Exception for what it cannot read
            raise ModelRefused(f"{directory.name}/tokenizer.json cannot be read") from problem

    @property
    def size(self) -> int:
        """The number of tokens, added ones included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """The tokens of a whole prompt, with what the model wants before it."""
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; a character that they hold only a part of becomes U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def encode_after(self, ids: Sequence[int], parts: Sequence[str]) -> list[list[int]]:
        """Tokens of text that follows on tokens, part by part.

        Encoded together with the last few of those, since tokens differ at the joint; a token
        that reaches over the end of a part belongs to the part that it begins in.
        """
        text = "".join(parts)
        if not text:
            return [[] for _ in parts]
        for count in _TAILS:
            tail = list(ids[-count:])
            before = self.decode(tail)
            encoding = self._tokenizer.encode(before + text, add_special_tokens=False)
            if tail and list(encoding.ids[: len(tail)]) == tail:
                starts = [start - len(before) for start, _ in encoding.offsets[len(tail) :]]
                return _split(list(encoding.ids[len(tail) :]), starts, parts)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return _split(list(encoding.ids), [start for start, _ in encoding.offsets], parts)

    def token_id(self, token: str) -> int | None:
        """The number of a token by its own name, None when there is no such token."""
        found = self._tokenizer.token_to_id(token)
        return None if found is None else int(found)

    def encode_marker(self, marker: str) -> list[int]:
        """The tokens that a marker becomes in the middle of a text."""
        return list(self._tokenizer.encode(marker, add_special_tokens=False).ids)


def _split(ids: list[int], starts: list[int], parts: Sequence[str]) -> list[list[int]]:
    split: list[list[int]] = []
    end = 0
    at = 0
    for number, part in enumerate(parts):
        end += len(part)
        first = at
        is_last = number == len(parts) - 1
        while at < len(ids) and (is_last or starts[at] < end):
            at += 1
        split.append(ids[first:at])
    return split
