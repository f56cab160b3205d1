"""`zeta-context replay`: a recorded session's events, predictions and silences."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zeta_context.cli.main import cli
from zeta_context.events.trace import Closed, Edited, Ended, Opened, TraceEntry, TraceHeader
from zeta_context.events.trace import digest_text as digest
from zeta_context.events.trace_file import convert_trace, write_trace
from zeta_context.text.point import Span

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"
DEMO = SESSIONS / "lending-accounts.jsonl"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def read_lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def make_trace(path: Path, *entries: TraceEntry) -> Path:
    write_trace(path, TraceHeader(root="lending", editor="nvim 0.11"), entries)
    return path


TYPED = [
    Opened(at_ms=0, path="a.py", language="python", text="x = 1\n"),
    Edited(at_ms=100, path="a.py", span=Span(4, 5), new_text="2", version=1),
    Edited(at_ms=250, path="a.py", span=Span(5, 5), new_text="3", version=2),
]


def test_the_demo_tells_its_events_and_what_was_made_of_each_pause() -> None:
    lines = read_lines(run(DEMO, "--json"))
    first, *told, last = lines
    assert first["type"] == "trace"
    assert first["root"] == "lending"
    assert last["type"] == "end"
    assert last["final_texts"] == "as recorded"
    assert last["is_complete"]
    events = [line for line in told if line["type"] == "event"]
    answers = [line for line in told if line["type"] in ("prediction", "silence")]
    assert len(events) + len(answers) == len(told)
    assert len(answers) == last["predictions"] + last["silences"] >= 20
    assert sum(last["reasons"].values()) == last["silences"]
    assert [line["at_ms"] for line in told] == sorted(line["at_ms"] for line in told)
    assert "-        user = self._user(number)\n+        account = self._user" in events[0]["diff"]
    assert answers[0]["path"] == "lending/service.py"
    assert answers[0]["line"] == 26


def test_two_replays_tell_the_same(tmp_path: Path) -> None:
    def strip(result: Result) -> list[dict[str, Any]]:
        lines = read_lines(result)
        for line in lines:
            line.pop("elapsed_ms", None)
        return lines

    convert_trace(DEMO, tmp_path / "demo.ztrace")
    assert strip(run(DEMO, "--json")) == strip(run(tmp_path / "demo.ztrace", "--json", "--instant"))


def test_every_recorded_session_replays_through_a_session_to_its_recorded_texts() -> None:
    for trace in sorted(SESSIONS.glob("*.jsonl")):
        last = read_lines(run(trace, "--json"))[-1]
        assert last["final_texts"] == "as recorded", trace.name


def test_people_see_the_change_and_the_answer_once(tmp_path: Path) -> None:
    shown = run(make_trace(tmp_path / "a.jsonl", *TYPED)).stdout
    assert shown.startswith("lending, recorded in nvim 0.11\n")
    assert shown.count("+x = 23") == 1
    assert "0.2 s" in shown
    assert "a.py:1:7" in shown
    assert "2 edits" in shown
    assert "the recording breaks off" in shown


def test_a_pause_shorter_than_asked_for_asks_nothing(tmp_path: Path) -> None:
    trace = make_trace(
        tmp_path / "a.jsonl",
        *TYPED,
        Edited(at_ms=1000, path="a.py", span=Span(6, 6), new_text="4", version=3),
        Closed(at_ms=1100, path="a.py"),
    )

    def count_answers(*options: str) -> int:
        lines = read_lines(run(trace, "--json", *options))
        return sum(line["type"] in ("prediction", "silence") for line in lines)

    assert count_answers() == 1
    assert count_answers("--pause", "100") == 3
    assert count_answers("--pause", "5000") == 0


def test_speed_scales_the_recorded_time(tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "a.jsonl", *TYPED, Ended(at_ms=6000))
    started = time.monotonic()
    assert run(trace, "--speed", "20").exit_code == 0
    assert time.monotonic() - started >= 0.3


def test_texts_that_end_up_otherwise_are_a_finding(tmp_path: Path) -> None:
    good = make_trace(tmp_path / "a.jsonl", *TYPED, Ended(at_ms=9, texts={}))
    assert run(good).exit_code == 2  # its time goes back
    right = [*TYPED, Ended(at_ms=900, texts={"a.py": digest("x = 23\n")})]
    assert run(make_trace(tmp_path / "b.jsonl", *right)).exit_code == 0
    wrong = [*TYPED, Ended(at_ms=900, texts={"a.py": digest("secret\n")})]
    result = run(make_trace(tmp_path / "c.jsonl", *wrong))
    assert result.exit_code == 1
    assert "final texts different" in result.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"kind":"edit","at_ms":1,"path":"a.py","span":[9,9],"new_text":"secret"}', "line 2"),
        (
            '{"kind":"edit","at_ms":1,"path":"a.py","span":[0,0],"new_text":"secret","version":1}',
            "entry 1",
        ),
        ("secret", "line 2"),
    ],
)
def test_a_broken_trace_is_told_in_one_line_without_its_text(
    line: str, says: str, tmp_path: Path
) -> None:
    trace = tmp_path / "a.jsonl"
    trace.write_text(f'{{"zeta-trace":1,"root":"lending"}}\n{line}\n')
    result = run(trace)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "secret" not in result.stderr


def test_speed_and_instant_exclude_each_other() -> None:
    result = run(DEMO, "--speed", "2", "--instant")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_the_project_is_not_written_to(tmp_path: Path) -> None:
    project = tmp_path / "lending"
    project.mkdir()
    (project / "a.py").write_text("x = 1\n")
    right = [*TYPED, Ended(at_ms=900, texts={"a.py": digest("x = 23\n")})]
    assert run(make_trace(tmp_path / "a.jsonl", *right), "--root", project).exit_code == 0
    assert [path.name for path in project.iterdir()] == ["a.py"]
    assert (project / "a.py").read_text() == "x = 1\n"
