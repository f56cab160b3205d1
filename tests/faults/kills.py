"""Kills client and server over and over, and counts what became of every record.

`python -m tests.faults.kills --kills 50`: two editors share a spool and send to a server, while
either side is ended by SIGKILL, half the time at a failpoint, half at any moment. Afterwards all is
left in peace until the spool is empty. The last line is JSON: `acknowledged` are records whose
`Spool.add` had returned, `lost` those of them that are nowhere, though not withdrawn, `duplicates`
those that are at the server more than once, `unaccounted` what the spool's counts do not explain
and withdrawn records that are still at the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.capture.records import make_example
from tests.consent.consent_cases import ACCEPTED, make_facts, make_grant
from tests.faults.failpoints import arm_one, client_points, server_points
from zeta_context.capture.admission import papers_for
from zeta_context.capture.codec import encode_record
from zeta_context.capture.example import make_record_id
from zeta_context.capture.spool import LEASE_S, Spool
from zeta_context.capture.spool_clock import SpoolClock, steady_time
from zeta_context.capture.spool_records import NewItem
from zeta_context.capture.transport import HttpTransport
from zeta_context.capture.upload import Uploader
from zeta_context.consent.gate import Claims, Collection, Facts
from zeta_context.counts import Counts
from zeta_context.ingest.serve import IngestSettings, make_app, open_store
from zeta_context.ingest.tokens import add_token

TOKEN_ENV = "ZETA_CONTEXT_FAULTS_TOKEN"
DRAIN_S = 120.0


@dataclass(frozen=True)
class Scene:
    """Where everything is."""

    folder: Path
    port: int
    started: float

    @property
    def spool_path(self) -> Path:
        return self.folder / "client" / "spool.sqlite"

    @property
    def settings(self) -> IngestSettings:
        return IngestSettings(data=self.folder / "server", compact_every_s=0.3)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def note(self, name: str, words: list[str]) -> None:
        """Append to a log; the system keeps what is written though the writer is killed."""
        with (self.folder / name).open("a") as log:
            log.write("".join(f"{word}\n" for word in words))
            log.flush()

    def noted(self, name: str) -> list[str]:
        path = self.folder / name
        # A word that was cut off by a kill has no line end.
        return path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []

    def facts(self, project: str, *, is_withdrawn: bool = False) -> Facts:
        collection = Collection(server=self.url, operator="Tests", teacher="None")
        grant = make_grant(
            project=project,
            consent_id=f"consent-{project[:20]}",
            granted_at=self.started - 60,
            expires_at=self.started + 86_400,
            server=self.url,
            operator="Tests",
            teacher="None",
            withdrawn_at=1.0 if is_withdrawn else 0.0,
        )
        return make_facts(
            now=time.time(),
            project=project,
            starting_state=grant,
            settled_text=None,
            collection=collection,
        )


class Gate:
    """Yes for a project until it is withdrawn."""

    def __init__(self, scene: Scene, project: str) -> None:
        self._scene = scene
        self._project = project

    def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts:
        withdrawn = self._project in self._scene.noted("withdrawn")
        return self._scene.facts(self._project, is_withdrawn=withdrawn)


def run_client(scene: Scene, choice: random.Random, *, only_drain: bool = False) -> None:
    """Collect and send until killed, or until nothing is left."""
    # At the end, when the leases of those who were killed are over.
    later_s = 2 * LEASE_S if only_drain else 0.0
    spool = Spool(scene.spool_path, clock=SpoolClock(steady=lambda: steady_time() + later_s))
    for project in scene.noted("withdrawn"):
        spool.withdraw(project)
    asyncio.run(_collect_and_send(scene, spool, choice, only_drain=only_drain))


async def _collect_and_send(
    scene: Scene, spool: Spool, choice: random.Random, *, only_drain: bool
) -> None:
    project = f"{choice.getrandbits(128):032x}"
    known = {project, *scene.noted("projects")}
    if not only_drain:
        scene.note("projects", [project])
    uploader = Uploader(
        spool,
        HttpTransport(token_env=TOKEN_ENV),
        gates=lambda: {one: Gate(scene, one) for one in known},
        installation=lambda: "installation-1",
        counts=Counts(),
        draw=lambda low, high: 0.02,
    )
    ends = time.monotonic() + DRAIN_S
    while True:
        if only_drain:
            if not spool.account().kept and not spool.deletions():
                return
            if time.monotonic() > ends:
                raise SystemExit("the spool did not empty")
        else:
            items = [_make_item(scene, project) for _ in range(choice.randint(1, 5))]
            spool.add(items)
            scene.note("acknowledged", [f"{item.id} {project}" for item in items])
            if choice.random() < 0.02:
                scene.note("withdrawn", [project])
                spool.withdraw(project)
                project = f"{choice.getrandbits(128):032x}"
                scene.note("projects", [project])
                known.add(project)
        await uploader.send_due()
        await asyncio.sleep(0.01)


def _make_item(scene: Scene, project: str) -> NewItem:
    record = make_example(record_id=make_record_id(), at=scene.started)
    claims = Claims(consent_id=f"consent-{project[:20]}", evidence_digest=ACCEPTED.digest)
    return NewItem(
        id=record.id,
        project=project,
        kind="example",
        server=scene.url,
        claims=claims,
        body=encode_record(record),
        rules_version=1,
        hold_back_s=0.0,
        retention_s=86_400.0,
        papers=papers_for(claims, scene.facts(project)),
    )


def run_server(scene: Scene) -> None:
    """Serve until killed."""
    import uvicorn

    # Ports are free again at once after a kill, which uvicorn's own listener does not ask for.
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", scene.port))
        config = uvicorn.Config(make_app(scene.settings), log_level="critical", access_log=False)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def fork(run: Callable[[], None]) -> int:
    """A child process that does this and nothing else."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        run()
        status = 0
    except SystemExit as end:
        print(end, file=sys.stderr)
    except BaseException as problem:
        print(f"child failed: {type(problem).__name__}: {problem}", file=sys.stderr)
    finally:
        os._exit(status)


