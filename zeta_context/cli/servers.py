"""`zeta-context servers`: the language servers that are known, installed, and answering.

Shows what `zeta_context.lsp.probe` finds; knows nothing of how servers are started.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.installation import find_installation

if TYPE_CHECKING:
    from rich.table import Table

    from zeta_context.lsp.probe import Probed


_VERSION = re.compile(r"\d+(?:\.\d+)+")


@click.command(name="servers")
@click.argument("languages", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--no-start", is_flag=True, help="Only look for them; start none.")
@click.option("--all", "show_all", is_flag=True, help="Show those that are not installed, too.")
def command(languages: tuple[str, ...], as_json: bool, no_start: bool, show_all: bool) -> None:
    """List the language servers known and found.

    Each one that is installed is started on a project of a few lines, to see whether it answers
    and how fast. LANGUAGES (python, rust ...) narrow the list. Exit status 1 when one does not
    answer.
    """
    from zeta_context.lsp.probe import probe_servers
    from zeta_context.lsp.servers import KNOWN_SERVERS, language_id

    wanted = {language_id(name) for name in languages}
    chosen = [one for one in KNOWN_SERVERS if not wanted or wanted.intersection(one.languages)]
    if not chosen:
        raise click.UsageError(f"no language server is known for {', '.join(languages)}")
    probed = asyncio.run(probe_servers(chosen, root=Path.cwd(), start=not no_start))
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in probed], indent=2))
    else:
        _print(probed, show_all=show_all or bool(languages))
    if any(one.program is not None and one.problem for one in probed):
        raise SystemExit(1)


def _as_json(one: Probed) -> dict[str, Any]:
    return {
        "name": one.server.name,
        "languages": list(one.server.languages),
        "installed": one.program is not None,
        "program": one.program,
        "start_ms": one.start_ms,
        "answer_ms": one.answer_ms,
        "version": one.version,
        "encoding": one.encoding,
        "features": list(one.features),
        "runs_project_code": one.server.runs_project_code,
        "install": find_installation().program_command(one.server.install),
        "problem": one.problem,
    }


def _print(probed: list[Probed], *, show_all: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    installed = [one for one in probed if one.program is not None]
    missing = [one for one in probed if one.program is None]
    console = Console(highlight=False)
    if installed:
        console.print(_table(installed))
    for one in installed:
        if one.problem:
            problem = one.problem.removeprefix(f"{one.server.name}: ")
            console.print(f"[red]{escape(one.server.name)} does not answer:[/red] {problem}")
        elif one.server.runs_project_code:
            name = escape(one.server.name)
            console.print(f"[yellow]{name} runs project code: started only when allowed[/yellow]")
    if missing and not show_all:
        console.print(f"{len(missing)} more are known and not installed: --all shows them.")
    elif missing:
        console.print("Known and not installed:")
        for one in missing:
            languages = ", ".join(one.server.languages)
            command = find_installation().program_command(one.server.install)
            line = f"  [bold]{one.server.name}[/bold] ({languages}): {command}"
            console.print(line, soft_wrap=True)


def _table(probed: list[Probed]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("server", no_wrap=True)
    table.add_column("languages", overflow="fold", min_width=12, max_width=30)
    table.add_column("starts", justify="right", no_wrap=True)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("units", no_wrap=True)
    table.add_column("gives", min_width=12)
    for one in probed:
        version = _VERSION.search(one.version)
        name = f"{one.server.name} {version[0] if version else ''}".strip()
        table.add_row(
            f"[bold]{escape(name)}[/bold]",
            escape(", ".join(one.server.languages)),
            f"{one.start_ms:,.0f} ms" if one.start_ms is not None else "-",
            f"{one.answer_ms:,.1f} ms" if one.answer_ms is not None else "-",
            one.encoding,
            ", ".join(one.features),
        )
    return table
