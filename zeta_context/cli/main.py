"""The `zeta-context` command: registers the subcommands, each loaded only when it is called.

What a command prints as its result goes to standard output, what it says to people to standard
error. Exit status: 0 fine, 1 a finding (no prediction, a fault found), 2 wrong use or an
environment in which it cannot work. Knows nothing of what the commands do.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

import click

from zeta_context.errors import ZetaError

EXIT_FINDING = 1
EXIT_UNUSABLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A subcommand: its module under `zeta_context.cli`, attribute `command`, and its summary."""

    module: str
    summary: str


COMMANDS = {
    "predict": Registered(
        module="predict", summary="Predict the next edit at a place, from uncommitted changes."
    ),
    "proxy": Registered(module="proxy", summary="Put predictions in front of any language server."),
    "serve": Registered(module="serve", summary="Serve predictions as a language server."),
    "setup": Registered(module="setup", summary="Set up the editors on this machine."),
    "uninstall": Registered(
        module="uninstall", summary="Take out of editors what `setup` put there."
    ),
    "plugin": Registered(module="plugin", summary="Check an editor plugin against the protocol."),
    "wrong": Registered(
        module="wrong", summary="Write down a wrong prediction, as a scenario, on this machine."
    ),
    "acp": Registered(module="acp", summary="Serve predictions over the Agent Client Protocol."),
    "play": Registered(module="play", summary="Edit a file in the terminal and watch predictions."),
    "doctor": Registered(
        module="doctor", summary="Show versions, servers, running sessions, and what to mend."
    ),
    "model": Registered(module="model", summary="List, fetch, import, check and share models."),
    "servers": Registered(module="servers", summary="List the language servers known and found."),
    "replay": Registered(module="replay", summary="Replay a recorded editing session."),
    "eval": Registered(module="eval", summary="Measure predictors over sessions and examples."),
    "dataset": Registered(module="dataset", summary="Make and pull sets of examples."),
    "teacher": Registered(module="teacher", summary="Score a teacher's prompts."),
    "train": Registered(module="train", summary="Train a student, or run the whole loop."),
    "demo": Registered(module="demo", summary="Watch a recorded session being predicted."),
    "consent": Registered(
        module="consent", summary="Show, give and withdraw consent to collecting examples."
    ),
    "ledger": Registered(module="ledger", summary="Show and check the record of what was sent."),
    "spool": Registered(module="spool", summary="Read, redact and purge what waits to be sent."),
    "ingest": Registered(module="ingest", summary="Run a collection server."),
    "rollout": Registered(
        module="rollout", summary="Give a candidate model to ever more installs, or take it back."
    ),
}
"""In the order of the help; a command whose module is not installed is not shown."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, one in COMMANDS.items() if _is_installed(one)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        registered = COMMANDS.get(cmd_name)
        if registered is None or not _is_installed(registered):
            return None
        command = importlib.import_module(f"zeta_context.cli.{registered.module}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"zeta_context.cli.{registered.module}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ZetaError as error:
            raise Unusable(str(error)) from error


class Unusable(click.ClickException):
    """Said in one line on standard error, with exit status 2."""

    exit_code = EXIT_UNUSABLE

    def show(self, file: object = None) -> None:
        click.echo(f"zeta-context: {self.format_message()}", err=True)


def _is_installed(registered: Registered) -> bool:
    spec = importlib.util.find_spec(f"zeta_context.cli.{registered.module}")
    return spec is not None and spec.origin is not None  # a bare folder is no module


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from zeta_context import __version__

        click.echo(f"zeta-context {__version__}")
        ctx.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    epilog="Exit status: 0 fine, 1 a finding, 2 wrong use or environment.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Next-edit prediction for every editor, on your own machine."""


def main() -> None:
    """Run the command line."""
    cli(prog_name="zeta-context")


if __name__ == "__main__":
    main()
