"""`zeta-context play [FILE]`: a small editor in the terminal that shows what is predicted, and why.

Imports the library as any embedder would. Knows nothing of other editors or protocols.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import click

from zeta_context.cli.main import Unusable
from zeta_context.installation import install_command

SAMPLE = '''"""Rename `warn` to `warning` in the first two calls, and watch the others."""

import logging

logger = logging.getLogger(__name__)


def check(stock, shelf):
    logger.warn("%s is running out", shelf)
    if stock < 10:
        logger.warn("%s has only %d left", shelf, stock)
    if stock < 5:
        logger.warn("%s is nearly empty", shelf)
    if stock == 0:
        logger.warn("%s is empty", shelf)
'''
"""What there is to edit without a file."""


@click.command("play")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--definitions", is_flag=True, help="Ask installed language servers for definitions.")
def command(file: Path | None, *, definitions: bool) -> None:
    """Edit FILE, or a sample, and watch events, context, prediction, reason and cost beside it.

    Tab goes to the prediction and then accepts it, Shift+Tab accepts a word, Escape rejects,
    Ctrl+S saves, Ctrl+Q quits. Needs the extra `play`.
    """
    if importlib.util.find_spec("textual") is None:
        raise Unusable(f"the editor is not installed: {install_command('play')}")
    from dataclasses import replace

    from zeta_context.cli.model_choice import load_user_settings
    from zeta_context.cli.play.app import Play

    settings = load_user_settings()
    if definitions:
        settings = replace(settings, context=replace(settings.context, definitions=True))
    if file is not None:
        Play(file.absolute(), settings).run()
        return
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.py"
        sample.write_text(SAMPLE, encoding="utf-8")
        Play(sample, settings).run()
