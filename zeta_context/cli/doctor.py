"""`zeta-context doctor`: one screen about the installation, the project and the running sessions.

Knows nothing of how it is found out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zeta_context.cli.checkup import examine
from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless

_COUNTED = ("staged", "modified", "deleted", "untracked", "conflicted")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Show versions, language servers, running sessions with their last reasons for silence.

    For each fault it names the command that mends it; the exit status is 1 then.
    """
    found = examine(Path.cwd())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print_findings(found, Console(soft_wrap=True, highlight=False))
    if found["faults"]:
        ctx.exit(EXIT_FINDING)


def _print_findings(found: Mapping[str, Any], console: Console) -> None:
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in (
        ("versions", _tell_versions(found["versions"])),
        ("project", _tell_project(found["project"])),
        ("languages", ", ".join(f"{name} {n}" for name, n in found["languages"].items())),
        ("servers", ", ".join(server["name"] for server in found["servers"])),
        ("predictions", found["predictions"]),
        ("model", _tell_model(found["model"])),
        ("collecting", found["collection"]["words"]),
        ("sessions", _tell_sessions(found)),
    ):
        facts.add_row(name, Text(make_harmless(value or "none")))
    console.print(facts)
    for session in found["sessions"]:
        _print_session(session, console)
    for fault in found["faults"]:
        console.print(Text.assemble(("fault ", "bold red"), make_harmless(fault["what"])))
        console.print(Text.assemble(("mend  ", "bold green"), make_harmless(fault["mend"])))
    if not found["faults"]:
        console.print("no faults found", style="green")


def _tell_versions(versions: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())


def _tell_project(project: Mapping[str, Any]) -> str:
    if "reason" in project:
        return f"{project['reason']}: {project['detail']}"
    head = project["head"][:10] if project["head"] else "no commit yet"
    place = f"on {project['branch']}" if project["branch"] else "detached"
    changed = ", ".join(f"{project[name]} {name}" for name in _COUNTED if project[name])
    skipped = ", ".join(f"{n} {reason}" for reason, n in project["skipped"].items())
    told = f"{project['name']} {place} at {head}, {changed or 'clean'}"
    return f"{told}; left out: {skipped}" if skipped else told


def _tell_model(model: Mapping[str, Any]) -> str:
    if model["runner"] == "none":
        return "none: the embedded default predicts"
    place = "on another machine" if model["is_remote"] else "on this machine"
    return f"{model['name'] or model['runner']} ({model['runner']}, {model['format']}, {place})"


def _tell_sessions(found: Mapping[str, Any]) -> str:
    running = len(found["sessions"]) + found["sessions_not_told"]
    troubles = ", ".join(f"{name} {n}" for name, n in found["status_reasons"].items())
    return f"{running} running" + (f" ({troubles})" if troubles else "")


def _print_session(session: Mapping[str, Any], console: Console) -> None:
    title = f"session {session['pid']}: {', '.join(session['projects'])}"
    if session["error"]:
        title += f" ({session['error']})"
    console.print(make_harmless(title), style="bold", markup=False)
    if felt := _tell_felt(session):
        console.print(f"  {felt}", markup=False)
    totals = ", ".join(f"{name} {n}" for name, n in session["totals"].items())
    console.print(f"  {make_harmless(totals or 'nothing counted yet')}", markup=False)
    reasons = Table(box=None, show_header=False, pad_edge=False)
    for reason in reversed(session["recent"]):
        age = Text(f"  {_tell_age(reason['age_s'])}", style="dim")
        reasons.add_row(age, *(Text(make_harmless(reason[key])) for key in ("reason", "place")))
    if session["recent"]:
        console.print(reasons)


def _tell_felt(session: Mapping[str, Any]) -> str:
    """How the session does: rates, times, memory; empty where it tells nothing of them."""
    rates, times = session["rates"], session["latency_ms"]
    told = []
    if rates.get("asked"):
        told.append(f"asked {rates['asked']:.0f} times, predicted {rates.get('predicted', 0):.0f}")
    for name in ("predicted", "accepted", "kept"):
        if f"{name}_share" in rates:
            told.append(f"{name} {rates[f'{name}_share']:.0%}")
    if times:
        told.append(", ".join(f"{name} {ms:.0f} ms" for name, ms in times.items()))
    if session["memory_mb"] is not None:
        told.append(f"{session['memory_mb']:.0f} MB")
    return "; ".join(told)


def _tell_age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
