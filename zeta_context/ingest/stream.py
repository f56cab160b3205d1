"""The sink past one node: NATS JetStream, a subject for each record.

The stream takes one message for each subject and refuses a second one, so that a record is kept
once however often and by whomever it is sent, without a window of time. Consumers read on from
where they were; a deletion purges the subjects of a project.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from zeta_context.errors import IngestError
from zeta_context.ingest.received import (
    ALL,
    Receipt,
    Received,
    Selection,
    Status,
    Withdrawal,
    digest_ids,
)

_EXISTS = 10077
"""The server's error code for a second message on a subject that holds one."""

_BATCH = 500
CONNECT_S = 3.0


class Stream:
    """An `ingest.sink.Sink` over a JetStream stream and a key-value bucket of withdrawals."""

    def __init__(
        self, url: str, *, name: str = "zeta_records", clock: Callable[[], float] = time.time
    ) -> None:
        self._url = url
        self._name = name
        self._clock = clock
        self._nats: Any = None
        self._js: Any = None
        self._marks: Any = None

    async def connect(self) -> None:
        """Connect, and make the stream if there is none; raises IngestError."""
        import nats
        from nats.errors import Error
        from nats.js.api import DiscardPolicy, StorageType, StreamConfig

        try:
            async with asyncio.timeout(CONNECT_S):
                # It tries again by itself when a connection breaks later.
                self._nats = await nats.connect(self._url, error_cb=_say_nothing)
            self._js = self._nats.jetstream()
            await self._js.add_stream(
                StreamConfig(
                    name=self._name,
                    subjects=[f"{self._name}.>"],
                    storage=StorageType.FILE,
                    max_msgs_per_subject=1,
                    discard=DiscardPolicy.NEW,
                    discard_new_per_subject=True,
                    allow_direct=True,
                )
            )
            self._marks = await self._js.create_key_value(bucket=f"{self._name}_withdrawn")
        except (Error, OSError, TimeoutError) as problem:
            raise IngestError(f"the broker cannot be used ({type(problem).__name__})") from None

    async def append(self, records: Sequence[Received]) -> list[Status]:
        """See `Sink.append`; acknowledged by the broker one by one."""
        return [await self._append(record) for record in records]

    async def _append(self, record: Received) -> Status:
        from nats.errors import Error
        from nats.js.errors import APIError

        try:
            if await self._is_withdrawn(record):
                return "withdrawn"
            subject = self._subject(record)
            try:
                await self._js.publish(subject, record.body, headers=_to_headers(record))
            except APIError as problem:
                if problem.err_code != _EXISTS:
                    raise
                kept = await self._js.get_last_msg(self._name, subject, direct=True)
                is_same = (kept.headers or {}).get("sha256") == record.sha256
                return "duplicate" if is_same else "conflict"
            if await self._is_withdrawn(record):  # while it was on its way
                await self._js.purge_stream(self._name, subject=subject)
                return "withdrawn"
        except (Error, TimeoutError) as problem:
            raise IngestError(f"the broker failed ({type(problem).__name__})") from None
        return "accepted"

    async def delete(self, deletion: str, withdrawal: Withdrawal) -> Receipt:
        """See `Sink.delete`."""
        from nats.errors import Error

        key = f"receipt.{withdrawal.tenant}.{deletion}"
        try:
            known = await self._mark(key)
            if known is not None:
                return Receipt(**{**json.loads(known), "rewritten": ()})
            await self._marks.put(_withdrawal_key(withdrawal), b"1")
            selection = Selection(tenant=withdrawal.tenant, project=withdrawal.project)
            covered = [
                record async for record in self._read(selection) if withdrawal.covers(record)
            ]
            for record in covered:
                await self._js.purge_stream(self._name, subject=self._subject(record))
            ids = [record.id for record in covered]
            receipt = Receipt(
                deletion=deletion,
                deleted=len(ids),
                ids_sha256=digest_ids(ids),
                completed_at=self._clock(),
            )
            await self._marks.put(key, json.dumps(dataclasses.asdict(receipt)).encode())
        except (Error, TimeoutError) as problem:
            raise IngestError(f"the broker failed ({type(problem).__name__})") from None
        return receipt

    async def scan(self, selection: Selection = ALL) -> AsyncIterator[Received]:
        """See `Sink.scan`."""
        async for record in self._read(selection):
            if not await self._is_withdrawn(record):
                yield record

    async def aclose(self) -> None:
        """See `Sink.aclose`."""
        if self._nats is not None:
            await self._nats.close()

    async def _read(self, selection: Selection) -> AsyncIterator[Received]:
        from nats.errors import TimeoutError as NatsTimeoutError
        from nats.js.api import AckPolicy, ConsumerConfig

        tenant = selection.tenant if selection.tenant else "*"
        project = selection.project if selection.project else "*"
        consumer = await self._js.pull_subscribe(
            f"{self._name}.{tenant}.{project}.*",
            stream=self._name,
            config=ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=60.0),
        )
        try:
            left = (await consumer.consumer_info()).num_pending or 0
            while left > 0:
                try:
                    messages = await consumer.fetch(min(_BATCH, left), timeout=5)
                except NatsTimeoutError:
                    return  # what was counted was deleted meanwhile
                left -= len(messages)
                for message in messages:
                    record = _from_message(message)
                    if selection.takes(record):
                        yield record
        finally:
            await consumer.unsubscribe()

    async def _is_withdrawn(self, record: Received) -> bool:
        for consent in (record.consent, record.settled_consent):
            if consent:
                withdrawal = Withdrawal(
                    tenant=record.tenant,
                    installation=record.installation,
                    project=record.project,
                    consent=consent,
                )
                if await self._mark(_withdrawal_key(withdrawal)) is not None:
                    return True
        return False

    async def _mark(self, key: str) -> bytes | None:
        from nats.js.errors import KeyNotFoundError

        try:
            value: bytes | None = (await self._marks.get(key)).value
        except KeyNotFoundError:
            return None
        return value or b""

    def _subject(self, record: Received) -> str:
        words = (self._name, record.tenant, record.project, record.id)
        return ".".join(words)


async def _say_nothing(_: Exception) -> None:
    """What fails is told where it matters: by the call that needed the broker."""


def _withdrawal_key(withdrawal: Withdrawal) -> str:
    words = (
        withdrawal.tenant,
        withdrawal.installation,
        withdrawal.project,
        withdrawal.consent,
    )
    return "withdrawn." + hashlib.sha256("\0".join(words).encode()).hexdigest()


def _to_headers(record: Received) -> dict[str, str]:
    fields = {
        field.name: getattr(record, field.name)
        for field in dataclasses.fields(Received)
        if field.name != "body"
    }
    return {"record": json.dumps(fields), "sha256": record.sha256}


def _from_message(message: Any) -> Received:
    return Received(**json.loads(message.headers["record"]), body=message.data)
