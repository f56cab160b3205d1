"""Whatever is edited, the events say it all.

The last row is never touched: diffs of the history do not tell whether it ends with a line feed.
"""

from __future__ import annotations

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zeta_context.counts import Counts
from zeta_context.events.tracker import Tracker
from zeta_context.text.point import Span

PROJECT, PATH = "root", "a.txt"
LAST_ROW = "end\n"
HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

texts = st.text(alphabet="ab\n é\U0001d4b3", max_size=12)
edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 6),
        texts,
        st.booleans(),
        st.sampled_from([0.0, 0.4, 1.5]),
        st.sampled_from(["edit", "edit", "edit", "restore"]),
    ),
    max_size=25,
)


def apply_diff(text: str, diff: str) -> str:
    """Apply a unified diff without file headers; what it keeps or removes must be there."""
    rows = [row + "\n" for row in text.split("\n")[:-1]]
    out: list[str] = []
    at = 0
    lines = diff.split("\n")
    assert lines.pop() == ""
    for line in lines:
        if match := HEADER.fullmatch(line):
            start = int(match[1]) - (0 if match[2] == "0" else 1)
            out += rows[at:start]
            at = start
            continue
        body = line[1:] + "\n"
        if line[0] in " -":
            assert rows[at] == body
            at += 1
        if line[0] in " +":
            out.append(body)
    return "".join(out + rows[at:])


def run(start: str, script: list[tuple[float, int, str, bool, float, str]]) -> tuple[str, Tracker]:
    now = [0.0]
    tracker = Tracker(counts=Counts(), clock=lambda: now[0])
    tracker.open(PROJECT, PATH, start)
    states = [start]
    for place, length, new_text, predicted, pause, kind in script:
        now[0] += pause
        if kind == "restore":
            tracker.replace(PROJECT, PATH, states[int(place * (len(states) - 1))])
        else:
            size = len(states[-1]) - len(LAST_ROW)
            offset = int(place * size)
            span = Span(offset, min(size, offset + length))
            tracker.edit(PROJECT, PATH, span, new_text, predicted=predicted)
        states.append(tracker.document(PROJECT, PATH).snapshot.text)
    return states[-1], tracker


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=80).map(lambda rows: "\n".join([*rows, LAST_ROW])), edits)
def test_replaying_the_events_over_the_first_text_gives_the_current_text(start, script) -> None:
    text, tracker = run(start, script)
    dropped = ("history_format", "history_bulk", "history_too_large")
    assume(not any(tracker._counts.total(reason) for reason in dropped))
    history = tracker.history(PROJECT)
    evicted = [entry.event() for entry in history._older]
    replayed = start
    for event in (*evicted, *history.events()):
        assert event is not None
        replayed = apply_diff(replayed, event.diff)
    assert replayed == text
