"""Which files of a folder speak of its licence, by their names, and what its metadata declare.

Takes rather too many files than too few: each of them has to be an accepted licence. Knows no
licence texts.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_LICENCE_NAME = re.compile(
    r"(?:^|[^a-z])(?:un)?licen[sc](?:e|es|ing)(?:$|[^a-z])|^copying|^eula|end[-_ ]user|^legal"
    r"|commons[-_ ]?clause|^(?:terms|tos|patents|restrictions|proprietary)(?:$|[^a-z])",
    re.IGNORECASE,
)
_PROGRAM = re.compile(
    r"\.(?:py|pyi|js|mjs|cjs|jsx|ts|tsx|go|rs|rb|java|kt|c|h|cc|cpp|hpp|cs|php|sh|bash|ps1|lua"
    r"|json|ya?ml|toml|lock|ini|cfg|xml|css|svg|png)$",
    re.IGNORECASE,
)
_PLAIN_NAME = re.compile(r"(?:un)?licen[sc]e\.(?:json|ya?ml|toml|xml)$", re.IGNORECASE)
_FOLDER_NAME = re.compile(r"(?:un)?licen[sc]e|copying|legal|eula|terms", re.IGNORECASE)
TEXT_FOLDERS = frozenset(("licenses", "licences"))
"""Folders at the root whose files are licence texts, as the REUSE conventions have them."""

METADATA_FILES = ("package.json", "pyproject.toml", "Cargo.toml", "composer.json", "setup.cfg")

_ALIASES: Mapping[str, str] = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mit license (mit)": "MIT",
    "expat": "MIT",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "the unlicense": "Unlicense",
    "the unlicense (unlicense)": "Unlicense",
    "zlib license": "Zlib",
    "cc0": "CC0-1.0",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
}
_BSD = frozenset(("BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "0BSD"))
_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_HEADER = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n]{1,200})")
_HEADER_END = re.compile(r"\s*(?:\*/|-->|#\}|--\}\}|\*\)|\"\"\"|''')?\s*$")


_KNOWN_OTHERS: tuple[tuple[str, str], ...] = (
    ("gnu affero general public license", "the GNU AGPL"),
    ("gnu lesser general public license", "the GNU LGPL"),
    ("gnu library general public license", "the GNU LGPL"),
    ("gnu general public license", "the GNU GPL"),
    ("mozilla public license", "the MPL"),
    ("eclipse public license", "the EPL"),
    ("european union public licence", "the EUPL"),
    ("business source license", "the BUSL"),
    ("functional source license", "the FSL"),
    ("server side public license", "the SSPL"),
    ("elastic license", "the Elastic License"),
    ("sustainable use license", "the Sustainable Use License"),
    ("polyform", "a PolyForm licence"),
    ("commons clause", "the Commons Clause"),
    ("creative commons", "a Creative Commons licence"),
    ("end user licen", "an end user licence agreement"),
)
"""Titles of licences that are not accepted, to tell people why; decides nothing."""


class Undeclarable(ValueError):
    """Metadata that cannot be read, and so could say anything."""


def is_licence_name(name: str, *, is_folder: bool = False) -> bool:
    """Whether a file of that name has to be an accepted licence.

    A folder of such a name can hold any terms, so it counts too, unless it looks like code.
    """
    if is_folder:
        return bool(_FOLDER_NAME.fullmatch(name))
    if _PROGRAM.search(name) and not _PLAIN_NAME.match(name):
        return False
    return bool(_LICENCE_NAME.search(name))


def guess_other(text: str) -> str:
    """Which licence that is not accepted a text reads like, to tell people; empty for none."""
    start = " ".join(text[:4000].lower().split())
    return next((name for title, name in _KNOWN_OTHERS if title in start), "")


def find_declared(name: str, content: bytes) -> Iterator[str]:
    """The licences that a metadata file declares; raises Undeclarable."""
    try:
        match name:
            case "package.json" | "composer.json":
                yield from _of_json(json.loads(content.decode("utf-8-sig")))
            case "setup.cfg":
                yield from _of_setup_cfg(content.decode("utf-8-sig"))
            case _:
                yield from _of_toml(tomllib.loads(content.decode("utf-8-sig")))
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise Undeclarable(f"{name} cannot be read") from None


def find_header(content: bytes) -> str:
    """The licence expression in the first lines of a source file; empty for none."""
    found = _HEADER.search(content[:4096])
    return _HEADER_END.sub("", found.group(1).decode("utf-8", "replace")) if found else ""


def agrees(declared: str, licences: Iterable[str]) -> bool:
    """Whether a declared licence is satisfied by the ones found: an SPDX expression, or a name.

    `A OR B` agrees when one of them was found, `A AND B` when both were; what is no licence that
    was found (`UNLICENSED`, `SEE LICENSE IN ...`, an exception, another licence) never does.
    """
    found = frozenset(licences)
    text = declared.strip()
    alias = _ALIASES.get(text.lower())
    if alias is not None:
        return alias in found
    if text.upper() in ("BSD", "BSD LICENSE"):
        return not _BSD.isdisjoint(found)
    tokens = _TOKEN.findall(re.sub(r"(?<=[\w.])/(?=[A-Za-z])", " OR ", text))
    try:
        return _satisfies(tokens, found) and not tokens
    except (IndexError, RecursionError):
        return False


def _satisfies(tokens: list[str], found: frozenset[str]) -> bool:
    """Read `OR` over `AND` over identifiers and brackets, taking the tokens off."""
    holds = _satisfies_all(tokens, found)
    while tokens and tokens[0].upper() == "OR":
        tokens.pop(0)
        other = _satisfies_all(tokens, found)
        holds = holds or other
    return holds


def _satisfies_all(tokens: list[str], found: frozenset[str]) -> bool:
    holds = _satisfies_one(tokens, found)
    while tokens and tokens[0].upper() == "AND":
        tokens.pop(0)
        other = _satisfies_one(tokens, found)
        holds = holds and other
    return holds


def _satisfies_one(tokens: list[str], found: frozenset[str]) -> bool:
    token = tokens.pop(0)
    if token != "(":
        return token.lower() in {name.lower() for name in found}
    holds = _satisfies(tokens, found)
    return tokens.pop(0) == ")" and holds


def _of_json(table: Any) -> Iterator[str]:
    declared = table.get("license")
    for one in (*_listed(declared), *_listed(table.get("licenses"))):
        yield one if isinstance(one, str) else str(one["type"])


def _of_toml(table: dict[str, Any]) -> Iterator[str]:
    project = table.get("project", {})
    package = table.get("package", {})
    workspace = table.get("workspace", {}).get("package", {})
    poetry = table.get("tool", {}).get("poetry", {})
    for section in (project, package, workspace, poetry):
        declared = section.get("license")
        if isinstance(declared, str):
            yield declared
        elif isinstance(declared, dict) and isinstance(declared.get("text"), str):
            yield declared["text"]
    for classifier in (*project.get("classifiers", ()), *poetry.get("classifiers", ())):
        if classifier.startswith("License :: Other") or "Proprietary" in classifier:
            yield classifier


def _of_setup_cfg(text: str) -> Iterator[str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    declared = parser.get("metadata", "license", fallback="")
    if declared:
        yield declared


def _listed(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)
