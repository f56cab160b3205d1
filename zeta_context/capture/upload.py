"""Sends what the spool holds, where the gate still says so, at the moment before it leaves.

What an answer means is `verdict`'s, who may change the spool is `spool`. Off the typing path: it
runs in a thread of its own, and nothing that goes wrong in it reaches the editor.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zeta_context.capture.access import Gate
from zeta_context.capture.admission import has_secret, paths_of
from zeta_context.capture.batch import (
    BATCHES_PATH,
    DELETIONS_PATH,
    Batch,
    DeletionRequest,
    WireItem,
    encode_batch,
    encode_deletion,
)
from zeta_context.capture.codec import decode_record
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_records import DropReason, Item, Lease
from zeta_context.capture.transport import NoReply, Transport
from zeta_context.capture.verdict import Gone, Later, Stop, Taken, TooLarge, Unfit, Verdict, judge
from zeta_context.consent.gate import decide
from zeta_context.consent.secrets import RULES_VERSION
from zeta_context.counts import Counts
from zeta_context.errors import CaptureError

IDLE_S = 30.0
SHORTEST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 3600.0
WATCH_S = 0.2
"""How often it is looked whether what is being sent was withdrawn meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A batch that was answered: where it went, which records under what, and what became of it."""

    server: str
    items: tuple[Item, ...]
    results: Mapping[str, str] = field(default_factory=dict)


class Ledger(Protocol):
    """Where it is written down what was sent; an entry is durable when the method returns."""

    def note_sending(self, sent: Sent) -> None: ...

    def note_answer(self, sent: Sent) -> None: ...


class Uploader:
    """Sends the records of some projects, and the deletions that are due."""

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        *,
        gates: Callable[[], Mapping[str, Gate]],
        installation: Callable[[], str],
        ledger: Ledger | None = None,
        on_gone: Callable[[str], None] = lambda server: None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`gates` gives the gate of each project by its key, as records carry it.

        `installation` gives this installation's random identifier; `on_gone` is told of a server
        that ordered to stop.
        """
        self._spool = spool
        self._transport = transport
        self._gates = gates
        self._installation = installation
        self._ledger = ledger
        self._on_gone = on_gone
        self._counts = counts or Counts()
        self._clock = clock
        self._draw = draw
        self._failures = 0
        self._not_before = 0.0
        self._deletion_failures = 0
        self._deletions_not_before = 0.0
        self._max_records = 100
        self.stopped = ""
        """Why nothing more is sent until the program is started anew; empty while all is well."""

    async def run(self, wake: asyncio.Event) -> None:
        """Send whatever becomes due, until cancelled; `wake` makes it look at once."""
        while True:
            try:
                wait_s = await self.send_due()
            except (sqlite3.Error, CaptureError, OSError):
                self._counts.note("upload_spool_failed")
                wait_s = IDLE_S
            wake.clear()
            try:
                await asyncio.wait_for(wake.wait(), wait_s)
            except TimeoutError:
                continue

    async def send_due(self) -> float:
        """Send what is due now; gives the seconds after which to look again."""
        wait_s = self._not_before - self._clock()
        if self.stopped or wait_s > 0:
            return max(wait_s, IDLE_S if self.stopped else 0.0)
        gates = self._gates()
        self._finish_withdrawals(gates)
        await self._send_deletions()
        verdict: Verdict = Taken()
        leases: list[Lease] = []
        try:
            while isinstance(verdict, Taken):
                gates = self._gates()
                lease = self._spool.lease(gates, max_records=self._max_records)
                if not lease.items:
                    break
                leases.append(lease)
                items = self._still_allowed(lease, gates)
                if items:
                    verdict = await self._send(lease, items)
        finally:
            for lease in leases:
                self._spool.release(lease)
        return self._pause(verdict)

    def _pause(self, verdict: Verdict) -> float:
        """How long to wait after the last answer of a round."""
        if isinstance(verdict, Stop):
            self.stopped = verdict.reason
            self._counts.note(f"upload_stopped_{verdict.reason}")
            return IDLE_S
        if isinstance(verdict, Later):
            self._failures += 1
            self._counts.note(f"upload_{verdict.reason}")
            wait_s = self._back_off(self._failures) if verdict.wait_s is None else verdict.wait_s
            self._not_before = self._clock() + wait_s
            return wait_s
        self._failures = 0
        return IDLE_S

    def _still_allowed(self, lease: Lease, gates: Mapping[str, Gate]) -> list[Item]:
        """Those of the leased records that may leave now; what never may again is dropped."""
        allowed: list[Item] = []
        for item in lease.items:
            reason: DropReason | None = None
            try:
                record = decode_record(item.body)
            except CaptureError:
                self._spool.drop(lease, [item.id], "poison")
                continue
            facts = gates[item.project].collect(paths_of(record), is_last_look=True)
            decision = decide(
                facts,
                stage="send",
                purpose="settled_text" if item.claims.settled_consent_id else "starting_state",
                claims=item.claims,
            )
            if not decision:
                self._counts.add(f"gate_send_{decision.reason}")
                if decision.state == "withdrawn":
                    reason = "withdrawn"
                elif decision.reason == "consent_changed":
                    reason = "not_allowed"
                elif decision.state == "on" and facts.file_rule:
                    reason = "excluded"
                # Otherwise it waits: what stands in the way may pass.
            elif decision.server != item.server:
                reason = "not_allowed"
            elif item.rules_version < RULES_VERSION and has_secret(record):
                reason = "secret"
            else:
                allowed.append(item)
            if reason is not None:
                self._spool.drop(lease, [item.id], reason)
        return allowed

    async def _send(self, lease: Lease, items: Sequence[Item]) -> Verdict:
        """Send records, in ever smaller batches where one of them is not taken."""
        verdict = await self._exchange(lease, items)
        if isinstance(verdict, Taken):
            return self._settle(lease, items, verdict)
        if isinstance(verdict, Gone):
            self._on_gone(items[0].server)
            self._spool.drop_server(items[0].server)
            return Stop(reason="http_410")
        if isinstance(verdict, TooLarge | Unfit):
            if len(items) > 1:
                half = len(items) // 2
                if isinstance(verdict, TooLarge):
                    self._max_records = max(1, half)
                for part in (items[:half], items[half:]):
                    verdict = await self._send(lease, part)
                    if not isinstance(verdict, Taken):
                        return verdict
                return verdict
            if isinstance(verdict, TooLarge):
                self._spool.drop(lease, [items[0].id], "too_large")
            else:
                self._spool.fail(lease, items[0].id, verdict.reason)
            return Taken()
        return verdict

    def _settle(self, lease: Lease, items: Sequence[Item], taken: Taken) -> Verdict:
        if self._ledger is not None:
            sent = Sent(server=items[0].server, items=tuple(items), results=taken.results)
            self._ledger.note_answer(sent)
        done = [one for one, said in taken.results.items() if said in ("accepted", "duplicate")]
        self._spool.acknowledge(lease, done)
        refused = [one for one, said in taken.results.items() if said.startswith("rejected:")]
        self._spool.drop(lease, refused, "rejected")
        for one in refused:
            self._counts.note(f"upload_{taken.results[one].replace(':', '_')}")
        if len(taken.results) < len(items):
            return Later(reason="partial_results")
        return taken

    async def _exchange(self, lease: Lease, items: Sequence[Item]) -> Verdict:
        ids = [item.id for item in items]
        server = items[0].server
        drops = self._spool.unreported_drops()
        wanted = {
            one
            for item in items
            for one in (
                item.claims.consent_id,
                item.claims.settled_consent_id,
                item.claims.evidence_digest,
            )
        }
        body = encode_batch(
            Batch(
                installation=self._installation(),
                items=tuple(map(_to_wire, items)),
                papers=self._spool.papers(wanted - {""}),
                drops=drops,
            )
        )
        if not self._spool.mark_sent(lease, ids):
            return Later(reason="withdrawn_meanwhile", wait_s=SHORTEST_BACK_OFF_S)
        if self._ledger is not None:
            self._ledger.note_sending(Sent(server=server, items=tuple(items)))
        verdict = await self._post(
            server, BATCHES_PATH, body, ids, lambda: self._spool.still_holds(lease, ids)
        )
        if isinstance(verdict, Taken):
            self._spool.report_drops(drops)
        return verdict

    def _finish_withdrawals(self, gates: Mapping[str, Gate]) -> None:
        """Have deleted what was sent under a consent that is withdrawn, if nobody has yet.

        Whoever took the withdrawal may have been ended before they could.
        """
        for project, consent_ids in self._spool.sent_consents().items():
            if project not in gates:
                continue
            facts = gates[project].collect()
            withdrawn = {
                grant.consent_id
                for grant in (facts.starting_state, facts.settled_text)
                if grant is not None and grant.is_withdrawn
            }
            if withdrawn & consent_ids:
                self._spool.withdraw(project, sorted(withdrawn & consent_ids))

    async def _send_deletions(self) -> None:
        if self._clock() < self._deletions_not_before:
            return
        failed = False
        for deletion in self._spool.deletions():
            request = DeletionRequest(
                id=deletion.id,
                installation=self._installation(),
                project=deletion.project,
                consent=deletion.consent_id,
            )
            try:
                reply = await self._transport.post(
                    deletion.server, DELETIONS_PATH, encode_deletion(request)
                )
            except NoReply as problem:
                self._counts.note(f"upload_deletion_{problem.reason}")
                failed = True
                continue
            if reply.status == 200 and reply.body:
                receipt = reply.body.decode("utf-8", "replace")
                self._spool.keep_receipt(deletion.id, receipt)
            else:
                self._counts.note(f"upload_deletion_http_{reply.status}")
                failed = True
        self._deletion_failures = self._deletion_failures + 1 if failed else 0
        if failed:
            self._deletions_not_before = self._clock() + self._back_off(self._deletion_failures)

    def _back_off(self, failures: int) -> float:
        longest = min(LONGEST_BACK_OFF_S, SHORTEST_BACK_OFF_S * 2**failures)
        return self._draw(SHORTEST_BACK_OFF_S, longest)

    async def _post(
        self,
        server: str,
        path: str,
        body: bytes,
        ids: Sequence[str],
        is_wanted: Callable[[], bool],
    ) -> Verdict:
        """Post a batch; broken off as soon as a record in it is no longer wanted."""
        posting = asyncio.ensure_future(self._transport.post(server, path, body))
        try:
            while not (await asyncio.wait({posting}, timeout=WATCH_S))[0]:
                if not is_wanted():
                    return Later(reason="withdrawn_meanwhile", wait_s=SHORTEST_BACK_OFF_S)
            reply = posting.result()
        except NoReply as problem:
            if problem.is_final:
                return Stop(reason=problem.reason)
            return Later(reason=problem.reason)
        finally:
            posting.cancel()
        return judge(reply.status, reply.headers, reply.body, ids)


def _to_wire(item: Item) -> WireItem:
    return WireItem(
        id=item.id,
        project=item.project,
        kind=item.kind,
        consent=item.claims.consent_id,
        settled_consent=item.claims.settled_consent_id,
        evidence=item.claims.evidence_digest,
        sha256=item.sha256,
        body=item.body,
    )
