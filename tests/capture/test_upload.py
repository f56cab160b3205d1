"""The upload sends what is allowed, once, and is told by each answer what to do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.capture.sending import (
    BOTH,
    CLAIMS,
    INSTALLATION,
    PROJECT,
    MemoryServer,
    Place,
    Script,
    accept,
    answer,
    silent,
)
from tests.capture.spools import make_item
from tests.consent.consent_cases import ACCEPTED, COLLECTION, make_facts, make_grant
from zeta_context.capture.batch import DELETIONS_PATH, Batch, encode_results
from zeta_context.capture.transport import Reply
from zeta_context.capture.upload import IDLE_S, LONGEST_BACK_OFF_S
from zeta_context.consent.policy import NO_POLICY


async def test_what_is_sent_is_byte_for_byte_what_was_in_the_spool(tmp_path: Path) -> None:
    place = Place(tmp_path)
    items = place.add(3)
    assert await place.uploader.send_due() == IDLE_S
    (batch,) = place.server.batches
    assert [(one.id, one.body) for one in batch.items] == [(one.id, one.body) for one in items]
    assert batch.installation == INSTALLATION
    assert set(batch.papers) == {"id-of-starting_state", ACCEPTED.digest}
    account = place.spool.account()
    assert (account.captured, account.acknowledged, account.kept) == (3, 3, 0)


async def test_the_ledger_knows_before_a_byte_leaves_and_after_the_answer(tmp_path: Path) -> None:
    place = Place(tmp_path)

    def look(batch: Batch) -> Reply:
        assert [one.id for one in place.ledger.sending[-1].items] == [one.id for one in batch.items]
        return accept(batch)

    place.server.scripts = [look]
    (item,) = place.add()
    await place.uploader.send_due()
    assert place.ledger.answers[0].results == {item.id: "accepted"}


async def test_the_gate_is_asked_about_every_file_of_a_record(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add()
    await place.uploader.send_due()
    assert place.gate.asked == [("shop.py", "cart.py")]


STATES = {
    "no consent": ({"starting_state": None}, "kept"),
    "licence changed": ({"licence": replace(ACCEPTED, detector="newer")}, "kept"),
    "licence refused": ({"licence": replace(ACCEPTED, is_accepted=False)}, "kept"),
    "licence unknown": ({"licence": None}, "kept"),
    "policy forbids": ({"policy": replace(NO_POLICY, allows_collection=False)}, "kept"),
    "paused by the clock": ({"now": 1.0}, "kept"),
    "expired": ({"starting_state": make_grant(expires_at=5.0)}, "kept"),
    "withdrawn": ({"starting_state": make_grant(withdrawn_at=5.0)}, "withdrawn"),
    "another consent": ({"starting_state": make_grant(consent_id="other")}, "not_allowed"),
    "another project": ({"project": "q" * 32}, "kept"),
    "excluded now": ({"file_rule": "user_glob"}, "excluded"),
    "unreadable": ({"unreadable": ("consent",)}, "kept"),
    "server stopped": ({"server_stopped": True}, "kept"),
}


@pytest.mark.parametrize("name", STATES)
async def test_nothing_leaves_when_the_gate_says_no_at_the_moment_of_sending(
    tmp_path: Path, name: str
) -> None:
    changes, fate = STATES[name]
    place = Place(tmp_path)
    place.add()
    place.gate.facts = make_facts(**changes)
    await place.uploader.send_due()
    assert place.server.posts == []
    account = place.spool.account()
    assert (account.kept, account.dropped) == ((1, {}) if fate == "kept" else (0, {fate: 1}))
    if fate == "kept":  # and it is sent once nothing stands in the way any more
        place.gate.facts = make_facts()
        await place.uploader.send_due()
        assert place.spool.account().acknowledged == 1


async def test_what_followed_needs_the_second_consent_at_the_moment_of_sending(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.add(claims=BOTH)
    place.gate.facts = make_facts(settled_text=None)
    await place.uploader.send_due()
    assert place.server.posts == []
    place.gate.facts = make_facts()
    await place.uploader.send_due()
    assert place.spool.account().acknowledged == 1


async def test_another_projects_records_are_not_touched(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.spool.add([make_item(project="q" * 32)])
    await place.uploader.send_due()
    assert place.server.posts == []


async def test_a_secret_that_newer_rules_know_is_found_before_sending(tmp_path: Path) -> None:
    place = Place(tmp_path)
    token = "ghp_" + "a1B2" * 9
    text = (
        f"aws_secret_access_key = 'wJalrXUtnFEMIzK7MDENGbPxRfiCYZ4pLEzYq0Tt'\ntoken = '{token}'\n"
    )
    item = make_item(
        text, project=PROJECT, server=COLLECTION.server, claims=CLAIMS, rules_version=0
    )
    place.spool.add([item])
    await place.uploader.send_due()
    assert place.server.posts == []
    assert place.spool.account().dropped == {"secret": 1}


async def test_bad_input_26_one_poison_record_does_not_hold_up_the_others(tmp_path: Path) -> None:
    place = Place(tmp_path)
    items = place.add(100)
    poison = items[37].id

    def refuse(batch: Batch) -> Reply:
        if poison in [one.id for one in batch.items]:
            return Reply(status=422, headers={}, body=b"")
        return accept(batch)

    place.server.scripts = [refuse]
    for _ in range(3):
        await place.uploader.send_due()
    account = place.spool.account()
    assert (account.acknowledged, account.kept) == (99, 1)
    (dead,) = place.spool.items()
    assert (dead.id, dead.state, dead.attempts) == (poison, "dead", 3)


async def test_a_batch_that_is_too_large_is_halved_and_stays_small(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add(16)

    def limited(batch: Batch) -> Reply:
        status = 413 if len(batch.items) > 5 else 200
        return accept(batch) if status == 200 else Reply(status=413, headers={}, body=b"")

    place.server.scripts = [limited]
    await place.uploader.send_due()
    assert place.spool.account().acknowledged == 16
    place.server.batches.clear()
    place.add(8)
    await place.uploader.send_due()
    assert [len(ids) for ids in place.server.ids] == [4, 4]


async def test_a_single_record_that_is_too_large_is_dropped_and_counted(tmp_path: Path) -> None:
    place = Place(tmp_path, answer(413))
    place.add()
    await place.uploader.send_due()
    assert place.spool.account().dropped == {"too_large": 1}


@pytest.mark.parametrize(
    ("script", "waits"),
    [
        (answer(200, b"garbage"), 2.0),
        (answer(204), 2.0),
        (answer(408), 2.0),
        (answer(425), 2.0),
        (answer(500), 2.0),
        (answer(429, retry_after="77"), 77.0),
        (answer(503, retry_after="0"), 1.0),
        (answer(503, retry_after="1" + "0" * 12), 86_400.0),
        (silent, 2.0),
    ],
)
async def test_bad_input_24_it_waits_and_keeps_everything(
    tmp_path: Path, script: Script, waits: float
) -> None:
    place = Place(tmp_path, script)
    place.add(2)
    assert await place.uploader.send_due() == waits
    posts = len(place.server.posts)
    place.clock.pass_time(waits / 2)
    assert await place.uploader.send_due() == waits / 2  # all is left alone meanwhile
    assert len(place.server.posts) == posts
    place.server.scripts = [accept]
    place.clock.pass_time(waits / 2)
    await place.uploader.send_due()
    assert place.spool.account().acknowledged == 2


async def test_it_waits_longer_and_longer_but_at_most_an_hour(tmp_path: Path) -> None:
    place = Place(tmp_path, answer(500))
    place.add()
    waits = []
    for _ in range(15):
        waits.append(await place.uploader.send_due())
        place.clock.pass_time(waits[-1])
    assert waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == LONGEST_BACK_OFF_S


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404])
async def test_bad_input_24_it_stops_until_somebody_has_looked(tmp_path: Path, status: int) -> None:
    place = Place(tmp_path, answer(status, location="https://elsewhere.example.org/"))
    place.add(2)
    for _ in range(3):
        await place.uploader.send_due()
        place.clock.pass_time(90_000)
    assert len(place.server.posts) == 1
    assert {server for server, _, _ in place.server.posts} == {COLLECTION.server}
    assert place.uploader.stopped == f"http_{status}"
    assert place.counts.total(f"upload_stopped_http_{status}") == 1
    assert place.spool.account().kept == 2


async def test_a_server_that_is_gone_stops_it_and_nothing_for_it_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, answer(410))
    place.add(3)
    await place.uploader.send_due()
    assert place.gone == [COLLECTION.server]
    assert place.spool.account().dropped == {"server_stopped": 3}


async def test_each_record_has_its_own_fate(tmp_path: Path) -> None:
    place = Place(tmp_path)
    items = place.add(4)
    results = {
        items[0].id: "accepted",
        items[1].id: "duplicate",
        items[2].id: "rejected:consent_withdrawn",
        "unknown": "accepted",
    }
    place.server.scripts = [answer(207, encode_results(results)), accept]
    wait_s = await place.uploader.send_due()
    account = place.spool.account()
    assert (account.acknowledged, account.dropped, account.kept) == (2, {"rejected": 1}, 1)
    assert place.counts.total("upload_rejected_consent_withdrawn") == 1
    place.clock.pass_time(wait_s)
    await place.uploader.send_due()
    assert place.server.ids[-1] == [items[3].id]


async def test_bad_input_25_an_acknowledgement_that_was_lost_leads_to_the_same_record_again(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, silent, accept)
    (item,) = place.add()
    place.clock.pass_time(await place.uploader.send_due())
    await place.uploader.send_due()
    assert place.server.ids == [[item.id], [item.id]]
    assert place.server.batches[0].items[0].body == place.server.batches[1].items[0].body


async def test_drops_are_told_to_the_server_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.spool.add([], {"secret": 2})
    place.add()
    await place.uploader.send_due()
    place.add()
    await place.uploader.send_due()
    assert [batch.drops for batch in place.server.batches] == [{"secret": 2}, {}]


async def test_bad_input_36_withdrawal_breaks_off_what_is_being_sent_and_deletes_at_the_server(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    (item,) = place.add()
    started, is_cancelled = asyncio.Event(), asyncio.Event()

    class Slow(MemoryServer):
        async def post(self, server: str, path: str, body: bytes) -> Reply:
            if path == DELETIONS_PATH:
                return await super().post(server, path, body)
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                is_cancelled.set()
                raise
            raise AssertionError("it was not broken off")

    place.server = Slow()
    place.uploader = place.make_uploader()
    sending = asyncio.create_task(place.uploader.send_due())
    await started.wait()
    place.spool.withdraw(PROJECT)
    place.gate.facts = make_facts(starting_state=make_grant(withdrawn_at=5.0))
    wait_s = await asyncio.wait_for(sending, 10)
    await asyncio.wait_for(is_cancelled.wait(), 10)
    assert place.spool.account().dropped == {"withdrawn": 1}
    # The deletion waits until the server can be reached, and happens once.
    for _ in range(3):
        place.clock.pass_time(max(wait_s, 1.0))
        wait_s = await place.uploader.send_due()
    deletions = [body for _, path, body in place.server.posts if path == DELETIONS_PATH]
    assert len(deletions) == 1
    assert item.body not in deletions[0]
    assert json.loads(place.spool.deletions(with_receipts=True)[0].receipt) == {"deleted": 1}


async def test_a_withdrawal_that_was_cut_off_is_finished_by_the_next_sender(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add(2)
    await place.uploader.send_due()
    # The gate was closed, and then the machine went down: the spool was told nothing.
    place.gate.facts = make_facts(starting_state=make_grant(withdrawn_at=5.0))
    await place.uploader.send_due()
    (deletion,) = place.spool.deletions(with_receipts=True)
    assert (deletion.project, deletion.consent_id) == (PROJECT, "id-of-starting_state")
    assert deletion.receipt


async def test_a_second_consent_that_was_withdrawn_takes_back_only_what_is_under_it(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.add()
    place.add(claims=BOTH)
    await place.uploader.send_due()
    withdrawn = make_grant("settled_text", withdrawn_at=5.0)
    place.gate.facts = make_facts(settled_text=withdrawn)
    for _ in range(2):
        await place.uploader.send_due()
    (deletion,) = place.spool.deletions(with_receipts=True)
    assert deletion.consent_id == "id-of-settled_text"


async def test_a_deletion_is_asked_for_again_and_again_but_ever_less_often(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add()
    await place.uploader.send_due()
    place.spool.withdraw(PROJECT)

    class Dead(MemoryServer):
        async def post(self, server: str, path: str, body: bytes) -> Reply:
            self.posts.append((server, path, body))
            return Reply(status=500, headers={}, body=b"")

    place.server = Dead()
    place.uploader = place.make_uploader()
    for _ in range(64):
        await place.uploader.send_due()
        place.clock.pass_time(1.0)
    assert len(place.server.posts) == 6  # after 2, 4, 8, 16 and 32 seconds
    place.add()  # what else there is to send does not wait for it
    before = len(place.server.posts)
    await place.uploader.send_due()
    assert {path for _, path, _ in place.server.posts[before:]} >= {"/v1/batches"}


async def test_a_ledger_that_cannot_be_written_keeps_everything_here(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add()

    def fail(sent: object) -> None:
        raise OSError("read-only")

    place.ledger.note_sending = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="read-only"):
        await place.uploader.send_due()
    assert place.server.posts == []
    assert place.spool.account().kept == 1


async def test_a_spool_that_fails_is_counted_and_asked_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.add()
    place.spool.close()
    running = asyncio.create_task(place.uploader.run(asyncio.Event()))
    await asyncio.sleep(0.05)
    assert place.counts.total("upload_spool_failed") >= 1
    assert not running.done()
    running.cancel()
