"""Finds secrets in a text, in time linear in its length, and says where and by which rule.

A hit holds no text, so that no log or message can. Knows nothing of prompts (see `redaction`) or of
files (see `exclusions`), and a text without hits is not thereby free of secrets.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from zeta_context.consent.context_rules import CONTEXT_RULES
from zeta_context.consent.secret_checks import entropy, is_secret
from zeta_context.consent.secret_rule import Confidence, SecretRule
from zeta_context.consent.token_rules import TOKEN_RULES
from zeta_context.text.point import Span

SECRET_RULES: tuple[SecretRule, ...] = (*TOKEN_RULES, *CONTEXT_RULES)

RULES_VERSION = 1
"""Grows with every change of the rules: what was stored is searched again with newer ones."""

MAX_TEXT = 4_000_000
"""Code points; a longer text counts as one hit, of the rule `too_long`."""

_SHORT = 3
_FREQUENT = frozenset(
    (
        b"pass",
        b"secret",
        b"token",
        b"live_",
        b"test_",
        b"session",
        b"key",
        b"pat",
        b"sk_",
        b"sk-",
        b"re_",
    )
)
"""Keywords that occur in most sources, and are better looked for one by one."""

_MAX_ENCODED = 1000
_ENCODED = r"[A-Za-z0-9+/_-]{32,}"
_TOKEN = rb"[A-Za-z0-9+/_.=-]"
_JOINT = re.compile(
    rb"[\"'`\\\n\r](?:"
    rb"(?<=[\"'`])[ \t]{0,16}[\\+.|&,]{0,2}[ \t]{0,16}(?:\r?\n[+\- \t]{0,80})?"
    rb"[+.|&]{0,2}[ \t]{0,8}[fbru]?[\"'`]"
    rb"|(?<=\\)\r?\n[ \t]{0,80}"
    rb"|(?:(?<="
    + _TOKEN * 2
    + rb"\n)|(?<="
    + _TOKEN * 2
    + rb"\r)\n)[ \t]{0,80}(?="
    + _TOKEN
    + rb"))"
)
"""Between two string literals that are joined, at a continued line, or at the end of a row.

