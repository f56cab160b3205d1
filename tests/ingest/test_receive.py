"""The server's doors: who may come in, what may, and what is said to whom."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("starlette", reason="the extra `ingest` is not installed")

import httpx

from tests.capture.records import make_event, make_example, make_outcome
from tests.capture.test_batch import HOSTILE as HOSTILE_BATCHES
from tests.capture.test_codec import HOSTILE as HOSTILE_BODIES
from tests.consent.consent_cases import ACCEPTED
from tests.ingest.records import (
    CLAIMS,
    NOW,
    PROJECT,
    collect,
    consent_paper,
    evidence_paper,
    make_batch,
    to_item,
)
from zeta_context.capture.batch import (
    BATCHES_PATH,
    CONTENT_TYPE,
    DELETIONS_PATH,
    Batch,
    DeletionRequest,
    encode_batch,
    encode_deletion,
)
from zeta_context.ingest.database import Sqlite
from zeta_context.ingest.index import Index
from zeta_context.ingest.receive import MAX_BATCH_BYTES, Receiver
from zeta_context.ingest.shards import Shards
from zeta_context.ingest.store import Store
from zeta_context.ingest.tokens import Tokens, add_token, load_tokens

TOKEN, OTHER = "token-of-t1", "token-of-t2"


class Server:
    """The application over a real store, asked without a socket between."""

    def __init__(self, folder: Path) -> None:
        self.index = Index(Sqlite(folder / "index.sqlite"))
        self.store = Store(self.index, Shards(str(folder / "files")), clock=lambda: NOW)
        digests = {
            tenant: hashlib.sha256(token.encode()).hexdigest()
            for tenant, token in (("t1", TOKEN), ("t2", OTHER))
        }
        self.manifest = folder / "rollout.json"
        receiver = Receiver(
            self.store, self.index, Tokens(digests), manifest=self.manifest, clock=lambda: NOW
        )
        transport = httpx.ASGITransport(app=receiver.app())
        self.client = httpx.AsyncClient(transport=transport, base_url="http://server")

    async def post(
        self, body: bytes, path: str = BATCHES_PATH, *, token: str = TOKEN, **headers: str
    ) -> httpx.Response:
        named = {"content-type": CONTENT_TYPE, "authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return await self.client.post(path, content=body, headers=named)

    async def send(self, batch: Batch, *, token: str = TOKEN) -> dict[str, str]:
        reply = await self.post(encode_batch(batch), token=token)
        assert reply.status_code in (200, 207), reply.text
        results: dict[str, str] = reply.json()["results"]
        return results


@pytest.fixture
async def server(tmp_path: Path) -> Any:
    made = Server(tmp_path)
    yield made
    await made.client.aclose()
    await made.store.aclose()


async def test_a_batch_is_kept_before_it_is_acknowledged(server: Server) -> None:
    batch = make_batch()
    reply = await server.post(encode_batch(batch))
    assert reply.status_code == 200
    assert reply.json() == {"results": {batch.items[0].id: "accepted"}}
    (record,) = await collect(server.store.scan())
    assert record.body == batch.items[0].body
    assert (record.tenant, record.installation, record.licences) == ("t1", "i-1", "MIT")


async def test_bad_input_28_without_a_token_nothing_is_even_read(server: Server) -> None:
    for headers in ({"authorization": ""}, {"authorization": TOKEN}, {"authorization": "Basic x"}):
        assert (await server.post(b"\xff", **headers)).status_code == 401
    reply = await server.post(encode_batch(make_batch()), token="wrong")
    assert reply.status_code == 401
    assert "wrong" not in reply.text
    assert await collect(server.store.scan()) == []


async def test_other_types_and_compressed_bodies_are_refused(server: Server) -> None:
    body = encode_batch(make_batch())
    assert (await server.post(body, content_type="text/plain")).status_code == 415
    assert (await server.post(body, content_encoding="gzip")).status_code == 415
    assert (await server.client.get(BATCHES_PATH)).status_code == 405
    assert (await server.client.get("/health")).json() == {"ok": True}


async def test_bad_input_27_a_body_that_is_too_long_is_not_read_to_its_end(server: Server) -> None:
    n_read = 0

    async def endless() -> Any:
        nonlocal n_read
        for _ in range(10_000):
            n_read += 1
            yield bytes(65_536)

    reply = await server.client.post(
        BATCHES_PATH,
        content=endless(),
        headers={"content-type": CONTENT_TYPE, "authorization": f"Bearer {TOKEN}"},
    )
    assert reply.status_code == 413
    assert n_read * 65_536 <= MAX_BATCH_BYTES + 2 * 65_536


async def test_a_body_that_comes_drop_by_drop_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.ingest.receive.READ_S", 0.1)

    async def drip() -> Any:
        yield b"\x81"
        await asyncio.sleep(30)
        yield b"\x81"

    headers = {"content-type": CONTENT_TYPE, "authorization": f"Bearer {TOKEN}"}
    reply = await server.client.post(BATCHES_PATH, content=drip(), headers=headers)
    assert reply.status_code == 408


async def test_bad_input_27_what_is_no_batch_is_a_400(server: Server) -> None:
    for name, make in HOSTILE_BATCHES.items():
        reply = await server.post(make())
        assert reply.status_code == 400, name
    assert await collect(server.store.scan()) == []


async def test_bad_input_27_hostile_records_are_refused_and_the_others_kept(
    server: Server,
) -> None:
    good = to_item(make_example())
    items, expected = [good], {good.id: "accepted"}
    for make in HOSTILE_BODIES.values():
        body = make()
        bad = replace(to_item(make_example()), body=body, sha256=hashlib.sha256(body).hexdigest())
        items.append(bad)
        expected[bad.id] = "rejected:unreadable"
    assert await server.send(make_batch(*items)) == expected
    assert server.index.audit() == {"rejected_unreadable": len(HOSTILE_BODIES)}


def example_item(**changes: Any) -> Any:
    return lambda: make_batch(to_item(make_example(), **changes))


def with_paper(key: str, content: str) -> Callable[[], Batch]:
    def make() -> Batch:
        batch = make_batch()
        return replace(batch, papers={**batch.papers, key: content})

    return make


def without_paper(key: str) -> Callable[[], Batch]:
    def make() -> Batch:
        batch = make_batch()
        return replace(batch, papers={k: v for k, v in batch.papers.items() if k != key})

    return make


def evidence_of(**changes: Any) -> Callable[[], Batch]:
    evidence = replace(ACCEPTED, **changes)

    def make() -> Batch:
        batch = make_batch(to_item(make_example(), evidence=evidence.digest))
        return replace(batch, papers={**batch.papers, evidence.digest: evidence_paper(evidence)})

    return make


def outside() -> Batch:
    example = make_example()
    (file,) = example.prompt_input.related_files
    outside_file = replace(file, is_outside_project=True)
    prompt_input = replace(example.prompt_input, related_files=(outside_file,))
    return make_batch(to_item(replace(example, prompt_input=prompt_input)))


def joined() -> Batch:
    example = make_example()
    return make_batch(to_item(replace(example, outcome=make_outcome(example.id))))


def following(**changes: Any) -> Callable[[], Batch]:
    outcome = replace(make_outcome("0" * 32), following=(make_event(),))
    return lambda: make_batch(to_item(outcome, **changes))


def paper(**changes: Any) -> Callable[[], Batch]:
    return with_paper(CONSENT, consent_paper(**changes))


CONSENT, EVIDENCE, SETTLED = CLAIMS.consent_id, CLAIMS.evidence_digest, CLAIMS.settled_consent_id
REJECTED: dict[str, tuple[Callable[[], Batch], str]] = {
    "forged evidence": (
        with_paper(EVIDENCE, evidence_paper(replace(ACCEPTED, licences=("Apache-2.0",)))),
        "evidence_unknown",
    ),
    "no evidence": (without_paper(EVIDENCE), "evidence_unknown"),
    "evidence that is no JSON": (with_paper(EVIDENCE, "{"), "evidence_unknown"),
    "evidence of a wrong shape": (with_paper(EVIDENCE, '{"files": 3}'), "evidence_unknown"),
    "licence refused": (evidence_of(is_accepted=False), "licence"),
    "licence not taken here": (evidence_of(licences=("GPL-3.0-only",)), "licence"),
    "no licence": (evidence_of(licences=()), "licence"),
    "unknown consent": (without_paper(CONSENT), "consent_unknown"),
    "another consent's paper": (
        paper(consent_id="x"), "consent_unknown",
    ),
    "deep paper": (with_paper(CONSENT, "[" * 60_000), "consent_unknown"),
    "withdrawn consent": (paper(withdrawn_at=5.0), "consent_withdrawn"),
    "expired consent": (paper(expires_at=5.0), "consent_time"),
    "consent of the future": (paper(granted_at=1e11), "consent_time"),
    "consent without a time": (paper(expires_at="x"), "consent_unknown"),
    "older words": (paper(text_version=0), "consent_text"),
    "other words": (paper(text_digest="0" * 64), "consent_text"),
    "the wrong purpose": (paper(purpose="settled_text"), "consent_text"),
    "another project's consent": (
        example_item(project="q" * 32), "consent_of_another_project",
    ),
    "a path for a project": (example_item(project="../../etc"), "identifier"),
    "a partition for a project": (example_item(project="dt=2026-01-01/.."), "identifier"),
    "a path for a kind": (example_item(kind="../x"), "identifier"),
    "a wrong digest": (example_item(sha256="0" * 64), "digest"),
    "another kind": (example_item(kind="outcome"), "identity"),
    "another identifier": (example_item(id="1" * 32), "identity"),
    "a record of the future": (
        lambda: make_batch(to_item(make_example(at=NOW + 1e6))), "consent_time",
    ),
    "an absolute path": (lambda: make_batch(to_item(make_example(path="/etc/passwd"))), "path"),
    "a path that climbs": (lambda: make_batch(to_item(make_example(path="a/../../x"))), "path"),
    "a path of Windows": (lambda: make_batch(to_item(make_example(path="C:\\x"))), "path"),
    "a home folder": (lambda: make_batch(to_item(make_example(path="~/x"))), "path"),
    "a file outside the project": (outside, "outside_project"),
    "an outcome in an example": (joined, "not_a_starting_state"),
    "an example under the second consent": (
        example_item(settled_consent=SETTLED), "not_a_starting_state",
    ),
    "what followed without consent": (following(), "settled_text_without_consent"),
    "what followed under the first consent": (following(settled_consent=CONSENT), "consent_text"),
    "a body that is too large": (
        example_item(body=bytes(300_000), sha256=hashlib.sha256(bytes(300_000)).hexdigest()),
        "too_large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
async def test_bad_input_28_what_may_not_be_kept_is_rejected_and_noted(
    server: Server, name: str
) -> None:
    make, reason = REJECTED[name]
    batch = make()
    assert await server.send(batch) == {batch.items[0].id: f"rejected:{reason}"}
    assert server.index.audit() == {f"rejected_{reason}": 1}
    assert await collect(server.store.scan()) == []


async def test_what_followed_is_kept_under_the_second_consent(server: Server) -> None:
    batch = following(settled_consent=SETTLED)()
    assert await server.send(batch) == {batch.items[0].id: "accepted"}


async def test_papers_that_were_seen_need_not_come_again_and_cannot_be_replaced(
    server: Server,
) -> None:
    await server.send(make_batch())
    bare = make_batch(papers={})
    assert await server.send(bare) == {bare.items[0].id: "accepted"}
    forged = make_batch(papers={CONSENT: consent_paper(expires_at=1e12, actor="other")})
    await server.send(forged)
    assert json.loads(server.index.paper("t1", CONSENT) or "")["actor"] == "command_line"
    other = await server.send(make_batch(papers={}), token=OTHER)
    assert list(other.values()) == ["rejected:consent_unknown"]


async def test_bad_input_25_two_senders_that_race_make_one_record(server: Server) -> None:

    body = encode_batch(make_batch())
    replies = await asyncio.gather(*(server.post(body) for _ in range(8)))
    said = sorted(next(iter(reply.json()["results"].values())) for reply in replies)
    assert said == ["accepted"] + ["duplicate"] * 7
    assert len(await collect(server.store.scan())) == 1


async def test_bad_input_28_the_same_identifier_with_another_body_is_rejected(
    server: Server,
) -> None:
    record_id = "0" * 32
    await server.send(make_batch(to_item(make_example(record_id=record_id))))
    other = make_batch(to_item(make_example("y\n", record_id=record_id)))
    assert await server.send(other) == {record_id: "rejected:conflict"}


async def test_bad_input_36_a_deletion_is_proved_and_holds(server: Server) -> None:
    batch = make_batch(to_item(make_example()), to_item(make_example()))
    await server.send(batch)
    await server.store.compact()
    request = DeletionRequest(id="d-1", installation="i-1", project=PROJECT, consent=CONSENT)
    reply = await server.post(encode_deletion(request), DELETIONS_PATH)
    receipt = reply.json()
    assert (reply.status_code, receipt["deleted"], receipt["deletion"]) == (200, 2, "d-1")
    again = await server.post(encode_deletion(request), DELETIONS_PATH)
    assert again.json() == receipt
    said = await server.send(batch)
    assert set(said.values()) == {"rejected:withdrawn"}
    assert await collect(server.store.scan()) == []
    assert (await server.post(b"\x80", DELETIONS_PATH)).status_code == 400
    # Another tenant cannot delete what is not theirs.
    await server.send(make_batch(), token=OTHER)
    await server.post(encode_deletion(replace(request, id="d-2")), DELETIONS_PATH)
    assert len(await collect(server.store.scan())) == 1


async def test_drops_that_clients_tell_of_are_counted(server: Server) -> None:
    await server.send(make_batch(drops={"secret": 2}))
    await server.send(make_batch(drops={"secret": 1, "overflow": 0}))
    assert server.index.audit() == {"dropped_secret": 3}


async def test_a_store_that_fails_is_a_503_and_nothing_is_acknowledged(server: Server) -> None:
    from zeta_context.errors import IngestError

    async def fail(records: object) -> Any:
        raise IngestError("gone")

    server.store.append = fail  # type: ignore[method-assign,assignment]
    reply = await server.post(encode_batch(make_batch()))
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "30"


def test_tokens_are_kept_as_digests_and_told_once(tmp_path: Path) -> None:
    path = tmp_path / "server" / "tokens.json"
    first = add_token(path, "t1")
    second = add_token(path, "t2")
    assert first not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    tokens = load_tokens(path)
    assert (tokens.tenant(first), tokens.tenant(second)) == ("t1", "t2")
    assert tokens.tenant("") is None
    replaced = add_token(path, "t1")
    assert load_tokens(path).tenant(first) is None
    assert load_tokens(path).tenant(replaced) == "t1"


async def test_a_variant_manifest_is_offered_as_it_lies_there(server: Server) -> None:
    path = "/v1/rollout"
    assert (await server.post(b"", path)).status_code == 404
    server.manifest.write_bytes(b'{"manifest": "..."}')
    offered = await server.post(b"", path)
    assert (offered.status_code, offered.content) == (200, b'{"manifest": "..."}')
    assert (await server.post(b"", path, token="nobody")).status_code == 401
