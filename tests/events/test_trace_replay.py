"""Replaying a trace makes the same calls again, and tells where the user then is."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import NotOpen, TraceError
from zeta_context.events.trace import (
    Closed,
    CursorMoved,
    Edited,
    Ended,
    Focused,
    Opened,
    Reloaded,
    Renamed,
    Reported,
    Saved,
    TraceEntry,
    TraceHeader,
    digest_text,
)
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_recorder import TraceRecorder
from zeta_context.events.trace_replay import ReplayClock, ReplayedTexts, replay
from zeta_context.text.point import Span

SESSION: list[TraceEntry] = [
    Opened(at_ms=0, path="a.py", language="python", text="user = 1\n"),
    CursorMoved(at_ms=400, path="a.py", offset=4),
    Edited(at_ms=900, path="a.py", span=Span(0, 4), new_text="account", version=1),
    Opened(at_ms=1500, path="b.py", language="python", text="print(user)\n"),
    Edited(at_ms=2500, path="b.py", span=Span(6, 10), new_text="a", version=1),
    Edited(at_ms=2600, path="b.py", span=Span(6, 7), new_text="account", version=2, predicted=True),
    Reported(at_ms=2600, prediction="p1", state="accepted"),
    Focused(at_ms=3000, path="a.py"),
    Edited(at_ms=3100, path="a.py", span=Span(0, 7), new_text="user", version=2, cause="undo"),
    Reloaded(at_ms=3500, path="a.py", text="x\n"),
    Renamed(at_ms=3600, path="a.py", new_path="c.py"),
    Saved(at_ms=3700, path="c.py"),
    Closed(at_ms=3800, path="b.py"),
    Ended(at_ms=4000, texts={"c.py": digest_text("x\n")}),
]


def test_a_replay_ends_with_the_texts_that_were_recorded() -> None:
    target = ReplayedTexts()
    steps = list(replay(SESSION, target, ReplayClock()))
    assert target.texts == {"c.py": "x\n"}
    last = steps[-1].entry
    assert isinstance(last, Ended)
    assert target.digests() == last.texts


def test_each_step_tells_where_the_user_is_and_how_long_nothing_happens() -> None:
    steps = list(replay(SESSION, ReplayedTexts(), ReplayClock()))
    assert [(step.path, step.cursor) for step in steps] == [
        ("a.py", 0),
        ("a.py", 4),
        ("a.py", 7),
        ("b.py", 0),
        ("b.py", 7),
        ("b.py", 13),
        ("b.py", 13),
        ("a.py", 7),
        ("a.py", 4),
        ("a.py", 2),
        ("c.py", 2),
        ("c.py", 2),
        ("c.py", 2),
        ("c.py", 2),
    ]
    assert [step.idle_ms for step in steps][:5] == [400, 500, 600, 1000, 100]
    assert steps[-1].idle_ms is None
    assert [step.number for step in steps] == list(range(1, 15))


def test_the_clock_stands_at_each_entry_when_it_is_applied() -> None:
    clock = ReplayClock()
    seen: list[float] = []

    class Watching(ReplayedTexts):
        def edit(self, path: str, span: Span, new_text: str, **told: object) -> None:
            seen.append(clock())

    for step in replay(SESSION[:-1], Watching(), clock):
        clock.advance_to(step.entry.at_ms + 50)  # as a caller does that predicts after a pause
    assert seen == [0.9, 2.5, 2.6, 3.1]


def test_a_recorded_replay_is_the_same_trace_again(tmp_path: Path) -> None:
    clock = ReplayClock()
    with TraceRecorder(tmp_path / "a.jsonl", TraceHeader(root="lending"), clock=clock) as recorder:
        for _ in replay(SESSION, recorder, clock):
            pass
        recorder.finish({"c.py": "x\n"})
    with TraceReader.open(tmp_path / "a.jsonl") as reader:
        assert list(reader) == SESSION


@settings(max_examples=50)
@given(data=st.data())
def test_edits_replay_to_the_text_that_their_author_had(data: st.DataObject) -> None:
    text = data.draw(st.text("aé𝒳\n", max_size=20))
    session: list[TraceEntry] = [Opened(at_ms=0, path="a.py", text=text)]
    for version in range(1, data.draw(st.integers(1, 8)) + 1):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        new = data.draw(st.text("bβ\n", max_size=4))
        text = text[:start] + new + text[end:]
        session.append(
            Edited(at_ms=version, path="a.py", span=Span(start, end), new_text=new, version=version)
        )
    target = ReplayedTexts()
    for _ in replay(session, target, ReplayClock()):
        pass
    assert target.texts == {"a.py": text}


def test_a_text_that_is_a_git_blob_is_asked_for_and_checked() -> None:
    opened = Opened(at_ms=0, path="a.py", blob="b1", sha256=digest_text("x\n"))
    target = ReplayedTexts()
    list(replay([opened], target, ReplayClock(), read_blob={"b1": "x\n"}.__getitem__))
    assert target.texts == {"a.py": "x\n"}
    with pytest.raises(TraceError, match=r"entry 1 \(open\): .*not the one that was recorded"):
        list(replay([opened], target, ReplayClock(), read_blob={"b1": "y\n"}.__getitem__))
    with pytest.raises(TraceError, match=r"no repository was given"):
        list(replay([opened], target, ReplayClock()))


@pytest.mark.parametrize(
    "entry",
    [
        Edited(at_ms=1, path="a.py", span=Span(0, 99), new_text="secret", version=1),
        CursorMoved(at_ms=1, path="a.py", offset=99),
        Edited(at_ms=1, path="gone.py", span=Span(0, 0), new_text="secret", version=1),
        Focused(at_ms=1, path="gone.py"),
        Closed(at_ms=1, path="gone.py"),
    ],
)
def test_an_entry_that_does_not_fit_is_told_by_its_number(entry: TraceEntry) -> None:
    session = [Opened(at_ms=0, path="a.py", text="short secret"), entry]
    with pytest.raises(TraceError, match=r"^entry 2 \(") as caught:
        list(replay(session, ReplayedTexts(), ReplayClock()))
    assert "secret" not in str(caught.value)


def test_an_error_of_the_target_that_is_not_about_the_trace_passes_through() -> None:
    class Failing(ReplayedTexts):
        def save(self, path: str) -> None:
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        list(replay(SESSION, Failing(), ReplayClock()))
    with pytest.raises(NotOpen):
        ReplayedTexts().close("a.py")