Every repetition is bounded, so that the time is linear with the standard library's engine, too.
"""

_BLOCK_END = b"PRIVATE KEY"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_PRINTED = bytes(range(32, 127)) + b"\t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHit:
    """A secret by its rule and its span in code points.

    `is_derived` tells that it does not stand there as such: it is encoded, or in pieces. Its span
    is then that of the encoded text, or of all the pieces.
    """

    rule_id: str
    span: Span
    confidence: Confidence = "issuer"
    is_derived: bool = False


class _Match(NamedTuple):
    rule: SecretRule
    start: int
    end: int
    is_derived: bool = False


class _KeywordIndex(NamedTuple):
    """Which rules each keyword calls for; the long ones are looked for in one pass."""

    short: dict[bytes, frozenset[int]]
    expression: Any
    by_prefix: dict[bytes, list[tuple[bytes, frozenset[int]]]]


def find_secrets(text: str) -> tuple[SecretHit, ...]:
    """The secrets in a text, by their places, of which no two overlap.

    Also finds tokens in Base64, and those split over string literals or rows.
    """
    if len(text) > MAX_TEXT:
        return (SecretHit(rule_id="too_long", span=Span(0, len(text))),)
    data = text.encode("utf-8", "surrogatepass")
    matches = [
        *_search(data, _candidates(data)),
        *_search_joined(data),
        *_search_encoded(data),
    ]
    if not matches:
        return ()
    matches.sort(key=lambda m: (m.is_derived, m.rule.confidence == "context", m.start, -m.end))
    return tuple(
        SecretHit(
            rule_id=match.rule.rule_id,
            span=Span(_code_points(data, match.start), _code_points(data, match.end)),
            confidence=match.rule.confidence,
            is_derived=match.is_derived,
        )
        for match in _without_overlaps(matches)
    )


def _search(data: bytes, candidates: Iterable[int]) -> Iterator[_Match]:
    for number in sorted(candidates):
        rule = SECRET_RULES[number]
        for match in _compile(rule.pattern).finditer(data):
            start, end = match.span(match.lastindex or 0)
            secret = data[start:end].decode("latin-1")
            if entropy(secret) < rule.min_entropy or not is_secret(rule.check, secret):
                continue
            if rule.rule_id == "private_key_block":
                end = _block_end(data, end)
            yield _Match(rule, start, end)


def _candidates(data: bytes) -> set[int]:
    """The numbers of the rules of which the text has a keyword."""
    index = _keyword_index()
    lowered = data.lower()
    found: set[int] = set()
    for keyword, numbers in index.short.items():
        if keyword in lowered:
            found |= numbers
    match = index.expression.search(lowered)
    while match is not None:
        start = match.start()
        for keyword, numbers in index.by_prefix.get(lowered[start : start + _SHORT], ()):
            if lowered.startswith(keyword, start):
                found |= numbers
        # Not from where the match ended: keywords may overlap.
        match = index.expression.search(lowered, start + 1)
    return found


def _issuers(candidates: Iterable[int]) -> set[int]:
    return {number for number in candidates if number < len(TOKEN_RULES)}


@cache
def _keyword_index() -> _KeywordIndex:
    rules_of: dict[bytes, set[int]] = {}
    for number, rule in enumerate(SECRET_RULES):
        for keyword in rule.keywords:
            rules_of.setdefault(keyword.encode(), set()).add(number)
    short = {k: frozenset(n) for k, n in rules_of.items() if len(k) < _SHORT or k in _FREQUENT}
    by_prefix: dict[bytes, list[tuple[bytes, frozenset[int]]]] = {}
    long = sorted(keyword for keyword in rules_of if keyword not in short)
    for each in long:
        by_prefix.setdefault(each[:_SHORT], []).append((each, frozenset(rules_of[each])))
    return _KeywordIndex(short, _compile("|".join(re.escape(k.decode()) for k in long)), by_prefix)


def _block_end(data: bytes, start: int) -> int:
    """Where a private key ends whose first line ends at `start`: with its last line, if any."""
    at = data.find(_BLOCK_END, start)
    is_last = at >= 0 and data.rfind(b"-----END", max(start, at - 40), at) >= 0
    return at + len(_BLOCK_END) if is_last else start


def _search_joined(data: bytes) -> Iterator[_Match]:
    """Tokens that come about when string literals and rows are joined; by issuers' formats only."""
    joined, n_joints = _JOINT.subn(b"", data)
    matches = list(_search(joined, _issuers(_candidates(joined)))) if n_joints else []
    if not matches:
        return
    starts, origins = [0], [0]  # of the pieces, in the joined text and in `data`
    for joint in _JOINT.finditer(data):
        starts.append(starts[-1] + joint.start() - origins[-1])
        origins.append(joint.end())
    for match in matches:
        first = bisect_right(starts, match.start) - 1
        last = bisect_left(starts, match.end) - 1
        if first != last:
            start = origins[first] + match.start - starts[first]
            end = origins[last] + match.end - starts[last]
            yield _Match(match.rule, start, end, is_derived=True)


def _search_encoded(data: bytes) -> Iterator[_Match]:
    """Tokens and private keys in Base64, as in a Kubernetes secret; by issuers' formats only."""
    for number, match in enumerate(_compile(_ENCODED).finditer(data)):
        if number >= _MAX_ENCODED:
            return
        start, end = match.span()
        length = end - start
        encoded = data[start : end - 1 if length % 4 == 1 else end].translate(_STANDARD)
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4))
        if not decoded.translate(None, _PRINTED):
            found = next(_search(decoded, _issuers(_candidates(decoded))), None)
            if found is not None:
                yield _Match(found.rule, start, end, is_derived=True)


def _without_overlaps(matches: list[_Match]) -> list[_Match]:
    """Those that overlap none before them in the list, sorted by place."""
    kept: list[tuple[int, int, int]] = []
    for number, match in enumerate(matches):
        at = bisect_right(kept, (match.start, match.end, len(matches)))
        if at and kept[at - 1][1] > match.start:
            continue
        if at < len(kept) and kept[at][0] < match.end:
            continue
        insort(kept, (match.start, match.end, number))
    return [matches[number] for _, _, number in kept]


def _code_points(data: bytes, byte_offset: int) -> int:
    return len(data[:byte_offset].decode("utf-8", "ignore")) if not data.isascii() else byte_offset


@cache
def _compile(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(pattern.encode(), options)
