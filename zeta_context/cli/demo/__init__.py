"""`zeta-context demo`: a recorded session, replayed and predicted before one's eyes."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import click

SESSION = Path("sessions", "lending-accounts.jsonl")
MODEL_TIMEOUT_MS = 30_000.0
"""The recorded user waits: so the demo tells how long a model takes here, not only that it does."""

REPOSITORY = Path("repos", "lending")


@click.command()
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the same as one self-contained page to this file.",
)
@click.option("--model", metavar="MODEL", help="Ask this model, as `zeta-context model` names it.")
@click.option("--format", "format_name", metavar="NAME", help="The model's prompt format.")
def command(page: Path | None, model: str | None, format_name: str | None) -> None:
    """Watch a recorded editing session being predicted, with a real language server.

    Replays what a developer typed in Neovim, asks for a prediction at each pause, and shows the
    edit events, the definitions found, the prompt by section, the prediction with its reason, or
    why there is none.
    """
    from rich.console import Console

    from zeta_context.cli.demo.story import tell_story
    from zeta_context.cli.demo.terminal import show_story, tell_progress
    from zeta_context.cli.model_choice import choose_model, load_user_settings
    from zeta_context.runners.opening import choose_format, open_runner
    from zeta_context.settings import Settings

    settings = Settings()
    if model is not None:
        settings = load_user_settings()
        chosen = choose_model(settings, model, format_name, None)
        chosen = replace(chosen, timeout_ms=max(chosen.timeout_ms, MODEL_TIMEOUT_MS))
        settings = replace(settings, model=chosen)
        choose_format(settings.model)
        open_runner(settings.model, permission=settings.remote).close()
    fixtures = find_fixtures()
    with Console(stderr=True).status("Replaying the recorded session …") as status:
        story = asyncio.run(
            tell_story(
                fixtures / SESSION,
                fixtures / REPOSITORY,
                settings,
                on_moment=lambda moment: status.update(tell_progress(moment)),
            )
        )
    if page is None:
        console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
        show_story(story, console)
        return
    from zeta_context.cli.demo.page import render_page

    page.write_text(render_page(story), encoding="utf-8")
    click.echo(f"wrote {page}", err=True)


def find_fixtures() -> Path:
    """The folder with the recorded session: in a checkout, or inside the installed package."""
    package = Path(__file__).resolve().parent.parent.parent
    for folder in (package.parent / "fixtures", package / "demo_fixtures"):
        if (folder / SESSION).is_file():
            return folder
    raise click.ClickException(
        "the demo's recorded session is not part of this installation; "
        "run it from a checkout with `make demo`"
    )
