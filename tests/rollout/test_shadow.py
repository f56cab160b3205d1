"""Shadow runs and ratings: unseen, bounded, without text."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.basket import BASKET
from zeta_context.cli.main import cli
from zeta_context.consent.state_folder import state_folder
from zeta_context.counts import Counts
from zeta_context.errors import RolloutError
from zeta_context.events.tracker import Tracker
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View, look
from zeta_context.rollout.following import RolloutSettings
from zeta_context.rollout.kept_files import shadow_path
from zeta_context.rollout.ratings import Rating, add_rating, rate_variants, read_ratings
from zeta_context.rollout.shadow import (
    SETTLE_S,
    Shadow,
    ShadowRecord,
    read_shadow,
    summarize_shadow,
    write_shadow,
)
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

TEXT = "secret_word = 1\n"


class Fixed:
    """Proposes to replace the number, or nothing; waits for leave where it is told to."""

    def __init__(self, name: str, number: str | None, leave: threading.Event | None = None) -> None:
        self.name = name
        self._number = number
        self._leave = leave
        self.asked = 0

    def close(self) -> None:
        pass

    def propose(self, view: View) -> Prediction | Discarded:
        self.asked += 1
        if self._leave is not None:
            assert self._leave.wait(10)
        if self._number is None:
            return Discarded(reason="no_edit")
        document = view.document
        return Prediction(
            id="x",
            project=document.project,
            path=document.path,
            version=document.version,
            edits=(TextEdit(Span(14, 15), self._number),),
            proposer=self.name,
            why="",
        )


class Broken(Fixed):
    def propose(self, view: View) -> Prediction | Discarded:
        raise RuntimeError(view.document.snapshot.text)


class Endless(Fixed):
    def propose(self, view: View) -> Prediction | Discarded:
        while not view.cancel.is_cancelled:
            time.sleep(0.005)
        return super().propose(view)


@pytest.fixture
def view(tmp_path: Path) -> View:
    tracker = Tracker(counts=Counts())
    document = tracker.open("p", "a.py", TEXT, "python", None)
    return look(tracker, document, 0, None)


def predicted(view: View, number: str) -> Prediction:
    answer = Fixed("live", number).propose(view)
    assert isinstance(answer, Prediction)
    return answer


class Shadowed:
    """A shadow, its records, and a document that can change."""

    def __init__(self, candidate: Fixed, *, share: float = 1.0) -> None:
        self.records: list[ShadowRecord] = []
        self.counts = Counts()
        self.text = TEXT
        self.now = 0.0
        self.shadow = Shadow(
            candidate,
            self.records.append,
            name="new",
            counts=self.counts,
            read_text=lambda project, path: self.text,
            share=share,
            clock=lambda: self.now,
        )


def test_only_figures_are_kept_of_both_answers(view: View) -> None:
    one = Shadowed(Fixed("new", "2"))
    one.shadow.offer(view, predicted(view, "2"), 5.0)
    one.shadow.close()
    (record,) = one.records
    assert (record.is_same, record.likeness) == (True, 100)
    assert (record.live, record.candidate, record.live_ms) == ("live", "new", 5.0)
    assert "secret_word" not in repr(record)


def test_what_was_kept_is_told_once_the_document_has_settled(view: View) -> None:
    one = Shadowed(Fixed("new", "3"))
    one.shadow.offer(view, predicted(view, "2"), 5.0)
    one.text = "secret_word = 3\n"
    one.shadow.close()
    (record,) = one.records
    assert record.likeness is not None
    assert record.likeness < 100
    assert record.live_kept == 0.5
    assert record.candidate_kept == 1


def test_a_document_is_looked_at_while_the_session_goes_on(view: View) -> None:
    one = Shadowed(Fixed("new", "3"))
    one.shadow.offer(view, predicted(view, "2"), 5.0)
    one.text = "secret_word = 3\n"
    for _ in range(500):  # until the candidate has answered, in its own thread
        one.now += SETTLE_S + 1
        one.shadow.offer(view, Discarded(reason="no_edit"), 1.0)
        if one.records:
            break
        time.sleep(0.01)
    assert one.records[0].candidate_kept == 1
    one.shadow.close()


def test_a_candidate_that_is_behind_or_broken_costs_the_user_nothing(view: View) -> None:
    leave = threading.Event()
    one = Shadowed(Fixed("new", "2", leave))
    for _ in range(5):
        one.shadow.offer(view, predicted(view, "2"), 1.0)
    leave.set()
    one.shadow.close()
    assert one.counts.totals()["shadow_dropped"] >= 3
    assert 1 <= len(one.records) <= 2
    broken = Shadowed(Broken("new", "2"))
    broken.shadow.offer(view, predicted(view, "2"), 1.0)
    broken.shadow.close()
    assert broken.records == []
    assert broken.counts.totals() == {"shadow_fault_RuntimeError": 1}


def test_a_candidate_that_thinks_at_the_end_is_given_up(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.rollout.shadow.CLOSE_S", 0.05)
    one = Shadowed(Endless("new", "2"))
    one.shadow.offer(view, predicted(view, "2"), 1.0)
    one.shadow.close()
    assert one.records == []


def test_a_share_of_requests_is_shadowed(view: View) -> None:
    candidate = Fixed("new", None)
    one = Shadowed(candidate, share=0.25)
    for _ in range(4):
        one.shadow.offer(view, predicted(view, "2"), 1.0)
    one.shadow.close()
    assert candidate.asked == 1
    assert one.records[0].candidate_reason == "no_edit"
    assert not one.records[0].is_same


async def test_a_session_shadows_the_candidate_of_its_user_and_shows_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    state = state_folder()
    cassette = tmp_path / "candidate.jsonl"
    cassette.write_text("")
    (tmp_path / "project").mkdir()
    rollout = RolloutSettings(shadow_model=str(cassette), shadow_format="zeta2")
    shown = []
    for setting in (RolloutSettings(), rollout):
        settings = Settings(offer_status=False, watch_files=False, rollout=setting)
        async with Session(tmp_path / "project", settings=settings) as session:
            session.open("a.py", BASKET)
            for _ in range(2):
                at = session.document("a.py").snapshot.text.index("print")
                session.edit("a.py", Span(at, at + 5), "log.info")
            answer = await session.predict("a.py", at + 8, trigger="testing")
            assert isinstance(answer, Prediction), answer
            shown.append((answer.proposer, answer.edits))
            session.accept(answer)
        assert shadow_path(state).exists() == (setting is rollout)
    assert shown[0] == shown[1]
    (record,) = read_shadow(shadow_path(state))
    assert record.live == "repeat"
    assert record.live_shown
    assert record.candidate == str(cassette)
    assert (record.is_same, record.live_kept, record.candidate_kept) == (True, 1, 1)
    assert "basket" not in shadow_path(state).read_text()
    told = CliRunner().invoke(cli, ["rollout", "shadow"])
    assert "1 requests, answered twice" in told.stdout, told.output


async def test_what_the_candidate_alone_would_predict_is_never_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(
        "zeta_context.rollout.shadowing.make_proposers", lambda *_: (Fixed("new", "never_shown"),)
    )
    (tmp_path / "project").mkdir()
    rollout = RolloutSettings(shadow_model="new")
    settings = Settings(offer_status=False, watch_files=False, rollout=rollout)
    async with Session(tmp_path / "project", settings=settings) as session:
        session.open("a.py", TEXT)
        session.edit("a.py", Span(len(TEXT), len(TEXT)), "other = 5\n")
        answer = await session.predict("a.py", 15, trigger="testing")
        assert not answer
        assert session.document("a.py").snapshot.text == TEXT + "other = 5\n"
    records = read_shadow(shadow_path(state_folder()))
    assert records
    assert all(one.candidate_shown and not one.live_shown for one in records)
    assert "never_shown" not in shadow_path(state_folder()).read_text()


def test_records_are_summed_up_offline(tmp_path: Path) -> None:
    path = tmp_path / "shadow.jsonl"
    sink = write_shadow(path)
    for number in range(20):
        sink(
            ShadowRecord(
                live="live",
                candidate="new",
                live_shown=True,
                candidate_shown=number % 2 == 0,
                is_same=number % 4 == 0,
                likeness=50.0 if number % 2 == 0 else None,
                live_ms=10.0,
                candidate_ms=float(number),
                live_kept=0.5,
                candidate_kept=0.75,
            )
        )
    summary = summarize_shadow(read_shadow(path))
    assert summary.requests == 20
    assert (summary.same.hits, summary.candidate_shown.hits) == (5, 10)
    assert (summary.likeness, summary.live_kept, summary.candidate_kept) == (50, 0.5, 0.75)
    assert summary.candidate_p95_ms == 19
    with pytest.raises(RolloutError, match="no shadow record"):
        summarize_shadow([])
    path.write_text("{}\n")
    with pytest.raises(RolloutError, match=r"shadow\.jsonl:1"):
        read_shadow(path)


def test_ratings_are_kept_and_the_last_one_of_a_prediction_counts(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ratings.jsonl"
    assert read_ratings(path) == []
    for prediction, value in (("a", "good"), ("b", "bad"), ("a", "bad"), ("c", "good")):
        add_rating(path, Rating(prediction=prediction, variant="new", value=value, at=1.0))  # type: ignore[arg-type]
    rates = rate_variants(read_ratings(path))
    assert (rates["new"].hits, rates["new"].trials) == (1, 3)
    with pytest.raises(RolloutError, match="good or bad"):
        add_rating(path, Rating(prediction="a", variant="new", value="meh", at=1.0))  # type: ignore[arg-type]
