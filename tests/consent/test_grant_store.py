"""Consents are the user's own: private files, not transferable, and off when in doubt."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consent.consent_cases import COLLECTION, HEAD, make_grant
from zeta_context.consent import grant_store
from zeta_context.consent.consent_text import TEXTS
from zeta_context.consent.gate import Collection
from zeta_context.consent.grant import Grant, UnreadableGrant, decode_grant, encode_grant
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.safe_read import CannotRead
from zeta_context.errors import ConsentError


@pytest.fixture
def store(tmp_path: Path) -> GrantStore:
    return GrantStore(tmp_path / "state")


def give(store: GrantStore, root: Path, purpose: str = "starting_state") -> Grant:
    return store.give(root, purpose, COLLECTION, head_commit=HEAD, actor="test")  # type: ignore[arg-type]


def test_a_fresh_user_has_no_consent_and_no_installation(store: GrantStore) -> None:
    assert store.installation() is None
    assert store.find("0" * 32, "starting_state") is None
    assert not store.folder.exists()


def test_a_consent_is_kept_with_its_words_and_processors(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    found = store.find(grant.project, "starting_state")
    assert found == grant
    assert (grant.server, grant.operator, grant.teacher) == (
        COLLECTION.server,
        COLLECTION.operator,
        COLLECTION.teacher,
    )
    assert grant.text_digest == TEXTS["starting_state"].digest
    assert grant.expires_at - grant.granted_at == 180 * 86_400
    assert store.find(grant.project, "settled_text") is None
    assert store.all() == (grant,)


def test_the_files_are_the_user_s_alone(store: GrantStore, tmp_path: Path) -> None:
    give(store, tmp_path)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    for file in store.folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_every_project_and_installation_has_another_name(store: GrantStore, tmp_path: Path) -> None:
    one = give(store, tmp_path / "one")
    other = give(store, tmp_path / "other")
    elsewhere = give(GrantStore(tmp_path / "state2"), tmp_path / "one")
    assert len({one.project, other.project, elsewhere.project}) == 3
    (tmp_path / "one").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "one")
    installation = store.installation()
    assert installation is not None
    assert installation.project(tmp_path / "alias") == one.project
    assert str(tmp_path) not in one.project


def test_withdrawing_takes_the_second_consent_too(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    give(store, tmp_path, "settled_text")
    assert store.withdraw(grant.project, "starting_state") is not None
    for purpose in TEXTS:
        found = store.find(grant.project, purpose)
        assert found is not None
        assert found.is_withdrawn
    again = give(store, tmp_path)
    assert again.consent_id != grant.consent_id
    assert store.find(grant.project, "starting_state") == again


def test_the_second_consent_is_withdrawn_on_its_own(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    give(store, tmp_path, "settled_text")
    store.withdraw(grant.project, "settled_text")
    assert store.find(grant.project, "starting_state") == grant


def test_a_consent_needs_named_processors_and_a_commit(store: GrantStore, tmp_path: Path) -> None:
    for collection, head in ((Collection(server="https://x"), HEAD), (COLLECTION, "")):
        with pytest.raises(ConsentError):
            store.give(tmp_path, "starting_state", collection, head_commit=head, actor="test")


def test_bad_input_13_a_copied_store_is_refused_on_another_machine(
    store: GrantStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(store, tmp_path)
    shutil.copytree(store.folder.parent, tmp_path / "copied")
    monkeypatch.setattr(grant_store, "_machine", lambda: "another")
    with pytest.raises(CannotRead):
        GrantStore(tmp_path / "copied").installation()


def test_what_others_could_have_written_is_unreadable(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    file = store.folder / f"{grant.project}.starting_state.json"
    file.chmod(0o666)
    with pytest.raises(CannotRead):
        store.find(grant.project, "starting_state")
    file.chmod(0o600)
    store.folder.chmod(0o777)
    with pytest.raises(CannotRead):
        store.find(grant.project, "starting_state")
    store.folder.chmod(0o700)
    moved = file.rename(tmp_path / "moved")
    file.symlink_to(moved)
    with pytest.raises(CannotRead):
        store.find(grant.project, "starting_state")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(CannotRead):
        store.find(grant.project, "starting_state")


def test_a_consent_for_one_purpose_is_none_for_the_other(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    file = store.folder / f"{grant.project}.starting_state.json"
    shutil.copy(file, store.folder / f"{grant.project}.settled_text.json")
    with pytest.raises(CannotRead):
        store.find(grant.project, "settled_text")


def test_withdrawing_works_when_nothing_can_be_written(
    store: GrantStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = give(store, tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(grant_store, "write_private_file", full)
    withdrawn = store.withdraw(grant.project, "starting_state")
    assert withdrawn is not None
    assert withdrawn.consent_id == grant.consent_id
    assert store.find(grant.project, "starting_state") is None


def test_withdrawing_takes_away_what_cannot_be_read(store: GrantStore, tmp_path: Path) -> None:
    grant = give(store, tmp_path)
    file = store.folder / f"{grant.project}.starting_state.json"
    file.write_bytes(b"{")
    assert store.withdraw(grant.project, "starting_state") is None
    assert store.find(grant.project, "starting_state") is None


def test_a_server_s_stop_lasts_until_a_new_consent(store: GrantStore, tmp_path: Path) -> None:
    give(store, tmp_path)
    store.stop(COLLECTION.server)
    assert GrantStore(tmp_path / "state").is_stopped(COLLECTION.server)
    assert not store.is_stopped("https://else.example.org")
    give(store, tmp_path)
    assert not store.is_stopped(COLLECTION.server)


def test_a_record_is_read_back_as_it_was() -> None:
    grant = make_grant()
    assert decode_grant(encode_grant(grant)) == grant


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(encode_grant(make_grant())))), _JSON)
def test_a_record_with_a_key_of_another_kind_is_no_record(key: str, value: object) -> None:
    table = json.loads(encode_grant(make_grant()))
    if type(value) is type(table[key]) or (isinstance(value, int) and type(table[key]) is float):
        return
    table[key] = value
    with pytest.raises(UnreadableGrant):
        decode_grant(json.dumps(table).encode())


@given(st.integers(0, 2000), st.binary(max_size=3))
def test_a_damaged_record_is_none_or_the_same(at: int, junk: bytes) -> None:
    whole = encode_grant(make_grant())
    for damaged in (whole[:at], whole[:at] + junk):
        try:
            assert decode_grant(damaged) == make_grant()
        except UnreadableGrant:
            continue


def test_newer_older_and_extended_records_are_none() -> None:
    table = json.loads(encode_grant(make_grant()))
    for changes in ({"schema": 2}, {"schema": 0}, {"allow_all": True}, {"expires_at": 1e300}):
        with pytest.raises(UnreadableGrant):
            decode_grant(json.dumps({**table, **changes}).encode())
    del table["anchor_commit"]
    with pytest.raises(UnreadableGrant):
        decode_grant(json.dumps(table).encode())
