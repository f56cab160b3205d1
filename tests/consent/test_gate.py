"""The gate as a pure function: every condition alone can say no, and nothing unknown says yes."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consent.consent_cases import (
    ACCEPTED,
    COLLECTION,
    HEAD,
    NOW,
    make_facts,
    make_grant,
)
from zeta_context.consent.consent_text import PURPOSES
from zeta_context.consent.gate import (
    HOLD_BACK_S,
    SHORTEST_HOLD_BACK_S,
    Claims,
    Collection,
    Environment,
    Facts,
    decide,
    find_state,
)
from zeta_context.consent.policy import FORBIDS_ALL, NO_POLICY, Policy
from zeta_context.consent.repository_file import UNREADABLE, RepositoryRules

CLAIMS = Claims(consent_id="id-of-starting_state", evidence_digest=ACCEPTED.digest)
REFUSED = replace(ACCEPTED, is_accepted=False, reason="unknown_text")

NO = {
    "consent": {"starting_state": None},
    "withdrawn": {"starting_state": make_grant(withdrawn_at=NOW - 1)},
    "expired": {"now": NOW + 2 * 86_400},
    "clock set back": {"now": NOW - 86_400},
    "old words": {"starting_state": make_grant(text_version=0)},
    "changed words": {"starting_state": make_grant(text_digest="1" * 64)},
    "another machine": {"binding": "c" * 64},
    "no machine": {"binding": ""},
    "another project": {"project": "q" * 32},
    "no project": {"project": ""},
    "another repository in the same place": {"has_anchor": False},
    "another server": {"collection": replace(COLLECTION, server="https://else.example.org")},
    "another operator": {"collection": replace(COLLECTION, operator="Somebody")},
    "another teacher": {"collection": replace(COLLECTION, teacher="Some Models")},
    "no server": {"collection": Collection()},
    "policy": {"policy": Policy(allows_collection=False)},
    "unreadable policy": {"policy": FORBIDS_ALL},
    "policy about servers": {"policy": Policy(servers=frozenset(("https://our.example",)))},
    "policy about licences": {"policy": Policy(licences=frozenset(("Apache-2.0",)))},
    "repository": {"repository": RepositoryRules(forbids_collection=True)},
    "unreadable repository file": {"repository": UNREADABLE},
    "no licence": {"licence": None},
    "refused licence": {"licence": REFUSED},
    "evidence of another commit": {"head_commit": "d" * 40},
    "no commit": {"head_commit": ""},
    "do not track": {"environment": Environment(is_do_not_track=True)},
    "disabled": {"environment": Environment(is_disabled=True)},
    "editor": {"environment": Environment(editor_allows=False)},
    "untrusted workspace": {"environment": Environment(is_trusted=False)},
    "excluded file": {"file_rule": "git_ignored"},
    "stopped by the server": {"server_stopped": True},
    "something unreadable": {"unreadable": ("consent",)},
}


def test_everything_in_order_is_allowed_for_both_purposes() -> None:
    for purpose in PURPOSES:
        decision = decide(make_facts(), stage="capture", purpose=purpose)
        assert decision
        assert (decision.state, decision.reason) == ("on", "allowed")
        assert decision.server == COLLECTION.server
        assert decision.hold_back_s == HOLD_BACK_S
        assert decision.claims is not None
        assert bool(decision.claims.settled_consent_id) == (purpose == "settled_text")


def test_nothing_known_is_off() -> None:
    facts = Facts(now=NOW)
    assert find_state(facts)[0] == "off"
    for purpose in PURPOSES:
        assert not decide(facts, stage="capture", purpose=purpose)


@pytest.mark.parametrize("name", NO)
@pytest.mark.parametrize("stage", ["capture", "spool", "send"])
def test_each_condition_alone_says_no(name: str, stage: str) -> None:
    facts = make_facts(**NO[name])
    for purpose in PURPOSES:
        decision = decide(facts, stage=stage, purpose=purpose, claims=CLAIMS)  # type: ignore[arg-type]
        assert not decision.is_allowed
        assert decision.reason not in ("", "allowed")
        assert (decision.claims, decision.server, decision.hold_back_s) == (None, "", 0.0)


@given(st.sets(st.sampled_from(sorted(NO))), st.sampled_from(PURPOSES))
def test_no_combination_with_a_no_in_it_is_a_yes(names: set[str], purpose: str) -> None:
    changes: dict[str, object] = {}
    for name in names:
        changes |= NO[name]
    decision = decide(make_facts(**changes), stage="capture", purpose=purpose)  # type: ignore[arg-type]
    assert decision.is_allowed == (not names)


def test_the_truth_table_of_the_six_conditions_has_one_yes() -> None:
    """Consent, licence, policy, trust, file, kill switch: all 64 rows."""
    conditions = ["consent", "refused licence", "policy", "untrusted workspace", "excluded file"]
    conditions.append("stopped by the server")
    for row in itertools.product((True, False), repeat=6):
        changes: dict[str, object] = {}
        for holds, name in zip(row, conditions, strict=True):
            changes |= {} if holds else NO[name]
        assert decide(make_facts(**changes), stage="capture").is_allowed == all(row)


@given(st.sampled_from(sorted(NO)), st.integers(0, len(fields(Facts)) - 1))
def test_forgetting_any_fact_never_turns_a_no_into_a_yes(name: str, which: int) -> None:
    facts = make_facts(**NO[name])
    field = fields(Facts)[which]
    if field.name in ("now", *NO[name]):
        return
    default = getattr(Facts(now=NOW), field.name)
    assert not decide(replace(facts, **{field.name: default}), stage="capture")


def test_the_states_are_told_apart() -> None:
    def state(**changes: object) -> tuple[str, str]:
        return find_state(make_facts(**changes))

    assert state() == ("on", "allowed")
    assert state(starting_state=None) == ("offered", "no_consent")
    assert state(starting_state=None, licence=REFUSED) == ("off", "licence_refused")
    assert state(licence=REFUSED) == ("paused", "licence_refused")
    assert state(head_commit="d" * 40) == ("paused", "head_moved_unchecked")
    assert state(policy=Policy(allows_collection=False)) == ("paused", "policy_forbids")
    assert state(now=NOW + 2 * 86_400) == ("paused", "consent_expired")
    assert state(binding="c" * 64) == ("off", "consent_of_another_installation")
    assert state(unreadable=("consent",)) == ("off", "consent_unreadable")
    withdrawn = make_grant(withdrawn_at=NOW)
    assert state(starting_state=withdrawn) == ("withdrawn", "withdrawn")
    assert state(starting_state=withdrawn, licence=REFUSED)[0] == "withdrawn"


def test_settled_text_needs_a_consent_of_its_own() -> None:
    for second in (
        None,
        make_grant("settled_text", withdrawn_at=NOW - 1),
        make_grant("settled_text", expires_at=NOW - 1),
        make_grant("settled_text", binding="c" * 64),
        make_grant("settled_text", text_version=99),
    ):
        facts = make_facts(settled_text=second)
        assert decide(facts, stage="capture")
        assert not decide(facts, stage="capture", purpose="settled_text")
    facts = make_facts(policy=Policy(allows_settled_text=False))
    assert decide(facts, stage="capture")
    assert not decide(facts, stage="capture", purpose="settled_text")


def test_the_second_consent_without_the_first_allows_nothing() -> None:
    for purpose in PURPOSES:
        assert not decide(make_facts(starting_state=None), stage="capture", purpose=purpose)


@pytest.mark.parametrize("stage", ["spool", "send"])
def test_an_example_goes_on_only_under_what_it_was_captured_under(stage: str) -> None:
    facts = make_facts()

    def reason(claims: Claims | None) -> str:
        return decide(facts, stage=stage, claims=claims).reason  # type: ignore[arg-type]

    assert reason(CLAIMS) == "allowed"
    assert reason(None) == "claims_missing"
    assert reason(replace(CLAIMS, consent_id="older")) == "consent_changed"
    assert reason(replace(CLAIMS, evidence_digest="older")) == "licence_changed"
    assert reason(replace(CLAIMS, settled_consent_id="id")) == "consent_changed"


def test_evidence_is_of_the_files_and_the_verdict_and_not_of_the_commit() -> None:
    assert replace(ACCEPTED, head_commit="e" * 40).digest == ACCEPTED.digest
    other = replace(ACCEPTED.files[0], sha256="1" * 64)
    assert replace(ACCEPTED, files=(other,)).digest != ACCEPTED.digest
    assert replace(ACCEPTED, licences=("ISC",)).digest != ACCEPTED.digest
    assert REFUSED.digest != ACCEPTED.digest


def test_a_moved_head_with_the_same_licence_carries_on_once_it_was_checked() -> None:
    moved = make_facts(head_commit="e" * 40, licence=replace(ACCEPTED, head_commit="e" * 40))
    assert decide(moved, stage="send", claims=CLAIMS)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_the_longest_wait_wins_and_is_never_shorter_than_the_shortest(a: float, b: float) -> None:
    facts = make_facts(
        collection=replace(COLLECTION, hold_back_s=a), policy=replace(NO_POLICY, hold_back_s=b)
    )
    assert decide(facts, stage="capture").hold_back_s == max(SHORTEST_HOLD_BACK_S, a, b)


def test_head_of_the_cases_is_the_evidence_s() -> None:
    assert make_facts().head_commit == HEAD == ACCEPTED.head_commit