def kill_over_and_over(scene: Scene, kills: int, choice: random.Random) -> int:
    """Run two editors and a server, ending one of them each time; gives how many were killed."""

    def start(name: str) -> int:
        seed = choice.getrandbits(32)
        is_armed = choice.random() < 0.5

        def run() -> None:
            own = random.Random(seed)
            if is_armed:
                arm_one(server_points() if name == "server" else client_points(), own)
            if name == "server":
                run_server(scene)
            else:
                run_client(scene, own)

        return fork(run)

    running = {name: start(name) for name in ("server", "editor-1", "editor-2")}
    killed = 0
    while killed < kills:
        time.sleep(choice.uniform(0.02, 0.5))
        victim = choice.choice(list(running))
        for name, pid in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended and name == victim:
                os.kill(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, 0)
            if ended:
                if os.WIFEXITED(status) and os.WEXITSTATUS(status):
                    raise SystemExit(f"{name} ended by itself")
                killed += 1
                running[name] = start(name)
    for pid in running.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return killed


def count_all(scene: Scene) -> dict[str, int]:
    """What became of every record, once all is at rest."""
    spool = Spool(scene.spool_path)
    account = spool.account()
    kept = {item.id for item in spool.items()}
    (integrity,) = spool._db.execute("PRAGMA integrity_check").fetchone()
    spool.close()

    async def scan() -> Counter[str]:
        store = open_store(scene.settings)
        await store.compact()
        found = Counter([record.id async for record in store.scan()])
        await store.aclose()
        return found

    at_server = asyncio.run(scan())
    withdrawn = set(scene.noted("withdrawn"))
    told = [line.split() for line in scene.noted("acknowledged")]
    wanted = {record_id for record_id, project in told if project not in withdrawn}
    unwanted = {record_id for record_id, project in told if project in withdrawn}
    return {
        "acknowledged": len(told),
        "lost": len(wanted - at_server.keys() - kept),
        "duplicates": sum(n - 1 for n in at_server.values()),
        "unaccounted": abs(account.unaccounted)
        + len(unwanted & (at_server.keys() | kept))
        + (integrity != "ok"),
    }


def preload() -> None:
    """Import before forking what children would import each on their own."""
    for name in (
        "httpx",
        "msgpack",
        "obstore.store",
        "pyarrow.parquet",
        "uvicorn.lifespan.on",
        "uvicorn.loops.auto",
        "uvicorn.protocols.http.auto",
    ):
        importlib.import_module(name)
    encode_record(make_example())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    folder = Path(tempfile.mkdtemp(prefix="zeta-faults-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scene = Scene(folder=folder, port=port, started=time.time())
    os.environ[TOKEN_ENV] = add_token(scene.settings.tokens_path, "tenant-1")
    preload()
    started = time.monotonic()
    try:
        killed = kill_over_and_over(scene, options.kills, random.Random(seed))
        print(f"{killed} killed after {time.monotonic() - started:.0f} s", flush=True)
        server = fork(lambda: run_server(scene))
        drained = fork(lambda: run_client(scene, random.Random(seed), only_drain=True))
        _, status = os.waitpid(drained, 0)
        os.kill(server, signal.SIGTERM)
        os.waitpid(server, 0)
        if status:
            raise SystemExit("the spool could not be emptied in peace")
        result = {"kills": killed, **count_all(scene)}
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    elapsed = time.monotonic() - started
    print(f"{killed} kills in {elapsed:.0f} s (seed {seed})")
    for name, value in result.items():
        print(f"{name:14} {value:>10,}")
    print(json.dumps(result))
    if result["lost"] or result["duplicates"] or result["unaccounted"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
