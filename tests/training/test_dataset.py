"""From exported records to sets of examples: the funnel, consent, withdrawal, manifests."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.conftest import STORE
from zeta_context.capture.codec import to_dict
from zeta_context.capture.example import Example as Captured
from zeta_context.capture.example import ExampleOutcome, ExamplePrediction, make_record_id
from zeta_context.cli.main import cli
from zeta_context.counts import Counts
from zeta_context.errors import DatasetError
from zeta_context.evals.scenario import texts_before
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span
from zeta_context.training.dataset import (
    PullSettings,
    manifest_path,
    pull_examples,
    read_dataset,
)
from zeta_context.training.example import encode_example, read_examples
from zeta_context.training.rows import encode_row, make_rows
from zeta_context.training.scenarios import to_scenario

CANARY = "canary_that_a_user_wrote_afterwards"


def captured(number: int = 0, *, consented: bool = False) -> Captured:
    """A state in which the user went on to write the canary, whatever was kept of that."""
    words = [f"word_{number}_{i}" for i in range(40)]
    text = STORE.replace("item", f"item_{number}") + "\n".join(words) + f"\nvalue_{number} = \n"
    start = text.index(f"\nvalue_{number} = \n") + 1
    row = text.count("\n", 0, start)
    cursor = len(text) - 1
    typed = Event(
        project="readings",
        path="readings/store.py",
        diff=f"@@ -{row},1 +{row},2 @@\n {words[-1]}\n+value_{number} = \n",
        old_span=Span(start, start),
        new_span=Span(start, len(text)),
        in_open_source_repo=True,
    )
    prompt_input = PromptInput(
        project="readings",
        path="readings/store.py",
        language="python",
        cursor_excerpt=text,
        cursor_offset=cursor,
        excerpt_start_row=0,
        events=(typed,),
        in_open_source_repo=True,
    )
    after = text[:cursor] + CANARY + text[cursor:]
    following = replace(typed, diff=render_unified(text, after))
    guess = text[:cursor] + "None" + text[cursor:]
    outcome = ExampleOutcome(
        id=make_record_id(),
        example_id="",
        at=60.0,
        accepted=False,
        was_shown=True,
        reason="rejected",
        following=(following,) if consented else None,
    )
    prediction = ExamplePrediction(
        path="readings/store.py", diff=render_unified(text, guess), proposer="model"
    )
    return Captured(
        id=make_record_id(), at=60.0, prompt_input=prompt_input, prediction=prediction,
        outcome=outcome,
    )  # fmt: skip


def export(one: Captured, **source: object) -> str:
    data = to_dict(replace(one, outcome=None))
    if one.outcome is not None:
        data["outcome"] = to_dict(one.outcome)
        del data["outcome"]["kind"]
    defaults = {"tenant": "t", "project": "p", "installation": "i", "licences": ["MIT"]}
    return json.dumps(data | {"source": defaults | source})


def pull(lines: list[str], **settings: object) -> tuple[list, dict[str, int]]:  # type: ignore[type-arg]
    counts = Counts()
    chosen = PullSettings(**{"held_out_share": 0.0, **settings})  # type: ignore[arg-type]
    return list(pull_examples(lines, chosen, counts)), counts.totals()


def test_every_loss_has_a_reason_and_the_funnel_adds_up() -> None:
    good = captured(1)
    secret = captured(2)
    leak = "AKIA" + "Q3EXAMPLE7XY2LMN"
    hidden = replace(
        secret.prompt_input, cursor_excerpt=f'key = "{leak}"\n' + secret.prompt_input.cursor_excerpt
    )
    quiet = captured(3)
    closed = captured(4)
    lines = [
        export(good),
        export(good),
        export(replace(good, id=make_record_id())),
        export(replace(secret, prompt_input=hidden)),
        export(replace(quiet, prompt_input=replace(quiet.prompt_input, events=()))),
        export(captured(5), licences=[]),
        export(
            replace(closed, prompt_input=replace(closed.prompt_input, in_open_source_repo=False))
        ),
        "{not json",
        json.dumps({"kind": "example", "id": "x"}),
    ]
    examples, counts = pull(lines)
    assert [one.name for one in examples] == [good.id]
    assert counts == {
        "captured": 9,
        "kept_training": 1,
        "lost_duplicate": 1,
        "lost_near_duplicate": 1,
        "lost_not_asked": 1,
        "lost_not_open_source": 2,
        "lost_secret": 1,
        "lost_unreadable": 2,
    }
    kept = sum(n for name, n in counts.items() if name.startswith("kept_"))
    lost = sum(n for name, n in counts.items() if name.startswith("lost_"))
    assert counts["captured"] == kept + lost


@pytest.mark.parametrize("settled", ["none", "evaluation", "training"])
@pytest.mark.parametrize("consented", [False, True])
def test_without_the_second_consent_nothing_that_a_user_wrote_reaches_a_target(
    settled: str, consented: bool
) -> None:
    lines = [export(captured(number, consented=consented)) for number in range(8)]
    examples, _ = pull(lines, settled=settled)
    rows = list(make_rows(examples, "sweep-next-edit"))
    written = "".join(encode_example(one) for one in examples)
    written += "".join(encode_row(row) for row in rows)
    assert len(examples) == 8
    allowed = consented and settled == "training"
    assert (CANARY in written) is allowed
    assert bool(rows) is allowed
    if allowed:
        for example in examples:
            assert example.targets[0].source == "settled"
            assert example.rejected is not None, "what the model answered was not wanted"


def test_with_the_second_consent_settled_text_may_serve_evaluation_alone() -> None:
    lines = [export(captured(number, consented=True)) for number in range(4)]
    training, _ = pull(lines, settled="evaluation")
    assert all(one.targets == () for one in training)
    evaluation, _ = pull(lines, settled="evaluation", held_out_share=1.0)
    assert {one.purpose for one in evaluation} == {"evaluation"}
    assert all(CANARY in one.text_after(one.targets[0]) for one in evaluation)


def test_a_set_is_pulled_shown_and_cut_again_without_what_was_withdrawn(tmp_path: Path) -> None:
    lines = [export(captured(number)) for number in range(6)]
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    before.write_text("\n".join(lines) + "\n")
    after.write_text("\n".join(lines[:2] + lines[4:]) + "\n")
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    told = json.loads(run("dataset", "pull", str(before), "-o", str(first), "--json"))
    assert told["captured"] == 6
    manifest, examples = read_dataset(first)
    assert manifest.examples == len(list(examples)) == 6
    assert manifest.sources[0].name == "before.jsonl"
    assert manifest.filters["settled"] == "none"
    told = json.loads(run("dataset", "recut", str(first), str(after), "-o", str(second), "--json"))
    assert (told["kept"], told["lost_withdrawn"]) == (4, 2)
    cut, _ = read_dataset(second)
    assert cut.parent == manifest.sha256
    withdrawn = {json.loads(line)["id"] for line in lines[2:4]}
    assert not withdrawn & {one.name for one in read_examples(second)}
    run("dataset", "show", str(second))


def test_parquet_and_lines_of_json_are_the_same_export(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    from zeta_context.ingest.export_file import open_export

    lines = [export(captured(number)) for number in range(5)]
    digests = set()
    for name in ("export.jsonl", "export.parquet"):
        with open_export(tmp_path / name) as write:
            for line in lines:
                write(line)
        output = tmp_path / f"{name}.set.jsonl"
        run("dataset", "pull", str(tmp_path / name), "-o", str(output))
        digests.add(read_dataset(output)[0].sha256)
    assert len(digests) == 1
    table = parquet.read_table(tmp_path / "export.parquet")
    assert table["licences"].to_pylist() == ["MIT"] * 5
    (tmp_path / "other.parquet").write_bytes(b"no such file")
    refused = CliRunner().invoke(
        cli, ["dataset", "pull", str(tmp_path / "other.parquet"), "-o", str(tmp_path / "no.jsonl")]
    )
    assert refused.exit_code == 2
    assert "is no Parquet file" in refused.stderr


def test_a_set_that_is_not_what_its_manifest_says_is_refused(tmp_path: Path) -> None:
    source, output = tmp_path / "export.jsonl", tmp_path / "set.jsonl"
    source.write_text(export(captured()) + "\n")
    run("dataset", "pull", str(source), "-o", str(output))
    output.write_text(output.read_text() * 2)
    with pytest.raises(DatasetError, match="is not the file"):
        read_dataset(output)
    manifest_path(output).unlink()
    with pytest.raises(DatasetError, match="no manifest"):
        read_dataset(output)


def test_pulling_the_same_export_again_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "export.jsonl"
    source.write_text("".join(export(captured(number)) + "\n" for number in range(5)))
    digests = set()
    for name in ("one.jsonl", "two.jsonl"):
        run("dataset", "pull", str(source), "-o", str(tmp_path / name))
        digests.add(read_dataset(tmp_path / name)[0].sha256)
    assert len(digests) == 1


def test_examples_are_given_to_the_evaluation_as_scenarios(tmp_path: Path) -> None:
    examples, _ = pull(
        [export(captured(number, consented=True)) for number in range(3)],
        settled="evaluation",
        held_out_share=1.0,
    )
    path, cases = tmp_path / "set.jsonl", tmp_path / "cases.jsonl"
    path.write_text("".join(encode_example(one) + "\n" for one in examples))
    run("dataset", "scenarios", str(path), "-o", str(cases))
    told = run(
        *("eval", "run", str(cases), "--output", str(tmp_path / "run")),
        *("--predictor", "unchanged", "--json"),
    )
    assert json.loads(told.splitlines()[-1])


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_a_scenario_leaves_out_the_edits_that_lie_outside_of_its_excerpt() -> None:
    (example,), _ = pull([export(captured(1))])
    elsewhere = replace(
        example.prompt_input.events[0], diff="@@ -900,1 +900,1 @@\n-not_here\n+nor_this\n"
    )
    events = (elsewhere, *example.prompt_input.events)
    shown = replace(example, prompt_input=replace(example.prompt_input, events=events))
    scenario = to_scenario(shown)
    assert len(scenario.history) == 1
    assert texts_before(scenario)["readings/store.py"].endswith("word_1_39\n")
    assert scenario.prompt_input is not None
    assert len(scenario.prompt_input.events) == 2
