"""A server in memory that records every byte it is given, and gates that tests open and close."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.capture.spools import Clock, make_item, open_spool
from tests.consent.consent_cases import ACCEPTED, COLLECTION, make_facts
from zeta_context.capture.batch import DELETIONS_PATH, Batch, decode_batch, encode_results
from zeta_context.capture.spool_records import NewItem
from zeta_context.capture.transport import NoReply, Reply
from zeta_context.capture.upload import Sent, Uploader
from zeta_context.consent.gate import Claims, Facts
from zeta_context.counts import Counts

PROJECT = "p" * 32
CLAIMS = Claims(consent_id="id-of-starting_state", evidence_digest=ACCEPTED.digest)
BOTH = replace(CLAIMS, settled_consent_id="id-of-settled_text")
INSTALLATION = "installation-1"


class OpenGate:
    """The gate of one project, over facts that a test changes."""

    def __init__(self) -> None:
        self.facts = make_facts()
        self.asked: list[tuple[str, ...]] = []

    def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts:
        self.asked.append(paths)
        return self.facts


Script = Callable[[Batch], Reply]


def accept(batch: Batch) -> Reply:
    results = {item.id: "accepted" for item in batch.items}
    return Reply(status=200, headers={}, body=encode_results(results))


def answer(status: int, body: bytes = b"", **headers: str) -> Script:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda batch: Reply(status=status, headers=named, body=body)


class MemoryServer:
    """Answers by scripts, the last one over and over; remembers what it was sent."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts) or [accept]
        self.posts: list[tuple[str, str, bytes]] = []
        self.batches: list[Batch] = []

    @property
    def ids(self) -> list[list[str]]:
        return [[item.id for item in batch.items] for batch in self.batches]

    async def post(self, server: str, path: str, body: bytes) -> Reply:
        self.posts.append((server, path, body))
        if path == DELETIONS_PATH:
            return Reply(status=200, headers={}, body=json.dumps({"deleted": 1}).encode())
        batch = decode_batch(body)
        self.batches.append(batch)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return script(batch)

    async def aclose(self) -> None:
        pass


def silent(batch: Batch) -> Reply:
    raise NoReply("http_unreachable")


class Notes:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.sending: list[Sent] = []
        self.answers: list[Sent] = []

    def note_sending(self, sent: Sent) -> None:
        self.sending.append(sent)

    def note_answer(self, sent: Sent) -> None:
        self.answers.append(sent)


class Place:
    """A spool, a gate, a server and an uploader between them."""

    def __init__(self, folder: Path, *scripts: Script) -> None:
        self.clock = Clock()
        self.spool = open_spool(folder, self.clock)
        self.gate = OpenGate()
        self.server = MemoryServer(*scripts)
        self.ledger = Notes()
        self.counts = Counts()
        self.gone: list[str] = []
        self.uploader = self.make_uploader()

    def make_uploader(self) -> Uploader:
        return Uploader(
            self.spool,
            self.server,
            gates=lambda: {PROJECT: self.gate},
            installation=lambda: INSTALLATION,
            ledger=self.ledger,
            on_gone=self.gone.append,
            counts=self.counts,
            clock=lambda: self.clock.steady,
            draw=lambda low, high: high,
        )

    def add(self, n: int = 1, *, claims: Claims = CLAIMS) -> list[NewItem]:
        items = [
            make_item(project=PROJECT, claims=claims, server=COLLECTION.server) for _ in range(n)
        ]
        self.spool.add(items)
        return items
