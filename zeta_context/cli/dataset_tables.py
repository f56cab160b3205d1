"""Options, progress and tables that the commands of `zeta-context dataset` share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from zeta_context.training.example import Example

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write.",
)


@contextmanager
def show_count(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal, moved by what is yielded."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def show_examples(examples: Iterator[Example], what: str) -> Iterator[Example]:
    """The examples, their number shown to people as they come."""
    yield from _show_progress(examples, lambda done: f"{what}: {done:,} examples")


def _show_progress(items: Iterator[Example], tell: Callable[[int], str]) -> Iterator[Example]:
    """Items as they come, with a line on standard error where that is a terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(tell(0), total=None)
        for number, item in enumerate(items, 1):
            progress.update(task, description=tell(number))
            yield item


def tell_counts(counts: dict[str, Any], *, as_json: bool) -> None:
    """What became of everything, by reason."""
    if as_json:
        click.echo(json.dumps(counts))
        return
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, value in counts.items():
        shown = value if isinstance(value, str) else f"{value:,}"
        table.add_row(name.replace("_", " "), shown)
    Console().print(table)
