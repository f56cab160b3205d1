"""The sink of one node: an index that makes records durable at once, and files for the long run.

Records wait in the index until `compact` moves them into files; a deletion rewrites the files that
held them. Whatever ends it where, the index decides what counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from zeta_context.ingest.index import Index, Shard
from zeta_context.ingest.received import (
    ALL,
    Receipt,
    Received,
    Selection,
    Status,
    Withdrawal,
    digest_ids,
)
from zeta_context.ingest.shards import Shards, bucket_of

COMPACT_AT_ONCE = 5_000
SMALL_SHARDS = 8
"""A folder with this many small files gets one in their place."""

_SMALL = 8 * 1024 * 1024
_ORPHAN_S = 3600.0


class Store:
    """An `ingest.sink.Sink`; appends and upkeep happen in a thread each."""

    def __init__(
        self, index: Index, shards: Shards, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.index = index
        self.shards = shards
        self._clock = clock
        # Of its own, so that appends never wait for what upkeep reads.
        self._own = index.again()
        self._append = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest-append")
        self._upkeep = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest-upkeep")

    async def append(self, records: Sequence[Received]) -> list[Status]:
        """See `Sink.append`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._append, self.index.add, records)

    async def delete(self, deletion: str, withdrawal: Withdrawal) -> Receipt:
        """See `Sink.delete`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._upkeep, self._delete, deletion, withdrawal)

    async def scan(self, selection: Selection = ALL) -> AsyncIterator[Received]:
        """See `Sink.scan`."""
        withdrawals = self.index.withdrawals()
        seen: set[tuple[str, str]] = set()

        def is_wanted(record: Received) -> bool:
            return selection.takes(record) and not any(one.covers(record) for one in withdrawals)

        # What waits is read first: it can move into a file meanwhile, never out of one.
        after = 0
        while rows := self.index.waiting(1000, after=after):
            after = rows[-1][0]
            for _, record in rows:
                seen.add((record.tenant, record.id))
                if is_wanted(record):
                    yield record
        loop = asyncio.get_running_loop()
        for shard in self.index.shards():
            for record in await loop.run_in_executor(None, self.shards.read, shard):
                if (record.tenant, record.id) not in seen and is_wanted(record):
                    yield record

    async def compact(self) -> int:
        """Move what waits into files, and small files into larger ones; gives how many moved."""
        loop = asyncio.get_running_loop()
        moved = 0
        while n := await loop.run_in_executor(self._upkeep, self._move_some):
            moved += n
        await loop.run_in_executor(self._upkeep, self._merge_small)
        return moved

    async def aclose(self) -> None:
        """See `Sink.aclose`."""
        self._append.shutdown()
        self._upkeep.shutdown()
        self._own.close()
        self.index.close()

    def _move_some(self) -> int:
        rows = self._own.waiting(COMPACT_AT_ONCE)
        if rows:
            made = self.shards.write([record for _, record in rows])
            self._own.move([number for number, _ in rows], made)
        return len(rows)

    def _merge_small(self) -> None:
        by_folder: defaultdict[str, list[Shard]] = defaultdict(list)
        for shard in self._own.shards():
            if shard.size < _SMALL:
                by_folder[shard.folder].append(shard)
        for small in by_folder.values():
            for start in range(0, len(small) - SMALL_SHARDS + 1, SMALL_SHARDS):
                part = small[start : start + SMALL_SHARDS]
                made = self.shards.merge(part)
                self._own.replace(part, [made])
                self.shards.remove(shard.path for shard in part)
        self.shards.sweep(self._own.shards(), older_than_s=_ORPHAN_S)

    def _delete(self, deletion: str, withdrawal: Withdrawal) -> Receipt:
        known = self._own.receipt(withdrawal.tenant, deletion)
        if known is not None:
            self.shards.remove(known.rewritten)  # if it was ended before it could
            return known
        self._own.withdraw(withdrawal)
        ids = self._own.waiting_under(withdrawal)
        bucket = bucket_of(withdrawal.tenant, withdrawal.project)
        old: list[Shard] = []
        new: list[Shard] = []
        for shard in self._own.shards():
            if shard.folder.endswith(bucket):
                gone, made = self.shards.write_without(shard, withdrawal)
                if gone:
                    ids += gone
                    old.append(shard)
                    new += [made] if made is not None else []
        replaced = {shard.path for shard in old}
        remaining = [shard for shard in self._own.shards() if shard.path not in replaced]
        receipt = Receipt(
            deletion=deletion,
            deleted=len(ids),
            ids_sha256=digest_ids(ids),
            rewritten=tuple(shard.path for shard in old),
            manifest=digest_shards([*remaining, *new]),
            completed_at=self._clock(),
        )
        self._own.finish_deletion(withdrawal, ids, old, new, receipt)
        self.shards.remove(receipt.rewritten)
        self._own.forget()
        return receipt


def digest_shards(shards: Sequence[Shard]) -> str:
    """SHA-256 over all files' paths and digests, sorted."""
    lines = sorted(f"{shard.path} {shard.sha256}\n" for shard in shards)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
