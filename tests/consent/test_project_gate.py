"""The gate over a real repository, real consent records and real policy files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.consent.consent_cases import ACCEPTED, COLLECTION
from tests.git_repo import GitRepo
from zeta_context.consent.evidence import Evidence
from zeta_context.consent.gate import Collection, Environment
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.policy import load_policy
from zeta_context.consent.project_gate import ProjectGate, read_environment
from zeta_context.counts import Counts
from zeta_context.repository.worktree import Worktree


def evidence(worktree: Worktree, _: tuple[str, ...]) -> Evidence:
    """Accepts whatever HEAD is, as long as it has a licence file that reads MIT."""
    is_mit = worktree.head_text("LICENSE") == b"MIT"
    return replace(
        ACCEPTED,
        is_accepted=is_mit,
        reason="accepted" if is_mit else "unknown_text",
        head_commit=worktree.head().sha or "",
    )


class Place:
    """A repository with a licence, a store of consents and a policy file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = GitRepo(folder / "project")
        self.head = self.repo.commit(
            {"LICENSE": "MIT", "a.py": "x = 1\n", ".gitignore": "out/\n", "pkg/b.py": "y = 2\n"}
        )
        self.store = GrantStore(folder / "state", clock=lambda: self.now)
        self.policy = folder / "policy.toml"
        self.now = 1_800_000_000.0
        self.counts = Counts()

    def gate(self, root: Path | None = None, **changes: object) -> ProjectGate:
        fields: dict[str, object] = {
            "find_evidence": evidence,
            "store": self.store,
            "environment": Environment,
            "read_policy": lambda: load_policy((self.policy,)),
            "clock": lambda: self.now,
            "counts": self.counts,
        }
        collection = changes.pop("collection", COLLECTION)
        return ProjectGate(
            self.repo.root if root is None else root,
            collection,  # type: ignore[arg-type]
            **{**fields, **changes},  # type: ignore[arg-type]
        )

    def give(self, root: Path | None = None, purpose: str = "starting_state") -> None:
        head = self.repo.git("rev-parse", "HEAD")
        self.store.give(
            root or self.repo.root,
            purpose,  # type: ignore[arg-type]
            COLLECTION,
            head_commit=head,
            actor="test",
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def reason(gate: ProjectGate, *paths: str) -> str:
    return gate.decide(stage="capture", paths=paths).reason


def test_consent_turns_on_one_project_and_withdrawal_turns_it_off(place: Place) -> None:
    gate = place.gate()
    assert gate.decide(stage="capture").state == "offered"
    place.give()
    decision = gate.decide(stage="capture", paths=("a.py", "pkg/b.py"))
    assert decision
    assert gate.decide(stage="send", paths=("a.py",), claims=decision.claims)
    assert place.gate(place.repo.root / "pkg").decide(stage="capture", paths=("b.py",))
    installation = place.store.installation()
    assert installation is not None
    place.store.withdraw(installation.project(place.repo.root), "starting_state")
    for stage in ("capture", "spool", "send"):
        told = gate.decide(stage=stage, paths=("a.py",), claims=decision.claims)  # type: ignore[arg-type]
        assert told.state == "withdrawn"
    assert place.counts.total("gate_send_withdrawn") == 1


def test_bad_input_13_a_copy_a_clone_and_a_moved_folder_have_no_consent(
    place: Place,
) -> None:
    place.give()
    copy = place.folder / "copy"
    shutil.copytree(place.repo.root, copy)
    place.repo.git("clone", "-q", str(place.repo.root), str(place.folder / "clone"))
    place.repo.git("worktree", "add", "-q", str(place.folder / "worktree"))
    for root in (copy, place.folder / "clone", place.folder / "worktree"):
        assert place.gate(root).decide(stage="capture").state == "offered"
    alias = place.folder / "alias"
    alias.symlink_to(place.repo.root)
    assert place.gate(alias).decide(stage="capture").state == "on"
    moved = place.repo.root.rename(place.folder / "moved")
    assert place.gate(moved).decide(stage="capture").state == "offered"


def test_another_repository_in_the_same_place_has_no_consent(place: Place) -> None:
    place.give()
    shutil.rmtree(place.repo.root)
    GitRepo(place.repo.root).commit({"LICENSE": "MIT", "other.py": "z = 3\n"})
    told = place.gate().decide(stage="capture", paths=("other.py",))
    assert (told.state, told.reason) == ("off", "consent_commit_missing")


def test_a_changed_licence_pauses_before_the_next_capture_and_stops_what_waits(
    place: Place,
) -> None:
    place.give()
    gate = place.gate()
    claims = gate.decide(stage="capture", paths=("a.py",)).claims
    place.repo.commit({"LICENSE": "all rights reserved"})
    told = gate.decide(stage="capture", paths=("a.py",))
    assert (told.state, told.reason) == ("paused", "licence_refused")
    assert not gate.decide(stage="send", paths=("a.py",), claims=claims)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("untracked.py", "untracked_file"),
        (".env", "environment_file"),
        ("out/a.py", "git_ignored"),
        ("../other.py", "unusual_path"),
        ("/etc/passwd", "outside_project"),
        ("link.py", "outside_project"),
        ("inner/c.py", "nested_repository"),
    ],
)
def test_bad_input_14_a_file_that_may_not_leave_stops_it(
    place: Place, path: str, rule: str
) -> None:
    place.give()
    place.repo.write("untracked.py", "x")
    (place.folder / "elsewhere.py").write_text("x")
    (place.repo.root / "link.py").symlink_to(place.folder / "elsewhere.py")
    GitRepo(place.repo.root / "inner").commit({"c.py": "x"})
    told = place.gate().decide(stage="capture", paths=("a.py", path))
    assert (told.is_allowed, told.state, told.reason) == (False, "on", rule)


