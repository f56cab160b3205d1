"""What every sink promises, asked of each of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("obstore", reason="the extra `ingest` is not installed")

import httpx

from tests.ingest import services
from tests.ingest.records import WITHDRAWAL, collect, make_received
from zeta_context.capture.batch import (
    CONTENT_TYPE,
    DELETIONS_PATH,
    DeletionRequest,
    encode_deletion,
)
from zeta_context.errors import IngestError
from zeta_context.ingest.database import Postgres, Sqlite
from zeta_context.ingest.index import Index
from zeta_context.ingest.received import Selection, digest_ids
from zeta_context.ingest.shards import Shards
from zeta_context.ingest.sink import Sink
from zeta_context.ingest.store import Store
from zeta_context.ingest.stream import Stream
from zeta_context.ingest.tokens import add_token

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with services.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with services.object_store() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    pytest.importorskip("nats", reason="nats-py is not installed")
    with services.broker() as url:
        yield url


def fresh_postgres(url: str) -> Postgres:
    import psycopg

    name = f"zeta_{next(NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return Postgres(url.rsplit("/", 1)[0] + f"/{name}")


def s3_shards(endpoint: str) -> Shards:
    return Shards(
        f"s3://records/{next(NUMBERS)}",
        endpoint=endpoint,
        access_key_id="a",
        secret_access_key="b",
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


@pytest.fixture(params=["sqlite and disk", "postgres and disk", "sqlite and s3", "nats"])
async def sink(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sink]:
    made: Any
    match request.param:
        case "sqlite and disk":
            made = Store(Index(Sqlite(tmp_path / "index.sqlite")), Shards(str(tmp_path / "files")))
        case "postgres and disk":
            database = fresh_postgres(request.getfixturevalue("postgres_url"))
            made = Store(Index(database), Shards(str(tmp_path / "files")))
        case "sqlite and s3":
            shards = s3_shards(request.getfixturevalue("s3_endpoint"))
            made = Store(Index(Sqlite(tmp_path / "index.sqlite")), shards)
        case _:
            made = Stream(request.getfixturevalue("nats_url"), name=f"zeta_{next(NUMBERS)}")
            await made.connect()
    yield made
    await made.aclose()


async def settle(sink: Sink) -> None:
    """Where records move from one place to another, let them."""
    if isinstance(sink, Store):
        await sink.compact()


async def test_what_was_appended_is_there_byte_for_byte(sink: Sink) -> None:
    records = [make_received() for _ in range(5)]
    assert await sink.append(records) == ["accepted"] * 5
    expected = sorted(records, key=lambda one: one.id)
    assert await collect(sink.scan()) == expected
    await settle(sink)
    assert await collect(sink.scan()) == expected


async def test_bad_input_25_a_record_is_kept_once_however_often_it_comes(sink: Sink) -> None:
    record = make_received()
    assert await sink.append([record, record]) == ["accepted", "duplicate"]
    assert await sink.append([record]) == ["duplicate"]
    await settle(sink)
    later = replace(record, received_at=record.received_at + 9e6)
    assert await sink.append([later]) == ["duplicate"]
    await settle(sink)
    assert await collect(sink.scan()) == [record]


async def test_bad_input_28_another_body_under_a_known_identifier_is_refused(sink: Sink) -> None:
    record = make_received("0" * 32)
    other = make_received("0" * 32, text="y = 2\n")
    assert await sink.append([record]) == ["accepted"]
    assert await sink.append([other]) == ["conflict"]
    await settle(sink)
    assert await sink.append([other]) == ["conflict"]
    assert await collect(sink.scan()) == [record]


async def test_bad_input_28_another_tenants_identifier_is_another_record(sink: Sink) -> None:
    record = make_received("0" * 32)
    other = make_received("0" * 32, tenant="t2", text="y = 2\n")
    assert await sink.append([record, other]) == ["accepted", "accepted"]
    await settle(sink)
    assert await collect(sink.scan()) == [record, other]
    assert await collect(sink.scan(Selection(tenant="t2"))) == [other]


@pytest.mark.parametrize("is_settled", [False, True])
async def test_a_deletion_takes_exactly_what_it_covers_and_proves_it(
    sink: Sink, is_settled: bool
) -> None:
    covered = [make_received() for _ in range(3)]
    others = [
        make_received(project="q" * 32),
        make_received(consent="c-2"),
        make_received(tenant="t2"),
        make_received(installation="i-2"),
    ]
    await sink.append(covered + others)
    if is_settled:
        await settle(sink)
    receipt = await sink.delete("d-1", WITHDRAWAL)
    assert receipt.deleted == 3
    assert receipt.ids_sha256 == digest_ids(record.id for record in covered)
    expected = sorted(others, key=lambda one: (one.tenant, one.id))
    assert await collect(sink.scan()) == expected
    await settle(sink)
    assert await collect(sink.scan()) == expected


async def test_bad_input_36_what_was_deleted_is_never_taken_again(sink: Sink) -> None:
    record = make_received()
    await sink.append([record])
    receipt = await sink.delete("d-1", WITHDRAWAL)
    assert await sink.append([record, make_received()]) == ["withdrawn", "withdrawn"]
    assert await sink.delete("d-1", WITHDRAWAL) == receipt
    assert (await sink.delete("d-2", WITHDRAWAL)).deleted == 0
    assert await collect(sink.scan()) == []


async def test_a_deletion_can_come_before_what_it_covers(sink: Sink) -> None:
    assert (await sink.delete("d-1", WITHDRAWAL)).deleted == 0
    assert await sink.append([make_received()]) == ["withdrawn"]


async def test_records_are_selected_by_project_kind_time_and_identifier(sink: Sink) -> None:
    one, two = make_received(), make_received(project="q" * 32)
    await sink.append([one, two])
    for selection, expected in [
        (Selection(project="q" * 32), [two]),
        (Selection(ids=frozenset((one.id,))), [one]),
        (Selection(since=one.received_at + 1), []),
        (Selection(kind="outcome"), []),
    ]:
        assert await collect(sink.scan(selection)) == expected


async def test_files_in_object_storage_are_counted_too(tmp_path: Path, s3_endpoint: str) -> None:
    pytest.importorskip("duckdb", reason="the extra `ingest` is not installed")
    from zeta_context.ingest.report import count_records

    store = Store(Index(Sqlite(tmp_path / "index.sqlite")), s3_shards(s3_endpoint))
    await store.append([make_received(), make_received(project="q" * 32)])
    await store.compact()
    counted = count_records(store)
    assert (counted["by_kind"], counted["by_licence"]) == ({"example": 2}, {"MIT": 2})
    await store.aclose()


async def test_a_server_can_hand_its_records_to_a_broker(
    tmp_path: Path, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zeta_context.ingest.serve import IngestSettings, make_app

    settings = IngestSettings(data=tmp_path, broker=nats_url)
    token = add_token(settings.tokens_path, "t1")
    app = make_app(settings)
    # The consent of the tests lies in the future of a real clock: a deletion needs none.
    request = DeletionRequest(id="d-1", installation="i-1", project="p", consent="c")
    headers = {"authorization": f"Bearer {token}", "content-type": CONTENT_TYPE}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client,
    ):
        reply = await client.post(DELETIONS_PATH, content=encode_deletion(request), headers=headers)
    assert (reply.status_code, reply.json()["deleted"]) == (200, 0)
    monkeypatch.setattr("zeta_context.ingest.stream.CONNECT_S", 0.3)
    broken = make_app(IngestSettings(data=tmp_path, broker="nats://127.0.0.1:1"))
    with pytest.raises(IngestError, match="broker"):
        async with broken.router.lifespan_context(broken):
            pass
