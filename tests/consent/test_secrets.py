"""Which secrets are found in texts, and which texts are left in peace."""

from __future__ import annotations

import base64
import random
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consent.secret_samples import NAMED, NAMES, TEMPLATES, embed, make_token
from zeta_context.consent.secret_checks import entropy, has_github_checksum
from zeta_context.consent.secrets import MAX_TEXT, SECRET_RULES, SecretHit, find_secrets

KINDS = ("python", "javascript", "yaml", "env")


def overlaps(hit: SecretHit, start: int, end: int) -> bool:
    return hit.span.start < end and hit.span.end > start


def test_every_rule_has_samples_and_a_name_of_its_own() -> None:
    names = [rule.rule_id for rule in SECRET_RULES]
    assert len(names) == len(set(names))
    assert set(names) - {"key_rows"} == set(TEMPLATES) | set(NAMED)


@pytest.mark.parametrize("rule_id", sorted(TEMPLATES))
def test_a_token_of_each_issuer_is_found_where_it_stands_in_any_source(rule_id: str) -> None:
    rng = random.Random(rule_id)
    for template in TEMPLATES[rule_id]:
        for kind in KINDS:
            token = make_token(template, rng)
            text = embed(token, kind, rng)
            at = text.index(token)
            hits = [hit for hit in find_secrets(text) if overlaps(hit, at, at + len(token))]
            assert hits, (rule_id, kind)
            # What only a name tells may be told by another name's rule.
            assert rule_id in {hit.rule_id for hit in hits} or hits[0].confidence == "context"


@pytest.mark.parametrize("rule_id", sorted(NAMED))
def test_a_secret_that_only_its_name_tells_is_found(rule_id: str) -> None:
    rng = random.Random(rule_id)
    template, value_template = NAMED[rule_id]
    for name in NAMES:
        value = make_token(value_template, rng) + "7aQ"
        text = template.format(
            name=name, value=value, upper=name.upper(), dashed=name.replace("_", "-")
        )
        at = text.index(value)
        assert any(overlaps(hit, at, at + len(value)) for hit in find_secrets(text)), rule_id


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["DB_PASSWORD"]',
        'password = "changeme"',
        'api_key = "your-api-key-here"',
        "password: ${DB_PASSWORD}",
        'token = "<token>"',
        "secret_name = 'production/database/credentials'",
        'self.password_field = "user_password_confirmation"',
        'PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]',
        'token_url = "https://example.org/oauth/token"',
        "def get_token(self, token_type='access_token', scope=None): ...",
        'KEY_ERROR = "the key was not found in the dictionary"',
        "git clone https://user:password@example.org/x.git",
        "url = f'postgres://{user}:{password}@{host}/db'",
        "AccountKeyCredential = AccountKey",
        "sk-learn-contrib sk-image",
        "commit 2b00042f7481c7b056c4b410d28f33cf01234567",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "ghp_" + "x" * 36,
        "import { createHash, randomBytes } from 'node:crypto'",
        "eyJAAAAAAAAAAAA.eyJBBBBBBBBBBBBBB",
        "xpath = '//div[@class=\"token-list\"]'",
    ],
)
def test_names_placeholders_and_hashes_are_no_secrets(text: str) -> None:
    assert find_secrets(text) == ()


def test_the_checksum_is_the_published_one() -> None:
    rng = random.Random(5)
    token = make_token("ghp_{crc:30}", rng)
    assert has_github_checksum(token)
    other = "a" if token[10] != "a" else "b"
    assert not has_github_checksum(token[:10] + other + token[11:])


def test_a_token_in_base64_is_found_whatever_follows_it() -> None:
    rng = random.Random(6)
    for template in ("ghp_{crc:30}", "sk_live_{a62:24}", "AKIA{b32:16}"):
        for padding in ("", " ", "\n\n"):
            inner = f"key is {make_token(template, rng)}{padding}"
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                encoded = encode(inner.encode()).decode()
                (hit,) = find_secrets(f"data:\n  blob: {encoded}\n")
                assert hit.is_derived


