"""`zeta-context setup`: finds editors and what this machine can do, and sets them up.

At most two questions: which editors, and whether to use a model. Data collection is never asked
about here. Knows nothing of how files are put in place.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.cli.main import EXIT_FINDING

if TYPE_CHECKING:
    from zeta_context.cli.setup.editors import Editor
    from zeta_context.cli.setup.machine import Machine
    from zeta_context.cli.setup.model import Proposal


def record_path() -> Path:
    """Where it is written down what was put in place."""
    from platformdirs import user_state_path

    return user_state_path("zeta-context", appauthor=False) / "setup.json"


def own_program() -> str:
    """The command that started this, for the configuration of editors."""
    beside = Path(sys.argv[0])
    if beside.name.startswith("zeta-context") and beside.exists():
        return str(beside.absolute())
    return shutil.which("zeta-context") or "zeta-context"


@click.command("setup")
@click.option(
    "--editor",
    "names",
    multiple=True,
    metavar="NAME",
    help="Set up this editor, asking nothing (repeat for more).",
)
@click.option("--yes", is_flag=True, help="Ask nothing: all editors found, and no model.")
@click.option(
    "--model", "model_name", metavar="NAME", help="Fetch, check and use this model, asking nothing."
)
@click.option("--print", "only_print", is_flag=True, help="Only print the lines; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, and stop.")
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    *,
    yes: bool,
    model_name: str | None,
    only_print: bool,
    as_json: bool,
) -> None:
    """Set up the editors on this machine, with a backup of every file that is changed.

    `zeta-context uninstall` undoes it.
    """
    from rich.console import Console

    from zeta_context.cli.setup.editors import EDITORS, find_editor
    from zeta_context.cli.setup.installing import Record
    from zeta_context.cli.setup.machine import look_at_machine
    from zeta_context.cli.setup.model import offer_model, propose, use_model

    unknown = [name for name in names if find_editor(name) is None]
    if unknown:
        known = ", ".join(one.name for one in EDITORS)
        raise click.UsageError(f"unknown editor {unknown[0]!r}; known: {known}")
    machine = look_at_machine()
    model = propose(machine) if model_name is None else _find_model(model_name)
    found = [one for one in EDITORS if one.find() is not None]
    if as_json:
        click.echo(json.dumps(_describe(machine, model, found), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    _show_found(console, machine, model, found)
    is_asking = not (names or yes or only_print or model_name)
    chosen = [one for one in EDITORS if one.name in names]
    if not names and (model_name is None or yes):
        chosen = found
    if is_asking and chosen:
        chosen = _ask_editors(chosen)
    for editor in chosen:
        _set_up(editor, console, only_print=only_print)
    record = Record(record_path())
    if is_asking and model is not None and not _has_model():
        offer_model(model, console, record)
    elif model_name and model and not only_print and not use_model(model, console, record):
        ctx.exit(EXIT_FINDING)
    if chosen and not only_print:
        console.print("\nOpen a file, and change the same thing twice: the third is predicted.")
        console.print("`zeta-context play` shows it here in the terminal, without any editor.")


def _describe(machine: Machine, model: Proposal | None, found: list[Editor]) -> dict[str, Any]:
    return {
        "schema": 1,
        "editors": [one.name for one in found],
        "servers": _find_servers(),
        "processors": machine.processors,
        "memory_bytes": machine.memory_bytes,
        "gpu": machine.gpu,
        "gpu_bytes": machine.gpu_bytes,
        "model": model.name if model is not None else None,
        "program": own_program(),
    }


def _find_servers() -> list[str]:
    from zeta_context.lsp.servers import KNOWN_SERVERS, find_installed

    return [one.name for one in KNOWN_SERVERS if find_installed(one) is not None]


def _show_found(console: Any, machine: Machine, model: Proposal | None, found: Any) -> None:
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("editors", ", ".join(one.title for one in found) or "none found")
    facts.add_row("servers", ", ".join(_find_servers()) or "none found")
    memory = f"{machine.memory_bytes / 1e9:.0f} GB" if machine.memory_bytes else "unknown"
    gpu = f", {machine.gpu} with {machine.gpu_bytes / 1e9:.0f} GB" if machine.gpu else ""
    facts.add_row("machine", f"{machine.processors} processors, {memory} of memory{gpu}")
    facts.add_row("model", f"{_tell_model(model)} (predictions work without one, too)")
    console.print(facts)


def _ask_editors(found: list[Editor]) -> list[Editor]:
    names = ", ".join(one.name for one in found)
    try:
        told = click.prompt(f"Set up which editors? [{names}]", default=names, show_default=False)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError(
            "there is nobody to ask: say --yes for all of them, or --editor NAME"
        ) from None
    wanted = {one.strip() for one in told.replace(" ", ",").split(",")}
    return [one for one in found if one.name in wanted]


def _set_up(editor: Editor, console: Any, *, only_print: bool) -> None:
    from zeta_context.cli.setup.installing import Record, install

    program = own_program()
    steps = editor.steps(Path.home(), program)
    console.print(f"\n[bold]{editor.title}[/bold]")
    if only_print or not steps:
        console.print(editor.lines(program).rstrip(), markup=False)
        return
    record = Record(record_path())
    for step in steps:
        console.print(f"  {install(step, record)}", markup=False)
    console.print(f"  {editor.keys}", markup=False)


def _tell_model(model: Proposal | None) -> str:
    if _has_model():
        return "chosen in your configuration"
    if model is None:
        return "none fits"
    size = f"{model.name}, {model.size_bytes / 1e9:.1f} GB"
    return f"{size}, installed" if model.is_ready else f"{size}, would fit"


def _has_model() -> bool:
    from zeta_context.cli.model_choice import load_user_settings

    return load_user_settings().model.kind != "none"


def _find_model(name: str) -> Proposal:
    from zeta_context.cli.setup.model import Proposal
    from zeta_context.runners.installed import list_installed
    from zeta_context.runners.models import find_model

    for one in list_installed():
        if one.name == name:
            return Proposal(name=name, size_bytes=one.size_bytes, is_ready=True)
    known = find_model(name)
    if known is None:
        raise click.UsageError(f"no model {name!r} is installed or known: zeta-context model list")
    return Proposal(name=known.name, size_bytes=known.size_bytes, is_ready=False)
