"""The collection server under load, over real HTTP, with records made from the recorded sessions.

`make bench-ingest [RECORDS=1000000]`: sends that many records in batches of 50, some of them twice;
then 200 records a second for a while, of which the times are taken; waits until all is in files;
deletes one project; and reads everything back. A record is usable when it decodes to the prompt
input that was captured, its excerpt and cursor lie where they did in the editor's text, and its
latest edit of that file can be taken back from it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgpack

from tests.consent.consent_cases import ACCEPTED, make_grant
from tests.ingest.services import free_port, wait_for_port
from zeta_context.capture.admission import admit_example, papers_for
from zeta_context.capture.batch import (
    BATCHES_PATH,
    CONTENT_TYPE,
    DELETIONS_PATH,
    Batch,
    DeletionRequest,
    WireItem,
    encode_batch,
    encode_deletion,
)
from zeta_context.capture.codec import compress, decode_record, to_dict
from zeta_context.capture.example import Example, make_record_id
from zeta_context.capture.recorder import Offered, _make_example
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import Claims, Facts
from zeta_context.errors import TextError
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.evals.sessions import read_sessions
from zeta_context.events.trace import Edited
from zeta_context.events.trace_replay import ReplayClock, replay
from zeta_context.ingest.index import Index
from zeta_context.ingest.serve import IngestSettings, open_store
from zeta_context.ingest.tokens import add_token
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.prompt.input import PromptInput
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.patch import apply_hunks, parse_patch, reverse_hunks

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"
N_PROJECTS = 50
BATCH = 50
SENDERS = 4
DUPLICATE_SHARE = 0.01
MAX_DECODED = 200_000
EVERY_NTH_EDIT = 4
NO_ID = "f" * 32


@dataclass(frozen=True)
class State:
    """What was captured at one moment, and the editor's text then."""

    example: Example
    captured: PromptInput
    text: str
    packed: bytes

    def body(self, record_id: str) -> bytes:
        """The record under an identifier of its own."""
        return compress(self.packed.replace(NO_ID.encode(), record_id.encode()))


async def gather_states() -> list[State]:
    """The states of all recorded sessions, as a recorder would take them."""
    states: list[State] = []
    for recorded in read_sessions(SESSIONS):
        clock = ReplayClock()
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / (recorded.header.root or "project")
            root.mkdir()
            exclusions = Exclusions(root)
            settings = Settings(offer_status=False, watch_files=False)
            async with Session(root, settings=settings, clock=clock) as session:

                def take(view: View, answer: Prediction | Discarded) -> None:
                    state = _take(view, answer, exclusions)  # noqa: B023
                    if state is not None:
                        states.append(state)

                session._predictor.on_answer = take
                n_edits = 0
                for step in replay(recorded.entries, ReplayedEditor(session), clock):
                    n_edits += isinstance(step.entry, Edited)
                    if (
                        step.path
                        and isinstance(step.entry, Edited)
                        and not n_edits % EVERY_NTH_EDIT
                    ):
                        await session.predict(step.path, step.cursor, trigger="testing")
    return states