@pytest.mark.parametrize(
    "joint", ['" +\n    "', '" "', '"\n  "', "\\\n", "\n    ", "' + '", '", "', '" .\n "', "\r\n"]
)
def test_a_token_split_over_literals_or_rows_is_found(joint: str) -> None:
    rng = random.Random(joint)
    for template in ("ghp_{crc:30}", "xoxb-{digits:12}-{digits:12}-{a62:24}", "AKIA{b32:16}"):
        token = make_token(template, rng)
        for cut in (3, len(token) // 2, len(token) - 2):
            text = f'value = "{token[:cut]}{joint}{token[cut:]}"\n'
            hits = find_secrets(text)
            assert hits, (template, cut)
            at = text.index(token[:cut])
            assert any(overlaps(hit, at, len(text) - 2) for hit in hits)


def test_spans_are_in_code_points_whatever_stands_before() -> None:
    token = make_token("ghp_{crc:30}", random.Random(7))
    text = f'é👍 ünï = "{token}" # 👍'
    (hit,) = find_secrets(text)
    assert text[hit.span.start : hit.span.end] == token


def test_a_private_key_is_found_from_its_first_line_to_its_last() -> None:
    rng = random.Random(8)
    body = "\n".join(make_token("{b64:64}", rng) for _ in range(12))
    text = f"x = 1\n-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\ny = 2\n"
    hits = find_secrets(text)
    assert text[hits[0].span.start :].startswith("-----BEGIN")
    assert hits[0].span.end >= text.index("-----END") + 8


def test_rows_from_the_middle_of_a_key_are_found() -> None:
    rng = random.Random(9)
    rows = "\n".join(make_token("{b64:64}", rng) for _ in range(5))
    assert [hit.rule_id for hit in find_secrets(f"before\n{rows}\nafter")] == ["key_rows"]


def test_no_hit_shows_the_secret_in_its_representation() -> None:
    token = make_token("sk_live_{a62:24}", random.Random(10))
    (hit,) = find_secrets(f"k = '{token}'")
    assert token[8:] not in repr(hit)
    assert token[8:] not in str(hit)


def test_a_text_too_long_to_be_searched_counts_as_a_secret() -> None:
    assert [hit.rule_id for hit in find_secrets("a" * (MAX_TEXT + 1))] == ["too_long"]


def test_hits_are_sorted_and_none_overlaps_another() -> None:
    rng = random.Random(11)
    tokens = [make_token(t, rng) for templates in TEMPLATES.values() for t in templates]
    hits = find_secrets("\n".join(f"token = '{token}'" for token in tokens))
    assert len(hits) > 100
    assert all(a.span.end <= b.span.start for a, b in pairwise(hits))


@pytest.mark.parametrize(
    "piece",
    [
        "-----BEGIN PRIVATE KEY-----",
        "ghp_",
        "password=",
        'password="',
        "://a:",
        "eyJ",
        "machine a login b ",
        "A" * 100,
        "a1" * 50,
        "xoxb-1-",
        '" + "',
        "\n",
        " ",
        '"          ',
        '"' + " " * 170,
        '"' + " " * 79 + "\n" + " " * 79,
        "server=;",
        "token token ",
        "AKIA" + "A" * 16,
        "sk_live_abcdefghijklmnop ",
        "password-password_",
    ],
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (256_000 // len(piece))
    find_secrets("warm")
    start = time.process_time()
    find_secrets(text)
    assert (time.process_time() - start) * 1000 / (len(text) / 1024) < 50  # ms/KB


@settings(max_examples=150)
@given(st.text(max_size=300))
def test_any_text_is_searched_and_spans_lie_in_it(text: str) -> None:
    for hit in find_secrets(text):
        assert 0 <= hit.span.start < hit.span.end <= len(text)


@settings(max_examples=60)
@given(st.text(max_size=80), st.text(max_size=80), st.integers(0, 2**32))
def test_nothing_around_a_token_hides_it(before: str, after: str, seed: int) -> None:
    # A character that may be part of a token changes the token, so spaces set it off.
    token = make_token("ghp_{crc:30}", random.Random(seed))
    text = f"{before} {token} {after}"
    at = len(before) + 1
    assert any(overlaps(hit, at, at + len(token)) for hit in find_secrets(text))


def test_entropy_is_that_of_shannon() -> None:
    assert entropy("") == 0
    assert entropy("aaaa") == 0
    assert entropy("ab") == 1
    assert entropy("abcd" * 5) == pytest.approx(2)


def test_rule_names_are_words_and_patterns_compile() -> None:
    for rule in SECRET_RULES:
        assert re.fullmatch(r"[a-z0-9_]+", rule.rule_id)
        assert rule.keywords
        assert all(keyword == keyword.lower() for keyword in rule.keywords)
