"""`zeta-context proxy -- SERVER ARGS`: put predictions in front of any language server."""

from __future__ import annotations

import click

from zeta_context.errors import SettingsError


@click.command(
    "proxy",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--code-actions/--no-code-actions",
    default=False,
    help='Offer "Apply predicted edit" among the code actions, for editors without anything else.',
)
@click.option(
    "--definitions/--no-definitions",
    default=True,
    help="Ask the server for definitions around the cursor, as context of predictions.",
)
@click.argument("server", nargs=-1, required=True, type=click.UNPROCESSED)
def command(server: tuple[str, ...], *, code_actions: bool, definitions: bool) -> None:
    """Run SERVER behind a relay that adds edit predictions.

    SERVER is the command that your editor starts today, with its arguments; write `--` before it.
    Everything that the editor and the server say to each other passes unchanged; the exit status
    and the error stream are the server's.
    """
    from zeta_context.server.proxy.launch import become_pump

    try:
        become_pump(list(server), has_code_actions=code_actions, has_definitions=definitions)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
