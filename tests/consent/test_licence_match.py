"""A text is an accepted licence in all of its words, or it is none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consent.licence_samples import licence_texts
from tools.adversarial_licences import make_traps, read_sentences
from zeta_context.consent.licence_lines import is_copyright_line, is_title_line
from zeta_context.consent.licence_match import load_references, match_text
from zeta_context.consent.licence_text import MAX_BYTES, digest_word_short

VOCABULARY = load_references().vocabulary
SENTENCES = [*read_sentences(is_held_out=False), *read_sentences(is_held_out=True)]


def told(text: str) -> str:
    return match_text(text.encode()).licence


def mit() -> str:
    return licence_texts()["MIT"]


def test_the_licences_of_installed_packages_are_told() -> None:
    assert {"MIT", "Apache-2.0", "BSD-3-Clause"} <= set(licence_texts())


@pytest.mark.parametrize("is_held_out", [False, True])
def test_no_trap_is_taken(is_held_out: bool) -> None:
    """A seventh of them; `make bench-licences` runs all, over every accepted licence."""
    texts = {name: licence_texts()[name] for name in ("MIT", "BSD-3-Clause")}
    traps = list(make_traps(texts, is_held_out=is_held_out))[::7]
    assert len(traps) > 300
    taken = [(trap.kind, trap.base) for trap in traps if match_text(trap.content).licence]
    assert taken == []


@given(st.sampled_from(SENTENCES), st.data())
def test_a_restriction_at_any_boundary_is_never_taken(sentence: str, data: st.DataObject) -> None:
    text = mit()
    ends = [0, *(match.end() for match in re.finditer(r"[.,:;]\s+|\n+", text)), len(text)]
    at = data.draw(st.sampled_from(ends))
    assert not told(f"{text[:at]}{sentence} {text[at:]}")


@given(st.data())
def test_a_word_more_or_less_in_the_body_is_never_taken(data: st.DataObject) -> None:
    head, body = mit().split("Permission is hereby", 1)
    words = ["Permission", "is", "hereby", *body.split()]
    at = data.draw(st.integers(0, len(words) - 1))
    if not re.search(r"\w", words[at]):
        return
    assert not told(head + " ".join(words[:at] + words[at + 1 :]))
    more = data.draw(st.sampled_from(["not", "without", "non", "only", "except", "fee", "Ada"]))
    assert not told(head + " ".join([*words[: at + 1], more, *words[at + 1 :]]))


def test_layout_case_quotes_and_marks_of_comments_do_not_matter() -> None:
    text = mit()
    assert told(text.upper()) == "MIT"
    assert told(text.replace("\n", "\r\n")) == "MIT"
    assert told("\ufeff" + text) == "MIT"
    assert told("".join(f"// {line}\n" for line in text.splitlines())) == "MIT"
    assert told(text.replace('"', "\u201d")) == "MIT"
    head, body = text.split("Permission is hereby", 1)
    assert told(f"{head}\nPermission is hereby {' '.join(body.split())}") == "MIT"


@pytest.mark.parametrize(
    "line",
    [
        "Copyright (c) 2024 Ada Example",
        "Copyright (C) 2019-present, Example Software Foundation, Inc. and its affiliates.",
        "© 2020 Ångström Labs GmbH. All rights reserved.",
        "Copyright 2014 Yahoo! Inc.",
        "Copyright (c) 2011 tj holowaychuk <tj@example.org>",
        "Copyright (c) 2013 Ada Q. Example (https://example.org/~ada)",
        "MIT License Copyright (c) 2020 Ada Example",
        "Copyright The Example Authors (see AUTHORS.md)",
        "Copyright Contributors to the Example project.",
        "Copyright (c) 2015 NVIDIA CORPORATION",
    ],
)
def test_notices_of_copyright_are_told(line: str) -> None:
    assert is_copyright_line(line, "MIT", VOCABULARY)


@pytest.mark.parametrize(
    "line",
    [
        "Copyright (c) 2024 Ada Example. Not for sale.",
        "Copyright (c) 2024 Ada Example, non-commercial",
        "Copyright (c) 2024 Ada Example (students only)",
        "Copyright (c) 2024 Ada Example https://example.org/commercial-terms",
        "Copyright (c) 2024 Ada Example. Endast för privatpersoner.",
        "Copyright (c) 2024 Ada Example; interdit aux entreprises",
        "Copyright (c) 2024 Ада Пример",
        "Copyright " + "Ada " * 40,
        "Copyrighted material, do not copy",
        "Permission is granted. Copyright 2024 Ada",
    ],
)
def test_a_notice_that_says_more_is_none(line: str) -> None:
    assert not is_copyright_line(line, "MIT", VOCABULARY)


def test_a_title_is_one_of_its_own_licence() -> None:
    assert is_title_line("## The MIT License (MIT)", "MIT")
    assert is_title_line("SPDX-License-Identifier: MIT", "MIT")
    assert not is_title_line("SPDX-License-Identifier: MIT", "ISC")
    assert not is_title_line("SPDX-License-Identifier: LicenseRef-MIT", "MIT")
    assert not is_title_line("MIT License (non-commercial)", "MIT")
    assert not is_title_line("Apache License 2.0", "MIT")


def test_a_name_within_a_licence_is_one_of_its_notices() -> None:
    text = licence_texts()["BSD-3-Clause"]
    body = text[text.index("Redistribution") :]
    notice = "Copyright (c) 2024 Ada Example Inc.\n\n"
    for name, licence in (
        ("ADA EXAMPLE INC.", "BSD-3-Clause"),
        ("NOBODY ELSE, EVER", ""),
        ("KUN TIL PRIVAT BRUG", ""),
    ):
        changed = re.sub(
            r"PROVIDED\s+BY\s.*?\s\W*AS IS", f'PROVIDED BY {name} "AS IS', body, flags=re.S
        )
        assert told(notice + changed) == licence


@pytest.mark.parametrize(
    ("content", "licence"),
    [
        (lambda text: "\ufeff" + text, "MIT"),
        (lambda text: text.replace("\n", "\r\n"), "MIT"),
        (lambda text: text.replace("a", "\u0430", 1), ""),
        (lambda text: text.replace("free", "fr\u200bee"), ""),
        (lambda text: text.replace("free", "fr\u202eee"), ""),
        (lambda text: text.replace("free", "fr\0ee"), ""),
    ],
)
def test_bad_input_8_only_a_byte_order_mark_and_line_ends_are_overlooked(
    content: Callable[[str], str], licence: str
) -> None:
    assert told(content(mit())) == licence
    assert match_text(mit().encode("utf-16")).licence == ""


def test_the_vocabulary_knows_the_words_of_restrictions() -> None:
    for word in ("commercial", "prohibited", "only", "forbidden", "evil", "revoked"):
        assert digest_word_short(word) in VOCABULARY


@pytest.mark.parametrize("seed", range(5))
def test_damaged_and_hostile_bytes_are_answered(seed: int) -> None:
    chance = random.Random(seed)
    for content in (
        chance.randbytes(5000),
        mit().encode()[: chance.randrange(1, 1000)],
        mit().encode("utf-16"),
        b"\0" * MAX_BYTES,
        b"a" * (MAX_BYTES + 1),
        b"Copyright " * 6000,
        b"<!--" * 16_000,
    ):
        verdict = match_text(content)
        assert verdict.licence == ""
        assert verdict.reason in ("not_plain_text", "unknown_text", "empty")


def test_a_refusal_quotes_where_the_text_departs() -> None:
    changed = mit().replace("free of charge", "for a charge")
    assert "charge" in match_text(changed.encode()).excerpt
