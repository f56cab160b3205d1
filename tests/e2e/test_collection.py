"""From a keystroke to a row of Parquet: a real repository, consent, spool, upload and server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("uvicorn", reason="the extra `ingest` is not installed")

import pyarrow.parquet as pq

from tests.basket import BASKET
from tests.git_repo import GitRepo
from tests.ingest.services import free_port, wait_for_port
from zeta_context.capture import collecting
from zeta_context.capture.codec import decode_record
from zeta_context.capture.example import Example, ExampleOutcome
from zeta_context.capture.ledger import Ledger
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_clock import SpoolClock, steady_time
from zeta_context.consent.gate import Collection
from zeta_context.consent.grant_store import GrantStore
from zeta_context.ingest.serve import IngestSettings, open_store
from zeta_context.ingest.tokens import add_token
from zeta_context.predict.prediction import Prediction
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.features import Commands, Features
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Span

pytestmark = pytest.mark.e2e

LICENCE = Path(__file__).parents[2] / "fixtures" / "repos" / "lending" / "LICENSE"
HOUR = 3600.0


class World:
    """A user with a project, and a collection server that they know of."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "collection"
        self.token = add_token(self.data / "tokens.json", "tenant-1")
        self.port = free_port()
        self.repo = GitRepo(folder / "shop")
        shutil.copy(LICENCE, self.repo.root / "LICENSE")
        self.head = self.repo.commit({"shop.py": BASKET, "README.md": "shop\n"})
        self.collection = Collection(
            server=f"http://127.0.0.1:{self.port}", operator="Tests", teacher="No model"
        )
        self.store = GrantStore()
        self.spool_path = folder / "spool" / "spool.sqlite"

    def settings(self) -> Settings:
        return Settings(
            offer_status=False,
            watch_files=False,
            collection=self.collection,
            capture=CaptureSettings(sample_rate=1.0, settle_s=0.05, spool_path=self.spool_path),
        )

    def serve(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "zeta_context.cli.main", "ingest", "serve",
            "--data", str(self.data), "--port", str(self.port),
        ]  # fmt: skip
        process = subprocess.Popen(command, env={**os.environ})
        wait_for_port(self.port, process, "the collection server")
        return process

    async def edit(self, *told: Mapping[str, object]) -> dict[str, int]:
        """Change two calls, and accept the third from the prediction; what was counted.

        `told` is what the editor says of itself, first and later.
        """
        async with Session(self.repo.root, settings=self.settings()) as session:
            features = Features(session, EditorDocuments(session), Commands.named("ajr"))
            for params in told:
                features.take_notification("zeta/didChangeEnvironment", params)
            session.open("shop.py", BASKET)
            for _ in range(2):
                at = session.document("shop.py").snapshot.text.index("print")
                session.edit("shop.py", Span(at, at + 5), "log.info")
            prediction = await session.predict("shop.py", at + 8, trigger="buffer_edit")
            assert isinstance(prediction, Prediction), prediction
            session.accept(prediction)
            await asyncio.sleep(0.2)
        return session.counts.totals()

    async def wait_for(self, session: Session, name: str) -> None:
        for _ in range(400):
            if session.counts.total(name):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{name} never happened: {session.counts.totals()}")

    def spool(self, later_s: float = 0.0) -> Spool:
        return Spool(self.spool_path, clock=SpoolClock(steady=lambda: steady_time() + later_s))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("DO_NOT_TRACK", "ZETA_CONTEXT_DISABLE_UPLOAD"):
        monkeypatch.delenv(name, raising=False)
    made = World(tmp_path)
    monkeypatch.setenv("ZETA_CONTEXT_COLLECTION_TOKEN", made.token)
    return made


async def settle(world: World, until: str, later_s: float) -> None:
    """Open the project again, later, until nothing of what is to be sent is left."""
    async with Session(world.repo.root, settings=world.settings()):
        for _ in range(400):
            spool = world.spool(later_s)
            account, deletions = spool.account(), spool.deletions()
            spool.close()
            if (until == "sent" and not account.kept) or (until == "deleted" and not deletions):
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"not {until}: {account}, {deletions}")


async def test_without_consent_nothing_is_kept_and_nothing_is_asked(world: World) -> None:
    await world.edit()
    assert not world.spool_path.exists()


async def test_nothing_is_kept_while_the_editor_forbids_it(world: World) -> None:
    world.store.give(
        world.repo.root, "starting_state", world.collection, head_commit=world.head, actor="tests"
    )
    allowed = {"telemetry": True, "trusted": True}
    for told in (
        ({"telemetry": False},),
        (allowed, {"trusted": False}),
        (allowed, {"telemetry": "perhaps"}),
    ):
        counts = await world.edit(*told)
        assert counts["capture_not_allowed"] > 0
        assert not world.spool_path.exists()
    await world.edit({"telemetry": False}, {"trusted": True}, allowed)
    spool = world.spool()
    assert spool.account().kept == 2
    spool.close()


