"""Properties of the repeat proposer that hold for any text and any edits."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.events.event import Event
from zeta_context.predict.prediction import Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer, RepeatSettings
from zeta_context.predict.proposers.repeat.changes import collect_changes
from zeta_context.predict.view import Document, View
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

WORDS = ["user", "account", "f(user)", "x = 1", "(", ")", '"', "userName", "# user", "é𐐷", "\t", ""]
lines = st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), max_size=14)
edits = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 3), lines.map(lambda rows: rows[:3])), max_size=6
)


def make_event(old: Sequence[str], new: Sequence[str]) -> Event:
    diff = "".join(
        f"{line}\n" for line in list(difflib.unified_diff(old, new, n=3, lineterm=""))[2:]
    )
    return Event(project="p", path="f", diff=diff, old_span=Span(0, 0), new_span=Span(0, 0))


def replay(start: list[str], changes: list[tuple[int, int, list[str]]]) -> list[list[str]]:
    states = [start]
    for row, count, new in changes:
        state = list(states[-1])
        at = min(row, len(state))
        state[at : at + count] = new
        states.append(state)
    return states


@given(lines, edits)
@settings(max_examples=150, deadline=None)
def test_net_changes_lead_back_to_the_text_before_the_events(
    start: list[str], made: list[tuple[int, int, list[str]]]
) -> None:
    states = replay(start, made)
    events = [make_event(a, b) for a, b in pairwise(states) if a != b]
    text = list(states[-1])
    changes, _ = collect_changes(events, "p", "f", text)
    assert all(one.end < two.row for one, two in pairwise(changes))
    for change in reversed(changes):
        assert tuple(text[change.row : change.end]) == change.new
        text[change.row : change.end] = change.old
    assert text == start


@given(lines, edits, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_any_prediction_applies_and_leaves_what_was_just_edited_alone(
    start: list[str],
    made: list[tuple[int, int, list[str]]],
    ending: str,
    is_ended: bool,
    cursor: int,
) -> None:
    states = replay(start, made)
    events = [make_event(a, b) for a, b in pairwise(states) if a != b]
    text = ending.join(states[-1]) + (ending if is_ended else "")
    document = Document(project="p", path="f", language="", version=3, snapshot=TextSnapshot(text))
    view = View(document=document, cursor=min(cursor, len(text)), events=tuple(events))
    proposer = RepeatProposer(RepeatSettings(min_confidence=0.0))
    answer = proposer.propose(view)
    assert answer == proposer.propose(view)
    if not isinstance(answer, Prediction):
        assert answer.reason
        return
    end = 0
    for edit in answer.edits:
        assert end <= edit.span.start <= edit.span.end <= len(text)
        assert text[edit.span.start : edit.span.end] != edit.new_text
        end = edit.span.end
    after = text
    for edit in reversed(answer.edits):
        after = after[: edit.span.start] + edit.new_text + after[edit.span.end :]
    assert after != text
    assert answer.cursor is not None
    assert 0 <= answer.cursor <= len(after)
    assert all(after != ending.join(state) + (ending if is_ended else "") for state in states[-2:])


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=120))
@settings(max_examples=100, deadline=None)
def test_no_text_and_no_diff_makes_it_raise(text: str, diff: str, tail: str) -> None:
    events = [
        Event(
            project="p",
            path="f",
            diff=one,
            old_span=Span(0, 0),
            new_span=Span(0, 0),
        )
        for one in (diff, f"@@ -1,1 +1,2 @@\n-{tail}\n+{text}\n+{tail}", f"@@ -0,0 +1 @@\n+{text}")
    ]
    document = Document(
        project="p", path="f", language="", version=1, snapshot=TextSnapshot(text + "\n" + tail)
    )
    view = View(document=document, cursor=len(text), events=tuple(events))
    RepeatProposer(RepeatSettings(min_confidence=0.0)).propose(view)
