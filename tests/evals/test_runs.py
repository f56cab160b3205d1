"""Runs over examples: resumed, scored, compared, reviewed, reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evals.scripted_model import FORMAT, ScriptedRunner, unwanted, wanted, write_outputs
from tests.runners.scripted_server import ScriptedServer, text
from zeta_context.errors import EvalError, SettingsError
from zeta_context.evals.ablate import make_variants, reduce_scenarios
from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.compare import bootstrap_interval, check_comparable, compare_scores
from zeta_context.evals.contestants import Contestant, open_contestant, open_model
from zeta_context.evals.groups import score_group, score_slices
from zeta_context.evals.report import ReportCase, rank_worst_first, render_report
from zeta_context.evals.review import Reviews
from zeta_context.evals.run import (
    ANSWERS,
    Run,
    answer_scenarios,
    describe_run,
    read_run,
    start_run,
)
from zeta_context.evals.scenario import Scenario, texts_before
from zeta_context.evals.scenario_files import read_scenarios
from zeta_context.evals.score import ScenarioScore, score_answer

FOLDER = Path(__file__).parents[2] / "fixtures" / "scenarios"
EVERY = {one.name: one for one in read_scenarios(FOLDER)}
NAMES = ("java-log-levels", "js-comment-out-stays-out", "py-finish-return", "ts-odd-name-is-meant")
SOME = [EVERY[name] for name in NAMES]


LOGS, COMMENT, FUNCTION, ODD_NAME = SOME

WANTED = write_outputs({one.name: wanted(one) for one in SOME}, SOME)
MIXED = write_outputs(
    {
        LOGS.name: wanted(LOGS),
        COMMENT.name: unwanted(COMMENT),
        FUNCTION.name: None,
        ODD_NAME.name: unwanted(ODD_NAME),
    },
    SOME,
)


def good_model() -> ScriptedRunner:
    """Says what is wanted, and nothing where nothing is."""
    return ScriptedRunner(WANTED)


def bad_model() -> ScriptedRunner:
    """Undoes two edits, says what cannot be read once, and is right once."""
    return ScriptedRunner(MIXED)


def contestant(runner: ScriptedRunner, *, is_guarded: bool = False) -> Contestant:
    return open_model("scripted", runner, FORMAT, is_guarded=is_guarded)


async def run(
    folder: Path, asked: Contestant, scenarios: list[Scenario], *, dataset: str = ""
) -> Run:
    manifest = describe_run(asked, scenarios, "0", dataset=dataset)
    started = start_run(folder, manifest, scenarios)
    async for _ in answer_scenarios(started, asked, parallel=2, keeps_prompts=True):
        pass
    return started


def scores(done: Run) -> list[ScenarioScore]:
    return [score_answer(one, done.answers[one.name]) for one in done.scenarios]


async def test_a_model_is_asked_in_its_own_format_and_scored(tmp_path: Path) -> None:
    done = scores(await run(tmp_path / "run", contestant(good_model()), SOME))
    assert [one.points for one in done] == [100, 100, 100, 100]
    assert all(one.verdict is not None and one.verdict.holds for one in done)
    assert done[0].answer.proposer == "model"
    assert "<|marker_1|>" in done[0].answer.prompt
    whole = score_slices(done)["all"]
    assert (whole.delta_chrf, whole.quiet_rate.value, whole.reversals.value) == (100, 1, 0)
    assert whole.wanting == 3


async def test_what_is_wrong_is_told_apart(tmp_path: Path) -> None:
    done = scores(await run(tmp_path / "run", contestant(bad_model()), SOME))
    logs, comment, unreadable, odd_name = done
    assert logs.points == 100
    assert comment.points == 0
    assert comment.is_rejected_one
    assert comment.leads_back
    assert odd_name.reversal.is_reversal
    assert odd_name.verdict is not None
    assert not odd_name.verdict.holds
    assert unreadable.answer.is_unparsed
    assert unreadable.points == 0
    whole = score_group(done)
    assert (whole.quiet_rate.value, whole.unparsed.hits, whole.reversals.hits) == (0, 1, 2)
    assert whole.properties.hits == 1


async def test_guarded_a_model_cannot_undo_what_the_user_did(tmp_path: Path) -> None:
    done = scores(await run(tmp_path / "run", contestant(bad_model(), is_guarded=True), SOME))
    reasons = [one.answer.reason for one in done]
    assert reasons[1] == reasons[3] == "reversal"
    assert score_group(done).reversals.hits == 0


async def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = contestant(good_model())
    done = await run(folder, first, SOME)
    assert done.is_complete
    journal = folder / ANSWERS
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + lines[1][: len(lines[1]) // 2])
    half = read_run(folder)
    assert len(half.answers) == 1
    again = good_model()
    whole = await run(folder, contestant(again), SOME)
    assert whole.is_complete
    assert len(again.asked) == 3
    assert read_run(folder).answers == whole.answers
    idle = good_model()
    await run(folder, contestant(idle), SOME)
    assert idle.asked == []


async def test_a_fault_is_no_verdict_and_asked_again(tmp_path: Path) -> None:
    broken = ScriptedRunner({})
    done = await run(tmp_path / "run", contestant(broken), SOME[:1])
    assert done.answers[NAMES[0]].reason == "proposer_fault"
    assert score_group(scores(done)).faults == 1
    assert score_group(scores(done)).delta_chrf is None
    mended = await run(tmp_path / "run", contestant(good_model()), SOME[:1])
    assert mended.answers[NAMES[0]].is_shown


async def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    await run(folder, contestant(good_model()), SOME)
    with pytest.raises(EvalError, match="another scenarios"):
        await run(folder, contestant(good_model()), SOME[:2])
    with pytest.raises(EvalError, match="another dataset"):
        await run(folder, contestant(good_model()), SOME, dataset="abc")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    with pytest.raises(EvalError, match="holds no run"):
        await run(tmp_path / "notes", contestant(good_model()), SOME)


def test_a_history_that_cannot_be_undone_is_a_fault_of_the_example() -> None:
    answer = ScenarioAnswer(name="x", reason="unstageable")
    assert answer.is_fault
    assert not answer.is_unparsed


def test_an_answer_that_does_not_apply_counts_as_unreadable() -> None:
    scenario = EVERY["py-finish-return"]
    patch = f"--- a/{scenario.path}\n+++ b/{scenario.path}\n@@ -1,1 +1,1 @@\n-nowhere\n+x\n"
    found = score_answer(scenario, ScenarioAnswer(name=scenario.name, patch=patch))
    assert found.answer.is_unparsed
    assert not found.answer.is_shown


async def test_a_worse_run_is_a_regression_and_a_better_one_a_gain(tmp_path: Path) -> None:
    good = scores(await run(tmp_path / "good", contestant(good_model()), SOME))
    bad = scores(await run(tmp_path / "bad", contestant(bad_model()), SOME))
    worse = {one.name: one for one in compare_scores(good, bad)}
    assert worse["deltaChrF"].change == pytest.approx((100 + 0 + bad[3].points) / 3 - 100)
    assert worse["quiet rate"].is_regression
    assert worse["quiet rate"].clusters == 1
    assert not worse["unparsed"].is_gain
    better = {one.name: one for one in compare_scores(bad, good)}
    assert better["quiet rate"].is_gain
    assert not any(one.is_regression for one in better.values())
    same = compare_scores(good, good)
    assert all((one.low, one.high, one.is_regression) == (0, 0, False) for one in same)
    with pytest.raises(EvalError, match="no answered example in common"):
        compare_scores(good[:1], good[1:])


async def test_a_drop_beyond_what_is_allowed_is_a_regression_however_uncertain(
    tmp_path: Path,
) -> None:
    good = scores(await run(tmp_path / "good", contestant(good_model()), SOME))
    default = open_contestant("default")
    silent = scores(await run(tmp_path / "default", default, SOME))
    strict = {one.name: one for one in compare_scores(good, silent, max_drop=1.0)}
    assert strict["deltaChrF"].is_regression


def test_runs_over_other_examples_or_data_are_not_comparable() -> None:
    asked = open_contestant("unchanged")
    one = describe_run(asked, SOME, "0")
    assert check_comparable(one, one) == ()
    (reason,) = check_comparable(one, describe_run(asked, SOME[:2], "0"))
    assert "different examples" in reason
    (reason,) = check_comparable(one, replace(one, dataset="abc"))
    assert "different data: not told and abc" in reason
    (reason,) = check_comparable(one, replace(one, definitions="none"))
    assert "different definitions" in reason


def test_an_interval_is_wider_where_examples_of_a_repository_are_alike() -> None:
    alike = [[1.0] * 10 if number % 2 else [0.0] * 10 for number in range(20)]
    apart = [[float(number % 2)] for number in range(200)]
    low, high = bootstrap_interval(alike)
    narrow_low, narrow_high = bootstrap_interval(apart)
    assert low < narrow_low < 0.5 < narrow_high < high
    assert bootstrap_interval(alike) == (low, high)


async def test_the_page_has_the_worst_first_and_is_harmless(tmp_path: Path) -> None:
    done = await run(tmp_path / "run", contestant(bad_model()), SOME)
    cases = [ReportCase(score=one) for one in scores(done)]
    order = [case.score.scenario.name for case in rank_worst_first(cases)]
    assert set(order[:2]) == {"js-comment-out-stays-out", "ts-odd-name-is-meant"}
    assert order[2:] == ["java-log-levels", "py-finish-return"]
    page = render_report(done.manifest, cases)
    assert page.index("1. js-comment") < page.index("3. java-log-levels")
    assert "<script" not in page
    assert "&lt;|marker_1|&gt;" in page
    short = render_report(done.manifest, cases, max_cases=1)
    assert "3 better ones are not shown" in short
    evil = replace(SOME[0], reasoning="<script>alert(1)</script>", name="<b>")
    score = score_answer(evil, ScenarioAnswer(name=evil.name, reason="<i>"))
    page = render_report(done.manifest, [ReportCase(score=score)])
    assert "<script" not in page
    assert "<i>" not in page.partition("<main>")[2]


async def test_what_was_said_holds_for_the_same_answer_in_later_runs(tmp_path: Path) -> None:
    done = await run(tmp_path / "run", contestant(bad_model()), SOME)
    comment, odd = SOME[1], SOME[3]
    said = Reviews(tmp_path / "reviews.jsonl")
    said.add(comment, done.answers[comment.name], "wrong", "it comes back")
    said.add(odd, done.answers[odd.name], "reference bad")
    later = Reviews(tmp_path / "reviews.jsonl")
    found = later.find(comment, replace(done.answers[comment.name], elapsed_ms=9.0))
    assert found is not None
    assert (found.word, found.note) == ("wrong", "it comes back")
    other = ScenarioAnswer(name=comment.name)
    assert later.find(comment, other) is None
    assert later.find(odd, other) is not None
    assert later.find(replace(comment, cursor=0), done.answers[comment.name]) is None
    with pytest.raises(EvalError, match="no verdict"):
        said.add(odd, other, "nice")  # type: ignore[arg-type]
    (tmp_path / "reviews.jsonl").write_text("[]\n")
    with pytest.raises(EvalError, match=r"reviews\.jsonl:1"):
        Reviews(tmp_path / "reviews.jsonl")


def test_less_history_is_the_same_change_in_fewer_steps() -> None:
    scenario = EVERY["rb-accepted-then-changed"]
    (coarse,) = reduce_scenarios([scenario], "coarse")
    assert len(coarse.history) == 1
    assert texts_before(coarse) == texts_before(scenario)
    (bare,) = reduce_scenarios([scenario], "none")
    assert bare.history == ()
    assert bare.expected == scenario.expected
    assert make_variants()[0].name == "fine-history-files-definitions"
    assert len({one.name for one in make_variants()}) == 5


async def test_a_cassette_that_was_recorded_answers_alike(tmp_path: Path) -> None:
    cassette = tmp_path / "good.jsonl"
    from zeta_context.runners.replay import RecordingRunner

    recorded = open_model("scripted", RecordingRunner(good_model(), cassette), FORMAT)
    first = await run(tmp_path / "one", recorded, SOME)
    played = open_contestant(f"cassette:{cassette},format=zeta2_1")
    second = await run(tmp_path / "two", played, SOME)
    assert {name: one.patch for name, one in first.answers.items()} == {
        name: one.patch for name, one in second.answers.items()
    }
    assert len(json.loads(cassette.read_text().splitlines()[0])) == 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nobody", "no predictor 'nobody'"),
        ("model", "no model is set"),
        ("http:http://127.0.0.1:1,colour=red", "no option 'colour'"),
        ("cassette:", "needs a name"),
        ("model:x,guarded=maybe", "yes or no"),
        ("model:x,format", "NAME=VALUE"),
    ],
)
def test_a_contestant_that_there_is_none_of_is_told(spec: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_contestant(spec)


async def test_a_model_behind_a_server_is_asked_in_its_format(tmp_path: Path) -> None:
    (output,) = (WANTED[region] for region in WANTED if "depot" in region)
    with ScriptedServer(text(output)) as server:
        asked = open_contestant(f"http:{server.url},model=mine,format=zeta2_1,guarded=no")
        done = scores(await run(tmp_path / "run", asked, SOME[:1]))
        asked.close()
    assert done[0].points == 100
    (request,) = server.requests
    assert request.fields["model"] == "mine"
    assert request.fields["prompt"].endswith("<[fim-middle]>")


async def test_a_model_on_another_machine_needs_its_users_leave(tmp_path: Path) -> None:
    asked = open_contestant("http:https://models.example/v1/completions,format=zeta2_1")
    done = await run(tmp_path / "run", asked, SOME[:1])
    assert done.answers[NAMES[0]].reason == "remote_not_allowed"
    assert done.answers[NAMES[0]].is_fault
