"""`zeta-context spool`: everything that waits to be sent, to be read, redacted and purged.

What it shows are the very bytes that would leave. It sends nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.errors import CaptureError, SpoolUnusable

if TYPE_CHECKING:
    from zeta_context.capture.spool import Spool
    from zeta_context.capture.spool_records import Item


@click.group(name="spool")
def command() -> None:
    """Read, redact and purge what was collected and waits to be sent."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_items(as_json: bool) -> None:
    """List what waits, oldest first."""
    with _opened() as spool:
        items = () if spool is None else spool.items()
        account = None if spool is None else spool.account()
        deletions = () if spool is None else spool.deletions()
    if as_json:
        told = [_describe(item) for item in items]
        dropped = {} if account is None else dict(account.dropped)
        click.echo(
            json.dumps(
                {
                    "records": told,
                    "captured": 0 if account is None else account.captured,
                    "acknowledged": 0 if account is None else account.acknowledged,
                    "dropped": dropped,
                    "deletions_due": len(deletions),
                }
            )
        )
        return
    for item in items:
        one = _describe(item)
        state = "cannot be taken" if item.state == "dead" else f"due in {_duration(item.due_s)}"
        click.echo(
            f"{one['id'][-12:]}  {one['kind']:8} {one['bytes']:>7,} B  {state:18} {one['path']}"
        )
    if account is not None:
        dropped_words = ", ".join(f"{n:,} {reason}" for reason, n in account.dropped.items())
        click.echo(
            f"{account.captured:,} captured: {account.acknowledged:,} taken by the server, "
            f"{account.kept:,} kept here, dropped: {dropped_words or 'none'}",
            err=True,
        )
    else:
        click.echo("nothing was ever collected", err=True)


@command.command()
@click.argument("record_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the bytes as they would be sent.")
def show(record_id: str, raw: bool) -> None:
    """Show the record whose identifier begins or ends with ID, whole."""
    from zeta_context.capture.codec import decompress, unpack

    with _opened() as spool:
        item = _find(spool, record_id)
    if raw:
        click.echo(item.body, nl=False)
        return
    data = unpack(decompress(item.body))
    sending = {
        "to": item.server,
        "under_consent": item.claims.consent_id,
        "second_consent": item.claims.settled_consent_id or None,
        "licence_evidence": item.claims.evidence_digest,
        "sha256": item.sha256,
        "may_have_been_sent": item.was_sent,
        "last_error": item.last_error or None,
    }
    click.echo(json.dumps({"sending": sending, "record": data}, indent=2))


@command.command()
@click.argument("record_id", metavar="ID")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
def redact(record_id: str, texts: tuple[str, ...]) -> None:
    """Put x for each character of every TEXT in a record, wherever it occurs there.

    Not in one that may have been sent already.
    """
    from zeta_context.capture.codec import decode_record, encode_record, from_dict, to_dict
    from zeta_context.capture.scrub import mask_in_data

    def rewrite(body: bytes) -> bytes:
        record = decode_record(body)
        masked = encode_record(from_dict(mask_in_data(to_dict(record), texts)))
        if decode_record(masked).id != record.id:
            raise CaptureError("a text is part of the record's identifier: purge it instead")
        return masked

    with _opened() as spool:
        item = _find(spool, record_id)
        if spool is not None:
            changed = spool.redact(item.id, rewrite)
            click.echo(f"{changed.id}: {'redacted' if changed.body != item.body else 'unchanged'}")


@command.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True)
def export(output: Path) -> None:
    """Write each record into the folder OUTPUT: the bytes to be sent, and what they say as JSON."""
    from zeta_context.capture.codec import decompress, unpack

    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened() as spool:
        items = () if spool is None else spool.items()
    for item in items:
        (output / f"{item.id}.zst").write_bytes(item.body)
        data = unpack(decompress(item.body))
        (output / f"{item.id}.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
    click.echo(f"{len(items):,} records", err=True)


@command.command()
@click.argument("record_ids", nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="All records.")
def purge(record_ids: tuple[str, ...], everything: bool) -> None:
    """Wipe records, so that no byte of them is left in the spool's files.

    What was sent already is not called back by this: withdraw consent to have it deleted.
    """
    if everything == bool(record_ids):
        raise click.UsageError("name records, or say --all")
    try:
        with _opened() as spool:
            if spool is None:
                n = 0
            elif everything:
                n = spool.purge()
            else:
                n = spool.purge([_find(spool, one).id for one in record_ids])
    except SpoolUnusable:
        if not everything:
            raise
        from zeta_context.capture.spool_file import remove_file

        remove_file(_path())
        click.echo("the spool was damaged and has been removed")
        return
    click.echo(f"{n:,} purged")


@contextmanager
def _opened() -> Iterator[Spool | None]:
    """The user's spool; None where there never was one, which is not made by looking."""
    from zeta_context.capture.spool import Spool

    if not _path().exists():
        yield None
        return
    try:
        spool = Spool(_path())
        try:
            yield spool
        finally:
            spool.close()
    except (sqlite3.Error, OSError) as problem:
        raise CaptureError(f"the spool cannot be used: {problem}") from None


def _path() -> Path:
    from zeta_context.capture.spool_file import spool_path

    return spool_path()


def _find(spool: Spool | None, record_id: str) -> Item:
    found = [
        item
        for item in (spool.items() if spool is not None else ())
        if record_id and (item.id.startswith(record_id) or item.id.endswith(record_id))
    ]
    if len(found) != 1:
        raise CaptureError(
            f"{len(found)} records are called {record_id!r}: see `zeta-context spool list`"
        )
    return found[0]


def _describe(item: Item) -> dict[str, Any]:
    from zeta_context.capture.codec import decode_record
    from zeta_context.capture.example import Example

    try:
        record = decode_record(item.body)
        path = record.prompt_input.path if isinstance(record, Example) else record.example_id
    except CaptureError:
        path = "(unreadable)"
    return {
        "id": item.id,
        "kind": item.kind,
        "path": path,
        "bytes": len(item.body),
        "state": item.state,
        "due_s": round(item.due_s),
        "expires_s": round(item.left_s),
        "server": item.server,
        "consent": item.claims.consent_id,
        "sha256": item.sha256,
        "may_have_been_sent": item.was_sent,
    }


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "now" if seconds <= 0 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
