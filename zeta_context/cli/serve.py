"""`zeta-context serve`: predictions as a language server of their own."""

from __future__ import annotations

import os

import click

from zeta_context.errors import SettingsError


@click.command("serve")
@click.option("--stdio", is_flag=True, help="Use standard streams, as it does anyway.")
@click.option(
    "--code-actions/--no-code-actions",
    default=False,
    help='Offer "Apply predicted edit" as a code action, for editors without anything else.',
)
@click.option(
    "--definitions/--no-definitions",
    default=None,
    help="Start language servers and ask them for definitions as context; the user's settings"
    " say so otherwise.",
)
def command(*, stdio: bool, code_actions: bool, definitions: bool | None) -> None:
    """Serve predictions over the Language Server Protocol, for files without a server too.

    Start it from your editor beside any other language server; to put predictions in front of one
    instead, see `zeta-context proxy`.
    """
    from zeta_context.off_switch import is_off

    if is_off():
        from zeta_context.server.idle import idle

        os._exit(idle())
    import asyncio
    from dataclasses import replace

    from zeta_context.cli.model_choice import load_user_settings
    from zeta_context.server.agent import serve

    try:
        settings = load_user_settings()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if definitions is not None:
        settings = replace(settings, context=replace(settings.context, definitions=definitions))
    status = asyncio.run(serve(settings, has_code_actions=code_actions))
    # The thread that reads the input cannot be woken.
    os._exit(status)
