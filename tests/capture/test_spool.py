"""The spool keeps what it took, lets it go only to one sender, and forgets for good."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.capture.spools import CLAIMS, DAY, SERVER, Clock, make_item, open_spool
from zeta_context.capture.spool import LEASE_S, Spool
from zeta_context.errors import CaptureError, SpoolUnusable


def test_what_is_kept_is_byte_for_byte_what_is_leased(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    item = make_item()
    spool.add([item])
    (leased,) = spool.lease(["p1"]).items
    assert leased.body == item.body
    assert (leased.claims, leased.server) == (CLAIMS, SERVER)
    assert spool.papers(["c-1", "unknown"]) == {"c-1": "{}"}


def test_only_this_user_can_read_the_spool(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.add([make_item()])
    for file in spool.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_can_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o755)
    with pytest.raises(SpoolUnusable, match="yours alone"):
        open_spool(tmp_path)


def test_a_spool_that_is_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_bytes(b"")
    (folder / "spool.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        open_spool(tmp_path)


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_spool_is_refused_and_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "spool" / "spool.sqlite").write_bytes(content)
    with pytest.raises(SpoolUnusable, match="purge --all"):
        open_spool(tmp_path)


def test_another_programs_database_and_a_newer_spool_are_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    path = tmp_path / "spool" / "spool.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(SpoolUnusable, match="not a spool"):
        open_spool(tmp_path)
    path.unlink()
    open_spool(tmp_path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(SpoolUnusable, match="newer"):
        open_spool(tmp_path)


def test_nothing_is_leased_before_its_hold_back_ends(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.add([make_item(hold_back_s=600)])
    assert not spool.lease(["p1"]).items
    clock.pass_time(599)
    assert not spool.lease(["p1"]).items
    clock.pass_time(1)
    assert len(spool.lease(["p1"]).items) == 1


def test_what_is_leased_is_nobody_elses_until_the_lease_ends(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    other = open_spool(tmp_path, clock)
    spool.add([make_item()])
    first = spool.lease(["p1"])
    assert len(first.items) == 1
    assert not other.lease(["p1"]).items
    clock.pass_time(LEASE_S)
    second = other.lease(["p1"])
    assert len(second.items) == 1
    # The late first sender can neither acknowledge nor release what is another's now.
    assert spool.acknowledge(first, [first.items[0].id]) == 0
    spool.release(first)
    assert not spool.lease(["p1"]).items
    assert other.acknowledge(second, [second.items[0].id]) == 1
    assert spool.account().unaccounted == 0


def test_a_lease_holds_only_asked_projects_one_server_and_so_many_bytes(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    items = [make_item(project="p1"), make_item(project="p2"), make_item(server=SERVER + "/other")]
    spool.add(items)
    assert [one.id for one in spool.lease(["p1"]).items] == [items[0].id]
    assert [one.id for one in spool.lease(["p1"]).items] == [items[2].id]
    assert spool.lease([]).items == ()
    many = [make_item(project="p3") for _ in range(5)]
    spool.add(many)
    size = len(many[0].body)
    assert len(spool.lease(["p3"], max_bytes=2 * size + 2).items) == 2
    assert len(spool.lease(["p3"], max_records=1).items) == 1


def test_the_oldest_of_whoever_keeps_most_gives_way(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_records=4)
    big = [make_item(project="big") for _ in range(4)]
    spool.add(big)
    small = make_item(project="small")
    assert spool.add([small]) == 1
    assert {one.id for one in spool.items()} == {*(one.id for one in big[1:]), small.id}
    assert spool.account().dropped == {"overflow": 1}
    assert spool.account().unaccounted == 0


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    item = make_item()
    spool = open_spool(tmp_path, max_bytes=3 * len(item.body) + 10, max_records=1000)
    for _ in range(10):
        spool.add([make_item()])
    assert len(spool.items()) <= 3
    assert spool.account().unaccounted == 0


def test_what_is_too_old_expires_and_is_counted(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.add([make_item(retention_s=DAY)])
    clock.pass_time(DAY + 1)
    assert not spool.lease(["p1"]).items
    assert spool.account().dropped == {"expired": 1}


@pytest.mark.parametrize("years", [10, -10])
def test_bad_input_23_a_clock_that_jumps_expires_nothing(tmp_path: Path, years: int) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.add([make_item(hold_back_s=3600)])
    clock.calendar += years * 365 * DAY
    assert not spool.lease(["p1"]).items  # nor does it end the hold-back
    clock.restart_machine()
    clock.calendar += years * 365 * DAY
    spool.add([make_item()])
    assert len(spool.items()) == 2
    assert spool.account().dropped == {}


def test_bad_input_23_time_goes_on_over_a_restart_of_the_machine_but_not_by_much(
    tmp_path: Path,
) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.add([make_item(hold_back_s=DAY)])
    clock.restart_machine(off_for=2 * DAY)
    assert len(spool.lease(["p1"]).items) == 1
    clock.pass_time(30)
    spool.add([])
    clock.restart_machine(off_for=LEASE_S)
    assert len(spool.lease(["p1"]).items) == 1


def test_a_record_the_server_cannot_take_is_set_aside_after_three_tries(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    item = make_item()
    spool.add([item])
    for _ in range(3):
        spool.fail(spool.lease(["p1"]), item.id, "422")
    assert not spool.lease(["p1"]).items
    (dead,) = spool.items()
    assert (dead.state, dead.attempts, dead.last_error) == ("dead", 3, "422")
    clock.pass_time(7 * DAY + 1)
    spool.add([])
    assert spool.account().dropped == {"poison": 1}


def canaries_in(folder: Path, *canaries: bytes) -> list[str]:
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file()
        for canary in canaries
        if canary in file.read_bytes()
    ]


def test_withdrawal_leaves_no_byte_of_the_records_anywhere(tmp_path: Path) -> None:
    canary = b"CANARY-" + os.urandom(16).hex().encode()
    spool = open_spool(tmp_path)
    bodies = [canary + os.urandom(3000) for _ in range(50)]
    spool.add([make_item(body=body) for body in bodies])
    spool.add([make_item(project="p2")])
    assert canaries_in(tmp_path, canary)
    assert spool.withdraw("p1") == 50
    assert canaries_in(tmp_path, canary, *(body[100:140] for body in bodies)) == []
    assert [one.project for one in spool.items()] == ["p2"]
    assert spool.account().dropped == {"withdrawn": 50}


def test_withdrawal_wipes_while_another_editor_uses_the_spool(tmp_path: Path) -> None:
    canary = b"CANARY-" + os.urandom(16).hex().encode()
    spool, other = open_spool(tmp_path), open_spool(tmp_path)
    spool.add([make_item(body=canary + os.urandom(1000)) for _ in range(20)])
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            other.items()
            other.add([make_item(project="p2")])

    thread = threading.Thread(target=read)
    thread.start()
    try:
        spool.withdraw("p1")
        assert not [one for one in other.items() if one.project == "p1"]
    finally:
        stop.set()
        thread.join()
    assert spool.wipe()
    assert canaries_in(tmp_path, canary) == []


def test_only_what_was_sent_is_asked_to_be_deleted_at_the_server(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.add([make_item(project="p1"), make_item(project="p2")])
    lease = spool.lease(["p1"])
    assert spool.mark_sent(lease, [lease.items[0].id])
    spool.withdraw("p1")
    spool.withdraw("p2")
    (deletion,) = spool.deletions()
    assert (deletion.server, deletion.project, deletion.consent_id) == (SERVER, "p1", "c-1")
    assert not spool.still_holds(lease, [lease.items[0].id])
    spool.close()
    reopened = open_spool(tmp_path)
    assert reopened.deletions() == (deletion,)  # it survives until there is a receipt
    reopened.keep_receipt(deletion.id, "deleted 1")
    assert reopened.deletions() == ()
    assert reopened.deletions(with_receipts=True)[0].receipt == "deleted 1"


def test_withdrawing_the_second_consent_takes_only_what_is_under_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    first = make_item()
    second = make_item(claims=replace(CLAIMS, settled_consent_id="c-2"))
    spool.add([first, second])
    assert spool.withdraw("p1", ["c-2"]) == 1
    assert [one.id for one in spool.items()] == [first.id]


def test_what_was_withdrawn_may_not_leave_though_it_was_leased(tmp_path: Path) -> None:
    spool, other = open_spool(tmp_path), open_spool(tmp_path)
    spool.add([make_item()])
    lease = spool.lease(["p1"])
    other.withdraw("p1")
    assert not spool.mark_sent(lease, [lease.items[0].id])
    assert spool.acknowledge(lease, [lease.items[0].id]) == 0
    assert spool.account().dropped == {"withdrawn": 1}


def test_redaction_puts_another_body_in_its_place_and_wipes_the_old_one(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    item = make_item(body=b"OLD-BODY-OF-THE-RECORD")
    spool.add([item])
    changed = spool.redact(item.id, lambda body: body.replace(b"OLD", b"NEW"))
    assert changed.body == b"NEW-BODY-OF-THE-RECORD"
    assert changed.sha256 != replace(changed, sha256="").sha256
    assert canaries_in(tmp_path, b"OLD-BODY") == []


def test_a_record_that_may_have_left_is_not_redacted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    item = make_item()
    spool.add([item])
    lease = spool.lease(["p1"])
    spool.mark_sent(lease, [item.id])
    spool.release(lease)
    with pytest.raises(CaptureError, match="already"):
        spool.redact(item.id, lambda body: body)
    with pytest.raises(CaptureError, match="no record"):
        spool.redact("nothing", lambda body: body)


def test_purging_wipes_and_counts(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    items = [make_item() for _ in range(3)]
    spool.add(items)
    assert spool.purge([items[0].id, "unknown"]) == 1
    assert spool.purge() == 2
    assert spool.account().dropped == {"purged": 3}
    assert spool.account().unaccounted == 0


def test_drops_are_reported_once(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.add([], {"secret": 2, "excluded": 1})
    assert spool.unreported_drops() == {"secret": 2, "excluded": 1}
    spool.report_drops({"secret": 2})
    spool.add([], {"secret": 1})
    assert spool.unreported_drops() == {"secret": 1, "excluded": 1}
    assert spool.account().captured == 4
    assert spool.account().unaccounted == 0


def test_bad_input_22_a_full_disk_raises_keeps_what_was_there_and_heals(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.add([make_item()])
    spool._db.execute("PRAGMA max_page_count=1")  # SQLite raises it to what is in use: now full
    with pytest.raises(sqlite3.OperationalError, match="full"):
        spool.add([make_item(body=os.urandom(100_000))])
    assert len(spool.items()) == 1
    assert spool.account().unaccounted == 0
    spool._db.execute("PRAGMA max_page_count=1000000")
    spool.add([make_item()])
    assert len(spool.items()) == 2


def test_two_editors_share_one_spool(tmp_path: Path) -> None:
    spools = [open_spool(tmp_path), open_spool(tmp_path)]
    seen: list[str] = []
    lock = threading.Lock()

    def work(spool: Spool, project: str) -> None:
        for _ in range(20):
            spool.add([make_item(project=project)])
            lease = spool.lease(["p1", "p2"], max_records=3)
            ids = [one.id for one in lease.items]
            spool.acknowledge(lease, ids)
            with lock:
                seen.extend(ids)

    threads = [
        threading.Thread(target=work, args=(spool, f"p{n}")) for n, spool in enumerate(spools, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account = spools[0].account()
    assert len(seen) == len(set(seen)) == account.acknowledged
    assert (account.captured, account.unaccounted) == (40, 0)
