"""What leaves is written down before and after, by digest, under its consent and its evidence."""

from __future__ import annotations

from pathlib import Path

from tests.capture.sending import Place
from tests.consent.consent_cases import make_grant
from zeta_context.capture.ledger import Ledger
from zeta_context.capture.spool_records import Item
from zeta_context.capture.upload import Sent
from zeta_context.consent.gate import Claims


def make_item(record_id: str = "r1", body: bytes = b"CANARY") -> Item:
    return Item(
        id=record_id,
        project="p" * 32,
        kind="example",
        server="https://collect.example.org",
        claims=Claims(consent_id="c1", evidence_digest="e1", settled_consent_id=""),
        rules_version=1,
        state="waiting",
        is_leased=True,
        was_sent=False,
        attempts=0,
        last_error="",
        due_s=0.0,
        left_s=1.0,
        sha256="d" * 64,
        body=body,
    )


def test_a_batch_is_written_with_consent_evidence_and_digests_and_no_text(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger" / "ledger.jsonl")
    sent = Sent(server="https://collect.example.org", items=(make_item(),))
    ledger.note_sending(sent)
    ledger.note_answer(Sent(server=sent.server, items=sent.items, results={"r1": "accepted"}))
    sending, answer = ledger.chain.entries()
    assert sending.fields["server"] == "https://collect.example.org"
    (record,) = sending.fields["records"]
    assert (record["id"], record["sha256"]) == ("r1", "d" * 64)
    assert (record["consent"], record["evidence"]) == ("c1", "e1")
    assert answer.fields["results"] == {"r1": "accepted"}
    assert ledger.chain.verify() == (2, ())
    assert b"CANARY" not in ledger.chain.path.read_bytes()


def test_consents_and_withdrawals_are_written_without_the_project_s_place(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger" / "ledger.jsonl")
    grant = make_grant()
    ledger.note_consent(grant)
    ledger.note_withdrawal(grant, 3)
    given, withdrawn = ledger.chain.entries()
    assert given.fields["text_digest"] == grant.text_digest
    assert given.fields["teacher"] == grant.teacher
    assert withdrawn.fields["wiped"] == 3
    assert grant.root.encode() not in ledger.chain.path.read_bytes()


def test_the_uploader_takes_it_for_its_ledger(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ledger = Ledger(tmp_path / "ledger" / "ledger.jsonl")  # type: ignore[assignment]
    assert place.make_uploader() is not None
