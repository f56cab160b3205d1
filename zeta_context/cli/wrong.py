"""`zeta-context wrong`: a wrong prediction, or a silence, as a case on this machine.

An editor hands over its state, as `zeta/state` gives it; or the running session its last answer,
by a private socket. Either is redacted here before it is written to a file of the user's own.
Sharing the file is a separate act: nothing is sent.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless

if TYPE_CHECKING:
    from zeta_context.evals.scenario import Scenario

MAX_STATE_CHARACTERS = 64 * 1024 * 1024
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")


@click.command("wrong")
@click.argument("state", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--last", is_flag=True, help="Take the last answer of the session that is running.")
@click.option("--note", default="", help="What was wrong with it, in your own words.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to, by default `wrong` in your own state folder.",
)
@click.pass_context
def command(
    ctx: click.Context, state: IO[str], *, last: bool, note: str, output: Path | None
) -> None:
    """Write STATE (JSON, by default from standard input) as a scenario; prints where it is.

    Editors call it with the state at the cursor: `:ZetaWrong` in Neovim, `M-x zeta-context-wrong`
    in Emacs, "Write Down a Wrong Prediction" in VS Code. The prediction on offer is what should
    not have been predicted. At a terminal, or with --last, it is the last prediction or the last
    silence of the running session. Secrets are masked. The file stays on this machine;
    `zeta-context eval run` replays it.
    """
    from zeta_context.consent.state_folder import make_private_folder, state_folder
    from zeta_context.evals.scenario_files import write_scenarios

    if last or (state is sys.stdin and state.isatty()):
        case = find_case()
        if "error" in case:
            click.echo(f"no case: {make_harmless(str(case['error']))}", err=True)
            ctx.exit(EXIT_FINDING)
    else:
        case = _read_state(state)
    rule = excluded_by(case)
    if rule:
        click.echo(f"no case: its file is kept out of everything ({rule})", err=True)
        ctx.exit(EXIT_FINDING)
    scenario = make_scenario(redact(case), note=note)
    folder = output if output is not None else state_folder() / "wrong"
    if output is None:
        make_private_folder(folder.parent)
        make_private_folder(folder)
    path = folder / f"{scenario.name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scenarios(path, [scenario])
    path.chmod(0o600)
    click.echo(path)


def _read_state(state: IO[str]) -> Mapping[str, Any]:
    """The case in the state of an editor; raises UsageError for what is none."""
    try:
        told = json.loads(state.read(MAX_STATE_CHARACTERS))
        case = {
            "at": time.time(),
            "path": str(told["path"]),
            "text": str(told["text"]),
            "cursor": int(told["cursor"]),
            "files": {one["path"]: one["text"] for one in told["files"]},
            "history": [
                {"path": told["path"], "diff": one["diff"], "predicted": bool(one["predicted"])}
                for one in told["history"]
            ],
            "answer": {
                "diff": told["predicted"],
                "path": told["path"],
                "why": str(told["why"]),
                "reason": str(told["why"]),
            },
        }
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise click.UsageError(
            "this is no state of an editor, as `zeta/state` gives it"
        ) from problem
    return case


def find_case() -> Mapping[str, Any]:
    """The newest case of this user's running sessions, or an `error`."""
    from zeta_context.predict.last_case import cases_folder
    from zeta_context.status import read_statuses

    told = [status.fields for status in read_statuses(folder=cases_folder())]
    cases = [fields for fields in told if isinstance(fields.get("at"), int | float)]
    if cases:
        return max(cases, key=lambda fields: float(fields["at"]))
    return told[0] if told else {"error": "no session of yours is running that keeps cases"}


def excluded_by(case: Mapping[str, Any]) -> str:
    """The rule that keeps the file of a case out of everything; empty when none does."""
    from zeta_context.consent.exclusions import Exclusions

    exclusions = Exclusions(Path.cwd())
    return next(
        (
            decision.rule_id
            for path in (case["path"], *case["files"])
            if (decision := exclusions.decide(path)).is_excluded
        ),
        "",
    )


def redact(case: Mapping[str, Any]) -> dict[str, Any]:
    """The case with every secret masked by as many characters, the same everywhere in it."""
    from zeta_context.consent.secrets import find_secrets

    diffs = [step["diff"] for step in case["history"]]
    texts = [case["text"], *case["files"].values(), *diffs, case["answer"].get("diff") or ""]
    secrets = {
        part
        for text in texts
        for hit in find_secrets(text)
        for part in text[slice(*hit.span)].splitlines()
        if part.strip()
    }

    def mask(value: Any) -> Any:
        if isinstance(value, str):
            for secret in sorted(secrets, key=len, reverse=True):
                value = value.replace(secret, "x" * len(secret))
            return value
        if isinstance(value, dict):
            return {key: mask(one) for key, one in value.items()}
        return [mask(one) for one in value] if isinstance(value, list) else value

    masked: dict[str, Any] = mask(dict(case))
    return masked


def make_scenario(case: Mapping[str, Any], *, note: str = "") -> Scenario:
    """The case as a scenario; of its history as much as leads to the texts."""
    from zeta_context.evals.scenario import HistoryStep, Scenario, ScenarioFile

    answer = case["answer"]
    diff = answer.get("diff")
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(float(case["at"])))
    stem = _SAFE.sub("-", Path(case["path"]).stem) or "scenario"
    scenario = Scenario(
        name=f"{stem}-{stamp}",
        path=case["path"],
        text=case["text"],
        cursor=case["cursor"],
        files=tuple(ScenarioFile(path=path, text=text) for path, text in case["files"].items()),
        history=tuple(
            HistoryStep(diff=_with_header(step["path"], step["diff"]), predicted=step["predicted"])
            for step in case["history"]
        ),
        rejected=_with_header(answer["path"], diff) if diff else None,
        reasoning=note or (answer["why"] if diff else f"silent: {answer['reason']}"),
        origin="rejected" if diff else "other",
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


def _with_header(path: str, diff: str) -> str:
    return diff if diff.startswith("--- ") else f"--- a/{path}\n+++ b/{path}\n{diff}"
