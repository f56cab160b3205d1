"""`zeta-context wrong`: writes down a prediction that was wrong, as a scenario, on this machine.

Reads the state of an editor as `zeta/state` gives it; nothing is sent anywhere.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zeta_context.evals.scenario import Scenario

MAX_STATE_CHARACTERS = 64 * 1024 * 1024


@click.command("wrong")
@click.argument("state", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--note", default="", help="What was wrong with it, in your own words.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to, by default `wrong` in your own state folder.",
)
def command(state: IO[str], *, note: str, output: Path | None) -> None:
    """Write STATE (JSON, by default from standard input) as a scenario; prints where it is.

    Editors call it with the state at the cursor: `:ZetaWrong` in Neovim, `M-x zeta-context-wrong`
    in Emacs, "Write Down a Wrong Prediction" in VS Code. The prediction on offer is what should
    not have been predicted. The file stays on this machine; `zeta-context eval run` reads it.
    """
    from zeta_context.consent.state_folder import make_private_folder, state_folder
    from zeta_context.evals.scenario_files import write_scenarios

    try:
        told = json.loads(state.read(MAX_STATE_CHARACTERS))
        scenario = _read_state(told, note)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise click.UsageError(
            "this is no state of an editor, as `zeta/state` gives it"
        ) from problem
    folder = output if output is not None else state_folder() / "wrong"
    if output is None:
        make_private_folder(folder.parent)
        make_private_folder(folder)
    path = folder / f"{scenario.name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scenarios(path, [scenario])
    path.chmod(0o600)
    click.echo(path)


def _read_state(told: dict[str, Any], note: str) -> Scenario:
    from zeta_context.evals.scenario import HistoryStep, Scenario, ScenarioFile

    stem = Path(told["path"]).stem or "scenario"
    scenario = Scenario(
        name=f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}",
        path=told["path"],
        text=told["text"],
        cursor=int(told["cursor"]),
        files=tuple(ScenarioFile(path=one["path"], text=one["text"]) for one in told["files"]),
        history=tuple(
            HistoryStep(diff=one["diff"], predicted=bool(one["predicted"]))
            for one in told["history"]
        ),
        rejected=told["predicted"],
        reasoning=note or told["why"],
        origin="rejected" if told["predicted"] else "other",
    )
    return _with_known_history(scenario)


def _with_known_history(scenario: Scenario) -> Scenario:
    """With as much of the history, from its end, as really leads to the texts."""
    from zeta_context.errors import EvalError
    from zeta_context.evals.scenario import texts_before

    for start in range(len(scenario.history) + 1):
        shorter = replace(scenario, history=scenario.history[start:])
        try:
            texts_before(shorter)
        except EvalError:
            continue
        return shorter
    return replace(scenario, history=())
