"""Where consents are kept: one private file each in the user's own state folder, read anew always.

A second process sees a change with its next question. Never in a repository. Knows nothing of
what a consent allows.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from zeta_context.consent.consent_text import TEXTS, Purpose
from zeta_context.consent.gate import Collection
from zeta_context.consent.grant import (
    LIFETIME_S,
    Grant,
    UnreadableGrant,
    decode_grant,
    encode_grant,
)
from zeta_context.consent.safe_read import CannotRead
from zeta_context.consent.state_folder import (
    read_private_file,
    state_folder,
    sync_folder,
    write_private_file,
)
from zeta_context.errors import ConsentError

_INSTALLATION_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """This installation: `id` is random and the only thing that a server learns of it.

    `key` keys the digests of project roots, `binding` ties consents to this machine and user: it
    is a digest that never leaves, and another one where the folder was copied.
    """

    id: str
    key: bytes
    binding: str

    def project(self, root: Path | str) -> str:
        """The name of a project here: its real root, digested so that nobody can guess it."""
        real = os.fsencode(os.path.realpath(root))
        return hashlib.blake2b(real, key=self.key, digest_size=16).hexdigest()


class GrantStore:
    """The consents of this user; reading never creates anything."""

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.time):
        self._folder = (folder if folder is not None else state_folder()) / "consent"
        self._clock = clock

    @property
    def folder(self) -> Path:
        """Where the files are; it need not exist."""
        return self._folder

    def installation(self) -> Installation | None:
        """This installation; None before the first consent.

        Raises CannotRead when its file is damaged, or belongs to another machine or user.
        """
        content = read_private_file(self._folder / "installation.json")
        if content is None:
            return None
        try:
            table = json.loads(content)
            found = Installation(
                id=str(uuid.UUID(table["id"])),
                key=bytes.fromhex(table["key"]),
                binding=table["binding"],
            )
            is_known = table["schema"] == _INSTALLATION_SCHEMA and len(found.key) == 32
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise CannotRead("it is no record of an installation") from None
        if not is_known or found.binding != _bind(found.key):
            raise CannotRead("it was made by another machine or user, or a newer version")
        return found

    def find(self, project: str, purpose: Purpose) -> Grant | None:
        """The consent for a project, withdrawn or not; None when there never was one.

        Raises CannotRead when there is something that cannot be relied upon.
        """
        content = read_private_file(self._path(project, purpose))
        if content is None:
            return None
        try:
            grant = decode_grant(content)
        except UnreadableGrant as problem:
            raise CannotRead(str(problem)) from None
        if grant.purpose != purpose:
            raise CannotRead("it is about something else than its name says")
        return grant

    def all(self) -> tuple[Grant, ...]:
        """Every consent that can be read, by time."""
        found = []
        for path in sorted(self._folder.glob("*.*.json")):
            try:
                content = read_private_file(path)
                found.append(decode_grant(content or b""))
            except (CannotRead, UnreadableGrant):
                continue
        return tuple(sorted(found, key=lambda grant: grant.granted_at))

    def give(
        self,
        root: Path | str,
        purpose: Purpose,
        collection: Collection,
        *,
        head_commit: str,
        actor: str,
    ) -> Grant:
        """Write down that the user consented to the current words; raises ConsentError.

        The caller has shown `TEXTS[purpose]` with the processors of `collection` and was told yes.
        """
        if not collection.is_complete or not head_commit:
            raise ConsentError("a consent needs its processors named and a commit to rest on")
        try:
            installation = self.installation() or self._install()
        except CannotRead as problem:
            raise ConsentError(f"the record of this installation cannot be used: {problem}") from (
                None
            )
        text, now = TEXTS[purpose], self._clock()
        grant = Grant(
            consent_id=str(uuid.uuid4()),
            purpose=purpose,
            project=installation.project(root),
            binding=installation.binding,
            anchor_commit=head_commit,
            root=os.path.realpath(root),
            text_version=text.version,
            text_digest=text.digest,
            server=collection.server,
            operator=collection.operator,
            teacher=collection.teacher,
            actor=actor,
            granted_at=now,
            expires_at=now + LIFETIME_S,
        )
        self._write(grant)
        self._restart(collection.server)
        return grant

    def withdraw(self, project: str, purpose: Purpose) -> Grant | None:
        """Take a consent back, and the second with the first; the withdrawn one, if there was one.

        From here on every question is answered no, in every process. A record that cannot be read,
        or not be written, is taken away: without it there is no consent either.
        """
        if purpose == "starting_state":
            self.withdraw(project, "settled_text")
        try:
            grant = self.find(project, purpose)
        except CannotRead:
            self._path(project, purpose).unlink(missing_ok=True)
            sync_folder(self._folder)
            return None
        if grant is None or grant.is_withdrawn:
            return grant
        withdrawn = replace(grant, withdrawn_at=max(self._clock(), 1.0))
        try:
            self._write(withdrawn)
        except ConsentError:
            self._path(project, purpose).unlink(missing_ok=True)
        return withdrawn

    def stop(self, server: str) -> None:
        """Remember that a collection server ordered to stop; a new consent starts again."""
        write_private_file(self._stop_path(server), b"")

    def is_stopped(self, server: str) -> bool:
        """Whether a collection server ordered to stop."""
        return os.path.lexists(self._stop_path(server))

    def _restart(self, server: str) -> None:
        self._stop_path(server).unlink(missing_ok=True)

    def _stop_path(self, server: str) -> Path:
        return self._folder / f"stopped-{hashlib.sha256(server.encode()).hexdigest()[:32]}"

    def _path(self, project: str, purpose: Purpose) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", project):
            raise CannotRead("that names no project")
        return self._folder / f"{project}.{purpose}.json"

    def _write(self, grant: Grant) -> None:
        try:
            write_private_file(self._path(grant.project, grant.purpose), encode_grant(grant))
        except OSError as problem:
            raise ConsentError(
                f"the consent record cannot be written ({problem.strerror or problem}); "
                "nothing has changed"
            ) from None

    def _install(self) -> Installation:
        key = secrets.token_bytes(32)
        made = Installation(id=str(uuid.uuid4()), key=key, binding=_bind(key))
        table = {
            "schema": _INSTALLATION_SCHEMA,
            "id": made.id,
            "key": key.hex(),
            "binding": made.binding,
        }
        try:
            write_private_file(
                self._folder / "installation.json", json.dumps(table, indent=1).encode()
            )
        except OSError as problem:
            raise ConsentError(
                f"the user's state folder cannot be written ({problem.strerror or problem})"
            ) from None
        return made


def _bind(key: bytes) -> str:
    """A digest of this machine and user under the installation's own key."""
    uid = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    told = f"{_machine()}\0{sys.platform}\0{uid}".encode()
    return hashlib.blake2b(told, key=key, digest_size=32).hexdigest()


def _machine() -> str:
    """What tells this machine from others, where the system has it; kept as a keyed digest only."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text:
            return text
    node = uuid.getnode()
    is_made_up = node >> 40 & 1  # a random number, where no network card has one
    return platform.node() if is_made_up else f"{node:012x}"
