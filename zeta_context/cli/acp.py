"""`zeta-context acp`: next-edit suggestions over the Agent Client Protocol."""

from __future__ import annotations

import os

import click


@click.command("acp")
@click.option(
    "--unstable",
    is_flag=True,
    help="Say that you know: this part of the protocol is still marked unstable.",
)
@click.option(
    "--definitions/--no-definitions",
    default=None,
    help="Start language servers and ask them for definitions as context; the user's settings"
    " say so otherwise.",
)
def command(*, unstable: bool, definitions: bool | None) -> None:
    """Serve next-edit suggestions (`nes/*`) over standard streams, for clients that speak ACP.

    The methods are marked unstable in the protocol and may change with it, so --unstable is
    needed.
    """
    import asyncio
    from dataclasses import replace

    from zeta_context.cli.model_choice import load_user_settings
    from zeta_context.server.acp import serve

    if not unstable:
        raise click.UsageError("ACP's suggestions are unstable: run `zeta-context acp --unstable`")
    settings = load_user_settings()
    if definitions is not None:
        settings = replace(settings, context=replace(settings.context, definitions=definitions))
    status = asyncio.run(serve(settings))
    # The thread that reads the input cannot be woken.
    os._exit(status)
