"""Whatever happens in whatever order, no byte of a record leaves in any state but ON.

The transport records every byte that it is given, and asks the gate itself at that moment.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.capture.records import make_event, make_example
from tests.capture.sending import (
    INSTALLATION,
    PROJECT,
    MemoryServer,
    OpenGate,
    Script,
    accept,
    answer,
    silent,
)
from tests.capture.spools import Clock, open_spool
from tests.consent.consent_cases import ACCEPTED, COLLECTION, make_facts, make_grant
from zeta_context.capture.access import Access
from zeta_context.capture.batch import BATCHES_PATH, DELETIONS_PATH, decode_batch
from zeta_context.capture.recorder import Offered, Recorder, Settled
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.transport import Reply
from zeta_context.capture.upload import Uploader
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import Claims, Environment, Facts, decide
from zeta_context.consent.policy import FORBIDS_ALL, NO_POLICY
from zeta_context.predict.prediction import Outcome, Prediction
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

FACTS = {
    "on": make_facts(),
    "on, first consent alone": make_facts(settled_text=None),
    "on, another consent": make_facts(starting_state=make_grant(consent_id="later")),
    "off": Facts(now=0.0),
    "offered": make_facts(starting_state=None, settled_text=None),
    "withdrawn": make_facts(starting_state=make_grant(withdrawn_at=1.0), settled_text=None),
    "second withdrawn": make_facts(settled_text=make_grant("settled_text", withdrawn_at=1.0)),
    "licence changed": make_facts(licence=replace(ACCEPTED, detector="other")),
    "licence refused": make_facts(licence=replace(ACCEPTED, is_accepted=False)),
    "head moved": make_facts(head_commit="b" * 40),
    "policy forbids": make_facts(policy=replace(NO_POLICY, allows_collection=False)),
    "policy unreadable": make_facts(policy=FORBIDS_ALL),
    "policy tightened": make_facts(policy=replace(NO_POLICY, servers=frozenset(("elsewhere",)))),
    "clock jumped": make_facts(now=5.0),
    "expired": make_facts(now=1e11),
    "do not track": make_facts(environment=Environment(is_do_not_track=True)),
    "untrusted": make_facts(environment=Environment(is_trusted=False)),
    "server moved": make_facts(collection=replace(COLLECTION, server="https://b.example.org")),
    "consent unreadable": make_facts(unreadable=("consent",)),
    "copied": make_facts(binding="c" * 64),
    "moved": make_facts(project="q" * 32),
}


class RecordingServer(MemoryServer):
    """Fails the test when a byte of a record comes that may not have left."""

    def __init__(self, gate: OpenGate) -> None:
        super().__init__()
        self.gate = gate
        self.n_records = 0

    async def post(self, server: str, path: str, body: bytes) -> Reply:
        assert server == COLLECTION.server
        if path == DELETIONS_PATH:
            assert len(body) < 400  # identifiers alone
            return await super().post(server, path, body)
        assert path == BATCHES_PATH
        for item in decode_batch(body).items:
            claims = Claims(
                consent_id=item.consent,
                evidence_digest=item.evidence,
                settled_consent_id=item.settled_consent,
            )
            decision = decide(
                self.gate.facts,
                stage="send",
                purpose="settled_text" if item.settled_consent else "starting_state",
                claims=claims,
            )
            assert decision, decision.reason
            assert decision.server == server
            assert item.project == PROJECT
            assert (item.kind == "outcome") or not item.settled_consent
            self.n_records += 1
        return await super().post(server, path, body)


class AnyOrder(RuleBasedStateMachine):
    """An editor, its user, its organisation and the server, each doing as they please."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        (self.root / "shop").mkdir()
        self.clock = Clock()
        self.spool = open_spool(self.root, self.clock)
        self.gate = OpenGate()
        self.gate.facts = FACTS["off"]
        self.server = RecordingServer(self.gate)
        self.loop = asyncio.new_event_loop()
        self.n_offers = 0
        self.start_sender()
        self.recorder = self.start_recorder()

    def teardown(self) -> None:
        self.recorder.close()
        self.loop.close()
        self.spool.close()
        self.folder.cleanup()

    @rule()
    def start_sender(self) -> None:
        self.uploader = Uploader(
            self.spool,
            self.server,
            gates=lambda: {PROJECT: self.gate},
            installation=lambda: INSTALLATION,
            clock=lambda: self.clock.steady,
            draw=lambda low, high: low,
        )

    def start_recorder(self) -> Recorder:
        access = Access(gate=self.gate, exclusions=Exclusions(self.root / "shop"))
        return Recorder(
            lambda: open_spool(self.root, self.clock),
            lambda name: access,
            CaptureSettings(sample_rate=1.0, max_per_hour=1_000_000),
        )

    @rule(state=st.sampled_from(sorted(FACTS)))
    def change(self, state: str) -> None:
        self.gate.facts = FACTS[state]

    @rule()
    def allow(self) -> None:
        self.gate.facts = FACTS["on"]

    @rule(is_resolved=st.booleans())
    def predict(self, is_resolved: bool) -> None:
        self.n_offers += 1
        prediction = Prediction(
            id=f"prediction-{self.n_offers}", project="shop", path="shop.py", version=1,
            edits=(TextEdit(Span(0, 1), "y"),), proposer="repeat", why="",
        )  # fmt: skip
        self.recorder.offer(
            Offered(
                prompt_input=make_example().prompt_input,
                answer=prediction,
                before=TextSnapshot("x = 1\n"),
            )
        )
        if is_resolved:
            outcome = Outcome(prediction_id=prediction.id, accepted=True, was_shown=True)
            self.recorder.settle(Settled(outcome=outcome, following=(make_event(),)))
        self.recorder.close()
        self.recorder = self.start_recorder()

    @rule(is_resolved=st.booleans())
    def have_something_due(self, is_resolved: bool) -> None:
        self.allow()
        self.predict(is_resolved)
        self.pass_time(86_400.0)

    @rule(state=st.sampled_from(sorted(FACTS)))
    def change_and_send(self, state: str) -> None:
        self.change(state)
        self.send()

    @rule(script=st.sampled_from((accept, silent, answer(500), answer(413), answer(422))))
    def let_the_server_answer(self, script: Script) -> None:
        self.server.scripts = [script]

    @rule(seconds=st.sampled_from((1.0, 600.0, 86_400.0)))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    @rule()
    def send(self) -> None:
        self.loop.run_until_complete(self.uploader.send_due())

    @rule(consents=st.sampled_from(((), ("id-of-settled_text",))))
    def withdraw(self, consents: tuple[str, ...]) -> None:
        self.spool.withdraw(PROJECT, consents)

    @rule()
    def purge(self) -> None:
        self.spool.purge()

    @invariant()
    def everything_is_accounted_for(self) -> None:
        assert self.spool.account().unaccounted == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_the_machine_can_send_at_all() -> None:
    machine = AnyOrder()
    try:
        machine.allow()
        machine.predict(is_resolved=True)
        machine.pass_time(86_400.0)
        machine.send()
        assert machine.server.n_records == 2
    finally:
        machine.teardown()
