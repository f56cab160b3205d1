"""`zeta-context ledger`: what was sent where, under which consent, and whether that is all."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zeta_context.consent.chain import Chain, Entry


@click.group(name="ledger")
def command() -> None:
    """Show and check the record of everything that was sent."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one entry a line.")
@click.option("--last", type=click.IntRange(min=1), help="The newest so many entries only.")
def show(as_json: bool, last: int | None) -> None:
    """Show what was sent, oldest first."""
    entries = tuple(_chain().entries())
    for entry in entries[-last:] if last else entries:
        click.echo(json.dumps(asdict(entry)) if as_json else _say(entry))
    if not entries:
        click.echo("nothing was ever sent or consented to", err=True)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Check that no entry was changed, removed, moved or added; exit status 1 if one was."""
    n_entries, faults = _chain().verify()
    if as_json:
        click.echo(json.dumps({"entries": n_entries, "faults": [asdict(one) for one in faults]}))
    else:
        for fault in faults:
            where = f"entry {fault.number}" if fault.number else "the end"
            click.echo(f"{where}: {fault.detail}")
        click.echo(f"{n_entries} entries, {len(faults) or 'no'} faults", err=True)
    ctx.exit(1 if faults else 0)


def _chain() -> Chain:
    from zeta_context.consent.chain import Chain, ledger_path

    return Chain(ledger_path())


def _say(entry: Entry) -> str:
    """One entry in a line."""
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    fields = entry.fields
    match entry.kind:
        case "sending":
            records = fields.get("records", ())
            consents = sorted({one["consent"][:8] for one in records})
            evidence = sorted({one["evidence"][:12] for one in records})
            what = (
                f"{len(records)} records to {fields['server']}, consent {', '.join(consents)}, "
                f"licence evidence {', '.join(evidence)}"
            )
        case "answer":
            results = list(fields.get("results", {}).values())
            counted = ", ".join(f"{results.count(one)} {one}" for one in sorted(set(results)))
            what = f"{fields['server']}: {counted or 'no results'}"
        case "consent" | "withdrawal":
            what = f"{fields['purpose']} {fields['consent'][:8]}, to {fields['operator']}"
        case _:
            what = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"{entry.number:>6}  {at}  {entry.kind:18} {what}"
