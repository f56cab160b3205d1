"""The model in `zeta-context setup`: which one to propose, its check, its configuration.

A model is made use of only after it has answered in its format on this machine. Knows nothing of
editors.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.cli.setup.editors import Block
from zeta_context.cli.setup.installing import Record, install
from zeta_context.installation import install_command

if TYPE_CHECKING:
    from zeta_context.cli.model_check import Report
    from zeta_context.cli.setup.machine import Machine

USABLE = ("edits", "no_edit")
"""What a model that fits its format answers to the sample of `model check`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A model that would fit; `is_ready` where it is installed already."""

    name: str
    size_bytes: int
    is_ready: bool


def propose(machine: Machine) -> Proposal | None:
    """The largest installed model that fits, else the largest known one."""
    from zeta_context.cli.setup.machine import fits_memory, propose_model
    from zeta_context.runners.installed import list_installed

    ready = [
        one for one in list_installed() if one.format and fits_memory(2 * one.size_bytes, machine)
    ]
    if ready:
        best = max(ready, key=lambda one: one.size_bytes)
        return Proposal(name=best.name, size_bytes=best.size_bytes, is_ready=True)
    known = propose_model(machine)
    if known is None:
        return None
    return Proposal(name=known.name, size_bytes=known.size_bytes, is_ready=False)


def offer_model(proposal: Proposal, console: Any, record: Record) -> None:
    """Ask whether to use a model, and set it up; only tell what to do first where that is more."""
    from zeta_context.runners.opening import missing_libraries

    if missing_libraries():
        command = install_command("local")
        console.print(f"\nfor a model, first: {command}\nthen: zeta-context setup", markup=False)
        return
    size = f"{proposal.size_bytes / 1e9:.1f} GB"
    what = "installed already" if proposal.is_ready else f"{size} to fetch"
    question = f"Use the model {proposal.name} ({what})? It is checked first"
    if click.confirm(question, default=proposal.is_ready):
        use_model(proposal, console, record)
    else:
        pull = "" if proposal.is_ready else f"zeta-context model pull {proposal.name}, and "
        console.print(f"later: {pull}zeta-context setup --model {proposal.name}", markup=False)


def use_model(proposal: Proposal, console: Any, record: Record) -> bool:
    """Fetch a model if need be, check it, and write it into the configuration if it is of use."""
    from zeta_context.cli.model_check import check_model, print_report
    from zeta_context.runners.endpoint import RemotePermission
    from zeta_context.runners.settings import ModelSettings

    if not proposal.is_ready and not _fetch(proposal.name):
        console.print("predictions go on without a model", style="yellow")
        return False
    console.print(f"checking {proposal.name}: it is loaded and timed", markup=False)
    report = check_model(ModelSettings(id=proposal.name), RemotePermission())
    print_report(report)
    if not _is_of_use(report):
        console.print("it is not made use of; predictions go on without a model", style="yellow")
        return False
    console.print(write_choice(proposal.name, record), markup=False)
    return True


def _fetch(name: str) -> bool:
    from zeta_context.cli.model import pull

    try:
        pull.main([name], standalone_mode=False)
    except Exception as problem:
        click.echo(f"{name} cannot be fetched: {problem}", err=True)
        return False
    return True


def _is_of_use(report: Report) -> bool:
    return not report.problem and report.prediction in USABLE


def write_choice(name: str, record: Record) -> str:
    """Put the model into the user's configuration, and say what was done.

    A configuration that chooses a model already, or cannot be read, is left as it is.
    """
    from zeta_context.config_file import config_path

    lines = f'[model]\nid = "{name}"\n'
    path = config_path()
    if not _is_free(path, record):
        return f"to use it, in {path}:\n{lines}"
    told = install(Block(path=path, sign="#", content=lines), record)
    path.chmod(0o600)
    return told


def _is_free(path: Path, record: Record) -> bool:
    if record.known(path) is not None or not path.exists():
        return True
    try:
        return "model" not in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
