"""`zeta-context predict FILE:LINE:COL`: the next edit in any git repository, without a session.

The recent edits come from the working tree and are told to a session in the order in which they
were probably made; the rest is what an editor would get. Knows nothing of how predictions are made.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zeta_context.cli.applying import apply_prediction
from zeta_context.cli.explaining import describe, print_description
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.place import Place, PlaceType
from zeta_context.cli.rendering import make_harmless, render_diff, render_patch
from zeta_context.context.gather import ContextSettings
from zeta_context.context.working_edits import WorkingEdits, read_working_edits
from zeta_context.errors import Unreadable
from zeta_context.events.reading import read_text
from zeta_context.predict.explanation import Explanation
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.prompt.registry import find_format
from zeta_context.repository.worktree import NotOurs, Worktree, find
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Point
from zeta_context.text.snapshot import TextSnapshot

SECONDS_BETWEEN_EDITS = 2.0
"""Edits are told this far apart on the session's clock: each is a step of its own."""

DEFINITIONS_DEADLINE_MS = 5_000.0
"""How long language servers are waited for: unlike in an editor, they have only just started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it: `text` is that of the document that the prediction is for."""

    result: Prediction | Discarded
    text: str = ""
    root: Path | None = None
    explanation: Explanation | None = None
    edits: WorkingEdits | None = None


@click.command("predict")
@click.argument("place", type=PlaceType())
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("--explain", is_flag=True, help="Tell what was looked at, why, and what it cost.")
@click.option("--apply", is_flag=True, help="Write the prediction into its file.")
@click.option("--format", "format_name", metavar="NAME", help="Show the prompt in this format.")
@click.option(
    "--definitions/--no-definitions",
    default=None,
    help="Ask a language server for definitions (with --explain or --format: yes).",
)
@click.pass_context
def command(
    ctx: click.Context,
    place: Place,
    *,
    as_json: bool,
    explain: bool,
    apply: bool,
    format_name: str | None,
    definitions: bool | None,
) -> None:
    """Predict the next edit at FILE:LINE:COL, counted from 1, in any git repository.

    What you have changed since the last commit tells what you are doing. Prints a diff that git
    can apply; without a prediction, the reason, and the exit status is 1.
    """
    is_explained = explain or format_name is not None
    if format_name is not None:
        find_format(format_name)
    wants_definitions = is_explained if definitions is None else definitions
    answer = asyncio.run(predict_at(place, has_definitions=wants_definitions))
    described = _describe(answer, format_name) if is_explained else None
    if as_json:
        click.echo(json.dumps(_to_data(answer, place, described), indent=2))
    else:
        _show(answer, place, described)
    if isinstance(answer.result, Discarded):
        ctx.exit(EXIT_FINDING)
    if apply and answer.root is not None:
        apply_prediction(answer.root, answer.result, answer.text)
        click.echo(f"applied to {answer.result.path}", err=True)


async def predict_at(place: Place, *, has_definitions: bool = False) -> Answer:
    """Predict at a place of a working tree; raises Unreadable, BadParameter or RepositoryError."""
    if not place.file.exists():
        raise Unreadable(f"{place.file.name}: no such file")
    worktree = find(place.file)
    if isinstance(worktree, NotOurs):
        return Answer(result=Discarded(reason=worktree.reason, detail=worktree.detail))
    path = worktree.relative(place.file)
    if isinstance(path, NotOurs):
        return Answer(result=Discarded(reason=path.reason, detail=path.detail))
    snapshot = TextSnapshot(read_text(place.file).text)
    cursor = place.find(snapshot)
    return await _predict_in(worktree, path, snapshot, cursor, has_definitions=has_definitions)


