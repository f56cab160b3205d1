"""`zeta-context plugin check -- CMD`: does an editor plugin keep to the protocol?

Runs the editor with a `zeta-context` first in its PATH that listens in, and checks what was said.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from zeta_context.cli.main import EXIT_FINDING


@click.group("plugin")
def command() -> None:
    """Check an editor plugin against the protocol (docs/protocol.md)."""


@command.command("check", context_settings={"ignore_unknown_options": True})
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.argument("editor", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def check(ctx: click.Context, editor: tuple[str, ...], *, as_json: bool) -> None:
    """Run EDITOR with its plugin, work in it, and see which rules were kept.

    Write `--` before it. The plugin must start `zeta-context` from the PATH (or the program that
    the variable ZETA_CONTEXT_PROGRAM names). What is said is kept in a temporary file that only
    you can read, and removed at the end. Exit status 1 when a rule was broken.
    """
    from zeta_context.server.conformance import RULES, check, describe_protocol
    from zeta_context.server.tap import read_tapped

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "said"
        shim = Path(folder) / "zeta-context"
        run = [sys.executable, "-m", "zeta_context.server.tap", str(log), "--"]
        run += [sys.executable, "-m", "zeta_context.cli.main"]
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(run)} "$@"\n', encoding="utf-8")
        shim.chmod(0o700)
        path = os.pathsep.join((folder, os.environ.get("PATH", "")))
        environment = {**os.environ, "PATH": path, "ZETA_CONTEXT_PROGRAM": str(shim)}
        done = subprocess.run(editor, env=environment, check=False)
        if not log.exists():
            raise click.UsageError(
                f"{editor[0]} (exit status {done.returncode}) never started zeta-context"
            )
        findings = check(read_tapped(log))
    if as_json:
        told = [
            {"rule": one.rule, "verdict": one.verdict, "seen": one.seen, "against": one.against}
            for one in findings
        ]
        click.echo(json.dumps({"protocol": describe_protocol(), "rules": told}, indent=2))
    else:
        for one in findings:
            click.echo(f"{one.verdict:9} {RULES[one.rule]}")
            for against in one.against[:5]:
                click.echo(f"          {against}")
    if any(one.against for one in findings):
        ctx.exit(EXIT_FINDING)
