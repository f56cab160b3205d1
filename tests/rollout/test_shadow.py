"""Shadow runs and ratings: unseen, bounded, without text."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.errors import RolloutError
from zeta_context.events.tracker import Tracker
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View, look
from zeta_context.rollout.ratings import Rating, add_rating, rate_variants, read_ratings
from zeta_context.rollout.shadow import (
    ShadowProposer,
    ShadowRecord,
    read_shadow,
    summarize_shadow,
    write_shadow,
)
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


@pytest.fixture
def view(tmp_path: Path) -> View:
    tracker = Tracker(counts=Counts())
    document = tracker.open("p", "a.py", TEXT, "python", None)
    return look(tracker, document, 0, None)


def shadow(
    live: Proposer, candidate: Proposer, *, counts: Counts | None = None, share: float = 1.0
) -> tuple[ShadowProposer, list[ShadowRecord]]:
    records: list[ShadowRecord] = []
    return (
        ShadowProposer(live, candidate, records.append, counts=counts or Counts(), share=share),
        records,
    )


def test_only_the_live_answer_is_seen_and_both_are_compared(view: View) -> None:
    both, records = shadow(Fixed("live", "2"), Fixed("new", "2"))
    answer = both.propose(view)
    assert isinstance(answer, Prediction)
    assert answer.proposer == both.name == "live"
    both.close()
    (record,) = records
    assert (record.is_same, record.likeness, record.candidate) == (True, 100, "new")
    assert "secret_word" not in repr(record)


def test_what_was_kept_is_told_once_the_document_has_settled(view: View) -> None:
    leave = threading.Event()
    both, records = shadow(Fixed("live", "2"), Fixed("new", "3", leave))
    both.propose(view)
    leave.set()
    for _ in range(500):  # until the candidate has answered, in its own thread
        both.settle("p", "a.py", "secret_word = 3\n")
        if records:
            break
        time.sleep(0.01)
    both.close()
    (record,) = records
    assert record.likeness is not None
    assert record.likeness < 100
    assert record.live_kept == 0.5
    assert record.candidate_kept == 1


def test_a_candidate_that_is_behind_or_broken_costs_the_user_nothing(view: View) -> None:
    leave = threading.Event()
    counts = Counts()
    slow = Fixed("new", "2", leave)
    both, records = shadow(Fixed("live", "2"), slow, counts=counts)
    answers = [both.propose(view) for _ in range(5)]
    assert all(answers)
    leave.set()
    both.close()
    assert counts.totals()["shadow_dropped"] >= 3
    assert len(records) == 1
    broken, none = shadow(Fixed("live", "2"), Broken("new", "2"), counts=counts)
    assert broken.propose(view)
    broken.close()
    assert none == []
    assert counts.totals()["shadow_fault_RuntimeError"] == 1


def test_a_share_of_requests_is_shadowed(view: View) -> None:
    candidate = Fixed("new", None)
    both, records = shadow(Fixed("live", "2"), candidate, share=0.25)
    for _ in range(4):
        both.propose(view)
    both.close()
    assert candidate.asked == 1
    assert records[0].candidate_reason == "no_edit"
    assert not records[0].is_same


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