def test_bad_input_1_the_repository_can_only_forbid(place: Place) -> None:
    gate = place.gate()
    place.repo.commit({".zeta_context.toml": "collect = true\n[collection]\nserver='https://evil'"})
    assert gate.decide(stage="send").state == "offered"
    place.give()
    assert place.gate().decide(stage="capture").server == COLLECTION.server
    place.repo.commit({".zeta_context.toml": "collect = false\n"})
    assert reason(place.gate()) == "repository_forbids"
    place.repo.commit({".zeta_context.toml": "collect = "})
    assert reason(place.gate()) == "repository_file_unreadable"


@pytest.mark.parametrize("value", ["1", "true", "yes", "anything"])
def test_variables_of_the_environment_forbid(place: Place, value: str) -> None:
    place.give()
    for name, told in (
        ("DO_NOT_TRACK", "do_not_track"),
        ("ZETA_CONTEXT_DISABLE_UPLOAD", "disabled_by_environment"),
    ):
        assert reason(place.gate(environment=partial(read_environment, {name: value}))) == told
        assert reason(place.gate(environment=partial(read_environment, {name: "0"}))) == "allowed"


def test_an_editor_forbids_while_its_switches_say_so(place: Place) -> None:
    place.give()
    says = {"editor_allows": True, "is_trusted": True}
    gate = place.gate(environment=lambda: read_environment({}, **says))
    for switch, told in (
        ("editor_allows", "editor_forbids"),
        ("is_trusted", "workspace_untrusted"),
    ):
        assert reason(gate) == "allowed"
        says[switch] = False
        assert reason(gate) == told
        says[switch] = True


