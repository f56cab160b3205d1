"""Who gets which variant: the same answer every time, from the install's own id alone.

An install that has the candidate at one stage has it at every later one. Nobody is asked and
nothing is kept. Knows nothing of models or outcomes.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from zeta_context.rollout.manifest import Variant, VariantManifest

Ring = Literal["public", "dogfood"]
"""`dogfood` installs asked to get every candidate first; they are in no comparison."""


def find_bucket(install: str, manifest: VariantManifest) -> float:
    """Where an install lies among all of them, in 0 (included) to 1, by the experiment's salt."""
    text = f"{manifest.salt}\0{manifest.experiment}\0{install}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(install: str, manifest: VariantManifest, *, at: float, ring: Ring = "public") -> Variant:
    """The variant of an install at a time (seconds since the epoch)."""
    if manifest.state == "rolled_back" or at >= manifest.expires_at:
        return manifest.control
    if manifest.state == "finished" or ring == "dogfood":
        return manifest.candidate
    is_candidate = find_bucket(install, manifest) < manifest.stage / 100
    return manifest.candidate if is_candidate else manifest.control
