"""`zeta-context rollout`: an experiment from its start to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zeta_context.cli.main import cli
from zeta_context.rollout.outcomes import OutcomeCounts, write_outcomes

pytest.importorskip("cryptography")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["rollout", *map(str, arguments)])


class Experiment:
    """A manifest in a folder, and its keys."""

    def __init__(self, folder: Path) -> None:
        self.key, self.path = folder / "key", folder / "rollout.json"
        self.public = call("keygen", self.key).stdout.strip()
        started = call(
            "start",
            "zeta21",
            "-o",
            self.path,
            "--key",
            self.key,
            "--candidate",
            "new",
            "--candidate-model",
            "zeta-2.1",
        )
        assert started.exit_code == 0, started.output

    def change(self, verb: str, *options: str | Path) -> Result:
        return call(verb, self.path, "--public-key", self.public, "--key", self.key, *options)

    def shown(self) -> dict[str, object]:
        result = call("show", self.path, "--public-key", self.public, "--json")
        data: dict[str, object] = json.loads(result.stdout)
        return data


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment(tmp_path)


def outcomes(path: Path, accepted: int) -> Path:
    """At the first stage, 4,950 installs of the control and 50 of the candidate."""
    rows = []
    for variant, installs, taken in (("control", 4_950, 25), ("new", 50, accepted)):
        for number in range(installs):
            rows.append(
                OutcomeCounts(
                    install=f"{variant}{number}",
                    variant=variant,
                    stage=1,
                    requests=200,
                    shown=100,
                    accepted=taken + number % 3,
                    kept_characters=12 * (taken + number % 3),
                )
            )
    write_outcomes(path, rows)
    return path


def test_an_experiment_is_promoted_held_and_rolled_back(experiment: Experiment) -> None:
    assert experiment.shown()["stage"] == 1
    assert experiment.change("promote").exit_code == 0
    assert experiment.change("hold", "--reason", "holidays").exit_code == 0
    found = experiment.shown()
    assert (found["stage"], found["state"], found["number"]) == (5, "held", 3)
    assert experiment.change("rollback").exit_code == 0
    refused = experiment.change("promote")
    assert refused.exit_code == 2
    assert "rolled back" in refused.stderr


def test_outcomes_decide_whether_a_stage_is_left(experiment: Experiment, tmp_path: Path) -> None:
    same = outcomes(tmp_path / "same.jsonl", 25)
    kept = experiment.change("promote", "--outcomes", same)
    assert kept.exit_code == 1
    assert "not promoted, hold" in kept.stderr
    assert experiment.shown()["stage"] == 1
    better = outcomes(tmp_path / "better.jsonl", 40)
    judged = call("judge", experiment.path, better, "--public-key", experiment.public, "--json")
    assert json.loads(judged.stdout)["action"] == "promote"
    assert experiment.change("promote", "--outcomes", better).exit_code == 0
    found = experiment.shown()
    assert found["stage"] == 5
    assert "acceptance" in str(found["reason"])


def test_a_worse_candidate_is_a_finding(experiment: Experiment, tmp_path: Path) -> None:
    worse = outcomes(tmp_path / "worse.jsonl", 10)
    judged = call("judge", experiment.path, worse, "--public-key", experiment.public)
    assert judged.exit_code == 1
    assert "rollback: acceptance" in judged.stdout
    assert "installs 4,950 and 50" in judged.stdout
    same = outcomes(tmp_path / "same.jsonl", 25)
    kept = experiment.change("rollback", "--outcomes", same)
    assert kept.exit_code == 0
    assert "not taken back, hold" in kept.stderr
    assert experiment.shown()["state"] == "running"
    assert experiment.change("rollback", "--outcomes", worse).exit_code == 0
    assert experiment.shown()["state"] == "rolled_back"
    assert "acceptance" in str(experiment.shown()["reason"])


def test_assignment_is_printed_and_another_key_is_refused(experiment: Experiment) -> None:
    options = ("--public-key", experiment.public)
    first = call("assign", experiment.path, "a", "b", *options, "--ring", "dogfood")
    assert first.stdout == "a\tnew\nb\tnew\n"
    assert call("assign", experiment.path, "a", *options).stdout == "a\tcontrol\n"
    stranger = call("show", experiment.path, "--public-key", "00" * 32)
    assert stranger.exit_code == 2


def test_the_plan_and_the_simulation_are_printed() -> None:
    plan = json.loads(call("plan", "--effect", "0.01", "--json").stdout)
    assert plan["independent"] == pytest.approx(29_800, rel=0.01)
    assert "clustered" in call("plan", "--effect", "0.01").stdout
    assert call("plan", "--effect", "2").exit_code == 2
    result = call("simulate", "--runs", "10")
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["false_positive_rate"] <= 0.1
    assert set(last) >= {"power", "false_positive_naive", "runs"}


def test_ratings_and_shadow_records_are_told(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    assert call("rate", "p1", "good", "--variant", "new", "--file", path).exit_code == 0
    assert call("rate", "p2", "bad", "--variant", "new", "--file", path).exit_code == 0
    rated = json.loads(call("ratings", "--file", path, "--json").stdout)
    assert (rated["variant"], rated["hits"], rated["trials"]) == ("new", 1, 2)
    records = tmp_path / "shadow.jsonl"
    row = {
        "live": "a",
        "candidate": "b",
        "live_shown": True,
        "candidate_shown": True,
        "is_same": True,
        "likeness": 100.0,
        "live_ms": 1.0,
        "candidate_ms": 2.0,
    }
    records.write_text(json.dumps(row) + "\n")
    assert "the same answer: 100.0%" in call("shadow", records).stdout
