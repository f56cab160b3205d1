"""Whatever is done to a spool in whatever order, it agrees with a model made of dictionaries."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.capture.spools import Clock, make_item, open_spool
from zeta_context.capture.spool import LEASE_S
from zeta_context.capture.spool_records import Lease

PROJECTS = ("p1", "p2")
RETENTION_S = 5_000.0
LIMIT = 6


class SpoolModel(RuleBasedStateMachine):
    """Two connections to one spool, and what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.spools = [
            open_spool(Path(self.folder.name), self.clock, max_records=LIMIT) for _ in range(2)
        ]
        self.kept: dict[str, tuple[str, float, float]] = {}  # project, due, expires
        self.leases: dict[str, tuple[Lease, float]] = {}  # by record: its lease, and its end
        self.captured = self.acknowledged = 0
        self.now = 0.0

    def teardown(self) -> None:
        for spool in self.spools:
            spool.close()
        self.folder.cleanup()

    def expire(self) -> None:
        for record_id, (_, _, expires) in list(self.kept.items()):
            lease = self.leases.get(record_id)
            if expires <= self.now and (lease is None or lease[1] <= self.now):
                del self.kept[record_id]

    @rule(which=st.sampled_from((0, 1)), project=st.sampled_from(PROJECTS), hold=st.booleans())
    def add(self, which: int, project: str, hold: bool) -> None:
        hold_s = 1_000.0 if hold else 0.0
        item = make_item(
            body=b"x" * 100, project=project, hold_back_s=hold_s, retention_s=RETENTION_S
        )
        evicted = self.spools[which].add([item])
        self.captured += 1
        self.expire()
        self.kept[item.id] = (project, self.now + hold_s, self.now + RETENTION_S)
        assert evicted == max(0, len(self.kept) - LIMIT)
        if evicted:
            there = {one.id for one in self.spools[which].items()}
            (gone,) = set(self.kept) - there
            projects = [project for project, _, _ in self.kept.values()]
            own = self.kept[gone][0]
            assert projects.count(own) == max(projects.count(each) for each in PROJECTS)
            del self.kept[gone]

    @rule(which=st.sampled_from((0, 1)), project=st.sampled_from(PROJECTS))
    def lease(self, which: int, project: str) -> None:
        lease = self.spools[which].lease([project], max_records=2)
        self.expire()
        due = [
            record_id
            for record_id, (own, due_at, _) in self.kept.items()
            if own == project
            and due_at <= self.now
            and (record_id not in self.leases or self.leases[record_id][1] <= self.now)
        ]
        assert [one.id for one in lease.items] == due[:2]
        for one in lease.items:
            self.leases[one.id] = (lease, self.now + LEASE_S)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), which=st.sampled_from((0, 1)))
    def acknowledge(self, data: st.DataObject, which: int) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.leases)))
        lease, _ = self.leases.pop(record_id)
        n = self.spools[which].acknowledge(lease, [record_id])
        assert n == (record_id in self.kept)
        self.acknowledged += n
        self.kept.pop(record_id, None)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.leases)))
        lease = self.leases[record_id][0]
        self.spools[0].release(lease)
        self.leases = {
            each: held for each, held in self.leases.items() if held[0].token != lease.token
        }

    @rule(project=st.sampled_from(PROJECTS), which=st.sampled_from((0, 1)))
    def withdraw(self, project: str, which: int) -> None:
        own = [each for each, kept in self.kept.items() if kept[0] == project]
        assert self.spools[which].withdraw(project) == len(own)
        for record_id in own:
            del self.kept[record_id]

    @rule(seconds=st.sampled_from((1.0, LEASE_S, 1_000.0, 6_000.0)))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)
        self.now += seconds

    @rule(years=st.sampled_from((10, -10)))
    def let_the_calendar_jump(self, years: int) -> None:
        self.clock.calendar += years * 365 * 86_400.0

    @rule()
    def reopen(self) -> None:
        self.spools[1].close()
        self.spools[1] = open_spool(Path(self.folder.name), self.clock, max_records=LIMIT)

    @invariant()
    def agrees(self) -> None:
        for spool in self.spools:
            assert {one.id for one in spool.items()} == set(self.kept)
        account = self.spools[0].account()
        assert (account.captured, account.acknowledged) == (self.captured, self.acknowledged)
        assert account.unaccounted == 0


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
