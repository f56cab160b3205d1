"""What of a prompt input may leave: nothing of excluded files, no secret and no piece of one."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.consent.secret_samples import TEMPLATES, make_token
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.redaction import Part, redact_prompt_input, scan_prompt_input
from zeta_context.events.event import Event
from zeta_context.prompt.codec import encode_msgpack
from zeta_context.prompt.input import Diagnostic, PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span

CANARY = "canary_7f3a91"


@pytest.fixture
def exclusions(tmp_path: Path) -> Exclusions:
    return Exclusions(tmp_path, environment={})


def make_input(**fields: Any) -> PromptInput:
    excerpt = "def pay(order):\n    return order.total\n"
    made = {"project": "shop", "path": "src/pay.py", "cursor_excerpt": excerpt}
    return PromptInput(**{"cursor_offset": 4, "excerpt_start_row": 0, **made, **fields})


def make_event(old: str, new: str, *, path: str = "src/pay.py", **fields: Any) -> Event:
    span = Span(0, len(new))
    diff = render_unified(old, new)
    return Event(project="shop", path=path, diff=diff, old_span=span, new_span=span, **fields)


def make_related(text: str, *, path: str = "src/order.py", **fields: Any) -> RelatedFile:
    excerpt = RelatedExcerpt(start_row=0, end_row=text.count("\n"), text=text)
    made: dict[str, Any] = {"project": "shop", "path": path, "last_row": 9}
    return RelatedFile(**{**made, "excerpts": (excerpt,), **fields})


def token(template: str = "ghp_{crc:30}", seed: int = 1) -> str:
    return make_token(template, random.Random(seed))


def test_a_clean_input_passes_unchanged(exclusions: Exclusions) -> None:
    prompt_input = make_input(
        events=(make_event("a = 1\n", "a = 2\n"),),
        related_files=(make_related("class Order:\n    total: int\n"),),
        diagnostics=(Diagnostic(severity=1, message='"pay" is not used', span=Span(0, 1)),),
    )
    assert redact_prompt_input(prompt_input, exclusions) == (prompt_input, {})


def test_nothing_leaves_where_the_cursor_is_in_an_excluded_file(exclusions: Exclusions) -> None:
    for path, reason in (
        (".env", "excluded_environment_file"),
        ("../x.py", "excluded_unusual_path"),
        ("/etc/passwd", "excluded_outside_project"),
    ):
        assert redact_prompt_input(make_input(path=path), exclusions) == (None, {reason: 1})


def test_nothing_leaves_where_the_cursor_excerpt_has_a_secret(exclusions: Exclusions) -> None:
    prompt_input = make_input(cursor_excerpt=f"a = '{token()}'\n")
    assert redact_prompt_input(prompt_input, exclusions) == (None, {"secret_github_token": 1})


def test_nothing_leaves_when_the_repository_forbids_it(
    exclusions: Exclusions, tmp_path: Path
) -> None:
    (tmp_path / ".zeta_context.toml").write_text("remote = false\n")
    redacted = redact_prompt_input(make_input(), exclusions)
    assert redacted == (None, {"excluded_repository_forbids_remote": 1})


def test_text_of_an_excluded_file_leaves_in_no_part(exclusions: Exclusions, tmp_path: Path) -> None:
    (tmp_path / ".zeta_context.toml").write_text('exclude = ["/internal/"]\n')
    (tmp_path / "link.py").symlink_to(".env")
    prompt_input = make_input(
        events=(
            make_event("", f"{CANARY} = 1\n", path=".env"),
            make_event("", f"{CANARY} = 1\n", path="src/new.py", old_path="secrets.yml"),
            make_event("", f"{CANARY} = 1\n", path="link.py"),
            make_event("a\n", "b\n"),
        ),
        related_files=(
            make_related(f"{CANARY} = 1\n", path="internal/rates.py"),
            make_related(f"{CANARY} = 1\n", path="/usr/lib/x.py", is_outside_project=True),
            make_related(f"{CANARY} = 1\n", path="../x.py"),
            make_related(f"{CANARY} = 1\n", project="another"),
            make_related("class Order: ...\n"),
        ),
        diagnostics=(
            Diagnostic(severity=1, message=f"cannot assign {CANARY}", span=Span(0, 1)),
            Diagnostic(severity=1, message=f'"{CANARY}" is declared here', span=Span(0, 1)),
            Diagnostic(severity=2, message="see internal/rates.py:3", span=Span(0, 1)),
            Diagnostic(severity=2, message="the value is never used", span=Span(0, 1)),
        ),
    )
    kept, dropped = redact_prompt_input(prompt_input, exclusions)
    assert kept is not None
    assert CANARY.encode() not in encode_msgpack(kept)
    assert [event.path for event in kept.events] == ["src/pay.py"]
    assert [file.path for file in kept.related_files] == ["src/order.py"]
    assert [each.message for each in kept.diagnostics] == ["the value is never used"]
    assert dropped == {
        "excluded_environment_file": 2,
        "excluded_secrets_file": 1,
        "excluded_repository_glob": 1,
        "excluded_outside_project": 1,
        "excluded_unusual_path": 1,
        "excluded_other_project": 1,
        "excluded_foreign_text": 3,
    }


def test_files_of_other_projects_pass_by_their_own_exclusions(tmp_path: Path) -> None:
    for name in ("shop", "lib"):
        (tmp_path / name).mkdir()
    (tmp_path / "lib" / ".gitignore").write_text("gen.py\n")
    both = {name: Exclusions(tmp_path / name, environment={}) for name in ("shop", "lib")}
    prompt_input = make_input(
        related_files=(
            make_related("a = 1\n", project="lib", path="lib.py"),
            make_related("a = 1\n", project="lib", path="gen.py"),
        )
    )
    kept, dropped = redact_prompt_input(prompt_input, both)
    assert kept is not None
    assert [file.path for file in kept.related_files] == ["lib.py"]
    assert dropped == {"excluded_git_ignored": 1}


def test_a_snippet_with_a_secret_is_left_out_and_the_others_stay(exclusions: Exclusions) -> None:
    clean = RelatedExcerpt(start_row=0, end_row=1, text="class Order: ...\n")
    spoiled = RelatedExcerpt(start_row=5, end_row=6, text=f"KEY = '{token()}'\n")
    prompt_input = make_input(related_files=(make_related("", excerpts=(clean, spoiled)),))
    kept, dropped = redact_prompt_input(prompt_input, exclusions)
    assert kept is not None
    assert kept.related_files[0].excerpts == (clean,)
    assert dropped == {"secret_github_token": 1}


def test_a_deleted_secret_and_one_in_a_files_name_are_found(exclusions: Exclusions) -> None:
    secret = token()
    prompt_input = make_input(
        events=(
            make_event(f"key = '{secret}'\n", "key = load()\n"),
            make_event("a\n", "b\n", path=f"src/{token(seed=2)}.py"),
            make_event("a\n", "b\n", old_path=f"src/{token(seed=3)}.py"),
        )
    )
    assert [found.part for found in scan_prompt_input(prompt_input)] == [
        Part("event", number) for number in range(3)
    ]
    kept, dropped = redact_prompt_input(prompt_input, exclusions)
    assert kept is not None
    assert kept.events == ()
    assert dropped == {"secret_github_token": 3}


@pytest.mark.parametrize("rule_id", ["github_token", "slack_token", "stripe_key", "openai_key"])
def test_a_secret_typed_in_two_edits_leaves_neither_whole_nor_in_part(
    exclusions: Exclusions, rule_id: str
) -> None:
    rng = random.Random(rule_id)
    for template in TEMPLATES[rule_id]:
        secret = make_token(template, rng)
        cut = rng.randrange(13, len(secret) - 12)
        first = f"value = '{secret[:cut]}'\n"
        events = (
            make_event("value = ''\n", first),
            make_event(first, f"value = '{secret}'\n"),
        )
        kept, dropped = redact_prompt_input(make_input(events=events), exclusions)
        assert kept is not None
        assert kept.events == ()
        assert sum(dropped.values()) >= 2


def test_a_secret_whose_halves_are_only_ever_in_different_events_is_found() -> None:
    secret = token()
    events = (
        make_event("a\nb\nc\nd\ne\nf\ng\nh\n", f"a{secret[:20]}\nb\nc\nd\ne\nf\ng\nh\n"),
        make_event("a\nb\nc\nd\ne\nf\ng\nh\n", f"a\nb\nc\nd\ne\nf\ng\nh{secret[20:]}\n"),
    )
    found = scan_prompt_input(make_input(events=events))
    assert [each.part for each in found] == [Part("event", 0), Part("event", 1)]


def test_spans_in_an_event_are_in_its_diff() -> None:
    secret = token()
    event = make_event("a\nb\n", f"a\nkey = '{secret}'\nb\n")
    (found,) = scan_prompt_input(make_input(events=(event,)))
    (hit,) = found.hits
    assert event.diff[hit.span.start : hit.span.end] == secret


def test_half_of_a_secret_beside_the_whole_one_is_left_out(exclusions: Exclusions) -> None:
    secret = token()
    prompt_input = make_input(
        events=(make_event("", f"key = '{secret}'\n"),),
        related_files=(make_related(f"# starts with {secret[:16]}\n"),),
        diagnostics=(Diagnostic(severity=1, message=f"odd text {secret[9:30]}", span=Span(0, 1)),),
    )
    kept, _ = redact_prompt_input(prompt_input, exclusions)
    assert kept is not None
    assert not kept.events
    assert not kept.related_files
    assert not kept.diagnostics


def test_neither_logs_nor_results_hold_what_was_found(
    exclusions: Exclusions, caplog: pytest.LogCaptureFixture
) -> None:
    secret = token()
    prompt_input = make_input(cursor_excerpt=f"key = '{secret}'\n", path="src/private_name.py")
    with caplog.at_level(logging.DEBUG):
        found = scan_prompt_input(prompt_input)
        redacted = redact_prompt_input(prompt_input, exclusions)
        excluded = redact_prompt_input(replace(prompt_input, path="x/.env"), exclusions)
    assert secret not in f"{found}{redacted}{excluded}{caplog.text}"
    assert "private_name" not in f"{found}{redacted}{excluded}{caplog.text}"
