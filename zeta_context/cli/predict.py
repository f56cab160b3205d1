"""`zeta-context predict FILE:LINE:COL`: the next edit in any git repository, without a session.

The recent edits come from the working tree and are told to a session in the order in which they
were probably made; the rest is what an editor would get. Knows nothing of how predictions are made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zeta_context.cli.applying import apply_prediction
from zeta_context.cli.explaining import describe, print_description
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.model_choice import choose_model, load_user_settings
from zeta_context.cli.place import Place, PlaceType
from zeta_context.cli.rendering import make_harmless, render_diff, render_patch
from zeta_context.context.gather import ContextSettings
from zeta_context.context.working_edits import WorkingEdits, read_working_edits
from zeta_context.errors import Unreadable
from zeta_context.events.language import language_of
from zeta_context.events.reading import read_text
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.pool import LanguageServers
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
"""How long a language server may take to start, and then to answer."""

NO_RECENT_EDITS = Discarded(
    reason="no_recent_edits",
    detail="nothing has changed since the last commit, so there is nothing to go on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it: `text` is that of the document that the prediction is for."""

    result: Prediction | Discarded
    text: str = ""
    root: Path | None = None
    explanation: Explanation | None = None
    edits: WorkingEdits | None = None
    counted: Mapping[str, int] = field(default_factory=dict)


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
@click.option("--model", metavar="MODEL", help="Ask this model, as `zeta-context model` names it.")
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
    model: str | None,
) -> None:
    """Predict the next edit at FILE:LINE:COL, counted from 1, in any git repository.

    What you have changed since the last commit tells what you are doing. Prints a diff that git
    can apply; without a prediction, the reason, and the exit status is 1.
    """
    is_explained = explain or format_name is not None
    if format_name is not None:
        find_format(format_name)
    wants_definitions = is_explained if definitions is None else definitions
    settings = load_user_settings()
    settings = replace(settings, model=choose_model(settings, model, None, None))
    answer = asyncio.run(predict_at(place, settings, has_definitions=wants_definitions))
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


async def predict_at(
    place: Place, settings: Settings | None = None, *, has_definitions: bool = False
) -> Answer:
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
    settings = settings if settings is not None else Settings()
    context = ContextSettings(deadline_ms=DEFINITIONS_DEADLINE_MS)
    settings = replace(settings, context=context, offer_status=False)
    return await _predict_in(
        worktree, path, snapshot, cursor, settings, has_definitions=has_definitions
    )


async def _predict_in(
    worktree: Worktree,
    path: str,
    snapshot: TextSnapshot,
    cursor: Point,
    settings: Settings,
    *,
    has_definitions: bool,
) -> Answer:
    edits = read_working_edits(worktree, focus=path, focus_row=cursor.row)
    now = [0.0]
    full = str(worktree.root / path)
    async with contextlib.AsyncExitStack() as closing:
        session = Session(worktree.root, settings=settings, clock=lambda: now[0])
        server = await _start_server(session, path, closing) if has_definitions else None
        await closing.enter_async_context(session)
        if server is not None:
            session.lend_server(server)
        replay_working_edits(session, edits, now)
        if path not in {file.path for file in edits.files}:
            session.open(full, snapshot.text)
        elif session.document(full).snapshot.text != snapshot.text:
            detail = f"{path} was written while it was read; predict again"
            return Answer(result=Discarded(reason="stale", detail=detail))
        result, explanation = await session.explain(full, cursor, trigger="cli")
        answer = Answer(
            result=result,
            root=worktree.root,
            explanation=explanation,
            edits=edits,
            counted=session.counts.totals(),
        )
        if isinstance(result, Prediction):
            text = session.document(str(worktree.root / result.path)).snapshot.text
            return replace(answer, text=text)
        return answer if edits.files else replace(answer, result=NO_RECENT_EDITS)


async def _start_server(
    session: Session, path: str, closing: contextlib.AsyncExitStack
) -> LanguageServer | None:
    """The language server for a file, running; None where there is none in time, which is counted.

    In an editor a prediction never waits for a server. Here there is only one, so it does.
    """
    root = next(iter(session.projects)).root
    servers = LanguageServers(root, counts=session.counts)
    await closing.enter_async_context(servers)
    try:
        async with asyncio.timeout(DEFINITIONS_DEADLINE_MS / 1000):
            return await servers.start(language_of(path))
    except TimeoutError:
        session.counts.add("lsp_start_late")
        return None


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


def _describe(answer: Answer, format_name: str | None) -> dict[str, Any] | None:

    if answer.explanation is None or answer.edits is None:
        return None
    return describe(
        answer.explanation,
        skipped=answer.edits.skipped,
        counted=answer.counted,
        format_name=format_name,
    )


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
