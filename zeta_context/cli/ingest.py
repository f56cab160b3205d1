"""`zeta-context ingest`: run a collection server, and look at what it holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zeta_context.errors import IngestError
from zeta_context.installation import install_command

if TYPE_CHECKING:
    from zeta_context.ingest.serve import IngestSettings

_DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=Path("collection"), show_default=True,
    help="The folder for the index, the files and the tokens.",
)  # fmt: skip
_INDEX = click.option(
    "--index", envvar="ZETA_CONTEXT_INGEST_INDEX", default="",
    help="A PostgreSQL URL; by default a SQLite file in the folder.",
)  # fmt: skip
_FILES = click.option(
    "--files", default="",
    help="An s3:// URL; by default the folder. Credentials come from the environment (AWS_*).",
)  # fmt: skip


@click.group(name="ingest")
def command() -> None:
    """Run a collection server, and look at what it holds (extra `ingest`)."""


@command.command()
@_DATA
@_INDEX
@_FILES
@click.option("--broker", default="", help="A NATS URL that records go to instead of files.")
@click.option("--licence", "licences", multiple=True, help="Take records under these alone.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8470, show_default=True)
def serve(
    *,
    data: Path,
    index: str,
    files: str,
    broker: str,
    licences: tuple[str, ...],
    host: str,
    port: int,
) -> None:
    """Take batches from those who have a token, until interrupted.

    Clients demand HTTPS from any other machine: put a proxy that has a certificate in front.
    """
    from dataclasses import replace

    settings = _settings(data, index, files)
    settings = replace(settings, broker=broker)
    if licences:
        settings = replace(settings, licences=frozenset(licences))
    from zeta_context.ingest.serve import serve as run

    click.echo(f"collecting at http://{host}:{port}", err=True)
    run(settings, host=host, port=port)


@command.command()
@click.argument("name")
@_DATA
def token(name: str, data: Path) -> None:
    """Make the token of the tenant NAME; it is shown this once, and the one before is void."""
    from zeta_context.ingest.tokens import add_token

    click.echo(add_token(data / "tokens.json", name))


@command.command()
@_DATA
@_INDEX
@_FILES
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(data: Path, index: str, files: str, as_json: bool) -> None:
    """Count what the store holds."""
    settings = _settings(data, index, files)
    from zeta_context.ingest.report import count_records
    from zeta_context.ingest.serve import open_counted, open_store

    store, rows = open_store(settings), open_counted(settings)
    counted = {**count_records(store), "rows_of_counts": rows.n_rows()}
    asyncio.run(store.aclose())
    rows.close()
    if as_json:
        click.echo(json.dumps(counted))
        return
    for name, value in counted.items():
        if isinstance(value, dict):
            for key, n in sorted(value.items()):
                click.echo(f"{name + ' ' + key:40} {n:>12,}")
        else:
            click.echo(f"{name:40} {value:>12,}")


@command.command()
@_DATA
@_INDEX
@_FILES
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="JSON lines, or Parquet where it ends in .parquet; by default the standard output.",
)
@click.option("--project", default="", help="One project, by the key that its records carry.")
@click.option("--since", default=0.0, help="Received since then, in seconds since the epoch.")
@click.option("--outcomes", is_flag=True, help="The counts by variant, for `rollout judge`.")
@click.option("--experiment", default="", help="With --outcomes: of one experiment.")
def export(
    *,
    data: Path,
    index: str,
    files: str,
    output: Path,
    project: str,
    since: float,
    outcomes: bool,
    experiment: str,
) -> None:
    """Write the examples, with what became of each, as lines of JSON or as Parquet.

    With --outcomes the rows of counts that followers of a rollout sent, instead of examples.
    """
    settings = _settings(data, index, files)
    if outcomes:
        n_rows = _export_counts(settings, output, experiment, since)
        click.echo(f"{n_rows:,} rows of counts", err=True)
        return
    n_examples = asyncio.run(_export_examples(settings, output, project, since))
    click.echo(f"{n_examples:,} examples", err=True)


async def _export_examples(
    settings: IngestSettings, output: Path, project: str, since: float
) -> int:
    from zeta_context.ingest.export_file import open_export
    from zeta_context.ingest.received import Selection
    from zeta_context.ingest.report import export_examples
    from zeta_context.ingest.serve import open_store

    store = open_store(settings)
    n = 0
    try:
        with open_export(output) as write:
            async for line in export_examples(store, Selection(project=project, since=since)):
                write(line)
                n += 1
    finally:
        await store.aclose()
    return n


def _export_counts(settings: IngestSettings, output: Path, experiment: str, since: float) -> int:
    from dataclasses import asdict

    from zeta_context.ingest.serve import open_counted

    counted = open_counted(settings)
    n = 0
    try:
        with click.open_file(str(output), "w", encoding="utf-8") as file:
            for row in counted.rows(experiment=experiment, since=since):
                file.write(json.dumps(asdict(row)) + "\n")
                n += 1
    finally:
        counted.close()
    return n


def _settings(data: Path, index: str, files: str) -> IngestSettings:
    try:
        from zeta_context.ingest.serve import IngestSettings
    except ImportError as problem:
        raise IngestError(f"{problem.name} is missing: {install_command('ingest')}") from None
    return IngestSettings(data=data, index=index, files=files)
