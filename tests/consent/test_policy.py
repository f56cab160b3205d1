"""An organisation's policy only tightens, and one that cannot be relied upon forbids everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consent.consent_cases import make_facts
from zeta_context.consent.gate import decide
from zeta_context.consent.policy import (
    FORBIDS_ALL,
    LONGEST_RETENTION_S,
    NO_POLICY,
    Policy,
    load_policy,
    parse_policy,
)

_WORDS = st.frozensets(st.sampled_from(["a", "b", "c"]))
POLICIES = st.builds(
    Policy,
    allows_collection=st.booleans(),
    allows_settled_text=st.booleans(),
    allows_remote=st.booleans(),
    servers=st.none() | st.frozensets(st.sampled_from(["https://collect.example.org", "x"])),
    licences=st.none() | st.frozensets(st.sampled_from(["MIT", "ISC"])),
    exclude=_WORDS,
    hold_back_s=st.floats(0, 1e6),
    retention_s=st.floats(0, LONGEST_RETENTION_S),
    is_unreadable=st.booleans(),
)


@given(POLICIES, POLICIES, POLICIES)
def test_policies_are_a_meet_semilattice(a: Policy, b: Policy, c: Policy) -> None:
    assert a.meet(b) == b.meet(a)
    assert a.meet(a) == a
    assert a.meet(b).meet(c) == a.meet(b.meet(c))
    assert a.meet(NO_POLICY) == a


@given(POLICIES, POLICIES)
def test_a_further_policy_never_allows_more(a: Policy, b: Policy) -> None:
    both = decide(make_facts(policy=a.meet(b)), stage="capture")
    one = decide(make_facts(policy=a), stage="capture")
    assert one.is_allowed or not both.is_allowed
    if both:
        assert both.hold_back_s >= one.hold_back_s
        assert both.retention_s <= one.retention_s


@given(POLICIES)
def test_a_forbidding_policy_forbids_with_any_other(policy: Policy) -> None:
    assert not decide(make_facts(policy=policy.meet(FORBIDS_ALL)), stage="capture")


def test_a_policy_file_is_read() -> None:
    text = """
    schema = 1
    collection = true
    settled_text = false
    remote_models = false
    servers = ["https://collect.example.org"]
    licences = ["MIT"]
    exclude = ["/internal/"]
    hold_back_hours = 48
    retention_days = 3
    """
    assert parse_policy(text.encode()) == Policy(
        allows_settled_text=False,
        allows_remote=False,
        servers=frozenset(("https://collect.example.org",)),
        licences=frozenset(("MIT",)),
        exclude=frozenset(("/internal/",)),
        hold_back_s=48 * 3600,
        retention_s=3 * 86_400,
    )


@pytest.mark.parametrize(
    "text",
    [
        "collection = true",
        "schema = 2\ncollection = true",
        "schema = 1\ncollection = 'yes'",
        "schema = 1\nallow_everything = true",
        "schema = 1\nhold_back_hours = -1",
        "schema = 1\nhold_back_hours = nan",
        "schema = 1\nexclude = ['!secret']",
        "schema = 1\nservers = 'x'",
        "schema = ",
        "\0",
    ],
)
def test_bad_input_11_a_policy_that_is_not_understood_forbids_everything(text: str) -> None:
    assert parse_policy(text.encode()) == FORBIDS_ALL


def test_no_policy_file_forbids_nothing(tmp_path: Path) -> None:
    assert load_policy((tmp_path / "policy.toml",)) == NO_POLICY


def test_bad_input_11_a_policy_that_anybody_could_have_made_forbids_everything(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("schema = 1\n")
    path.chmod(0o644)
    assert load_policy((path,)) == NO_POLICY
    path.chmod(0o666)
    assert load_policy((path,)) == FORBIDS_ALL
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert load_policy((link,)) == FORBIDS_ALL
    assert load_policy((tmp_path,)) == FORBIDS_ALL
