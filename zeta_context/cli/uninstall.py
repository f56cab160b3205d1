"""`zeta-context uninstall`: takes out of editors what `setup` put there, and tells what remains."""

from __future__ import annotations

from pathlib import Path

import click

from zeta_context.installation import find_installation


@click.command("uninstall")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, yes: bool) -> None:
    """Undo `zeta-context setup`: backups are restored, files of ours removed.

    What you may want to keep stays, and is listed: settings, models, the spool and the ledger.
    """
    from zeta_context.cli.setup import record_path
    from zeta_context.cli.setup.installing import Record, undo

    record = Record(record_path())
    for entry in record.done:
        click.echo(f"{entry['kind']:7} {entry['path']}", err=True)
    if not record.done:
        click.echo("no editor was set up from here", err=True)
    elif yes or click.confirm("Take these away?", default=True, err=True):
        for told in undo(record):
            click.echo(told)
    for path in _own_paths():
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    remaining = [path for path in _own_paths() if path.exists()]
    if remaining:
        click.echo("These remain; remove them by hand if you do not want them any more:")
        for path in remaining:
            click.echo(f"  {path}")
    click.echo(f"The program itself: {find_installation().uninstall_command()}")


def _own_paths() -> list[Path]:
    from platformdirs import user_cache_path, user_data_path, user_state_path

    from zeta_context.config_file import config_path

    places = (user_data_path, user_state_path, user_cache_path)
    return [config_path(), *(place("zeta-context", appauthor=False) for place in places)]
