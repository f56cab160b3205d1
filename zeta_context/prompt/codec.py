"""Prompt inputs as plain data: dictionaries for JSON, and msgpack.

The one place that knows how the record is written; the record itself does not. Fields that this
version does not know are ignored, those it misses get their defaults. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from zeta_context.errors import PromptError
from zeta_context.prompt.input import PROMPT_INPUT_SCHEMA, PromptInput
from zeta_context.text.point import Span

if TYPE_CHECKING:
    from cattrs import Converter

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older schema, what makes its data that of the next one."""


def encode_dict(prompt_input: PromptInput) -> dict[str, Any]:
    """The input as dictionaries, lists, strings, numbers, booleans and None; spans are pairs."""
    return cast("dict[str, Any]", _converter().unstructure(prompt_input))


def decode_dict(data: Mapping[str, Any]) -> PromptInput:
    """The input that `encode_dict` wrote, now or in an older version.

    Raises PromptError for data of a newer schema or of another shape.
    """
    upgraded = dict(data)
    schema = upgraded.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise PromptError(f"no prompt input: its schema is {schema!r}")
    if schema > PROMPT_INPUT_SCHEMA:
        raise PromptError(
            f"a prompt input of schema {schema}, written by a newer version; "
            f"this one reads up to {PROMPT_INPUT_SCHEMA}"
        )
    for number in range(schema, PROMPT_INPUT_SCHEMA):
        upgraded = UPGRADES[number](upgraded)
    upgraded["schema"] = PROMPT_INPUT_SCHEMA
    try:
        return _converter().structure(upgraded, PromptInput)
    except Exception:
        # What cattrs says holds the values, which may be text of the user's files.
        raise PromptError(f"no prompt input of schema {schema}: a field is wrong") from None


def encode_msgpack(prompt_input: PromptInput) -> bytes:
    """The input as msgpack, lone surrogates included."""
    import msgpack

    return cast("bytes", msgpack.packb(encode_dict(prompt_input), unicode_errors="surrogatepass"))


def decode_msgpack(data: bytes) -> PromptInput:
    """The input that `encode_msgpack` wrote; raises PromptError as `decode_dict` does."""
    import msgpack

    try:
        decoded = msgpack.unpackb(data, unicode_errors="surrogatepass")
    except Exception:
        raise PromptError(f"no prompt input: {len(data)} bytes that are no msgpack") from None
    if not isinstance(decoded, dict):
        raise PromptError("no prompt input: msgpack, but no map")
    return decode_dict(decoded)


@cache
def _converter() -> Converter:
    return make_converter()


def make_converter() -> Converter:
    """A new converter that knows spans and takes no other value for a string."""
    from cattrs import Converter

    def structure_span(value: Any, _: type) -> Span:
        start, end = value
        if type(start) is not int or type(end) is not int:
            raise ValueError("a span is a pair of integers")
        return Span(start, end)

    def structure_string(value: Any, _: type) -> str:
        if not isinstance(value, str):
            raise TypeError("not a string")
        return value

    converter = Converter(forbid_extra_keys=False, unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(Span, list)
    converter.register_structure_hook(Span, structure_span)
    converter.register_structure_hook(str, structure_string)
    return converter
