"""Two editors on one project, over one spool."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.capture.sending import PROJECT, Place, accept
from tests.capture.spools import open_spool
from tests.consent.consent_cases import make_facts, make_grant
from zeta_context.capture.batch import Batch
from zeta_context.capture.transport import Reply


async def test_two_editors_send_each_record_once(tmp_path: Path) -> None:
    one, two = Place(tmp_path), Place(tmp_path)
    two.clock = one.clock
    items = one.add(30) + two.add(30)
    await asyncio.gather(*(place.uploader.send_due() for place in (one, two)))
    sent = [ids for place in (one, two) for batch in place.server.ids for ids in batch]
    assert sorted(sent) == sorted(item.id for item in items)
    assert one.spool.account() == two.spool.account()
    assert one.spool.account().acknowledged == 60


async def test_bad_input_37_when_one_withdraws_the_other_stops_even_while_it_sends(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    other = open_spool(tmp_path, place.clock)
    place.add(2)
    started = asyncio.Event()

    class Slow(type(place.server)):  # type: ignore[misc]
        async def post(self, server: str, path: str, body: bytes) -> Reply:
            if path.endswith("batches"):
                started.set()
                await asyncio.sleep(60)
            return await super().post(server, path, body)  # type: ignore[no-any-return]

    place.server = Slow()
    place.uploader = place.make_uploader()
    sending = asyncio.create_task(place.uploader.send_due())
    await started.wait()
    loop = asyncio.get_running_loop()
    withdrawn_at = loop.time()
    other.withdraw(PROJECT)
    place.gate.facts = make_facts(starting_state=make_grant(withdrawn_at=5.0))
    await asyncio.wait_for(sending, 30)
    assert loop.time() - withdrawn_at < 30  # at once: it looks five times a second
    assert place.server.batches == []
    assert place.spool.account().dropped == {"withdrawn": 2}


async def test_bad_input_25_a_spool_that_was_restored_from_a_backup_sends_the_same_again(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.add(3)
    place.spool.wipe()
    backup = place.spool.path.read_bytes()
    await place.uploader.send_due()
    place.spool.close()
    place.spool.path.write_bytes(backup)
    place.spool = open_spool(tmp_path, place.clock)
    kept: dict[str, bytes] = {}

    def dedupe(batch: Batch) -> Reply:
        for item in batch.items:
            assert kept.setdefault(item.id, item.body) == item.body
        return accept(batch)

    for batch in place.server.batches:
        dedupe(batch)
    place.server.scripts = [dedupe]
    place.uploader = place.make_uploader()
    await place.uploader.send_due()
    assert len(kept) == 3
    assert place.spool.account().acknowledged == 3
