"""`zeta-context model`: the models known and installed, fetching, importing, checking, sharing.

Chooses what is meant and prints; the work is done in `runners`, `server.completions`, and the two
modules beside this one.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.cli.main import EXIT_FINDING, Unusable
from zeta_context.cli.model_choice import choose_model, load_user_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from zeta_context.runners.installed import InstalledModel

_FORMAT = click.option("--format", "format_name", metavar="NAME", help="Its prompt format.")
_API = click.option("--api", metavar="KIND", help="The kind of server, for a URL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group("model")
def command() -> None:
    """List, fetch, import, check and share models.

    A MODEL is the name of a known or installed one, the path of a folder or GGUF file, or the URL
    of a server (http://..., unix:/...). Without one, your own configuration file says which.
    """


@command.command("list")
@_JSON
def list_models(*, as_json: bool) -> None:
    """Show the models known by name, and those installed."""
    from zeta_context.runners.installed import list_installed
    from zeta_context.runners.models import KNOWN_MODELS

    installed = {one.name: one for one in list_installed()}
    rows = [
        {
            "name": one.name,
            "repository": one.repository,
            "format": one.format,
            "purpose": one.purpose,
            "parameters": one.parameters,
            "size_bytes": one.size_bytes,
            "memory_bytes": one.memory_bytes,
            "context_window": one.context_window,
            "licence": one.licence,
            "is_gated": one.is_gated,
            "is_tested": one.is_tested,
            "is_installed": one.name in installed,
        }
        for one in KNOWN_MODELS
    ]
    known = {one.name for one in KNOWN_MODELS}
    own = [_describe(one) for name, one in installed.items() if name not in known]
    if as_json:
        click.echo(json.dumps({"known": rows, "imported": own}, indent=2))
    else:
        _print_models(rows, own)


@command.command("pull")
@click.argument("model")
@click.option("--name", help="What to call it here; a known model's own name by default.")
@_FORMAT
@click.option("--file", help="Fetch this GGUF file of the repository instead of its safetensors.")
@click.option("--revision", help="A branch, tag or commit of the repository.")
def pull(
    model: str, *, name: str | None, format_name: str | None, file: str | None, revision: str | None
) -> None:
    """Fetch a known MODEL, or any OWNER/NAME of the hub, into your own folder."""
    from zeta_context.prompt.registry import find_format
    from zeta_context.runners.models import find_model, suggest_models
    from zeta_context.runners.pulling import pull_model

    known = find_model(model)
    if known is None and "/" not in model:
        alike = ", ".join(suggest_models(model)) or "see `zeta-context model list`"
        raise Unusable(f"{model} is no known model and no OWNER/NAME; known: {alike}")
    chosen = format_name or (known.format if known else "")
    console = _progress_console()
    if known is not None:
        console.print(
            f"{known.repository}: about {_size(known.size_bytes)}, licence {known.licence}"
        )
    with _progress(console) as progress:
        task = progress.add_task("fetching", total=None)
        made = pull_model(
            known.repository if known else model,
            name=name or (known.name if known else model.rpartition("/")[2]),
            format_name=find_format(chosen).name if chosen else "",
            file=file if file is not None else known.file if known else "",
            revision=revision,
            on_progress=lambda here, of: progress.update(task, completed=here, total=of or None),
        )
    _tell_installed(made)


@command.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", default="", help="What to call it; its file's or folder's name by default.")
@_FORMAT
@click.option("--link", "as_link", is_flag=True, help="Link to the files instead of copying them.")
def import_files(path: Path, *, name: str, format_name: str | None, as_link: bool) -> None:
    """Take over a GGUF file, or a folder of safetensors, that is already on this machine.

    Nothing is fetched. The files are checked and hashed; pickles and code are not taken over.
    """
    from zeta_context.prompt.registry import find_format
    from zeta_context.runners.installed import import_model
    from zeta_context.runners.trained import read_trained_format

    chosen = find_format(format_name).name if format_name else read_trained_format(path)
    with _progress(_progress_console()) as progress:
        task = progress.add_task("hashing", total=None)
        made = import_model(
            path,
            name=name,
            format_name=chosen,
            as_link=as_link,
            on_bytes=lambda count: progress.update(task, advance=count),
        )
    _tell_installed(made)


@command.command("check")
@click.argument("model", required=False)
@_FORMAT
@_API
@_JSON
@click.pass_context
def check(
    ctx: click.Context,
    model: str | None,
    *,
    format_name: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    """Load a MODEL, test it, time it, and let it make one prediction.

    The sample is our own: nothing of your files is shown to the model. Exit status 1 when it does
    not work.
    """
    from zeta_context.cli.model_check import check_model, print_report

    settings = load_user_settings()
    report = check_model(choose_model(settings, model, format_name, api), settings.remote)
    if as_json:
        click.echo(json.dumps(report.as_data(), indent=2))
    else:
        print_report(report)
    if report.problem:
        ctx.exit(EXIT_FINDING)


@command.command("serve")
@click.argument("model", required=False)
@_FORMAT
@_API
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    help="The Unix socket, by default one of your own that other programs find by themselves.",
)
@click.option("--tcp", is_flag=True, help="Serve on 127.0.0.1 as well, with a token.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port, else any.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="Where the token is kept, made if it is not there.",
)
@click.option(
    "--idle-unload",
    "idle_minutes",
    type=click.FloatRange(min=0),
    help="Minutes without requests after which the model leaves memory; 0 never.",
)
def serve(
    model: str | None,
    *,
    format_name: str | None,
    api: str | None,
    socket_path: Path | None,
    tcp: bool,
    port: int,
    token_file: Path | None,
    idle_minutes: float | None,
) -> None:
    """Share one MODEL among all your programs, as an OpenAI-compatible server.

    It listens on a Unix socket that only you can reach: /v1/completions, /v1/models, /health.
    """
    from zeta_context.cli.model_serve import serve_model

    settings = load_user_settings()
    chosen = choose_model(settings, model, format_name, api)
    if idle_minutes is not None:
        chosen = replace(chosen, idle_unload_minutes=idle_minutes)
    serve_model(
        chosen,
        settings.remote,
        socket_path=socket_path,
        port=port if tcp or port else None,
        token_file=token_file,
    )


def _describe(one: InstalledModel) -> dict[str, Any]:
    return {
        "name": one.name,
        "source": one.source,
        "format": one.format,
        "size_bytes": one.size_bytes,
        "sha256": dict(one.sha256),
    }


def _print_models(rows: list[dict[str, Any]], own: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for purpose in dict.fromkeys(row["purpose"] for row in rows):
        table = Table(title=purpose, title_justify="left", box=None, pad_edge=False)
        for title in ("model", "fetch", "memory", "format", "licence"):
            justify: Any = "right" if title in ("fetch", "memory") else "left"
            table.add_column(title, justify=justify, no_wrap=title != "licence")
        for row in (one for one in rows if one["purpose"] == purpose):
            marks = ("is_installed", "installed"), ("is_tested", "tested"), ("is_gated", "gated")
            notes = [mark for key, mark in marks if row[key]]
            table.add_row(
                row["name"],
                _size(row["size_bytes"]),
                _size(row["memory_bytes"]),
                row["format"],
                ", ".join((row["licence"], *notes)),
            )
        console.print(table)
    for one in own:
        shown = one["format"] or "no format set"
        console.print(f"{one['name']}  {_size(one['size_bytes'])}  {shown}, imported", markup=False)
    console.print("tested: it ran in our own tests; the others were not tried", style="dim")


def _tell_installed(made: InstalledModel) -> None:
    click.echo(f"installed {made.name} ({_size(made.size_bytes)})", err=True)
    for name, digest in made.sha256.items():
        click.echo(f"{digest}  {name}")
    hint = "" if made.format else " --format NAME"
    click.echo(f"try it: zeta-context model check {made.name}{hint}", err=True)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _progress_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _progress(console: Console) -> Progress:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
