"""A rollout from end to end: a signed manifest is fetched, counts are sent, judged and deleted.

The collection server is a real one in a process of its own; the installs are real sessions.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("pyarrow", reason="the extra `ingest` is not installed")
pytest.importorskip("uvicorn", reason="the extra `ingest` is not installed")
pytest.importorskip("cryptography", reason="the extra `rollout` is not installed")

from tests.basket import BASKET
from tests.git_repo import GitRepo
from tests.ingest.services import free_port, wait_for_port
from zeta_context.capture.ledger import Ledger
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.transport import HttpTransport, NoReply, Reply
from zeta_context.cli.main import cli
from zeta_context.consent.gate import Collection, Environment
from zeta_context.consent.grant import Grant
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.policy import NO_POLICY, Policy
from zeta_context.consent.state_folder import state_folder
from zeta_context.counts import Counts
from zeta_context.ingest.tokens import add_token
from zeta_context.predict.prediction import Prediction
from zeta_context.rollout import exchange
from zeta_context.rollout.counts_report import COUNTS_PATH, decode_report
from zeta_context.rollout.exchange import RolloutExchange
from zeta_context.rollout.following import RolloutSettings
from zeta_context.rollout.kept_files import asked_path, manifest_path, outcomes_path
from zeta_context.rollout.outcomes import OutcomeCounts, read_outcomes
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.point import Span

pytestmark = pytest.mark.e2e

LICENCE = Path(__file__).parents[2] / "fixtures" / "repos" / "lending" / "LICENSE"


class World:
    """A server that rolls something out, and a user with a project who follows it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "collection"
        self.token = add_token(self.data / "tokens.json", "tenant-1")
        self.port = free_port()
        self.key = folder / "key"
        self.public = self.rollout("keygen", self.key).strip()
        self.manifest = self.data / "rollout.json"
        named = ("--candidate", "new", "--key", self.key)
        self.rollout("start", "quick-answers", "-o", self.manifest, *named)
        self.repo = GitRepo(folder / "shop")
        shutil.copy(LICENCE, self.repo.root / "LICENSE")
        self.head = self.repo.commit({"shop.py": BASKET, "README.md": "shop\n"})
        self.server = f"http://127.0.0.1:{self.port}"
        self.collection = Collection(server=self.server, operator="Tests", teacher="No model")
        self.store = GrantStore()

    def rollout(self, verb: str, *arguments: str | Path) -> str:
        result = CliRunner().invoke(cli, ["rollout", verb, *map(str, arguments)])
        assert result.exit_code in (0, 1), result.output
        return result.stdout

    def consent(self) -> Grant:
        return self.store.give(
            self.repo.root, "starting_state", self.collection, head_commit=self.head, actor="tests"
        )

    def follow(self, *, send_counts: bool = True) -> RolloutSettings:
        return RolloutSettings(server=self.server, public_key=self.public, send_counts=send_counts)

    def capture(self) -> CaptureSettings:
        return CaptureSettings(sample_rate=1.0, settle_s=0.05)

    def exchange(
        self,
        *,
        send_counts: bool = True,
        policy: Policy = NO_POLICY,
        environment: Environment | None = None,
    ) -> Counts:
        """Fetch and send once, as the timer does; what was counted."""
        asked_path(state_folder()).unlink(missing_ok=True)
        return asyncio.run(self.exchange_again(send_counts, policy, environment or Environment()))

    async def exchange_again(
        self,
        send_counts: bool = True,
        policy: Policy = NO_POLICY,
        environment: Environment | None = None,
    ) -> Counts:
        """The same, maybe within an hour."""
        counts, transport = Counts(), HttpTransport(token_env=self.capture().token_env)
        one = RolloutExchange(
            self.follow(send_counts=send_counts),
            capture=self.capture(),
            counts=counts,
            transport=transport,
            policy=lambda: policy,
            environment=environment or Environment(),
        )
        await one.exchange()
        await transport.aclose()
        return counts

    async def edit(self, *, waits_for: str = "") -> None:
        """Change two calls, and accept the third from the prediction."""
        settings = Settings(
            offer_status=False,
            watch_files=False,
            collection=self.collection,
            capture=self.capture(),
            rollout=self.follow(),
        )
        async with Session(self.repo.root, settings=settings) as session:
            session.open("shop.py", BASKET)
            for _ in range(2):
                at = session.document("shop.py").snapshot.text.index("print")
                session.edit("shop.py", Span(at, at + 5), "log.info")
            prediction = await session.predict("shop.py", at + 8, trigger="buffer_edit")
            assert isinstance(prediction, Prediction), prediction
            session.accept(prediction)
            for _ in range(500):
                if not waits_for or session.counts.totals().get(waits_for):
                    return
                await asyncio.sleep(0.02)
        raise AssertionError(f"{waits_for} never happened: {session.counts.totals()}")

    def exported(self, path: Path) -> list[OutcomeCounts]:
        arguments = ["ingest", "export", "--outcomes", "--data", str(self.data)]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        path.write_text(result.stdout)
        return list(read_outcomes(path))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("DO_NOT_TRACK", "ZETA_CONTEXT_DISABLE_UPLOAD"):
        monkeypatch.delenv(name, raising=False)
    made = World(tmp_path)
    monkeypatch.setenv("ZETA_CONTEXT_COLLECTION_TOKEN", made.token)
    command = [sys.executable, "-m", "zeta_context.cli.main", "ingest", "serve"]
    command += ["--data", str(made.data), "--port", str(made.port)]
    process = subprocess.Popen(command)
    wait_for_port(made.port, process, "the collection server")
    yield made
    process.send_signal(signal.SIGINT)
    process.wait(20)


