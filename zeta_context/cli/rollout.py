"""`zeta-context rollout`: from a candidate model to everybody's, and back.

Tells people and machines; what is decided, signed and counted is `zeta_context.rollout`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from zeta_context.cli.main import EXIT_FINDING
from zeta_context.cli.rendering import make_harmless
from zeta_context.cli.rollout_reading import COMMANDS, DAY_S, JSON, TRUSTED, describe_manifest
from zeta_context.consent.state_folder import state_folder
from zeta_context.errors import RolloutError
from zeta_context.rollout.assignment import assign
from zeta_context.rollout.following import ManifestFile, fetch_manifest
from zeta_context.rollout.judgement import judge_stage
from zeta_context.rollout.kept_files import manifest_path
from zeta_context.rollout.manifest import (
    Variant,
    VariantManifest,
    hold,
    promote,
    roll_back,
)
from zeta_context.rollout.outcomes import read_outcomes
from zeta_context.rollout.signing import make_key, open_manifest, sign_manifest

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)
_KEY = click.option("--key", type=_FILE, required=True, help="The private key's file.")
_REASON = click.option("--reason", default="", help="Why, for those who read the manifest.")


@click.group("rollout", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Give a candidate model to ever more installs, and take it back when it is worse."""


@command.command("keygen")
@click.argument("path", type=_NEW)
def keygen_command(path: Path) -> None:
    """Make a signing key in PATH and print the public key that installs trust."""
    click.echo(make_key(path))


@command.command("start")
@click.argument("experiment")
@click.option("-o", "--output", type=_NEW, required=True, metavar="MANIFEST")
@click.option("--candidate", required=True, metavar="NAME", help="What the variant is called.")
@click.option("--candidate-model", default="", metavar="ID")
@click.option("--candidate-format", default="", metavar="NAME")
@click.option("--candidate-sha256", default="", metavar="HEX")
@click.option("--control", default="control", metavar="NAME", show_default=True)
@click.option("--control-model", default="", metavar="ID")
@click.option("--control-format", default="", metavar="NAME")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True)
@_KEY
def start_command(
    experiment: str,
    *,
    output: Path,
    candidate: str,
    candidate_model: str,
    candidate_format: str,
    candidate_sha256: str,
    control: str,
    control_model: str,
    control_format: str,
    days: int,
    key: Path,
) -> None:
    """Begin EXPERIMENT at its first stage, with a signed manifest that a server can offer.

    A collection server offers what lies as rollout.json in its data folder. After DAYS without a
    newer manifest everybody is back on the control.
    """
    now = time.time()
    manifest = VariantManifest(
        experiment=experiment,
        number=1,
        control=Variant(name=control, model=control_model, format=control_format),
        candidate=Variant(
            name=candidate,
            model=candidate_model,
            format=candidate_format,
            sha256=candidate_sha256,
        ),
        salt=secrets.token_hex(8),
        issued_at=now,
        expires_at=now + days * DAY_S,
    )
    if output.exists():
        raise RolloutError(f"{output.name} exists already: promote it, or name another file")
    _write(output, manifest, key)


@command.command("show")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@TRUSTED
@JSON
def show_command(path: Path, *, public_key: str, as_json: bool) -> None:
    """Check who signed MANIFEST and print it."""
    manifest = open_manifest(path.read_bytes(), public_key)
    if as_json:
        click.echo(json.dumps(asdict(manifest)))
    else:
        click.echo(describe_manifest(manifest))


@command.command("promote")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@TRUSTED
@_KEY
@_REASON
@click.option("--outcomes", type=_FILE, metavar="FILE", help="Promote only if these call for it.")
@click.pass_context
def promote_command(
    ctx: click.Context,
    path: Path,
    *,
    public_key: str,
    key: Path,
    reason: str,
    outcomes: Path | None,
) -> None:
    """Go on to the next stage: 1, 5, 15, 50, 100 percent, finished.

    With --outcomes the figures of the present stage have to call for it; otherwise nothing is
    changed and the exit status is 1.
    """
    manifest = open_manifest(path.read_bytes(), public_key)
    if outcomes is not None:
        judgement = judge_stage(manifest, read_outcomes(outcomes))
        if judgement.action != "promote":
            click.echo(
                f"not promoted, {judgement.action}: {'; '.join(judgement.reasons)}", err=True
            )
            ctx.exit(EXIT_FINDING)
        reason = reason or "; ".join(judgement.reasons)
    _write(path, promote(manifest, at=time.time(), reason=reason), key)


@command.command("hold")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@TRUSTED
@_KEY
@_REASON
def hold_command(path: Path, *, public_key: str, key: Path, reason: str) -> None:
    """Leave everybody where they are."""
    manifest = open_manifest(path.read_bytes(), public_key)
    _write(path, hold(manifest, at=time.time(), reason=reason), key)


@command.command("rollback")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@TRUSTED
@_KEY
@_REASON
@click.option("--outcomes", type=_FILE, metavar="FILE", help="Only if these call for it.")
def rollback_command(
    path: Path, *, public_key: str, key: Path, reason: str, outcomes: Path | None
) -> None:
    """Take the candidate back from everybody.

    With --outcomes only if the present stage breaches a guardrail: for a job that runs by itself.
    """
    manifest = open_manifest(path.read_bytes(), public_key)
    if outcomes is not None:
        judgement = judge_stage(manifest, read_outcomes(outcomes))
        told = "; ".join(judgement.reasons)
        if judgement.action != "rollback":
            click.echo(f"not taken back, {judgement.action}: {told}", err=True)
            return
        reason = reason or told
    _write(path, roll_back(manifest, at=time.time(), reason=reason), key)


@command.command("assign")
@click.argument("path", type=_FILE, metavar="MANIFEST")
@click.argument("installs", nargs=-1, required=True)
@TRUSTED
@click.option("--ring", type=click.Choice(["public", "dogfood"]), default="public")
def assign_command(path: Path, installs: tuple[str, ...], *, public_key: str, ring: Any) -> None:
    """Print which variant each of INSTALLS gets."""
    manifest = open_manifest(path.read_bytes(), public_key)
    for install in installs:
        variant = assign(install, manifest, at=time.time(), ring=ring)
        click.echo(f"{make_harmless(install)}\t{make_harmless(variant.name)}")


@command.command("fetch")
@click.option("--server", required=True, metavar="URL")
@click.option("--token-env", default="ZETA_CONTEXT_COLLECTION_TOKEN", show_default=True)
@click.option("-o", "--output", type=_NEW, metavar="MANIFEST")
@TRUSTED
def fetch_command(*, server: str, token_env: str, output: Path | None, public_key: str) -> None:
    """Fetch a collection server's manifest, check it, and keep it.

    One that is not signed by the trusted key, or older than the one that is kept, is refused.
    """
    from zeta_context.capture.transport import HttpTransport

    async def fetch() -> VariantManifest:
        transport = HttpTransport(token_env=token_env)
        try:
            path = output if output is not None else manifest_path(state_folder())
            return await fetch_manifest(server, transport, ManifestFile(path, public_key))
        finally:
            await transport.aclose()

    click.echo(describe_manifest(asyncio.run(fetch())))


def _write(path: Path, manifest: VariantManifest, key: Path) -> None:
    path.write_bytes(sign_manifest(manifest, key))
    click.echo(describe_manifest(manifest), err=True)


for _one in COMMANDS:
    command.add_command(_one)
