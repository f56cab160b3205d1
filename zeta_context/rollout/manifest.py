"""What is being rolled out, to how many, and in which state: the record that a server offers.

The numbers of a manifest only grow, so that an old one cannot be played again. Knows nothing of
signatures (`signing`) or of who gets what (`assignment`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from zeta_context.errors import RolloutError

MANIFEST_SCHEMA = 1
STAGES = (1, 5, 15, 50, 100)
"""Percent of the installs that get the candidate, one stage after the other."""

State = Literal["running", "held", "rolled_back", "finished"]
"""`held` keeps everybody where they are and takes no new step; `rolled_back` gives the candidate to
nobody any more; `finished` gives it to all."""

MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A model and the format it is asked in; `sha256` is that of its files, as `model check` says.

    Without a model it is the embedded default.
    """

    name: str
    model: str = ""
    format: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantManifest:
    """One experiment. `stage` is in percent, `salt` decides who is in which part of the installs,
    times are in seconds since the epoch: after `expires_at` everybody gets the control."""

    experiment: str
    number: int
    control: Variant
    candidate: Variant
    salt: str
    issued_at: float
    expires_at: float
    stage: int = STAGES[0]
    state: State = "running"
    reason: str = ""
    schema: int = MANIFEST_SCHEMA


def promote(manifest: VariantManifest, *, at: float, reason: str = "") -> VariantManifest:
    """The next stage; after the last one the experiment is finished. Raises RolloutError when it
    was rolled back or is finished."""
    if manifest.state in ("rolled_back", "finished"):
        raise RolloutError(
            f"{manifest.experiment} is {manifest.state.replace('_', ' ')}: start another experiment"
        )
    later = [stage for stage in STAGES if stage > manifest.stage]
    if not later:
        return _next(manifest, at, reason, state="finished")
    return _next(manifest, at, reason, state="running", stage=later[0])


def hold(manifest: VariantManifest, *, at: float, reason: str = "") -> VariantManifest:
    """Everybody stays where they are; raises RolloutError when there is nothing to hold."""
    if manifest.state != "running":
        raise RolloutError(
            f"{manifest.experiment} is {manifest.state.replace('_', ' ')}, not running"
        )
    return _next(manifest, at, reason, state="held")


def roll_back(manifest: VariantManifest, *, at: float, reason: str = "") -> VariantManifest:
    """Nobody gets the candidate any more, whatever the state."""
    return _next(manifest, at, reason, state="rolled_back")


def encode_manifest(manifest: VariantManifest) -> bytes:
    """The manifest as the bytes that are signed: JSON with sorted keys and no blanks."""
    return json.dumps(asdict(manifest), sort_keys=True, separators=(",", ":")).encode()


def decode_manifest(body: bytes) -> VariantManifest:
    """The manifest in what `encode_manifest` gave; raises RolloutError for anything else."""
    if len(body) > MAX_BYTES:
        raise RolloutError(f"a variant manifest has at most {MAX_BYTES:,} bytes, not {len(body):,}")
    try:
        data = json.loads(body)
        if data["schema"] > MANIFEST_SCHEMA:
            raise RolloutError(f"a variant manifest of schema {data['schema']}, of a newer version")
        known = {field.name for field in fields(VariantManifest)}
        row = {key: value for key, value in data.items() if key in known}
        row |= {key: _variant(data[key]) for key in ("control", "candidate")}
        manifest = VariantManifest(**row)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RolloutError("no variant manifest: a field is missing or wrong") from None
    _check(manifest)
    return manifest


def _next(manifest: VariantManifest, at: float, reason: str, **change: Any) -> VariantManifest:
    kept_s = manifest.expires_at - manifest.issued_at
    return replace(
        manifest,
        number=manifest.number + 1,
        issued_at=at,
        expires_at=at + kept_s,
        reason=reason,
        **change,
    )


def _variant(data: dict[str, Any]) -> Variant:
    known = {field.name for field in fields(Variant)}
    variant = Variant(**{key: value for key, value in data.items() if key in known})
    if not all(isinstance(value, str) for value in asdict(variant).values()):
        raise TypeError("no text")
    return variant


def _check(manifest: VariantManifest) -> None:
    texts = (manifest.experiment, manifest.salt, manifest.reason)
    times = (manifest.issued_at, manifest.expires_at)
    is_right = (
        all(isinstance(text, str) for text in texts)
        and all(type(time) in (int, float) for time in times)
        and type(manifest.number) is int
        and manifest.number > 0
        and manifest.stage in STAGES
        and manifest.state in get_args(State)
        and manifest.control.name != manifest.candidate.name
    )
    if not is_right:
        raise RolloutError("no variant manifest: a field has a value that it cannot have")