def test_counts_go_from_a_session_to_a_judgement_and_are_taken_back(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.consent()
    # The first session finds no manifest; its timer fetches one, for the next to follow.
    monkeypatch.setattr(exchange, "AFTER_START_S", (0.0, 0.01))
    asyncio.run(world.edit(waits_for="rollout_fetched"))
    assert manifest_path(state_folder()).read_bytes() == world.manifest.read_bytes()
    assert not outcomes_path(state_folder()).exists()
    monkeypatch.setattr(exchange, "AFTER_START_S", (60.0, 60.0))
    asyncio.run(world.edit())
    (row,) = read_outcomes(outcomes_path(state_folder()))
    assert (row.experiment, row.requests, row.accepted) == ("quick-answers", 1, 1)

    with outcomes_path(state_folder()).open("a") as file:
        file.write('{"install": "cut o')

    # They are sent only where the user said so, once each, and no text with them.
    assert world.exchange(send_counts=False).totals() == {"rollout_fetched": 1}
    assert world.exported(tmp_path / "none.jsonl") == []
    assert world.exchange().totals()["rollout_counts_sent"] == 1
    assert world.exchange().totals() == {"rollout_fetched": 1, "rollout_row_unreadable": 1}
    assert world.exported(tmp_path / "outcomes.jsonl") == [row]
    kinds = [entry.kind for entry in Ledger().chain.entries()]
    assert kinds.count("counts") == 1
    known = b"".join(one.read_bytes() for one in world.data.glob("index.sqlite*"))
    assert row.id.encode() in known
    assert b"basket" not in known
    assert str(world.repo.root).encode() not in known

    judged = world.rollout(
        "judge", world.manifest, tmp_path / "outcomes.jsonl", "--public-key", world.public, "--json"
    )
    assert sum(json.loads(judged)["installs"]) == 1

    # Whoever withdraws gets them deleted on both sides.
    config = tmp_path / "config.toml"
    config.write_text("")
    monkeypatch.setenv("ZETA_CONTEXT_CONFIG", str(config))
    done = CliRunner().invoke(cli, ["consent", "withdraw", str(world.repo.root)])
    assert done.exit_code == 0, done.output
    assert not outcomes_path(state_folder()).exists()
    assert world.exchange().totals() == {"rollout_no_consent": 1}
    asyncio.run(wait_for_deletion(world, grant))
    assert world.exported(tmp_path / "after.jsonl") == []


class Unlucky(HttpTransport):
    """The first counts that are posted do not arrive."""

    def __init__(self, token_env: str) -> None:
        super().__init__(token_env=token_env)
        self.posted: list[bytes] = []

    async def post(self, server: str, path: str, body: bytes) -> Reply:
        if path != COUNTS_PATH:
            return await super().post(server, path, body)
        self.posted.append(body)
        if len(self.posted) == 1:
            raise NoReply("unreachable")
        return await super().post(server, path, body)


def test_counts_go_in_one_batch_in_order_and_again_after_a_failure(
    world: World, tmp_path: Path
) -> None:
    world.consent()
    assert world.exchange(send_counts=False).totals() == {"rollout_fetched": 1}
    for _ in range(2):
        asyncio.run(world.edit())
    rows = list(read_outcomes(outcomes_path(state_folder())))
    assert len(rows) == 2

    async def try_three_times() -> tuple[Counts, Unlucky]:
        counts, transport = Counts(), Unlucky(world.capture().token_env)
        for _ in range(3):
            asked_path(state_folder()).unlink(missing_ok=True)
            one = RolloutExchange(
                world.follow(),
                capture=world.capture(),
                counts=counts,
                transport=transport,
                environment=Environment(),
            )
            await one.exchange()
        await transport.aclose()
        return counts, transport

    counts, transport = asyncio.run(try_three_times())
    totals = counts.totals()
    assert (totals["rollout_counts_unreachable"], totals["rollout_counts_sent"]) == (1, 2)
    failed, sent = (decode_report(body) for body in transport.posted)
    assert failed.rows == sent.rows == tuple(rows)
    assert world.exported(tmp_path / "outcomes.jsonl") == rows


async def wait_for_deletion(world: World, grant: Grant) -> None:
    settings = Settings(
        offer_status=False,
        watch_files=False,
        collection=world.collection,
        capture=world.capture(),
    )
    async with Session(world.repo.root, settings=settings):
        for _ in range(400):
            spool = Spool()
            receipts = [one for one in spool.deletions(with_receipts=True) if one.receipt]
            spool.close()
            if receipts:
                assert receipts[0].consent_id == grant.consent_id
                return
            await asyncio.sleep(0.05)
    raise AssertionError("the server gave no receipt")


def test_nothing_is_asked_without_a_consent_that_stands(world: World) -> None:
    assert world.exchange().totals() == {"rollout_no_consent": 1}
    grant = world.consent()
    forbidding = Policy(servers=frozenset(("https://other.example",)))
    tracked = Environment(is_do_not_track=True)
    assert world.exchange(policy=forbidding).totals() == {"rollout_policy_forbids_server": 1}
    assert world.exchange(environment=tracked).totals() == {"rollout_do_not_track": 1}
    world.store.stop(world.server)
    assert world.exchange().totals() == {"rollout_server_stopped": 1}
    grant = world.consent()  # a new one starts again
    assert world.exchange().totals() == {"rollout_fetched": 1}
    world.store.withdraw(grant.project, "starting_state")
    assert world.exchange().totals() == {"rollout_no_consent": 1}


def test_several_editors_ask_once_an_hour(world: World) -> None:
    world.consent()
    assert world.exchange().totals() == {"rollout_fetched": 1}
    assert asyncio.run(world.exchange_again()).totals() == {}
