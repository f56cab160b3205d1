"""Records as bytes: msgpack, tagged with their kind and schema, each compressed on its own.

What `encode_record` gives is exactly what the spool keeps, what `spool show` prints and what is
sent. Reading is for hostile input as well: size, depth, window and types are bounded before
anything is built. Fields that this version does not know are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from zeta_context.capture.example import EXAMPLE_SCHEMA, Example, ExampleOutcome, Record
from zeta_context.errors import CaptureError
from zeta_context.prompt.codec import decode_dict, encode_dict, make_converter
from zeta_context.prompt.input import PromptInput

if TYPE_CHECKING:
    from cattrs import Converter

MAX_RAW_BYTES = 524_288
"""A record's msgpack; a longer one is neither kept nor taken. As objects, even the emptiest ones,
this much stays below 64 MB."""

MAX_BODY_BYTES = 262_144
"""The same, compressed."""

_MAX_WINDOW = 8 * 1024 * 1024
_LEVEL = 3
_KINDS: dict[str, type[Record]] = {"example": Example, "outcome": ExampleOutcome}

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older schema, what makes its data that of the next one."""


def kind_of(record: Record) -> str:
    """`example` or `outcome`."""
    return "example" if isinstance(record, Example) else "outcome"


def to_dict(record: Record) -> dict[str, Any]:
    """The record as plain data, with its `kind`; what a joined outcome says is in `outcome`."""
    data = cast("dict[str, Any]", _converter().unstructure(record))
    if isinstance(record, Example) and record.outcome is None:
        del data["outcome"]
    return {"kind": kind_of(record), **data}


def from_dict(data: dict[str, Any]) -> Record:
    """The record that `to_dict` gave, now or in an older version; raises CaptureError."""
    upgraded = dict(data)
    kind = _KINDS.get(str(upgraded.pop("kind", None)))
    schema = upgraded.get("schema")
    if kind is None or type(schema) is not int or schema < 1:
        raise CaptureError("no record: its kind or schema is missing")
    if schema > EXAMPLE_SCHEMA:
        raise CaptureError(
            f"a record of schema {schema}, of a newer version; this one reads up to "
            f"{EXAMPLE_SCHEMA}"
        )
    for number in range(schema, EXAMPLE_SCHEMA):
        upgraded = UPGRADES[number](upgraded)
    upgraded["schema"] = EXAMPLE_SCHEMA
    try:
        record: Record = _converter().structure(upgraded, kind)
    except Exception:
        # What cattrs says holds the values, which may be text of the user's files.
        raise CaptureError(f"no {data['kind']} of schema {schema}: a field is wrong") from None
    return record


def encode_record(record: Record) -> bytes:
    """The record as it is kept and sent. Raises CaptureError when it is too large."""
    import msgpack

    return compress(cast("bytes", msgpack.packb(to_dict(record), unicode_errors="surrogatepass")))


def decode_record(body: bytes) -> Record:
    """The record in what `encode_record` gave; raises CaptureError for anything else."""
    return from_dict(unpack(decompress(body)))


def compress(raw: bytes) -> bytes:
    """msgpack as one zstd frame."""
    import zstandard

    if len(raw) > MAX_RAW_BYTES:
        raise CaptureError(f"a record of {len(raw):,} bytes; at most {MAX_RAW_BYTES:,} are kept")
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(raw)
    if len(body) > MAX_BODY_BYTES:
        raise CaptureError(f"a record of {len(body):,} compressed bytes is too large")
    return body


def decompress(body: bytes, max_bytes: int = MAX_RAW_BYTES) -> bytes:
    """What one whole zstd frame holds, which has to declare its size; at most `max_bytes`.

    The declared size is looked at first: the library's own limit is ignored when there is one,
    and it then writes no more than was declared.
    """
    import zstandard

    try:
        frame = zstandard.get_frame_parameters(body)
        if frame.content_size > max_bytes or frame.window_size > _MAX_WINDOW:
            raise CaptureError(f"a record that declares no size up to {max_bytes:,} bytes")
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError:
        raise CaptureError("no record: bytes that are not one whole zstd frame") from None


def unpack(raw: bytes) -> dict[str, Any]:
    """The map that msgpack holds, without extension types, duplicate keys or odd keys."""
    import msgpack

    try:
        data = msgpack.unpackb(
            raw,
            unicode_errors="surrogatepass",
            strict_map_key=True,
            object_pairs_hook=_unique,
            ext_hook=_refuse_extension,
        )
    except Exception:
        raise CaptureError(f"no record: {len(raw):,} bytes that are no msgpack of ours") from None
    if not isinstance(data, dict):
        raise CaptureError("no record: msgpack, but no map")
    return data


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs) or not all(isinstance(key, str) for key in data):
        raise ValueError("keys that are not unique texts")
    return data


def _refuse_extension(code: int, _: bytes) -> None:
    raise ValueError(f"extension type {code}")


@cache
def _converter() -> Converter:
    def structure_number(value: Any, _: type) -> float:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError("not a number")
        return float(value)

    def structure_exactly(value: Any, kind: type) -> Any:
        if type(value) is not kind:
            raise TypeError(f"not of type {kind.__name__}")
        return value

    converter = make_converter()
    converter.register_structure_hook(float, structure_number)
    converter.register_structure_hook(int, structure_exactly)
    converter.register_structure_hook(bool, structure_exactly)
    converter.register_unstructure_hook(PromptInput, encode_dict)
    converter.register_structure_hook(PromptInput, lambda data, _: decode_dict(data))
    return converter
