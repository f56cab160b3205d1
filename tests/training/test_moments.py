"""Moments of traces: what an editor would have asked with, and what became of the text."""

from pathlib import Path

import pytest

from zeta_context.evals.sessions import read_sessions
from zeta_context.events.event import Event
from zeta_context.events.trace import Edited
from zeta_context.training.moments import Moment, clip_edits, find_moments, join_keys

SESSIONS = read_sessions(Path(__file__).parents[2] / "fixtures" / "sessions")


def _events(moment: Moment) -> tuple[Event, ...]:
    return moment.prompt_input.events


@pytest.mark.parametrize("session", SESSIONS[::6], ids=lambda one: one.name)
def test_keys_joined_give_the_same_history_as_keys_one_by_one(session: object) -> None:
    entries = session.entries  # type: ignore[attr-defined]
    edits = [at for at, entry in enumerate(entries) if isinstance(entry, Edited)]
    wanted = dict.fromkeys(edits[20::97], ())
    every = dict.fromkeys(edits, ())
    joined = {one.index: one for one in find_moments(entries, wanted, project="p")}
    alone = {one.index: one for one in find_moments(entries, every, project="p")}
    assert joined
    for index, moment in joined.items():
        assert moment == alone[index]


def test_joining_loses_no_entry_and_no_character() -> None:
    entries = SESSIONS[0].entries
    joined = [entry for _, entry in join_keys(entries, ())]
    typed = "".join(entry.new_text for entry in entries if isinstance(entry, Edited))
    assert "".join(entry.new_text for entry in joined if isinstance(entry, Edited)) == typed
    assert len(joined) < len(entries) / 2


def test_what_follows_is_told_as_edits_of_the_excerpt() -> None:
    entries = SESSIONS[0].entries
    edits = [at for at, entry in enumerate(entries) if isinstance(entry, Edited)]
    (moment,) = find_moments(entries, {edits[50]: (edits[60],)}, project="p")
    (later,) = moment.later
    clipped = clip_edits(moment, later)
    assert clipped
    start = moment.excerpt_start
    excerpt = moment.prompt_input.cursor_excerpt
    for edit in reversed(clipped):
        excerpt = excerpt[: edit.span.start] + edit.new_text + excerpt[edit.span.end :]
    end = start + len(moment.prompt_input.cursor_excerpt)
    assert moment.text[:start] + excerpt + moment.text[end:] == later
