"""`zeta-context dataset pull`, `recut` and `show`: sets of examples from what was collected."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import cast

import click

from zeta_context.cli.dataset_tables import JSON, OUTPUT, show_examples, tell_counts
from zeta_context.counts import Counts

_IN = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("pull")
@click.argument("exports", type=_IN, nargs=-1, required=True)
@OUTPUT
@click.option("--held-out-share", type=click.FloatRange(0, 1), default=0.1, show_default=True)
@click.option("--cutoff", type=click.DateTime(), help="From then on everything is evaluation.")
@click.option(
    "--settled",
    type=click.Choice(["none", "evaluation", "training"]),
    default="none",
    show_default=True,
    help="What users wrote afterwards, where their second consent gave it.",
)
@JSON
def pull_command(
    exports: tuple[Path, ...],
    *,
    output: Path,
    held_out_share: float,
    cutoff: datetime | None,
    settled: str,
    as_json: bool,
) -> None:
    """Starting states from EXPORTS, files that `zeta-context ingest export` wrote: JSON lines, or
    *.parquet.

    Prints the funnel: what was captured, and what was lost to which reason. By default no target
    is in the set, and nothing that a user wrote after the state: a teacher says what follows.
    """
    from zeta_context.training.dataset import (
        PullSettings,
        Settled,
        describe_source,
        pull_examples,
        write_dataset,
    )
    from zeta_context.training.exports import read_exports

    settings = PullSettings(
        held_out_share=held_out_share,
        cutoff=None if cutoff is None else cutoff.timestamp(),
        settled=cast("Settled", settled),
    )
    counts = Counts()
    examples = pull_examples(read_exports(exports), settings, counts)
    manifest = write_dataset(
        output,
        show_examples(examples, "reading"),
        sources=[describe_source(path) for path in exports],
        filters=asdict(settings),
        counts=counts,
    )
    tell_counts({**counts.totals(), "sha256": manifest.sha256}, as_json=as_json)


@click.command("recut")
@click.argument("dataset", type=_IN)
@click.argument("exports", type=_IN, nargs=-1, required=True)
@OUTPUT
@JSON
def recut_command(dataset: Path, exports: tuple[Path, ...], *, output: Path, as_json: bool) -> None:
    """A DATASET again, without what newer EXPORTS do not hold any more."""
    from zeta_context.training.dataset import (
        describe_source,
        read_dataset,
        recut_examples,
        write_dataset,
    )
    from zeta_context.training.exports import read_exports

    manifest, examples = read_dataset(dataset)
    counts = Counts()
    cut = write_dataset(
        output,
        recut_examples(examples, read_exports(exports), counts),
        sources=[describe_source(path) for path in exports],
        filters=manifest.filters,
        counts=counts,
        parent=manifest.sha256,
    )
    tell_counts({**counts.totals(), "sha256": cut.sha256}, as_json=as_json)


@click.command("show")
@click.argument("dataset", type=_IN)
@JSON
def show_command(dataset: Path, *, as_json: bool) -> None:
    """What a DATASET was made from, and whether its file is still that."""
    from zeta_context.training.dataset import read_dataset

    manifest, _ = read_dataset(dataset)
    if as_json:
        click.echo(json.dumps(asdict(manifest)))
        return
    told = {"examples": manifest.examples, "sha256": manifest.sha256, **manifest.funnel}
    tell_counts(told, as_json=False)
    for source in manifest.sources:
        click.echo(f"from {source.name} {source.revision} {source.sha256[:16]}")
