"""Every prediction passes every check, whoever proposed it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.predict.desk import cut, put, swap
from tests.predict.test_arbiter import prediction_of, view_of
from zeta_context.events.event import Event
from zeta_context.predict.checks import Checks, CheckSettings
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.text.edit import TextEdit
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span

CODE = """\
def total(prices):
    if not prices:
        return 0
    return sum(prices)
"""


def judge(
    *edits: TextEdit, text: str = CODE, view: View | None = None, checks: Checks | None = None
) -> str:
    """The reason against edits, or "" for none."""
    view = view_of(text) if view is None else view
    answer = (checks or Checks()).check(prediction_of(*edits), view)
    return answer.reason if isinstance(answer, Discarded) else ""


def test_a_sound_prediction_passes_unchanged() -> None:
    prediction = prediction_of(swap(4, 9, "sum_of"))
    assert Checks().check(prediction, view_of(CODE)) is prediction


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "stale"),
        ({"path": "b.py"}, "unknown_document"),
        ({"is_truncated": True}, "truncated"),
        ({"edits": ()}, "empty"),
        ({"edits": (swap(4, 9, "total"), swap(10, 16, "prices"))}, "empty"),
        ({"edits": (put(999, "x"),)}, "malformed"),
        ({"edits": (swap(4, 9, "a"), swap(8, 10, "b"))}, "malformed"),
        ({"region": Span(0, 8)}, "outside_region"),
        ({"region": Span(5, 20)}, "outside_region"),
        ({"region": Span(4, 9)}, ""),
        ({"edits": (put(0, "#" * 9000),)}, "too_large"),
    ],
)
def test_each_fault_has_its_own_reason(changes: dict[str, object], reason: str) -> None:
    prediction: Prediction = replace(
        prediction_of(swap(4, 9, "sum_of")),
        **changes,  # type: ignore[arg-type]
    )
    answer = Checks().check(prediction, view_of(CODE))
    assert (answer.reason if isinstance(answer, Discarded) else "") == reason


def test_too_many_rows_are_not_deleted_at_once() -> None:
    text = "x = 1\n" * 100
    assert judge(cut(0, 61 * 6), text=text) == "too_large"
    assert judge(cut(0, 60 * 6), text=text) == ""
    generous = Checks(CheckSettings(max_deleted_rows=100))
    assert judge(cut(0, 61 * 6), text=text, checks=generous) == ""


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (put(17, "("), "breaks_syntax"),
        (cut(16, 17), "breaks_syntax"),
        (swap(0, 3, "class"), ""),
        (put(len(CODE), "def more(:\n"), "breaks_syntax"),
        (put(len(CODE), "def more():\n    pass\n"), ""),
    ],
)
def test_syntax_must_not_get_worse(edit: TextEdit, reason: str) -> None:
    assert judge(edit) == reason


def test_code_that_is_broken_already_may_stay_so_and_be_mended() -> None:
    broken = CODE.replace("(prices):", "(prices:")
    assert judge(swap(4, 9, "summe"), text=broken) == ""
    assert judge(put(16, ")"), text=broken) == ""


def test_what_no_grammar_is_known_for_is_not_judged_by_syntax() -> None:
    view = view_of("((((")
    document = replace(view.document, path="notes.unknown", language="nothing")
    prediction = replace(prediction_of(put(4, ")))")), path="notes.unknown")
    assert Checks().check(prediction, replace(view, document=document))


def test_a_document_too_long_to_parse_is_not_judged_by_syntax() -> None:
    assert judge(put(17, "("), checks=Checks(CheckSettings(max_parsed=10))) == ""


ROWS = "first = load(1)\nsecond = load(2)\nthird = load(3)\n"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (put(16, "second = load(2)\n"), "duplicates_text"),
        (put(33, "second = load(2)\n"), "duplicates_text"),
        (put(0, "zero = load(0)\nfirst = load(1)\nsecond = load(2)\n"), "duplicates_text"),
        (put(15, "\n    second = load(2)"), "duplicates_text"),
        (put(16, "half = load(1.5)\n"), ""),
        (put(16, "x\n"), ""),
        (swap(16, 32, "second = load(2)\nhalf = load(2)"), ""),
    ],
)
def test_rows_that_stand_beside_it_are_not_proposed_again(edit: TextEdit, reason: str) -> None:
    assert judge(edit, text=ROWS) == reason


def test_without_any_provenance_the_history_tells_what_the_user_did() -> None:
    before, after = "a = 1\n", "a = 1\nb = 2\n"
    event = Event(
        project="shop",
        path="a.py",
        diff=render_unified(before, after),
        old_span=Span(6, 6),
        new_span=Span(6, 12),
        at=1.0,
    )
    view = replace(view_of(after), events=(event,))
    assert judge(cut(6, 12), view=view) == "reversal"
    predicted = replace(view, events=(replace(event, predicted=True),))
    assert judge(cut(6, 12), view=predicted) == ""
