"""An opted-in install's side: fetches the signed manifest, keeps it, and tells the own variant.

The user's own configuration names the server and the key that is trusted. Whatever is wrong (no
server, another signature, an older number, a manifest that has expired) means the control. Knows
nothing of how models are opened.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zeta_context.capture.transport import NoReply, Transport
from zeta_context.errors import RolloutError
from zeta_context.rollout.assignment import Ring, assign
from zeta_context.rollout.manifest import Variant, VariantManifest
from zeta_context.rollout.signing import open_manifest

ROLLOUT_PATH = "/v1/rollout"
"""Where a collection server offers its signed manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """Whose manifests are followed, by whom: nobody's unless a server and a key are set.

    `server` is the collection server that is asked for a manifest while a consent for it stands,
    `public_key` who has to have signed it, `ring` whether the user is among the first. With
    `send_counts` that server gets rows of counts of what became of predictions, without text.
    `shadow_model` names a model that answers the same requests unseen, in `shadow_format`, for
    `shadow_share` of them; what it comes to stays on this machine.
    """

    server: str = ""
    public_key: str = ""
    ring: Ring = "public"
    send_counts: bool = False
    shadow_model: str = ""
    shadow_format: str = ""
    shadow_share: float = 1.0

    @property
    def is_opted_in(self) -> bool:
        """Whether the user said whom to follow."""
        return bool(self.server and self.public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The variant of this install, None where the own settings hold, and why."""

    variant: Variant | None
    reason: str
    manifest: VariantManifest | None = None


class ManifestFile:
    """The newest manifest that was seen, as it was signed, in a file of the user's."""

    def __init__(self, path: Path, public_key: str) -> None:
        self._path = path
        self._key = public_key

    def read(self) -> VariantManifest | None:
        """The manifest, if there is one; raises RolloutError when it is not what was signed."""
        try:
            signed = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return open_manifest(signed, self._key)

    def take(self, signed: bytes) -> VariantManifest:
        """Keep a manifest; raises RolloutError for a wrong signature or an older number.

        One of the same number has to be the same.
        """
        manifest, known = open_manifest(signed, self._key), self._known()
        if known is not None and known.experiment == manifest.experiment:
            if manifest.number < known.number:
                raise RolloutError(
                    f"manifest {manifest.number} of {manifest.experiment} is older than "
                    f"{known.number}, which was seen already"
                )
            if manifest.number == known.number and manifest != known:
                raise RolloutError(f"two manifests of {manifest.experiment} have one number")
        elif known is not None and manifest.issued_at < known.issued_at:
            raise RolloutError(f"{manifest.experiment} was issued before {known.experiment}")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".part")
        draft.write_bytes(signed)
        os.replace(draft, self._path)
        return manifest

    def _known(self) -> VariantManifest | None:
        try:
            return self.read()
        except RolloutError:
            return None  # what was kept under another key, or damaged, binds nobody


async def fetch_manifest(server: str, transport: Transport, file: ManifestFile) -> VariantManifest:
    """Ask a server for its manifest and keep it; raises RolloutError when it gives none."""
    try:
        reply = await transport.post(server, ROLLOUT_PATH, b"")
    except NoReply as problem:
        raise RolloutError(f"the server gave no manifest: {problem.reason}") from None
    if reply.status != 200:
        raise RolloutError(f"the server gave no manifest: status {reply.status}")
    return file.take(reply.body)


def follow(settings: RolloutSettings, file: ManifestFile, install: str, *, at: float) -> Followed:
    """The variant of an install at a time (seconds since the epoch); never raises."""
    if not settings.is_opted_in:
        return Followed(variant=None, reason="not_opted_in")
    try:
        manifest = file.read()
    except RolloutError as problem:
        return Followed(variant=None, reason=str(problem))
    if manifest is None:
        return Followed(variant=None, reason="no_manifest")
    if at >= manifest.expires_at:
        return Followed(variant=None, reason="expired", manifest=manifest)
    variant = assign(install, manifest, at=at, ring=settings.ring)
    return Followed(variant=variant, reason=manifest.state, manifest=manifest)
