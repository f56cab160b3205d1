"""Consent on the command line: shown word for word, given by a yes, taken back at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.capture.records import make_example
from tests.capture.spools import make_item
from tests.consent.licence_samples import licence_texts
from tests.git_repo import GitRepo
from zeta_context.capture.codec import encode_record
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_file import spool_path
from zeta_context.cli.main import cli
from zeta_context.consent.grant_store import GrantStore

CONFIG = """
[collection]
server = "https://collect.example.org"
operator = "Example Org"
teacher = "Example Models"
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    config.chmod(0o600)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(config))
    for name in ("DO_NOT_TRACK", "ZETA_CONTEXT_DISABLE_UPLOAD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    made = GitRepo(tmp_path / "shop")
    made.commit({"LICENSE": licence_texts()["MIT"], "a.py": "x = 1\n"})
    return made


def run(*arguments: str, says: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=says)


def state(repo: GitRepo, purpose: str = "starting_state") -> tuple[str, str]:
    told = json.loads(run("consent", "status", str(repo.root), "--json").stdout)[purpose]
    return told["state"], told["reason"]


def test_consent_is_asked_with_the_whole_text_and_needs_a_yes(repo: GitRepo) -> None:
    refused = run("consent", "grant", str(repo.root), says="\n")
    assert refused.exit_code == 1
    assert state(repo) == ("offered", "no_consent")
    given = run("consent", "grant", str(repo.root), says="y\n")
    assert given.exit_code == 0
    for words in ("Example Org", "https://collect.example.org", "Example Models", "version 1"):
        assert words in given.stdout
    assert state(repo) == ("on", "allowed")
    assert state(repo, "settled_text") == ("offered", "no_second_consent")
    shown = run("consent", "status", str(repo.root))
    assert shown.exit_code == 0
    assert "Examples are collected here" in shown.stdout
    assert "Example Models" in shown.stdout


def test_a_consent_that_stands_is_told_before_a_new_one_takes_its_place(
    repo: GitRepo, tmp_path: Path
) -> None:
    assert "already stands" not in run("consent", "grant", "--yes", str(repo.root)).stderr
    (first,) = GrantStore().all()
    kept = run("consent", "grant", str(repo.root), says="n\n")
    assert "A consent already stands" in kept.stderr
    assert "would change no word of it" in kept.stderr
    assert GrantStore().all() == (first,)
    (tmp_path / "config.toml").write_text(CONFIG.replace("Example Models", "Other Models"))
    told = run("consent", "grant", "--yes", str(repo.root)).stderr
    assert "provider, from Example Models to Other Models" in told
    (second,) = GrantStore().all()
    assert second.consent_id != first.consent_id
    run("consent", "withdraw", str(repo.root))
    assert "already stands" not in run("consent", "grant", "--yes", str(repo.root)).stderr


def test_the_second_consent_needs_the_first_and_is_taken_back_alone(repo: GitRepo) -> None:
    early = run("consent", "grant", "--settled-text", "--yes", str(repo.root))
    assert early.exit_code == 2
    run("consent", "grant", "--yes", str(repo.root))
    assert run("consent", "grant", "--settled-text", "--yes", str(repo.root)).exit_code == 0
    assert state(repo, "settled_text") == ("on", "allowed")
    run("consent", "withdraw", "--settled-text", str(repo.root))
    assert state(repo, "settled_text")[0] == "withdrawn"
    assert state(repo) == ("on", "allowed")


def test_the_ledger_notes_each_withdrawal_once(repo: GitRepo) -> None:
    run("consent", "grant", "--yes", str(repo.root))
    run("consent", "grant", "--settled-text", "--yes", str(repo.root))
    run("consent", "withdraw", str(repo.root))
    run("consent", "withdraw", str(repo.root))
    entries = json.loads(run("consent", "export").stdout)["ledger"]
    withdrawn = [one["fields"]["purpose"] for one in entries if one["kind"] == "withdrawal"]
    assert sorted(withdrawn) == ["settled_text", "starting_state"]


def put_record() -> bytes:
    """Keep an example of the one project with a consent; its bytes, which are compressed."""
    (grant,) = GrantStore().all()
    example = make_example("CANARY = 1\n")
    item = make_item(record_id=example.id, body=encode_record(example), project=grant.project)
    spool = Spool()
    spool.add([item])
    spool.close()
    body = item.body[:64]
    assert body in b"".join(file.read_bytes() for file in spool_path().parent.iterdir())
    return body


def test_withdrawal_wipes_what_waits(repo: GitRepo, tmp_path: Path) -> None:
    run("consent", "grant", "--yes", str(repo.root))
    body = put_record()
    done = run("consent", "withdraw", str(repo.root))
    assert done.exit_code == 0
    assert "1 records were wiped" in done.stdout
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or body not in file.read_bytes()
    assert state(repo) == ("withdrawn", "withdrawn")
    assert run("consent", "withdraw", str(repo.root)).exit_code == 0


def test_withdrawal_reaches_projects_that_are_gone(repo: GitRepo, tmp_path: Path) -> None:
    run("consent", "grant", "--yes", str(repo.root))
    put_record()
    repo.root.rename(tmp_path / "moved")
    assert "1 records" in run("consent", "withdraw", str(repo.root)).stdout
    assert run("consent", "withdraw", "--all").exit_code == 0
    assert all(grant.is_withdrawn for grant in GrantStore().all())


def test_no_consent_is_asked_where_it_could_have_no_effect(
    repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert "DO_NOT_TRACK" in run("consent", "grant", "--yes", str(repo.root)).stderr
    monkeypatch.delenv("DO_NOT_TRACK")
    repo.commit({"LICENSE": "All rights reserved.\n"})
    refused = run("consent", "grant", "--yes", str(repo.root))
    assert refused.exit_code == 2
    assert "open source" in refused.stderr
    assert GrantStore().all() == ()


def test_what_is_kept_of_consents_is_exported_with_the_words(repo: GitRepo) -> None:
    run("consent", "grant", "--yes", str(repo.root))
    run("consent", "withdraw", str(repo.root))
    told = json.loads(run("consent", "export").stdout)
    (consent,) = told["consents"]
    assert consent["withdrawn_at"] > consent["granted_at"]
    assert "What is collected" in told["texts"]["starting_state"]["text"]
    assert [entry["kind"] for entry in told["ledger"]] == ["consent", "withdrawal"]


def test_the_ledger_is_shown_and_checked(repo: GitRepo, tmp_path: Path) -> None:
    assert run("ledger", "verify").exit_code == 0
    run("consent", "grant", "--yes", str(repo.root))
    run("consent", "withdraw", str(repo.root))
    shown = run("ledger", "show")
    assert "consent" in shown.stdout
    assert "Example Org" in shown.stdout
    assert json.loads(run("ledger", "verify", "--json").stdout) == {"entries": 2, "faults": []}
    (file,) = (tmp_path / "state").rglob("ledger.jsonl")
    file.write_bytes(file.read_bytes().replace(b"Example Org", b"Another Org", 1))
    broken = run("ledger", "verify")
    assert broken.exit_code == 1
    assert "entry 1: the line was changed" in broken.stdout


def test_the_licence_is_explained(repo: GitRepo) -> None:
    fine = run("consent", "license", str(repo.root))
    assert fine.exit_code == 0
    assert fine.stdout.startswith("accepted: MIT")
    assert run("consent", "license", str(repo.root / "a.py")).exit_code == 0
    repo.commit({"ee/LICENSE": "Ours alone.\n", "ee/b.py": "y = 2\n"})
    assert run("consent", "license", str(repo.root)).exit_code == 0
    refused = run("consent", "license", str(repo.root / "ee" / "b.py"))
    assert refused.exit_code == 1
    assert "ee/LICENSE" in refused.stdout
    told = json.loads(run("consent", "license", str(repo.root), "--json").stdout)
    assert told["licences"] == ["MIT"]


def test_a_folder_without_git_is_said_to_be_none(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert run("consent", "license", str(plain)).exit_code == 2
    assert run("consent", "grant", "--yes", str(plain)).exit_code == 2
    assert run("consent", "status", str(plain)).exit_code == 1


def test_a_model_elsewhere_is_asked_only_after_its_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://models.example.org/v1/completions"
    config = tmp_path / "remote.toml"
    config.write_text(f'[remote]\nallowed = ["{url}"]\nmax_requests_per_day = 7\n')
    config.chmod(0o600)
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(config))
    assert json.loads(run("consent", "remote", "--json").stdout) == {url: False}
    run("consent", "remote", says="n\n")
    assert json.loads(run("consent", "remote", "--json").stdout) == {url: False}
    shown = run("consent", "remote", says="y\n")
    assert url in shown.stdout
    assert "At most 7 requests are sent a day" in shown.stdout
    assert json.loads(run("consent", "remote", "--json").stdout) == {url: True}
    assert "remote_shown" in run("ledger", "show").stdout