@pytest.mark.parametrize("damage", ["truncated", "garbage", "newer", "folder"])
@pytest.mark.parametrize("name", ["installation.json", "starting_state", "settled_text"])
def test_bad_input_12_an_unreadable_consent_is_off(place: Place, damage: str, name: str) -> None:
    place.give()
    place.give(purpose="settled_text")
    assert place.gate().decide(stage="capture")
    (file,) = place.store.folder.glob(f"*{name}*")
    content = file.read_bytes()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        broken = {
            "truncated": content[: len(content) // 2],
            "garbage": b"\xff\x00" * 40,
            "newer": content.replace(b'"schema": 1', b'"schema": 2'),
        }
        file.write_bytes(broken[damage])
    told = place.gate().decide(stage="capture")
    assert told.state == "off"
    assert told.reason.endswith("_unreadable")


def test_bad_input_11_a_policy_that_appears_takes_effect_at_once(place: Place) -> None:
    place.give()
    gate = place.gate()
    assert gate.decide(stage="capture", paths=("a.py",))
    place.policy.write_text('schema = 1\nexclude = ["a.py"]\n')
    place.policy.chmod(0o644)
    assert reason(gate, "a.py") == "user_glob"
    assert reason(gate, "pkg/b.py") == "allowed"
    place.policy.write_text("schema = 1\ncollection = false\n")
    assert reason(gate, "pkg/b.py") == "policy_forbids"
    place.policy.write_text("nonsense")
    assert reason(gate, "pkg/b.py") == "policy_unreadable"


def test_the_users_own_exclusions_hold(place: Place) -> None:
    place.give()
    gate = place.gate(collection=replace(COLLECTION, exclude=("/pkg/",)))
    assert reason(gate, "a.py") == "allowed"
    assert reason(gate, "a.py", "pkg/b.py") == "user_glob"


def test_no_repository_is_off(place: Place) -> None:
    plain = place.folder / "plain"
    plain.mkdir()
    assert place.gate(plain).decide(stage="capture").state == "off"


def test_bad_input_5_a_hostile_git_file_is_no_repository(place: Place) -> None:
    place.give()
    hostile = place.folder / "hostile"
    hostile.mkdir()
    (hostile / ".git").write_text(f"gitdir: {place.repo.root / '.git'}\n")
    (hostile / "a.py").write_text("x = 1\n")
    assert place.gate(hostile).decide(stage="capture", paths=("a.py",)).state == "off"


def test_bad_input_2_files_of_an_editor_or_a_shell_in_the_project_are_not_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.repo.commit(
        {
            ".vscode/settings.json": '{"zeta-context.collection.server": "https://evil.example"}',
            ".envrc": "export ZETA_CONTEXT_CONFIG=$PWD/evil.toml\n",
            "evil.toml": "[collection]\nserver = 'https://evil.example'\n",
        }
    )
    monkeypatch.chdir(place.repo.root)
    assert place.gate(collection=Collection()).decide(stage="capture").reason == (
        "no_collection_server"
    )
    place.give()
    assert place.gate().decide(stage="capture").server == COLLECTION.server


def test_bad_input_37_two_gates_on_one_project_stop_together(place: Place) -> None:
    place.give()
    here, there = place.gate(), place.gate()
    claims = here.decide(stage="capture", paths=("a.py",)).claims
    installation = GrantStore(place.folder / "state").installation()
    assert installation is not None
    project = installation.project(place.repo.root)
    GrantStore(place.folder / "state").withdraw(project, "starting_state")
    for gate in (here, there):
        assert not gate.decide(stage="send", paths=("a.py",), claims=claims)


def test_bad_input_35_no_reason_or_count_names_a_place(place: Place) -> None:
    place.give()
    place.repo.write("canary-file.py", "canary-text = 1\n")
    decision = place.gate().decide(stage="capture", paths=("canary-file.py",))
    told = repr((decision, place.counts.totals(), place.counts.recent()))
    assert "canary" not in told
    assert str(place.folder) not in told


class ConsentMachine(RuleBasedStateMachine):
    """Random acts of user, organisation, repository and clock, against a model of booleans."""

    folder: Path
    number = 0

    @initialize()
    def start(self) -> None:
        ConsentMachine.number += 1
        self.place = Place(self.folder / str(ConsentMachine.number))
        self.gates = (self.place.gate(), self.place.gate())
        self.has_consent = False
        self.is_licensed = self.is_allowed = self.is_offered = True
        self.expires_at = 0.0
        self.claims: object = None

    @rule()
    def consent(self) -> None:
        self.place.give()
        self.has_consent, self.expires_at = True, self.place.now + 180 * 86_400

    @rule()
    def withdraw(self) -> None:
        installation = self.place.store.installation()
        if installation is not None:
            project = installation.project(self.place.repo.root)
            self.place.store.withdraw(project, "starting_state")
        self.has_consent = False

    @rule()
    def change_licence(self) -> None:
        self.is_licensed = not self.is_licensed
        self.place.repo.commit({"LICENSE": "MIT" if self.is_licensed else "mine"})

    @rule()
    def change_policy(self) -> None:
        self.is_allowed = not self.is_allowed
        self.place.policy.write_text(f"schema = 1\ncollection = {str(self.is_allowed).lower()}\n")
        self.place.policy.chmod(0o644)

    @rule()
    def change_repository_file(self) -> None:
        self.is_offered = not self.is_offered
        self.place.repo.commit({".zeta_context.toml": "" if self.is_offered else "collect = false"})
        for gate in self.gates:
            gate._exclusions.forget()

    @rule()
    def wait(self) -> None:
        self.place.now += 50 * 86_400

    @rule()
    def capture(self) -> None:
        decision = self.gates[0].decide(stage="capture", paths=("a.py",))
        self.claims = decision.claims or self.claims

    @invariant()
    def every_stage_and_every_process_agree_with_the_model(self) -> None:
        if not hasattr(self, "place"):
            return
        expected = (
            self.has_consent
            and self.is_licensed
            and self.is_allowed
            and self.is_offered
            and self.place.now < self.expires_at
        )
        for gate in self.gates:
            decision = gate.decide(stage="capture", paths=("a.py",))
            assert decision.is_allowed == expected
            sent = gate.decide(stage="send", paths=("a.py",), claims=self.claims)  # type: ignore[arg-type]
            assert sent.is_allowed == (expected and self.claims == decision.claims)


@pytest.fixture
def machine_folder(tmp_path: Path) -> Path:
    ConsentMachine.folder = tmp_path
    return tmp_path


@pytest.mark.timeout(120)
def test_no_sequence_of_acts_opens_the_gate_wrongly(machine_folder: Path) -> None:
    run_state_machine_as_test(
        ConsentMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
