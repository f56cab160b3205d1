"""Answers that are places: `Location`, `LocationLink`, lists of either, or nothing.

Knows nothing of who asked or what the files hold. What is malformed is left out.
"""

from __future__ import annotations

from typing import Any

from zeta_context.lsp import uri
from zeta_context.lsp.documents import Location, decode_place
from zeta_context.text.point import Encoding


def decode_locations(result: Any, encoding: Encoding) -> tuple[Location, ...]:
    """The places in the result of a definition-like request, in the server's order."""
    if result is None:
        return ()
    items = result if isinstance(result, list) else [result]
    found: list[Location] = []
    for item in items:
        try:
            location = _decode_location(item, encoding)
        except (KeyError, TypeError, ValueError):
            continue
        if location not in found:
            found.append(location)
    return tuple(found)


def _decode_location(item: Any, encoding: Encoding) -> Location:
    if "targetUri" in item:
        whole = item["targetRange"]
        name = item.get("targetSelectionRange", whole)
        full_rows = (int(whole["start"]["line"]), int(whole["end"]["line"]))
        return _make(item["targetUri"], name, encoding, full_rows)
    return _make(item["uri"], item["range"], encoding, (None, None))


def _make(
    target: str, span: Any, encoding: Encoding, full_rows: tuple[int | None, int | None]
) -> Location:
    return Location(
        uri=target,
        path=uri.to_path(target),
        start=decode_place(span["start"]),
        end=decode_place(span["end"]),
        encoding=encoding,
        full_start_row=full_rows[0],
        full_end_row=full_rows[1],
    )
