"""Makes texts that look like a permissive licence and are none, from `fixtures/licences`.

Puts our own sentences, word changes and tricks into licence texts that are given; deterministic.
Every text it yields must be refused. Knows nothing of how licences are told.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures" / "licences"
_SLOTS = (
    "[yyyy] [name of copyright owner]",
    "[name of copyright owner]",
    "the copyright holder nor",
    "THE COPYRIGHT HOLDERS AND CONTRIBUTORS",
    "THE COPYRIGHT HOLDER OR CONTRIBUTORS",
    "THE AUTHOR",
    "ISC DISCLAIMS",
)
_NOTICE = "Copyright (c) 2024 Ada Example <ada@example.org>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """One text; `kind` says what is wrong with it."""

    kind: str
    base: str
    content: bytes


def make_traps(texts: Mapping[str, str], *, is_held_out: bool = False) -> Iterator[Trap]:
    """All traps over licence texts by name.

    `is_held_out` takes the sentences that the matcher was not built with, and nothing else.
    """
    sentences = read_sentences(is_held_out=is_held_out)
    for name, text in texts.items():
        chance = random.Random(name)
        for sentence in sentences:
            for kind, trap in insert_sentence(text, sentence, chance):
                yield Trap(kind=kind, base=name, content=trap.encode())
        if not is_held_out:
            for kind, content in (*edit_words(text), *cut(text, chance), *disguise(text)):
                yield Trap(kind=kind, base=name, content=content)
    if not is_held_out:
        for path in sorted((FIXTURES / "whole").glob("*.txt")):
            yield Trap(kind="whole", base=path.stem, content=path.read_bytes())


def read_sentences(*, is_held_out: bool) -> list[str]:
    """The restrictions, one a line."""
    name = "held-out-restrictions.txt" if is_held_out else "restrictions.txt"
    return (FIXTURES / name).read_text(encoding="utf-8").splitlines()


def insert_sentence(text: str, sentence: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """A restriction before, after, between, within, and hidden in the notice of copyright."""
    yield "before", f"{sentence}\n\n{text}"
    yield "after", f"{text}\n\n{sentence}\n"
    yield "same line after", f"{text.rstrip()} {sentence}\n"
    yield "after notice", f"{_NOTICE}\n{sentence}\n\n{text}"
    for joint in (". ", ", ", " - ", " (", "; ", " / "):
        yield f"in notice {joint!r}", f"{_NOTICE}{joint}{sentence}\n\n{text}"
    bare = sentence.rstrip(".")
    if len(sentence.split()) > 2:
        yield "notice in capitals", f"{_NOTICE.upper()}, {sentence.upper()}\n\n{text}"
        yield "capitals in a notice", f"{_NOTICE}, {sentence.upper()}\n\n{text}"
    for name, line in (
        ("after a comma", f"{_NOTICE},\n{sentence}"),
        ("after an and", f"{_NOTICE} and\n{sentence}"),
        ("with an address", f"{_NOTICE}\n{bare} <sales@example.org>"),
        ("with a link", f"{_NOTICE}\n[{bare}](https://example.org)"),
        ("before a notice", f"{bare}, copyright 2024 Ada Example"),
        ("based on", f"Based on {bare}, copyright 2024 Ada Example"),
        ("as a module", f"{_NOTICE}\nNode module: {bare}"),
        ("under a title", f"The MIT License ({bare})"),
        ("beside a title", f"MIT License - {sentence}"),
        ("as a licence", f"This software is released under {bare}"),
        ("see authors", f"{_NOTICE} (see the AUTHORS file). {sentence}"),
        ("rights", f"{_NOTICE}. All rights reserved. {sentence}"),
    ):
        yield name, f"{line}\n\n{text}"
    for slot in _SLOTS:
        for said in (bare, bare.upper(), f"Ada Example. {sentence}", f"Ada Example, {bare}"):
            if slot in text:
                yield "in place of a name", text.replace(slot, said, 1)
    yield "for some", f"{_NOTICE} for members of the original company\n\n{text}"
    yield "address at the end", f"{text}\n\n{bare} <sales@example.org>\n"
    yield "link at the end", f"{text}\n\n[{bare}]: https://example.org\n"
    yield "notice at the end", f"{text}\n\n{_NOTICE}. {sentence}\n"
    yield "title", f"License: {sentence}\n\n{text}"
    ends = [match.end() for match in re.finditer(r"[.:;,]\s", text)]
    for at in chance.sample(ends, k=min(3, len(ends))):
        yield "at a clause", f"{text[:at]}{sentence} {text[at:]}"
    words = [match.end() for match in re.finditer(r"\s", text)]
    at = chance.choice(words)
    yield "within a sentence", f"{text[:at]}{sentence.lower().rstrip('.')} {text[at:]}"


def edit_words(text: str) -> Iterator[tuple[str, bytes]]:
    """One wording changed into another that allows less."""
    for line in (FIXTURES / "edits.tsv").read_text(encoding="utf-8").splitlines():
        old, new = line.split("\t")
        pattern = re.compile(r"\s+".join(map(re.escape, old.split())), re.IGNORECASE)
        changed = pattern.sub(new, text, count=1)
        if changed != text:
            yield f"edit {old!r}", changed.encode()


def cut(text: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Less than the licence, more than it, or its words in another order."""
    for share in (0.3, 0.6, 0.9):
        yield "truncated", text[: int(len(text) * share)].encode()
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if len(part) > 80]
    # Without a notice it is still the licence, without its last conditions often another one.
    paragraphs = [part for part in paragraphs if not re.match(r"\s*(?:Copyright|[\d*-])", part)]
    for part in paragraphs:
        yield "paragraph missing", text.replace(part, "", 1).encode()
    yield "twice the first paragraph", f"{paragraphs[0]}\n\n{text}".encode()
    words = text.split()
    shuffled = words[:]
    chance.shuffle(shuffled)
    yield "scrambled", " ".join(shuffled).encode()
    with_more = words[:]
    for _ in range(75):
        with_more.insert(chance.randrange(len(with_more)), chance.choice(words))
    yield "75 words more", " ".join(with_more).encode()
    middle = len(words) // 2
    for word in ("not", "without", "non", "only", "except", "fee", "no", "never", "unless"):
        for at in (middle, middle // 2, middle + middle // 2):
            yield f"word {word!r} more", " ".join((*words[:at], word, *words[at:])).encode()


def disguise(text: str) -> Iterator[tuple[str, bytes]]:
    """The licence as people do not see it, or see it taken back."""
    yield "look-alike letter", text.replace("a", "\u0430", 1).encode()
    yield "full-width letter", text.replace("P", "\uff30", 1).replace("p", "\uff50", 1).encode()
    middle = len(text) // 2
    for name, mark in (
        ("zero width", "\u200b"),
        ("soft hyphen", "\u00ad"),
        ("right to left", "\u202e"),
        ("combining", "\u0336"),
        ("zero", "\0"),
        ("escape", "\x1b[8m"),
        ("backspace", "\b"),
    ):
        yield name, (text[:middle] + mark + text[middle:]).encode()
    yield "struck out", "".join(f"{letter}\u0336" for letter in text).encode()
    yield "struck out in Markdown", f"~~{text}~~".encode()
    yield "HTML comment", f"<!--\n{text}\n-->\nAll rights reserved.\n".encode()
    yield "struck out in HTML", f"<del>{text}</del>".encode()
    yield "folded away", f"<details>{text}</details>".encode()
    yield "UTF-16", text.encode("utf-16")
    yield "UTF-16 without mark", text.encode("utf-16-le")
    yield "quoted as an example", f"An example of a licence that we do not use:\n\n{text}".encode()
    yield "other tag", f"SPDX-License-Identifier: LicenseRef-Proprietary\n\n{text}".encode()
    yield "tag with more", f"SPDX-License-Identifier: MIT AND LicenseRef-Own\n\n{text}".encode()
    yield "title with more", f"MIT License (modified)\n\n{text}".encode()
    yield "commercial title", f"Commercial License\n\n{text}".encode()
    yield "all rights reserved at the end", f"{text}\n\nAll rights reserved.\n".encode()
    yield (
        "second licence",
        f"{text}\n\nGNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n".encode(),
    )
    yield "other files", f"{text}\n\nFiles in vendor/: see vendor/LICENSE\n".encode()
    yield "too large", (text + " " * 70_000).encode()