async def test_bad_input_1_nothing_in_a_repository_names_a_server_or_consents(
    world: World,
) -> None:
    server = '[collection]\nserver = "https://evil.example.org"\noperator = "x"\nteacher = "y"\n'
    for name in (".zeta_context.toml", "config.toml", ".zeta-context/config.toml", ".env"):
        world.repo.write(name, server)
    world.collection = Collection()
    await world.edit()
    async with Session(world.repo.root, settings=world.settings()) as session:
        assert not session._opted_in.is_collecting
    assert not world.spool_path.exists()


async def test_an_edit_becomes_a_row_and_withdrawal_takes_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.store.give(
        world.repo.root, "starting_state", world.collection, head_commit=world.head, actor="tests"
    )
    server = world.serve()
    try:
        await world.edit()
        spool = world.spool()
        example_item, outcome_item = spool.items()
        spool.close()
        assert example_item.due_s > 23 * HOUR  # nothing leaves before the user could look

        later_s = 25 * HOUR
        monkeypatch.setattr(collecting, "Spool", lambda path: world.spool(later_s))
        await settle(world, "sent", later_s)

        rows = await read_rows(world)
        by_id = {row["id"]: row for row in rows}
        assert set(by_id) == {example_item.id, outcome_item.id}
        for item in (example_item, outcome_item):
            row = by_id[item.id]
            assert row["body"] == item.body
            assert row["sha256"] == hashlib.sha256(item.body).hexdigest() == item.sha256
            assert (row["consent"], row["project"]) == (grant.consent_id, grant.project)
            assert (row["tenant"], row["licences"]) == ("tenant-1", "Apache-2.0")
        example = decode_record(by_id[example_item.id]["body"])
        assert isinstance(example, Example)
        assert example.prompt_input.cursor_excerpt == BASKET.replace("print", "log.info", 2)
        assert [event.path for event in example.prompt_input.events] == ["shop.py"]
        assert example.prompt_input.trigger == "buffer_edit"
        assert example.prediction is not None
        assert '+    log.info("drop", basket.user)' in example.prediction.diff
        outcome = decode_record(by_id[outcome_item.id]["body"])
        assert isinstance(outcome, ExampleOutcome)
        assert (outcome.example_id, outcome.accepted, outcome.kept_rate) == (example.id, True, 1.0)
        assert outcome.following is None

        # The ledger names the digest of every body that the server has, and no other.
        chain = Ledger().chain
        n_entries, faults = chain.verify()
        assert (n_entries > 0, faults) == (True, ())
        sending = [entry.fields for entry in chain.entries() if entry.kind == "sending"]
        noted = {record["sha256"] for fields in sending for record in fields["records"]}
        assert noted == {row["sha256"] for row in rows}
        assert {fields["server"] for fields in sending} == {world.collection.server}

        world.store.withdraw(grant.project, "starting_state")
        spool = world.spool(later_s)
        spool.withdraw(grant.project)
        spool.close()
        await settle(world, "deleted", later_s)
        spool = world.spool(later_s)
        (deletion,) = spool.deletions(with_receipts=True)
        account = spool.account()
        spool.close()
        receipt = json.loads(deletion.receipt)
        assert receipt["deleted"] == 2
        assert (account.captured, account.acknowledged, account.unaccounted) == (2, 2, 0)
        assert await read_rows(world) == []
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


async def test_bad_input_7_a_licence_that_changes_holds_back_what_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.give(
        world.repo.root, "starting_state", world.collection, head_commit=world.head, actor="tests"
    )
    await world.edit()
    later_s = 25 * HOUR
    monkeypatch.setattr(collecting, "Spool", lambda path: world.spool(later_s))
    licence = (world.repo.root / "LICENSE").read_text()
    restricted = licence + "\nThe Software may not be sold or used to train models.\n"
    changed: list[Callable[[], object]] = [
        lambda: world.repo.write("LICENSE", restricted),
        lambda: world.repo.commit(message="restrict"),
        lambda: world.repo.git("rm", "-q", "LICENSE"),
    ]
    server = world.serve()
    try:
        for change in changed:
            change()
            async with Session(world.repo.root, settings=world.settings()) as session:
                await world.wait_for(session, "gate_send_licence_refused")
            spool = world.spool(later_s)
            account = spool.account()
            spool.close()
            assert (account.kept, account.acknowledged) == (2, 0)
        world.repo.git("reset", "-q", "--hard", world.head)
        await settle(world, "sent", later_s)
        assert len(await read_rows(world)) == 2
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


async def read_rows(world: World) -> list[dict[str, object]]:
    """The rows of the files, once what waits has been moved into them."""
    store = open_store(IngestSettings(data=world.data))
    try:
        await store.compact()
        paths = [world.data / "files" / shard.path for shard in store.index.shards()]
        return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    finally:
        await store.aclose()
