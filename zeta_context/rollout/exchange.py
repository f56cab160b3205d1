"""An opted-in install's dealings with the server: fetches its manifest, sends it counts.

A while after the start and once a day, in a thread of its own, and only while everything says so
that examples depend on as well: a consent that stands for this very server, the organisation's
policy, the environment. Counts besides need the user's own `send_counts`. Never raises.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zeta_context.capture.admission import paper_of
from zeta_context.capture.ledger import Ledger
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.transport import HttpTransport, NoReply, Transport
from zeta_context.consent.consent_text import TEXTS
from zeta_context.consent.gate import CLOCK_SLACK_S, Environment
from zeta_context.consent.grant import Grant
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.policy import Policy, load_policy
from zeta_context.consent.project_gate import read_environment
from zeta_context.consent.safe_read import CannotRead
from zeta_context.consent.state_folder import make_private_folder, state_folder
from zeta_context.counts import Counts
from zeta_context.errors import CaptureError, RolloutError
from zeta_context.rollout.counts_report import (
    COUNTS_PATH,
    MAX_ROWS,
    CountsReport,
    decode_taken,
    encode_report,
)
from zeta_context.rollout.following import ManifestFile, RolloutSettings, fetch_manifest
from zeta_context.rollout.kept_files import asked_path, manifest_path, outcomes_path, sent_path
from zeta_context.rollout.outcomes import OutcomeCounts, decode_row
from zeta_context.runners.http.loop import LoopThread

EVERY_S = 86_400.0
AT_MOST_EVERY_S = 3_600.0
"""Several editors, or one that is started over and over, ask no more often than this."""
AFTER_START_S = (5.0, 60.0)
"""Between which times the first look is: the start of an editor is busy enough."""


class RolloutExchange:
    """Keeps one user's manifest fresh and hands their counts over."""

    def __init__(
        self,
        settings: RolloutSettings,
        *,
        capture: CaptureSettings,
        counts: Counts,
        store: GrantStore | None = None,
        transport: Transport | None = None,
        ledger: Ledger | None = None,
        folder: Path | None = None,
        policy: Callable[[], Policy] = load_policy,
        environment: Environment | None = None,
        clock: Callable[[], float] = time.time,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._store = store or GrantStore()
        self._capture = capture
        self._transport = transport or HttpTransport(token_env=capture.token_env)
        self._ledger = ledger or Ledger()
        self._folder = state_folder() if folder is None else folder
        self._policy = policy
        self._environment = environment
        self._clock = clock
        self._draw = draw
        self._thread = LoopThread("zeta-context-rollout")

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.submit(self._run())

    def close(self) -> None:
        """Stop."""
        self._thread.close(self._transport.aclose())

    async def exchange(self) -> None:
        """Fetch and send once, if it is allowed and due; what goes wrong is counted."""
        grant = self.find_permission()
        if not isinstance(grant, Grant):
            self._counts.add(f"rollout_{grant}")
            return
        try:
            if self._was_asked_lately():
                return
            asked_path(make_private_folder(self._folder)).touch()
            await self._fetch()
            if self._settings.send_counts:
                await self._send(grant)
        except (OSError, sqlite3.Error, CaptureError):
            self._counts.add("rollout_state_unwritable")

    def find_permission(self) -> Grant | str:
        """The consent under which the server may be asked at this moment, or why it may not."""
        server, policy = self._settings.server, self._policy()
        environment = self._environment or read_environment(os.environ)
        reasons = (
            (not self._settings.is_opted_in, "not_opted_in"),
            (environment.is_disabled, "disabled_by_environment"),
            (environment.is_do_not_track, "do_not_track"),
            (not environment.editor_allows, "editor_forbids"),
            (not policy.allows_collection, "policy_forbids"),
            (policy.servers is not None and server not in policy.servers, "policy_forbids_server"),
            (self._store.is_stopped(server), "server_stopped"),
        )
        for holds, reason in reasons:
            if holds:
                return reason
        try:
            installation = self._store.installation()
        except (CannotRead, OSError):
            return "installation_unreadable"
        if installation is None:
            return "no_consent"
        standing = (
            one
            for one in self._store.all()
            if one.server == server and _stands(one, installation.binding, self._clock())
        )
        return next(standing, "no_consent")

    async def _run(self) -> None:
        await asyncio.sleep(self._draw(*AFTER_START_S))
        while True:
            await self.exchange()
            await asyncio.sleep(EVERY_S * self._draw(0.9, 1.1))

    async def _fetch(self) -> None:
        file = ManifestFile(manifest_path(self._folder), self._settings.public_key)
        try:
            await fetch_manifest(self._settings.server, self._transport, file)
            self._counts.add("rollout_fetched")
        except RolloutError:
            self._counts.add("rollout_no_manifest")

    async def _send(self, grant: Grant) -> None:
        """Send the rows that were not taken yet, oldest first."""
        installation = self._store.installation()
        if installation is None:
            return
        rows = [row for row in self._unsent() if row.install == installation.id]
        if rows:
            # So that a withdrawal has them deleted there, as it has records.
            spool = Spool(self._capture.spool_path)
            spool.note_sent(self._settings.server, grant.project, grant.consent_id)
            spool.close()
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            report = CountsReport(
                installation=installation.id,
                project=grant.project,
                consent=grant.consent_id,
                paper=paper_of(grant),
                rows=tuple(part),
            )
            self._ledger.note_counts(
                self._settings.server, [row.id for row in part], grant.consent_id
            )
            try:
                reply = await self._transport.post(
                    self._settings.server, COUNTS_PATH, encode_report(report)
                )
            except NoReply as problem:
                self._counts.add(f"rollout_counts_{problem.reason}")
                return
            if reply.status == 410:
                self._store.stop(self._settings.server)
            if reply.status != 200 or not decode_taken(reply.body).issuperset(
                row.id for row in part
            ):
                self._counts.add(f"rollout_counts_http_{reply.status}")
                return
            self._note_sent(part[-1].id)
            self._counts.add("rollout_counts_sent", len(part))

    def _unsent(self) -> list[OutcomeCounts]:
        """The rows after the last one that was taken; a line that was cut off is counted."""
        rows: list[OutcomeCounts] = []
        with suppress(FileNotFoundError), outcomes_path(self._folder).open("rb") as file:
            for line in file:
                try:
                    rows.append(decode_row(json.loads(line)))
                except (ValueError, TypeError, AttributeError):
                    self._counts.add("rollout_row_unreadable")
        last = ""
        with suppress(FileNotFoundError):
            last = sent_path(self._folder).read_text(encoding="utf-8").strip()
        ids = [row.id for row in rows]
        later = rows[ids.index(last) + 1 :] if last in ids else rows
        return [row for row in later if row.id]

    def _note_sent(self, row: str) -> None:
        path = sent_path(self._folder)
        draft = path.with_suffix(".part")
        draft.write_text(row + "\n", encoding="ascii")
        os.replace(draft, path)

    def _was_asked_lately(self) -> bool:
        try:
            asked = asked_path(self._folder).stat().st_mtime
        except OSError:
            return False
        return 0 <= time.time() - asked < AT_MOST_EVERY_S


def _stands(grant: Grant, binding: str, now: float) -> bool:
    """Whether a consent to starting states has not ended in any way."""
    text = TEXTS["starting_state"]
    return (
        grant.purpose == "starting_state"
        and grant.binding == binding
        and not grant.is_withdrawn
        and (grant.text_version, grant.text_digest) == (text.version, text.digest)
        and grant.granted_at - CLOCK_SLACK_S <= now < grant.expires_at
    )
