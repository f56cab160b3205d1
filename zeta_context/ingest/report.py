"""What the server holds, and a selection of it for training: counts and JSON lines.

Columns are counted by DuckDB over the files; withdrawn records are never given. Reading a store
that a server runs on is fine.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from zeta_context.capture.codec import decode_record, to_dict
from zeta_context.capture.example import Example, ExampleOutcome
from zeta_context.ingest.index import Shard
from zeta_context.ingest.received import ALL, Selection
from zeta_context.ingest.store import Store


def count_records(store: Store) -> dict[str, Any]:
    """Records by kind, licence, day and where they are, and what was counted besides."""
    shards = store.index.shards()
    by_kind, by_licence, by_day = _count_columns(store, shards) if shards else ({}, {}, {})
    return {
        "in_files": sum(shard.n_rows for shard in shards),
        "waiting": store.index.n_waiting(),
        "files": len(shards),
        "bytes": sum(shard.size for shard in shards),
        "by_kind": by_kind,
        "by_licence": by_licence,
        "by_day": by_day,
        "withdrawn_consents": len(store.index.withdrawals()),
        "events": store.index.audit(),
    }


def _count_columns(store: Store, shards: Sequence[Shard]) -> tuple[dict[str, int], ...]:
    """Records by kind, by licences and by day."""
    import duckdb

    with duckdb.connect() as db:
        if "://" in store.shards.url:
            table = store.shards.read_columns(shards, ("kind", "licences", "received_at"))
            db.register("files", table)
        else:
            paths = [f"{store.shards.url}/{shard.path}" for shard in shards]
            db.read_parquet(paths, hive_partitioning=False).create_view("files")
        day = "strftime(to_timestamp(received_at), '%Y-%m-%d')"
        return tuple(
            dict(db.sql(f"SELECT {one}, count(*) FROM files GROUP BY 1 ORDER BY 1").fetchall())
            for one in ("kind", "licences", day)
        )


async def export_examples(store: Store, selection: Selection = ALL) -> AsyncIterator[str]:
    """Each example as one line of JSON, with its last outcome if that is known.

    With it go its tenant, licence, project and installation, so that a data set can be cut again
    without what was withdrawn since.
    """
    outcomes: dict[tuple[str, str], ExampleOutcome] = {}
    async for received in store.scan(Selection(tenant=selection.tenant, kind="outcome")):
        record = decode_record(received.body)
        if isinstance(record, ExampleOutcome):
            key = (received.tenant, record.example_id)
            known = outcomes.get(key)
            if known is None or (record.part is None, record.at) >= (known.part is None, known.at):
                outcomes[key] = record
    async for received in store.scan(selection):
        record = decode_record(received.body)
        if not isinstance(record, Example):
            continue
        line = to_dict(record)
        outcome = outcomes.get((received.tenant, record.id))
        if outcome is not None:
            line["outcome"] = to_dict(outcome)
            del line["outcome"]["kind"]
        line["source"] = {
            "tenant": received.tenant,
            "installation": received.installation,
            "project": received.project,
            "consent": received.consent,
            "evidence": received.evidence,
            "licences": received.licences.split(),
        }
        yield json.dumps(line, sort_keys=True)
