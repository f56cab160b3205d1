"""Signs variant manifests and checks who signed them: Ed25519 (RFC 8032), by `cryptography`.

What is signed is a line that says what it is, and the manifest's bytes. Keys are files: the private
one is readable by its owner alone, the public one is 32 bytes in hexadecimal digits.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeta_context.errors import RolloutError
from zeta_context.installation import install_command
from zeta_context.rollout.manifest import (
    MAX_BYTES,
    VariantManifest,
    decode_manifest,
    encode_manifest,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PURPOSE = b"zeta-context variant manifest 1\n"


def make_key(path: Path) -> str:
    """A new private key in a file that did not exist; gives the public key."""
    key = _ed25519().Ed25519PrivateKey.generate()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RolloutError(f"{path.name} exists already, and is not overwritten") from None
    with os.fdopen(file, "w", encoding="ascii") as written:
        written.write(key.private_bytes_raw().hex() + "\n")
    return str(key.public_key().public_bytes_raw().hex())


def sign_manifest(manifest: VariantManifest, key_path: Path) -> bytes:
    """The signed manifest, as a server offers it; raises RolloutError for a key that is none."""
    body = encode_manifest(manifest)
    signature = _read_key(key_path).sign(PURPOSE + body)
    envelope = {
        "manifest": body.decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return json.dumps(envelope, indent=2).encode() + b"\n"


def open_manifest(signed: bytes, public_key: str) -> VariantManifest:
    """The manifest in a signed one; raises RolloutError unless the key's owner signed just this."""
    ed25519 = _ed25519()
    from cryptography.exceptions import InvalidSignature

    if len(signed) > 2 * MAX_BYTES:
        raise RolloutError("a signed manifest that is too long")
    try:
        envelope = json.loads(signed)
        body = envelope["manifest"].encode()
        signature = base64.b64decode(envelope["signature"], validate=True)
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key.strip()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RolloutError("no signed variant manifest, or no public key") from None
    try:
        key.verify(signature, PURPOSE + body)
    except InvalidSignature:
        raise RolloutError(
            "the variant manifest is not signed by the key that is trusted"
        ) from None
    return decode_manifest(body)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
        key: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.from_private_bytes(raw)
    except (OSError, ValueError):
        raise RolloutError(f"{path.name} holds no private key") from None
    return key


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise RolloutError(
            f"signed manifests need cryptography: {install_command('rollout')}"
        ) from None
    return ed25519
