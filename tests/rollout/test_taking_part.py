"""An opted-in session: the variant's model, and counts without text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from zeta_context import Session, Span
from zeta_context.counts import Counts
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.rollout.following import RolloutSettings
from zeta_context.rollout.kept_files import manifest_path, outcomes_path
from zeta_context.rollout.manifest import Variant, VariantManifest
from zeta_context.rollout.outcomes import OutcomeCounts, read_outcomes
from zeta_context.rollout.signing import make_key, sign_manifest
from zeta_context.rollout.taking_part import TakingPart
from zeta_context.runners.settings import ModelSettings
from zeta_context.settings import Settings, load_settings
from zeta_context.text.edit import TextEdit

pytest.importorskip("cryptography")

TEXT = "secret_word = 1\n"
NOW = 1_800_000_000.0


class Place:
    """A state folder with a manifest in it that gives everybody the candidate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.folder.mkdir(mode=0o700)
        self.key = folder / "key"
        self.settings = RolloutSettings(
            server="https://collect.example", public_key=make_key(self.key)
        )
        self.now = NOW
        self.text = TEXT
        self.counts = Counts()

    def offer(self, candidate: Variant) -> None:
        manifest = VariantManifest(
            experiment="e",
            number=1,
            control=Variant(name="control"),
            candidate=candidate,
            salt="s",
            issued_at=NOW,
            expires_at=NOW + 10_000,
            stage=100,
        )
        manifest_path(self.folder).write_bytes(sign_manifest(manifest, self.key))

    def take_part(self) -> TakingPart:
        return TakingPart(
            self.settings,
            "install-1",
            read_text=lambda project, path: self.text if path == "a.py" else None,
            counts=self.counts,
            folder=self.folder,
            clock=lambda: self.now,
        )

    def rows(self) -> list[OutcomeCounts]:
        return list(read_outcomes(outcomes_path(self.folder)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def predicted(number: int) -> Prediction:
    return Prediction(
        id=str(number),
        project="p",
        path="a.py",
        version=0,
        edits=(TextEdit(Span(14, 15), "2345"),),
        proposer="model",
        why="",
    )


def accepted(prediction: Prediction) -> Outcome:
    return Outcome(prediction_id=prediction.id, accepted=True, was_shown=True)


def test_what_became_of_predictions_is_one_row_without_text(place: Place) -> None:
    place.offer(Variant(name="new"))
    part = place.take_part()
    first, second = predicted(1), predicted(2)
    part.note_answer(first, 40.0)
    part.note_answer(first, 1.0)  # shown again
    part.note_outcome(first, accepted(first))
    part.note_outcome(first, accepted(first))  # its second part
    place.text = "secret_word = 2345\n"
    place.now += 31
    part.note_answer(Discarded(reason="no_edit"), 350.0)
    place.text = "something else\n"
    part.note_answer(Discarded(reason="canceled"), 1.0)
    part.note_answer(Discarded(reason="runner_gone"), 20.0)
    part.note_answer(Discarded(reason="reversal"), 20.0)
    part.note_answer(second, 10.0)
    part.note_outcome(second, replace(accepted(second), accepted=False, reason="rejected"))
    part.close()
    (row,) = place.rows()
    assert (row.install, row.variant, row.stage) == ("install-1", "new", 100)
    assert (row.requests, row.shown, row.accepted) == (5, 2, 1)
    assert (row.kept_characters, row.errors, row.reversals, row.slow) == (4, 1, 1, 1)
    assert "secret" not in outcomes_path(place.folder).read_text()


def test_without_a_manifest_nothing_is_counted_and_the_own_model_stays(place: Place) -> None:
    part = place.take_part()
    own = ModelSettings(id="mine")
    assert part.choose_model(own) == own
    part.note_answer(predicted(1), 1.0)
    part.close()
    assert not outcomes_path(place.folder).exists()


def test_a_model_is_used_only_if_it_is_the_one_that_was_signed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zeta_context.rollout import taking_part
    from zeta_context.runners.installed import InstalledModel

    there = InstalledModel(
        name="zeta-2.1",
        path=place.folder,
        format="zeta2_1",
        source="import",
        sha256={"model.safetensors": "ab" * 32},
        size_bytes=1,
    )
    monkeypatch.setattr(
        taking_part, "find_installed", lambda name: there if name == "zeta-2.1" else None
    )
    own = ModelSettings(id="mine")
    new = Variant(name="new", model="zeta-2.1", format="zeta2_1", sha256="ab" * 32)
    place.offer(new)
    chosen = place.take_part().choose_model(own)
    assert (chosen.id, chosen.format) == ("zeta-2.1", "zeta2_1")
    place.offer(replace(new, sha256="cd" * 32))
    assert place.take_part().choose_model(own) == own
    place.offer(replace(new, model="unknown"))
    assert place.take_part().choose_model(own) == own
    assert place.counts.totals() == {"rollout_model_differs": 1, "rollout_model_missing": 1}


async def test_a_session_takes_part_only_when_its_user_said_so(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zeta_context.rollout import taking_part

    place.offer(Variant(name="new"))
    manifest = manifest_path(place.folder).read_bytes()
    store = SimpleNamespace(installation=lambda: SimpleNamespace(id="install-7"))
    state = tmp_path / "own"
    state.mkdir(mode=0o700)
    manifest_path(state).write_bytes(manifest)
    monkeypatch.setattr(taking_part, "state_folder", lambda: state)
    monkeypatch.setattr(taking_part, "GrantStore", lambda: store)
    monkeypatch.setattr(taking_part.time, "time", lambda: NOW)
    for rollout in (RolloutSettings(), place.settings):
        settings = Settings(offer_status=False, watch_files=False, rollout=rollout)
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        async with Session(root, settings=settings) as session:
            session.open("a.py", TEXT)
            session.edit("a.py", Span(14, 15), "2")
            await session.predict("a.py", 15, trigger="testing")
        is_part = rollout.is_opted_in
        assert outcomes_path(state).exists() == is_part
    (row,) = read_outcomes(outcomes_path(state))
    assert (row.install, row.requests) == ("install-7", 1)


def test_the_users_configuration_says_whom_to_follow(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[rollout]\nserver = "https://c.example"\npublic_key = "ab"\nring = "dogfood"\n'
    )
    settings = load_settings(path).settings.rollout
    assert settings.is_opted_in
    assert settings.ring == "dogfood"
    assert not Settings().rollout.is_opted_in