async def _predict_in(
    worktree: Worktree, path: str, snapshot: TextSnapshot, cursor: Point, *, has_definitions: bool
) -> Answer:
    edits = read_working_edits(worktree, focus=path, focus_row=cursor.row)
    context = ContextSettings(definitions=has_definitions, deadline_ms=DEFINITIONS_DEADLINE_MS)
    now = [0.0]
    settings = Settings(context=context, offer_status=False)
    async with Session(worktree.root, settings=settings, clock=lambda: now[0]) as session:
        replay_working_edits(session, edits, now)
        if path not in {file.path for file in edits.files}:
            session.open(_full(worktree, path), snapshot.text)
        elif session.document(_full(worktree, path)).snapshot.text != snapshot.text:
            detail = f"{path} was written while it was read; predict again"
            return Answer(result=Discarded(reason="stale", detail=detail))
        result, explanation = await session.explain(_full(worktree, path), cursor, trigger="cli")
        text = ""
        if isinstance(result, Prediction):
            text = session.document(_full(worktree, result.path)).snapshot.text
        elif edits.edit_count == 0:
            result = Discarded(
                reason="no_recent_edits",
                detail="nothing has changed since the last commit, so there is nothing to go on",
            )
        return Answer(
            result=result, text=text, root=worktree.root, explanation=explanation, edits=edits
        )


def replay_working_edits(session: Session, edits: WorkingEdits, now: list[float]) -> None:
    """Tell a session the edits one by one; `now` holds the time of its clock and is moved on.

    Each file is opened as it was and left open as it is.
    """
    root = next(iter(session.projects)).root
    for file in edits.files:
        full = str(root / file.path)
        session.open(full, file.text_before)
        for edit in file.edits:
            now[0] += SECONDS_BETWEEN_EDITS
            session.edit_many(full, (edit,), cause="edit")


def _full(worktree: Worktree, path: str) -> str:
    return str(worktree.root / path)


def _describe(answer: Answer, format_name: str | None) -> dict[str, Any] | None:

    if answer.explanation is None or answer.edits is None:
        return None
    return describe(answer.explanation, skipped=answer.edits.skipped, format_name=format_name)


def _to_data(answer: Answer, place: Place, described: dict[str, Any] | None) -> dict[str, Any]:

    data: dict[str, Any] = {
        "schema": 1,
        "place": {"line": place.line, "column": place.column},
        "prediction": None,
        "silence": None,
    }
    result = answer.result
    if isinstance(result, Prediction):
        snapshot = TextSnapshot(answer.text)
        data["prediction"] = {
            "path": result.path,
            "proposer": result.proposer,
            "why": result.why,
            "confidence": result.confidence,
            "edits": [
                {
                    "start": _to_place(snapshot, edit.span.start),
                    "end": _to_place(snapshot, edit.span.end),
                    "new_text": edit.new_text,
                }
                for edit in result.edits
            ],
            "diff": render_patch(result, answer.text),
        }
    else:
        data["silence"] = {"reason": result.reason, "detail": result.detail}
    if described is not None:
        data["explanation"] = described
    return data


def _to_place(snapshot: TextSnapshot, offset: int) -> dict[str, int]:
    row, column = snapshot.point(offset)
    return {"line": row + 1, "column": column + 1}


def _show(answer: Answer, place: Place, described: dict[str, Any] | None) -> None:
    """The diff to standard output, in colour on a terminal; why, or why not, to standard error."""

    people = Console(stderr=True, soft_wrap=True)
    if described is not None:
        print_description(described, people)
    result = answer.result
    if isinstance(result, Discarded):
        detail = f": {make_harmless(result.detail)}" if result.detail else ""
        _say(people, f"no prediction at {place} ({result.reason}){detail}")
        return
    if sys.stdout.isatty():
        Console(soft_wrap=True, highlight=False).print(render_diff(result, answer.text), end="")
    else:
        patch = render_patch(result, answer.text).encode("utf-8", "surrogatepass")
        sys.stdout.buffer.write(patch)
        sys.stdout.buffer.flush()
    _say(people, make_harmless(result.why))


def _say(people: Console, message: str) -> None:
    people.print(message, markup=False, highlight=False)
