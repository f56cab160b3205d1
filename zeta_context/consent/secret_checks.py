"""What must hold of a text besides its shape for it to be a secret: checksums, randomness, sense.

Knows nothing of where the text was found, and keeps none of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import string
import zlib
from collections import Counter
from itertools import pairwise

from zeta_context.consent.secret_rule import CheckName

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_ENTROPY = 3.2
_MAX_CHOSEN = 400
"""Characters; what is longer was not chosen as a password and is no key without an issuer."""

_PLACEHOLDER = re.compile(
    r"example|change.?me|placeholder|your|dummy|insert|redacted|todo|fixme|sample|fake|"
    r"x{4,}|\*{3,}|\.{3}|<.*>|\$\{|\{\{|\$\(|%\(|%s|#\{|\{[a-z_.]*\}|\(\)|://|"
    r"^(?:none|null|nil|true|false|undefined|self|this|os|env|process|config|settings)\b",
    re.IGNORECASE,
)
_COMMON = frozenset(
    (
        "pass",
        "passwd",
        "password",
        "pwd",
        "secret",
        "token",
        "user",
        "test",
        "port",
        "pw",
        "foo",
        "bar",
    )
)
_VARIABLE = re.compile(r"[%$]\w|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_SEPARATORS = re.compile(r"[\W_]+")
_HEX = re.compile(r"[0-9a-fA-F-]+\Z")


def is_secret(check: CheckName, text: str) -> bool:
    """Whether a text that has the shape of a secret passes a rule's further check."""
    if check == "github_checksum":
        return has_github_checksum(text) or entropy(text[4:]) >= _RANDOM_ENTROPY
    if check == "jwt_header":
        return has_jwt_header(text)
    if check == "assigned":
        return looks_chosen_as_secret(text)
    if check == "long_assigned":
        return looks_random(text)
    if check == "url_password":
        return not is_placeholder(text)
    return True


def entropy(text: str) -> float:
    """Shannon entropy in bits a character, 0 for an empty text."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) if text else 0.0


def has_github_checksum(token: str) -> bool:
    """Whether the last six characters are the CRC-32 in base 62 of those after the prefix.

    GitHub and npm publish this format for their tokens.
    """
    body = token.partition("_")[2]
    if len(body) < 7:
        return False
    number, digits = zlib.crc32(body[:-6].encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return body[-6:] == digits.rjust(6, "0")


def has_jwt_header(token: str) -> bool:
    """Whether the first part is the header of a JSON web token (RFC 7515)."""
    head = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error):
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header)


def is_placeholder(text: str) -> bool:
    """Whether a text stands for a secret, or is the name of one."""
    return (
        _PLACEHOLDER.search(text) is not None
        or text.lower() in _COMMON
        or _VARIABLE.match(text) is not None
        or len(set(text)) < 3
    )


def looks_random(text: str) -> bool:
    """Whether a long text is as random as keys are: no words, no repetition."""
    if len(text) > _MAX_CHOSEN or is_placeholder(text) or _are_words(text):
        return False
    if not any(c.isdigit() for c in text) or not any(c.isalpha() for c in text):
        return False
    return entropy(text) >= (2.9 if _HEX.match(text) else 3.6)


def looks_chosen_as_secret(text: str) -> bool:
    """Whether a text that is assigned to a password or key could be one: no name, words, path."""
    if len(text) > _MAX_CHOSEN or any(c.isspace() for c in text):
        return False
    if is_placeholder(text) or _are_words(text) or not any(c.isalpha() for c in text):
        return False
    if not any(c.isdigit() for c in text) and not _alternates(text):
        # Neither digits nor letters in random case: only symbols among the letters tell.
        symbols = set(text) - set(string.ascii_letters) - set("_-./:")
        if len(symbols) < 3:
            return False
    return entropy(text) >= min(3.0, 0.85 * math.log2(len(text)))


def _are_words(text: str) -> bool:
    """Whether a text is made of words, as names and messages are, each with few digits after it."""
    return all(_is_word(part) for part in _SEPARATORS.split(text))


def _is_word(part: str) -> bool:
    letters = part.rstrip(string.digits)
    if len(part) - len(letters) > 4:
        return not letters and len(part) <= 6
    return not letters or (letters.isalpha() and not _alternates(letters))


def _alternates(text: str) -> bool:
    """Whether letters change case as often as in random ones, which names seldom do."""
    changes = sum(a.isupper() != b.isupper() for a, b in pairwise(text))
    return len(text) >= 10 and changes / len(text) > 0.35
