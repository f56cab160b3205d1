"""The store of one node: what waits moves into files, small files into larger ones, and nothing
is lost or told twice on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("obstore", reason="the extra `ingest` is not installed")

import pyarrow.parquet as pq

from tests.capture.records import make_example, make_outcome
from tests.ingest.records import WITHDRAWAL, collect, make_received
from zeta_context.capture.codec import encode_record
from zeta_context.errors import IngestError
from zeta_context.ingest.database import Sqlite
from zeta_context.ingest.index import Index
from zeta_context.ingest.received import Received
from zeta_context.ingest.report import count_records, export_examples
from zeta_context.ingest.serve import IngestSettings, make_app, open_store
from zeta_context.ingest.shards import Shards
from zeta_context.ingest.store import SMALL_SHARDS, Store, digest_shards
from zeta_context.ingest.tokens import add_token


def open_at(folder: Path) -> Store:
    return Store(Index(Sqlite(folder / "index.sqlite")), Shards(str(folder / "files")))


def files_of(folder: Path) -> list[Path]:
    return list((folder / "files").rglob("*.parquet"))


def read_all(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


async def test_a_record_ends_as_a_row_of_parquet_in_its_day_and_schema(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    record = make_received()
    await store.append([record])
    assert await store.compact() == 1
    (shard,) = store.index.shards()
    assert shard.path.startswith("dt=2027-01-15/schema=1/shard=")
    row = pq.read_table(tmp_path / "files" / shard.path).to_pylist()[0]
    assert (row["id"], row["body"], row["licences"]) == (record.id, record.body, "MIT")
    assert store.index.n_waiting() == 0
    await store.aclose()


async def test_small_files_are_merged_and_the_old_ones_removed(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    records = [make_received() for _ in range(SMALL_SHARDS)]
    for record in records:
        await store.append([record])
        await store.compact()
    (shard,) = store.index.shards()
    assert shard.n_rows == SMALL_SHARDS
    assert files_of(tmp_path) == [tmp_path / "files" / shard.path]
    assert await collect(store.scan()) == sorted(records, key=lambda one: one.id)
    await store.aclose()


async def test_a_file_that_nothing_knows_of_does_not_count_and_is_swept(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    store.shards.write([make_received()])  # and then the server ended
    assert await collect(store.scan()) == []
    (orphan,) = files_of(tmp_path)
    await store.compact()
    assert orphan.exists()  # it may be somebody's who is about to tell of it
    os.utime(orphan, (1.0, 1.0))
    await store.compact()
    assert not orphan.exists()
    await store.aclose()


async def test_a_file_that_is_not_what_was_written_is_never_read(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    await store.append([make_received()])
    await store.compact()
    (file,) = files_of(tmp_path)
    file.write_bytes(file.read_bytes()[:-9] + b"tampered!")
    with pytest.raises(IngestError, match="restore"):
        await collect(store.scan())
    file.unlink()
    with pytest.raises(IngestError, match="cannot be read"):
        await collect(store.scan())
    await store.aclose()


async def test_the_proof_of_a_deletion_can_be_checked(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    covered, other = make_received(), make_received(consent="c-2")
    await store.append([covered, other])
    await store.compact()
    (old,) = store.index.shards()
    receipt = await store.delete("d-1", WITHDRAWAL)
    assert receipt.rewritten == (old.path,)
    assert not (tmp_path / "files" / old.path).exists()
    assert receipt.manifest == digest_shards(store.index.shards())
    assert not [file for file in files_of(tmp_path) if covered.body in file.read_bytes()]
    await store.aclose()


async def test_a_deletion_leaves_no_byte_in_index_or_files(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    covered = [make_received(text=f"x = {n}\n" * 50) for n in range(60)]
    others = [make_received(consent="c-2") for _ in range(60)]
    mixed = [record for pair in zip(covered, others, strict=True) for record in pair]
    await store.append(mixed[:70])
    await store.compact()
    await store.append(mixed[70:])
    await store.delete("d-1", WITHDRAWAL)
    everything = b"".join(read_all(tmp_path))
    assert not [record.id for record in covered if record.body[-60:] in everything]
    assert all(record.id.encode() not in everything for record in covered)
    assert len(await collect(store.scan())) == 60
    await store.aclose()


async def test_a_deletion_that_was_cut_off_is_finished_when_asked_again(tmp_path: Path) -> None:
    store = open_at(tmp_path)
    await store.append([make_received()])
    await store.compact()
    (shard,) = store.index.shards()
    removing = store.shards.remove
    store.shards.remove = lambda paths: (_ for _ in ()).throw(OSError("ended"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="ended"):
        await store.delete("d-1", WITHDRAWAL)
    store.shards.remove = removing  # type: ignore[method-assign]
    assert (tmp_path / "files" / shard.path).exists()
    receipt = await store.delete("d-1", WITHDRAWAL)
    assert receipt.deleted == 1
    assert not (tmp_path / "files" / shard.path).exists()
    await store.aclose()


def received_outcome(example_id: str, *, accepted: bool) -> Received:
    from dataclasses import replace

    outcome = make_outcome(example_id, accepted=accepted)
    base = make_received()
    return replace(base, id=outcome.id, kind="outcome", body=encode_record(outcome))


async def test_an_export_joins_examples_and_their_outcomes(tmp_path: Path) -> None:
    import json

    store = open_at(tmp_path)
    one, two = make_received(), make_received()
    await store.append([one, two, received_outcome(one.id, accepted=True)])
    lines = [json.loads(line) async for line in export_examples(store)]
    by_id = {line["id"]: line for line in lines}
    assert by_id[one.id]["outcome"]["accepted"] is True
    assert "outcome" not in by_id[two.id]
    assert by_id[one.id]["source"]["licences"] == ["MIT"]
    assert by_id[one.id]["prompt_input"] == json.loads(json.dumps(make_prompt_dict("x = 1\n")))
    await store.aclose()


def make_prompt_dict(text: str) -> object:
    from zeta_context.prompt.codec import encode_dict

    return encode_dict(make_example(text).prompt_input)


async def test_a_store_is_counted(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra `ingest` is not installed")
    store = open_at(tmp_path)
    await store.append([make_received(), make_received()])
    await store.compact()
    await store.append([make_received()])
    counted = count_records(store)
    assert (counted["in_files"], counted["waiting"], counted["files"]) == (2, 1, 1)
    assert counted["by_kind"] == {"example": 2}
    assert counted["by_licence"] == {"MIT": 2}
    assert counted["by_day"] == {"2027-01-15": 2}
    await store.aclose()


def test_a_server_without_tokens_or_with_more_licences_does_not_start(tmp_path: Path) -> None:
    settings = IngestSettings(data=tmp_path)
    with pytest.raises(IngestError, match="ingest token NAME"):
        make_app(settings)
    add_token(settings.tokens_path, "t1")
    assert make_app(settings)
    with pytest.raises(IngestError, match="narrowed"):
        make_app(IngestSettings(data=tmp_path, licences=frozenset(("GPL-3.0-only",))))


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(IngestError, match="damaged"):
        open_store(IngestSettings(data=tmp_path))
