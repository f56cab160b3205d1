"""Moments of recorded sessions, judged by hand: does this edit take back what the user did?

Metric and guard share no code; both must say what the hand said. Each moment is the document after
`number` entries of a session, and the edits of it that some predictor, good or bad, thought of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.predict.desk import Scripted
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.evals.reversals import EarlierTexts, is_reversal
from zeta_context.evals.sessions import read_sessions
from zeta_context.events.trace_replay import ReplayClock, replay
from zeta_context.predict.prediction import Discarded
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"
MOMENTS = json.loads((SESSIONS / "reversal-labels.json").read_text(encoding="utf-8"))


def test_there_are_enough_of_both() -> None:
    assert sum(moment["reversal"] for moment in MOMENTS) >= 30
    assert sum(not moment["reversal"] for moment in MOMENTS) >= 20


@pytest.mark.parametrize(
    "moment", MOMENTS, ids=lambda moment: f"{moment['session']}-{moment['number']}"
)
async def test_metric_and_guard_say_what_the_hand_said(
    moment: dict[str, Any], tmp_path: Path
) -> None:
    (recorded,) = read_sessions(SESSIONS / f"{moment['session']}.jsonl")
    edits = tuple(TextEdit(Span(start, end), new) for start, end, new in moment["edits"])
    earlier = EarlierTexts()
    clock = ReplayClock()
    proposer = Scripted(edits)
    quiet = Settings(offer_status=False, watch_files=False)
    session = Session(tmp_path, settings=quiet, proposers=(proposer,), clock=clock)
    entries = recorded.entries[: moment["number"]]
    for step in replay(entries, ReplayedEditor(session), clock):
        if step.path == moment["path"]:
            earlier.add(session.document(step.path).snapshot.text)
    now = session.document(moment["path"]).snapshot.text
    predicted = apply_edits(now, edits)
    assert render_unified(now, predicted, context=1) == moment["diff"], "recorded anew: label anew"
    assert is_reversal(now, predicted, earlier) == moment["reversal"]
    answer = await session.predict(moment["path"], cursor=edits[0].span.start)
    if moment["reversal"]:
        assert isinstance(answer, Discarded)
    else:
        assert not isinstance(answer, Discarded) or answer.reason != "reversal"
