"""The server's doors: batches come in by one, deletions and counts by others; a manifest goes out.

Says yes to a record only once the sink has it for good. What a batch holds is `checks`' to judge.
No body, token or address is logged.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zeta_context.capture.batch import (
    BATCHES_PATH,
    CONTENT_TYPE,
    DELETIONS_PATH,
    Batch,
    decode_batch,
    decode_deletion,
    encode_results,
)
from zeta_context.errors import CaptureError, IngestError
from zeta_context.ingest.checks import LICENCES, Sender, check_consent, check_item
from zeta_context.ingest.counted import Counted
from zeta_context.ingest.received import Received, Withdrawal
from zeta_context.ingest.sink import Sink
from zeta_context.ingest.tokens import Tokens
from zeta_context.rollout.counts_report import (
    COUNTS_PATH,
    CountsReport,
    decode_report,
    encode_taken,
)
from zeta_context.rollout.following import ROLLOUT_PATH

MAX_BATCH_BYTES = 4 * 1024 * 1024
READ_S = 60.0
"""How long a body may take to come."""

MAX_WAITING = 64
"""Requests that are worked on at a time; a further one is told to come later."""


_Answer = Awaitable[Response]
_Take = Callable[[str, bytes], _Answer]


class Papers(Protocol):
    """Where consents and evidence that were seen before are kept, and what happened counted."""

    def keep_papers(self, tenant: str, papers: Mapping[str, str]) -> None: ...

    def paper(self, tenant: str, key: str) -> str | None: ...

    def note(self, tenant: str, installation: str, events: Mapping[str, int]) -> None: ...

    def is_withdrawn(self, one: Withdrawal) -> bool: ...


class Receiver:
    """Takes requests for one sink."""

    def __init__(
        self,
        sink: Sink,
        papers: Papers,
        tokens: Tokens,
        *,
        licences: frozenset[str] = LICENCES,
        manifest: Path | None = None,
        counted: Counted | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`manifest` is the signed variant manifest that is offered, where there is such a file.

        `counted` is where rows of counts are kept; without it none are taken.
        """
        self._sink = sink
        self._papers = papers
        self._tokens = tokens
        self._licences = licences
        self._manifest = manifest
        self._counted = counted
        self._clock = clock
        self._n_busy = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route(BATCHES_PATH, self._guard(self._take_batch), methods=["POST"]),
                Route(ROLLOUT_PATH, self._guard(self._offer_manifest), methods=["POST"]),
                Route(COUNTS_PATH, self._guard(self._take_counts), methods=["POST"]),
                Route(DELETIONS_PATH, self._guard(self._take_deletion), methods=["POST"]),
                Route("/health", lambda request: JSONResponse({"ok": True}), methods=["GET"]),
            ]
        )

    def _guard(self, take: _Take) -> Callable[[Request], _Answer]:
        """What every request has to pass: a token, the right type, a size, a free place."""

        async def respond(request: Request) -> Response:
            tenant = self._tenant(request)
            refusal = self._refusal(request, tenant)
            if refusal is not None or tenant is None:
                return refusal or _refuse(401, "no such token")
            self._n_busy += 1
            try:
                async with asyncio.timeout(READ_S):
                    body = await _read(request)
                if body is not None:
                    return await take(tenant, body)
                return _refuse(413, f"a body holds at most {MAX_BATCH_BYTES:,} bytes")
            except ClientDisconnect:
                answer = _refuse(400, "the body was cut off")
            except TimeoutError:
                answer = _refuse(408, f"a body has to come within {READ_S:g} s")
            except CaptureError as problem:
                answer = _refuse(400, str(problem))
            except IngestError:
                answer = _refuse(503, "the store cannot be used now", {"retry-after": "30"})
            finally:
                self._n_busy -= 1
            return answer

        return respond

    def _tenant(self, request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._tokens.tenant(token) if scheme.lower() == "bearer" else None

    def _refusal(self, request: Request, tenant: str | None) -> Response | None:
        if tenant is None:
            return _refuse(401, "no such token")
        if request.headers.get("content-type") != CONTENT_TYPE:
            return _refuse(415, f"the type of the body has to be {CONTENT_TYPE}")
        if request.headers.get("content-encoding", "identity") != "identity":
            return _refuse(415, "the body as a whole is not to be compressed")
        if self._n_busy >= MAX_WAITING:
            return _refuse(503, "too many requests at a time", {"retry-after": "2"})
        return None

    async def _take_batch(self, tenant: str, body: bytes) -> Response:
        results, events, sender = await self._take_items(tenant, body)
        if events:
            await asyncio.to_thread(self._papers.note, tenant, sender.installation, events)
        status = 200 if all(said == "accepted" for said in results.values()) else 207
        return Response(encode_results(results), status, media_type="application/json")

    async def _take_items(
        self, tenant: str, body: bytes
    ) -> tuple[dict[str, str], dict[str, int], Sender]:
        batch, sender, results, fit = await asyncio.to_thread(self._check, tenant, body)
        events = Counter({f"dropped_{reason}": n for reason, n in batch.drops.items() if n})
        if fit:
            for record, status in zip(fit, await self._sink.append(fit), strict=True):
                is_kept = status in ("accepted", "duplicate")
                results[record.id] = status if is_kept else f"rejected:{status}"
        events.update(said.replace(":", "_") for said in results.values() if said != "accepted")
        return results, events, sender

    def _check(
        self, tenant: str, body: bytes
    ) -> tuple[Batch, Sender, dict[str, str], list[Received]]:
        batch = decode_batch(body)
        sender = Sender(tenant=tenant, installation=batch.installation)
        papers, unseen = self._gather_papers(tenant, batch)
        now = self._clock()
        results: dict[str, str] = {}
        fit: list[Received] = []
        used: set[str] = set()
        for item in batch.items:
            checked = check_item(item, papers, sender, now=now, licences=self._licences)
            if isinstance(checked, Received):
                fit.append(checked)
                used.update((item.consent, item.settled_consent, item.evidence))
            else:
                results[item.id] = f"rejected:{checked}"
        fresh = {key: papers[key] for key in used & unseen}
        if fresh:
            self._papers.keep_papers(tenant, fresh)
        return batch, sender, results, fit

    def _gather_papers(self, tenant: str, batch: Batch) -> tuple[dict[str, str], set[str]]:
        """The papers that the items name, and which of them were not seen before.

        What was seen before counts, not what is said now.
        """
        wanted = {
            key
            for item in batch.items
            for key in (item.consent, item.settled_consent, item.evidence)
            if key
        }
        papers: dict[str, str] = {}
        unseen: set[str] = set()
        for key in wanted:
            content = self._papers.paper(tenant, key)
            if content is None and key in batch.papers:
                content = batch.papers[key]
                unseen.add(key)
            if content is not None:
                papers[key] = content
        return papers, unseen

    async def _take_deletion(self, tenant: str, body: bytes) -> Response:
        request = decode_deletion(body)
        withdrawal = Withdrawal(
            tenant=tenant,
            installation=request.installation,
            project=request.project,
            consent=request.consent,
        )
        if self._counted is not None:
            # They name no project: whoever withdraws anything gets all of theirs deleted.
            await asyncio.to_thread(self._counted.forget, tenant, request.installation)
        # Once begun it is finished, whether or not the client waits.
        receipt = await asyncio.shield(self._sink.delete(request.id, withdrawal))
        return Response(json.dumps(asdict(receipt)), media_type="application/json")

    async def _take_counts(self, tenant: str, body: bytes) -> Response:
        if self._counted is None:
            return _refuse(404, "no counts are taken here")
        report = await asyncio.to_thread(decode_report, body)
        refusal = await asyncio.to_thread(self._check_report, tenant, report)
        if refusal:
            await asyncio.to_thread(
                self._papers.note, tenant, report.installation, {f"rejected_counts_{refusal}": 1}
            )
            return _refuse(403, refusal)
        await asyncio.to_thread(self._counted.take, tenant, report.rows, now=self._clock())
        return Response(encode_taken(report.rows), media_type="application/json")

    def _check_report(self, tenant: str, report: CountsReport) -> str:
        """Why counts are not taken: they need a consent that stands now; empty when they are."""
        now = self._clock()
        known = self._papers.paper(tenant, report.consent)
        paper = report.paper if known is None else known
        refusal = check_consent(
            paper, report.consent, report.project, "starting_state", at=now, now=now
        )
        withdrawal = Withdrawal(
            tenant=tenant,
            installation=report.installation,
            project=report.project,
            consent=report.consent,
        )
        if not refusal and self._papers.is_withdrawn(withdrawal):
            refusal = "consent_withdrawn"
        return refusal

    async def _offer_manifest(self, tenant: str, body: bytes) -> Response:
        del tenant, body
        try:
            signed = b"" if self._manifest is None else self._manifest.read_bytes()
        except OSError:
            signed = b""
        if not signed:
            return _refuse(404, "nothing is being rolled out")
        return Response(signed, media_type="application/json")


async def _read(request: Request) -> bytes | None:
    """The body; None when it is too long, however long it says it is."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BATCH_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _refuse(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers=dict(headers or {}))
