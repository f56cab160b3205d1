"""Masks what names people in texts: mail addresses and home folders, letter by letter.

What stands in their place is as long as they were, so that every offset, span and diff still fits.
It does not find names in prose, and says nothing about secrets (see `consent.secrets`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9._%])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@"
    r"((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})\b"
)
_NOBODYS = re.compile(r"(?i)(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$")
"""Domains that are reserved for examples (RFC 2606) and name nobody."""

_HOME = re.compile(
    r"(?:(?<![\w.])/(?:home|Users)/|\b[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/))([\w.-]{1,64})"
)
_LETTER = re.compile(r"[^\W_]")


def scrub_text(text: str) -> str:
    """The text with `x` for each letter and digit of what names people; as long as before."""
    if "@" in text:
        text = _ADDRESS.sub(_mask_address, text)
    if "/" in text or "\\" in text:
        text = _HOME.sub(_mask_name, text)
    return text


def scrub_data(data: Any) -> Any:
    """The same for every text in plain data, at any depth; keys stay as they are."""
    return _for_texts(data, scrub_text)


def mask_in_data(data: Any, texts: Sequence[str]) -> Any:
    """Plain data with `x` for each character of these texts, wherever they occur."""

    def mask(text: str) -> str:
        for one in texts:
            text = text.replace(one, "".join("x" if c.isprintable() else c for c in one))
        return text

    return _for_texts(data, mask)


def _for_texts(data: Any, change: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {key: _for_texts(value, change) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        return [_for_texts(value, change) for value in data]
    return data


def _mask_address(found: re.Match[str]) -> str:
    return found[0] if _NOBODYS.search(found[1]) else _LETTER.sub("x", found[0])


def _mask_name(found: re.Match[str]) -> str:
    start = found.start(1) - found.start()
    return found[0][:start] + _LETTER.sub("x", found[1])
