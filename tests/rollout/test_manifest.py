"""Variant manifests: stages, signatures, who gets what, and what an install takes for true."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from zeta_context.capture.transport import NoReply, Reply
from zeta_context.errors import RolloutError
from zeta_context.rollout.assignment import assign, find_bucket
from zeta_context.rollout.following import (
    ManifestFile,
    RolloutSettings,
    fetch_manifest,
    follow,
)
from zeta_context.rollout.manifest import (
    STAGES,
    Variant,
    VariantManifest,
    decode_manifest,
    encode_manifest,
    hold,
    promote,
    roll_back,
)
from zeta_context.rollout.signing import make_key, open_manifest, sign_manifest

pytest.importorskip("cryptography")

NOW = 1_800_000_000.0
MANIFEST = VariantManifest(
    experiment="zeta-2.1",
    number=1,
    control=Variant(name="control"),
    candidate=Variant(name="zeta21", model="zeta-2.1", format="zeta2_1", sha256="ab" * 32),
    salt="s1",
    issued_at=NOW,
    expires_at=NOW + 1000,
)
INSTALLS = [f"install-{number}" for number in range(4_000)]


def holders(manifest: VariantManifest) -> set[str]:
    return {one for one in INSTALLS if assign(one, manifest, at=NOW).name == "zeta21"}


def test_every_stage_keeps_those_who_have_the_candidate_and_adds_others() -> None:
    before: set[str] = set()
    for stage in STAGES:
        now = holders(replace(MANIFEST, stage=stage))
        assert before <= now
        assert len(now) / len(INSTALLS) == pytest.approx(stage / 100, abs=0.02)
        before = now
    assert before == set(INSTALLS)


def test_another_experiment_takes_other_installs() -> None:
    half = replace(MANIFEST, stage=50)
    one, other = holders(half), holders(replace(half, experiment="next"))
    assert len(one & other) / len(INSTALLS) == pytest.approx(0.25, abs=0.03)
    assert find_bucket("a", half) == find_bucket("a", MANIFEST)


def test_rolled_back_or_expired_nobody_has_the_candidate_and_dogfood_has_it_first() -> None:
    taken_back = roll_back(replace(MANIFEST, stage=50), at=NOW)
    assert holders(taken_back) == set()
    assert assign("a", taken_back, at=NOW, ring="dogfood").name == "control"
    late = NOW + 1000
    assert {assign(one, replace(MANIFEST, stage=100), at=late).name for one in INSTALLS[:50]} == {
        "control"
    }
    assert assign("a", MANIFEST, at=NOW, ring="dogfood").name == "zeta21"


def test_stages_go_up_one_by_one_and_numbers_with_them() -> None:
    manifest, stages = MANIFEST, []
    while manifest.state != "finished":
        stages.append(manifest.stage)
        following = promote(manifest, at=NOW + 10)
        assert following.number == manifest.number + 1
        assert following.expires_at == NOW + 1010
        manifest = following
    assert stages == list(STAGES)
    assert holders(manifest) == set(INSTALLS)
    with pytest.raises(RolloutError, match="is finished"):
        promote(manifest, at=NOW)


def test_what_is_held_can_go_on_and_what_was_rolled_back_cannot() -> None:
    held = hold(MANIFEST, at=NOW, reason="slow")
    assert (held.state, held.stage, held.reason) == ("held", 1, "slow")
    assert promote(held, at=NOW).state == "running"
    with pytest.raises(RolloutError, match="not running"):
        hold(held, at=NOW)
    with pytest.raises(RolloutError, match="rolled back"):
        promote(roll_back(held, at=NOW), at=NOW)


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "rollout.key"
    return path, make_key(path)


def test_a_signed_manifest_opens_with_its_key_alone(tmp_path: Path, key: tuple[Path, str]) -> None:
    path, public = key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    signed = sign_manifest(MANIFEST, path)
    assert open_manifest(signed, public) == MANIFEST
    stranger = make_key(tmp_path / "other.key")
    with pytest.raises(RolloutError, match="not signed by the key"):
        open_manifest(signed, stranger)
    with pytest.raises(RolloutError, match="exists already"):
        make_key(path)


def test_any_change_breaks_the_signature(key: tuple[Path, str]) -> None:
    path, public = key
    envelope = json.loads(sign_manifest(MANIFEST, path))
    for old, new in (
        ('"stage":1', '"stage":100'),
        ("zeta21", "zeta22"),
        ('"number":1', '"number":2'),
    ):
        changed = envelope | {"manifest": envelope["manifest"].replace(old, new)}
        with pytest.raises(RolloutError, match="not signed"):
            open_manifest(json.dumps(changed).encode(), public)
    for broken in (b"", b"[]", b'{"manifest": 3}', b"{}", b"\xff"):
        with pytest.raises(RolloutError, match="no signed variant manifest"):
            open_manifest(broken, public)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": 2},
        {"state": "odd"},
        {"number": 0},
        {"number": "1"},
        {"salt": None},
        {"candidate": {"name": "control"}},
        {"candidate": {"name": 3}},
        {"schema": 9},
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    data = json.loads(encode_manifest(MANIFEST)) | change
    with pytest.raises(RolloutError, match="variant manifest"):
        decode_manifest(json.dumps(data).encode())
    data = json.loads(encode_manifest(MANIFEST)) | {"field_of_tomorrow": 1}
    assert decode_manifest(json.dumps(data).encode()) == MANIFEST


def test_an_install_never_goes_back_to_an_older_manifest(
    tmp_path: Path, key: tuple[Path, str]
) -> None:
    path, public = key
    file = ManifestFile(tmp_path / "state" / "rollout.json", public)
    second = roll_back(MANIFEST, at=NOW + 5)
    file.take(sign_manifest(second, path))
    with pytest.raises(RolloutError, match="older than 2"):
        file.take(sign_manifest(MANIFEST, path))
    with pytest.raises(RolloutError, match="have one number"):
        file.take(sign_manifest(replace(second, state="running"), path))
    with pytest.raises(RolloutError, match="issued before"):
        file.take(sign_manifest(replace(MANIFEST, experiment="older"), path))
    assert file.read() == second
    newer = replace(MANIFEST, experiment="newer", issued_at=NOW + 9)
    assert file.take(sign_manifest(newer, path)) == newer


def test_whatever_is_wrong_means_the_own_settings(tmp_path: Path, key: tuple[Path, str]) -> None:
    path, public = key
    stored = tmp_path / "rollout.json"
    file = ManifestFile(stored, public)
    opted_in = RolloutSettings(server="https://collect.example", public_key=public)
    assert follow(RolloutSettings(), file, "a", at=NOW).reason == "not_opted_in"
    assert follow(opted_in, file, "a", at=NOW).reason == "no_manifest"
    stored.write_bytes(sign_manifest(replace(MANIFEST, stage=100), path))
    found = follow(opted_in, file, "a", at=NOW)
    assert found.variant == MANIFEST.candidate
    assert follow(opted_in, file, "a", at=NOW + 2000).reason == "expired"
    stored.write_bytes(b"{}")
    assert follow(opted_in, file, "a", at=NOW).variant is None


class OneAnswer:
    """A transport with one answer prepared."""

    def __init__(self, status: int, body: bytes = b"", reason: str = "") -> None:
        self._reply = Reply(status=status, headers={}, body=body)
        self._reason = reason

    async def post(self, server: str, path: str, body: bytes) -> Reply:
        assert (path, body) == ("/v1/rollout", b"")
        if self._reason:
            raise NoReply(self._reason)
        return self._reply

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_a_manifest_is_fetched_checked_and_kept(
    tmp_path: Path, key: tuple[Path, str]
) -> None:
    path, public = key
    file = ManifestFile(tmp_path / "rollout.json", public)
    signed = sign_manifest(MANIFEST, path)
    server = "https://collect.example"
    assert await fetch_manifest(server, OneAnswer(200, signed), file) == MANIFEST
    with pytest.raises(RolloutError, match="status 404"):
        await fetch_manifest(server, OneAnswer(404), file)
    with pytest.raises(RolloutError, match="no_tls"):
        await fetch_manifest(server, OneAnswer(0, reason="no_tls"), file)
    with pytest.raises(RolloutError, match="no signed"):
        await fetch_manifest(server, OneAnswer(200, b"<html>"), file)
    assert file.read() == MANIFEST
