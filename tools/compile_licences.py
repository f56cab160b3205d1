"""Compiles the licences that the gate accepts into fingerprints, from a package of SPDX texts.

    npm pack spdx-license-list && tar xzf spdx-license-list-*.tgz
    python -m tools.compile_licences package

Writes `zeta_context/consent/licence_fingerprints.json`, which holds digests of words and no text.
What may differ from the SPDX text is said here, licence by licence.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import struct
import sys
from pathlib import Path

from zeta_context.consent.licence_text import digest_word, digest_word_short, split_words

TARGET = Path(__file__).parents[1] / "zeta_context" / "consent" / "licence_fingerprints.json"

_AS_IS_BY = (
    "{{THE COPYRIGHT HOLDERS AND CONTRIBUTORS|COPYRIGHT HOLDERS AND CONTRIBUTORS"
    "|THE COPYRIGHT HOLDER AND CONTRIBUTORS|THE COPYRIGHT HOLDERS|THE COPYRIGHT HOLDER"
    "|THE REGENTS AND CONTRIBUTORS|THE AUTHOR AND CONTRIBUTORS|THE AUTHORS AND CONTRIBUTORS"
    "|THE CONTRIBUTORS|THE AUTHOR|THE AUTHORS|NAME:6|NAME:6 AND CONTRIBUTORS}}"
)
_LIABLE = (
    "{{THE COPYRIGHT HOLDER OR CONTRIBUTORS|THE COPYRIGHT HOLDERS OR CONTRIBUTORS"
    "|THE COPYRIGHT OWNER OR CONTRIBUTORS|THE COPYRIGHT HOLDERS AND CONTRIBUTORS"
    "|THE COPYRIGHT HOLDER|THE COPYRIGHT HOLDERS|THE REGENTS OR CONTRIBUTORS"
    "|THE AUTHOR OR CONTRIBUTORS|THE AUTHORS OR CONTRIBUTORS|THE CONTRIBUTORS|THE AUTHOR"
    "|THE AUTHORS|NAME:6|NAME:6 OR CONTRIBUTORS|NAME:6 OR ITS CONTRIBUTORS}}"
)
_BSD = (
    ("THIS SOFTWARE IS PROVIDED", "{{THIS SOFTWARE|THIS}} IS PROVIDED"),
    ('THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"', f'{_AS_IS_BY} "AS IS"'),
    ("THE COPYRIGHT HOLDERS AND CONTRIBUTORS ``AS IS''", f'{_AS_IS_BY} "AS IS"'),
    ("SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE", f"SHALL {_LIABLE} BE"),
    ("SHALL THE COPYRIGHT HOLDERS AND CONTRIBUTORS BE", f"SHALL {_LIABLE} BE"),
)
_MIT = (
    ("notice shall be included", "notice {{|(including the next paragraph)}} shall be included"),
    (
        "THE AUTHORS OR COPYRIGHT HOLDERS BE",
        "{{THE AUTHORS OR COPYRIGHT HOLDERS|THE AUTHOR OR COPYRIGHT HOLDERS"
        "|THE AUTHORS OR COPYRIGHT HOLDER|THE AUTHOR OR COPYRIGHT HOLDER"
        "|THE COPYRIGHT HOLDERS OR AUTHORS|COPYRIGHT HOLDERS}} BE",
    ),
)
_DISCLAIMING = (
    ("THE AUTHOR DISCLAIMS", "{{THE AUTHOR|THE AUTHORS|NAME:6}} {{DISCLAIMS|DISCLAIM}}"),
    ("AND ISC DISCLAIMS", "AND {{THE AUTHOR|THE AUTHORS|ISC|NAME:6}} {{DISCLAIMS|DISCLAIM}}"),
    ("SHALL THE AUTHOR BE", "SHALL {{THE AUTHOR|THE AUTHORS|NAME:6}} BE"),
    ("SHALL ISC BE", "SHALL {{THE AUTHOR|THE AUTHORS|ISC|NAME:6}} BE"),
    ("and/or distribute this", "{{and/or|and|or}} distribute this"),
)

RECIPES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "MIT": ("Permission is hereby", _MIT),
    "MIT-0": ("Permission is hereby", _MIT[1:]),
    "ISC": ("Permission to use", _DISCLAIMING),
    "0BSD": ("Permission to use", _DISCLAIMING),
    "BSD-1-Clause": ("Redistribution and use", _BSD),
    "BSD-2-Clause": ("Redistribution and use", _BSD),
    "BSD-3-Clause": (
        "Redistribution and use",
        (
            *_BSD,
            (
                "Neither the name of the copyright holder nor the names of its contributors may",
                "{{Neither the name of the copyright holder nor the names of its contributors"
                "|Neither the names of the copyright holders nor the names of its contributors"
                "|Neither the names of the copyright holders nor the names of their contributors"
                "|Neither the name of the copyright holders nor the names of its contributors"
                "|Neither the name of NAME:9 nor the names of its contributors"
                "|Neither the name NAME:9 nor the names of its contributors"
                "|Neither the name of NAME:9 nor the names of any contributors"
                "|Neither the names of NAME:9 nor the names of its contributors"
                "|Neither the name of NAME:9 nor the name of its contributors"
                "|The name of NAME:6|The names of NAME:6|The names of any contributors"
                "|The names of its contributors"
                "|Neither the name of NAME:9 nor the names of their contributors}} may",
            ),
        ),
    ),
    "Apache-2.0": (
        "Apache License",
        (
            ("END OF TERMS AND CONDITIONS", "{{|END OF TERMS AND CONDITIONS}}"),
            ("APPENDIX:", "[[APPENDIX:"),
            ("Copyright [yyyy] [name of copyright owner]", "[[{{NOTICE:25|}}"),
        ),
    ),
    "Apache-2.0#notice": ("Licensed under the Apache", ()),
    "Zlib": ("This software is provided", ()),
    "UPL-1.0": ("Subject to the condition", ()),
    "BSL-1.0": ("Permission is hereby", ()),
    "Unlicense": (
        "This is free",
        (("<http://unlicense.org/>", "{{|unlicense.org|unlicense.org/}}"),),
    ),
    "CC0-1.0": ("Creative Commons Legal", ()),
    "CC0-1.0#short": ("Statement of Purpose", ()),
    "BlueOak-1.0.0": ("# Blue Oak", ()),
}
"""For each licence: the words that its body begins with, and what stands for what in it.

