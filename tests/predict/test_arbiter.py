"""Proposers are asked in turn, checked, and never allowed to hurt."""

from __future__ import annotations

import pytest

from zeta_context.counts import Counts
from zeta_context.predict.arbiter import Arbiter
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Document, View
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

TEXT = "alpha\nbeta\ngamma\n"


def view_of(text: str = TEXT, version: int = 3) -> View:
    document = Document(
        project="shop", path="a.py", language="python", version=version, snapshot=TextSnapshot(text)
    )
    return View(document=document, cursor=0)


def prediction_of(*edits: TextEdit, version: int = 3, path: str = "a.py") -> Prediction:
    return Prediction(
        id="p1",
        project="shop",
        path=path,
        version=version,
        edits=edits,
        proposer="scripted",
        why="because the test says so",
    )


class Scripted:
    """A proposer that answers what the test gave it."""

    name = "scripted"

    def __init__(self, answer: Prediction | Discarded | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def propose(self, view: View) -> Prediction | Discarded:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


RENAME = TextEdit(Span(0, 5), "omega")


def test_the_first_proposer_with_a_prediction_wins_and_later_ones_are_not_asked() -> None:
    silent = Scripted(Discarded(reason="no_rule"))
    speaking = Scripted(prediction_of(RENAME))
    unasked = Scripted(prediction_of(RENAME))
    answer = Arbiter([silent, speaking, unasked], Counts()).propose(view_of())
    assert answer == prediction_of(RENAME)
    assert (silent.asked, speaking.asked, unasked.asked) == (1, 1, 0)


def test_a_proposer_that_raises_is_silence_with_a_counted_reason() -> None:
    counts = Counts()
    answer = Arbiter([Scripted(RuntimeError("secret text"))], counts).propose(view_of())
    assert isinstance(answer, Discarded)
    assert answer.reason == "proposer_fault"
    assert "secret" not in answer.detail
    assert counts.total("fault_scripted_RuntimeError") == 1


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        (prediction_of(RENAME, version=2), "stale"),
        (prediction_of(RENAME, path="other.py"), "unknown_document"),
        (prediction_of(), "empty"),
        (prediction_of(TextEdit(Span(0, 5), "alpha")), "empty"),
        (prediction_of(TextEdit(Span(0, 99), "x")), "malformed"),
        (prediction_of(RENAME, TextEdit(Span(3, 6), "x")), "malformed"),
        (prediction_of(TextEdit(Span(6, 10), "x"), RENAME), "malformed"),
    ],
)
def test_a_prediction_that_cannot_be_applied_is_discarded(
    prediction: Prediction, reason: str
) -> None:
    answer = Arbiter([Scripted(prediction)], Counts()).propose(view_of())
    assert isinstance(answer, Discarded)
    assert answer.reason == reason


def test_an_arbiter_needs_a_proposer() -> None:
    with pytest.raises(ValueError, match="at least one proposer"):
        Arbiter([], Counts())