def _take(view: View, answer: Prediction | Discarded, exclusions: Exclusions) -> State | None:
    if view.prompt_input is None:
        return None
    before = view.find(answer.project, answer.path) if isinstance(answer, Prediction) else None
    offered = Offered(
        prompt_input=view.prompt_input,
        answer=answer,
        before=None if before is None else before.snapshot,
    )
    example = _make_example(offered, time.time() // 60 * 60)
    admitted = admit_example(example, exclusions).record
    if not isinstance(admitted, Example):
        return None
    table = {**to_dict(admitted), "id": NO_ID}
    return State(
        example=admitted,
        captured=view.prompt_input,
        text=view.document.snapshot.text,
        packed=msgpack.packb(table, unicode_errors="surrogatepass"),
    )


def is_usable(body: bytes, state: State) -> bool:
    """Whether a record leads back to the editor's state."""
    record = decode_record(body)
    if not isinstance(record, Example) or record.prompt_input != state.captured:
        return False
    start = record.prompt_input
    rows = state.text.splitlines(keepends=True)
    at = len("".join(rows[: start.excerpt_start_row]))
    if state.text[at : at + len(start.cursor_excerpt)] != start.cursor_excerpt:
        return False
    if not 0 <= start.cursor_offset <= len(start.cursor_excerpt):
        return False
    own = [one for one in start.events if one.path == start.path and one.diff]
    if not own:
        return True
    try:
        (file,) = parse_patch(f"--- a/f\n+++ b/f\n{own[-1].diff}").files
        apply_hunks(state.text, reverse_hunks(file.hunks), search=True)
    except (TextError, ValueError):
        return False
    return True


class Load:
    """Makes batches of records of some projects, and remembers which were acknowledged."""

    def __init__(self, states: list[State], seed: int) -> None:
        self.states = states
        self.choice = random.Random(seed)
        self.projects = [f"{self.choice.getrandbits(128):032x}" for _ in range(N_PROJECTS)]
        self.papers = {project: self._papers(project) for project in self.projects}
        self.acknowledged: dict[str, tuple[int, int]] = {}
        self.said: Counter[str] = Counter()
        self._last: Batch | None = None

    def _papers(self, project: str) -> dict[str, str]:
        now = time.time()
        consent = f"consent-{project[:20]}"
        grant = make_grant(
            project=project, consent_id=consent, granted_at=now - 3600, expires_at=now + 86_400
        )
        claims = Claims(consent_id=consent, evidence_digest=ACCEPTED.digest)
        facts = Facts(now=now, starting_state=grant, licence=ACCEPTED)
        return papers_for(claims, facts)

    def make(self, n: int) -> tuple[Batch, dict[str, tuple[int, int]]]:
        """A batch of one project, and of which project and state each record is."""
        if self._last is not None and self.choice.random() < DUPLICATE_SHARE:
            return self._last, {}
        project_number = self.choice.randrange(N_PROJECTS)
        project = self.projects[project_number]
        items, sources = [], {}
        for _ in range(n):
            number = self.choice.randrange(len(self.states))
            record_id = make_record_id()
            body = self.states[number].body(record_id)
            sources[record_id] = (project_number, number)
            items.append(
                WireItem(
                    id=record_id,
                    project=project,
                    kind="example",
                    consent=f"consent-{project[:20]}",
                    evidence=ACCEPTED.digest,
                    sha256=hashlib.sha256(body).hexdigest(),
                    body=body,
                )
            )
        batch = Batch(
            installation=f"installation-{project_number}",
            items=tuple(items),
            papers=self.papers[project],
        )
        self._last = batch
        return batch, sources

    async def send(self, client: httpx.AsyncClient, n: int) -> tuple[int, float]:
        """Send one batch; how many records were acknowledged, and the seconds it took."""
        batch, sources = self.make(n)
        body = encode_batch(batch)
        started = time.perf_counter()
        reply = await client.post(BATCHES_PATH, content=body)
        elapsed = time.perf_counter() - started
        reply.raise_for_status()
        results = reply.json()["results"]
        self.said.update(results.values())
        done = 0
        for record_id, said in results.items():
            if said in ("accepted", "duplicate") and record_id in sources:
                self.acknowledged[record_id] = sources[record_id]
                done += 1
        return done, elapsed


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All phases; prints what happens meanwhile."""
    states = asyncio.run(gather_states())
    sizes = sorted(len(state.body(NO_ID)) for state in states)
    print(f"{len(states)} states of the recorded sessions, median {sizes[len(sizes) // 2]:,} bytes")
    settings = IngestSettings(data=folder)
    token = add_token(settings.tokens_path, "tenant-1")
    port = free_port()
    code = (
        "from pathlib import Path; from zeta_context.ingest.serve import *;"
        f"serve(IngestSettings(data=Path({str(folder)!r}), compact_every_s=5),"
        f" host='127.0.0.1', port={port})"
    )
    server = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_for_port(port, server, "the collection server")
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {token}", "content-type": CONTENT_TYPE},
            timeout=300,
        )
        return asyncio.run(_measure(options, settings, client, server, Load(states, options.seed)))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


async def _measure(
    options: argparse.Namespace,
    settings: IngestSettings,
    client: httpx.AsyncClient,
    server: subprocess.Popen[bytes],
    load: Load,
) -> dict[str, Any]:
    started = time.perf_counter()

    async def send_on() -> None:
        while len(load.acknowledged) < options.records:
            await load.send(client, BATCH)

    await asyncio.gather(*(send_on() for _ in range(SENDERS)))
    elapsed = time.perf_counter() - started
    records_per_s = len(load.acknowledged) / elapsed
    print(f"{len(load.acknowledged):,} records in {elapsed:.0f} s: {records_per_s:,.0f} a second")

    p99_ms = await _measure_p99(client, load, options.paced_s)
    print(f"at 200 records a second: p99 {p99_ms:.0f} ms")
    index = open_store(settings).index
    await asyncio.to_thread(_wait_for_files, index)
    print(f"all in {len(index.shards()):,} files after {time.perf_counter() - started:.0f} s")

    project = load.projects[0]
    request = DeletionRequest(
        id="deletion-1",
        installation="installation-0",
        project=project,
        consent=f"consent-{project[:20]}",
    )
    asked = time.perf_counter()
    reply = await client.post(DELETIONS_PATH, content=encode_deletion(request))
    delete_s = time.perf_counter() - asked
    receipt = reply.raise_for_status().json()
    of_project = sum(number == 0 for number, _ in load.acknowledged.values())
    print(f"one project of {receipt['deleted']:,} records deleted in {delete_s:.1f} s")
    if receipt["deleted"] != of_project:
        raise SystemExit(f"{of_project:,} records of the project were acknowledged")
    rss_mb = _peak_rss_mb(server.pid)
    usable = await _count_usable(settings, load, index)
    return {
        "records_per_s": round(records_per_s),
        "p99_ms": round(p99_ms, 1),
        "rss_mb": round(rss_mb),
        "delete_project_s": round(delete_s, 2),
        "usable_share": usable,
    }


def _wait_for_files(index: Index) -> None:
    while index.n_waiting():
        time.sleep(0.5)


async def _measure_p99(client: httpx.AsyncClient, load: Load, seconds: float) -> float:
    """Twenty batches of ten records a second, each at its time whether or not the last is back."""
    times: list[float] = []

    async def send_at(moment: float) -> None:
        await asyncio.sleep(moment)
        times.append((await load.send(client, 10))[1])

    await asyncio.gather(*(send_at(n / 20) for n in range(int(seconds * 20))))
    return sorted(times)[int(len(times) * 0.99)] * 1000


async def _count_usable(settings: IngestSettings, load: Load, index: Index) -> float:
    """The share of what should be there that is there once and leads back to the editor.

    Of very many records, one in so many is decoded; that all are there once is always checked.
    """
    expected = {
        record_id: state for record_id, (project, state) in load.acknowledged.items() if project
    }
    store = open_store(settings)
    seen: set[str] = set()
    usable = checked = twice = unwanted = 0
    step = max(1, len(expected) // MAX_DECODED)
    async for record in store.scan():
        if record.id in seen:
            twice += 1
        elif record.id not in expected:
            unwanted += 1
        elif len(seen) % step == 0:
            checked += 1
            usable += is_usable(record.body, load.states[expected[record.id]])
        seen.add(record.id)
    await store.aclose()
    index.close()
    found = len(seen & expected.keys())
    print(
        f"{len(expected):,} expected, {found:,} found, {usable:,} of {checked:,} usable, "
        f"{twice} twice, {unwanted} not wanted"
    )
    print(f"answers: {dict(load.said)}")
    if twice or unwanted:
        raise SystemExit("records are there twice, or should not be there")
    return found / max(len(expected), 1) * usable / max(checked, 1)


def _peak_rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [row for row in status.splitlines() if row.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--paced-s", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zeta-bench-ingest-", dir=os.environ.get("BENCH_DIR")))
    try:
        result = measure(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, value in result.items():
        print(f"{name:18} {value:>12,}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