`{{a|b}}` is one of several wordings, `NAME:n` at most n words of a name that
the notices hold, `NOTICE:n` of a notice of
copyright. What follows `[[`, up to the next, may be missing. A name after `#` is another form.
"""

_MARKS = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ADDRESS = re.compile(r"\S*(?:@|://|www\.|\.(?:com|org|net|edu)\b)\S*")


def main() -> int:
    """Compile; exit status 2 when the package is not one of SPDX texts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("package", type=Path, help="folder of the npm package spdx-license-list")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    folder = arguments.package / "licenses"
    if not (folder / "MIT.json").is_file():
        print(f"{folder} holds no MIT.json: give the unpacked npm package", file=sys.stderr)
        return 2
    texts = {
        path.stem: json.loads(path.read_bytes())["licenseText"] for path in folder.glob("*.json")
    }
    arguments.output.write_text(json.dumps(compile_all(texts), indent=1, sort_keys=True) + "\n")
    print(
        f"{arguments.output.name}: {len(RECIPES)} licences, {arguments.output.stat().st_size} bytes"
    )
    return 0


def compile_all(texts: dict[str, str]) -> dict[str, object]:
    """The content of the file of fingerprints."""
    words: dict[int, int] = {}
    licences = {}
    for name, (start, changes) in RECIPES.items():
        elements = []
        text, *optional = mark(texts[name.partition("#")[0]], start, changes).split("[[")
        for part in (text, *optional):
            compiled = [compile_element(piece, words) for piece in pieces(part)]
            elements.append([one for one in compiled if one != ""])
        licences[name] = elements
    return {
        "schema": 1,
        "source": "SPDX License List, by tools/compile_licences.py",
        "words": pack("Q", words),
        "licences": licences,
        "vocabulary": pack_short(vocabulary(texts)),
    }


def mark(text: str, start: str, changes: tuple[tuple[str, str], ...]) -> str:
    """The body of a licence with its marks; fails when a phrase of the recipe is not there."""
    body = text[text.index(start) :]
    n_found = 0
    for old, new in changes:
        phrase = re.compile(r"\s+".join(map(re.escape, old.split())))
        body, n = phrase.subn(lambda _, new=new: new, body)  # type: ignore[misc]
        n_found += n
    assert not changes or n_found, f"no phrase of the recipe is in {start!r}"
    return body


def pieces(text: str) -> list[str | list[str]]:
    """Fixed texts, and lists of wordings."""
    return [part.split("|") if n % 2 else part for n, part in enumerate(_MARKS.split(text))]


def compile_element(piece: str | list[str], words: dict[int, int]) -> object:
    """Indices of words, packed; or a list of wordings, each a list of such and of name lengths."""
    if isinstance(piece, str):
        return pack("H", [words.setdefault(digest_word(w), len(words)) for w in split_words(piece)])
    wordings = []
    for wording in piece:
        parts: list[object] = []
        for n, part in enumerate(re.split(r"(NAME:\d+|NOTICE:\d+)", wording)):
            if n % 2:
                kind, _, length = part.partition(":")
                parts.append(int(length) if kind == "NAME" else -int(length))
            elif split_words(part):
                parts.append(compile_element(part, words))
        wordings.append(parts)
    return wordings


def vocabulary(texts: dict[str, str]) -> set[int]:
    """Words that licences are written with: in lower case somewhere, or in one all capitals."""
    found: set[str] = set()
    for text in texts.values():
        for word in re.findall(r"[A-Za-z]{2,}", _ADDRESS.sub(" ", text)):
            if word.islower() or (word.isupper() and len(word) > 3):
                found.add(word.lower())
    return {digest_word_short(word) for word in found}


def pack(kind: str, numbers: object) -> str:
    """Numbers in network byte order, in Base64."""
    values = list(numbers)  # type: ignore[call-overload]
    return base64.b64encode(struct.pack(f">{len(values)}{kind}", *values)).decode()


def pack_short(numbers: set[int]) -> str:
    """Sorted numbers of three bytes each, in Base64."""
    return base64.b64encode(b"".join(n.to_bytes(3, "big") for n in sorted(numbers))).decode()


if __name__ == "__main__":
    sys.exit(main())
