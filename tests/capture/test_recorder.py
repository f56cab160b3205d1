"""Only the recorder admits records, and only what the gate lets pass, free of secrets and names."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.capture.records import EXCERPT, make_event, make_example
from tests.capture.sending import PROJECT, OpenGate
from tests.capture.spools import Clock, open_spool
from tests.consent.consent_cases import ACCEPTED, COLLECTION, make_facts, make_grant
from zeta_context.capture.access import Access
from zeta_context.capture.codec import decode_record
from zeta_context.capture.example import Example, ExampleOutcome, Record
from zeta_context.capture.recorder import QUEUE_LENGTH, Offered, Recorder, Settled
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_records import NewItem
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import HOLD_BACK_S, Facts
from zeta_context.consent.repository_file import RepositoryRules
from zeta_context.counts import Counts
from zeta_context.errors import SpoolUnusable
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

GITHUB_TOKEN = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
PREDICTION = Prediction(
    id="prediction-1",
    project="shop",
    path="shop.py",
    version=3,
    edits=(TextEdit(Span(4, 9), "amount"),),
    proposer="repeat",
    why="because of `total`",
    confidence=0.5,
)
SHOWN = Outcome(prediction_id="prediction-1", accepted=True, was_shown=True)


class Place:
    """A recorder over a real spool and a real folder's exclusions."""

    def __init__(self, folder: Path, settings: CaptureSettings | None = None) -> None:
        self.folder = folder
        (folder / "shop").mkdir(exist_ok=True)
        self.gate = OpenGate()
        self.counts = Counts()
        self.clock = Clock()
        self.steady = 0.0
        self.drawn = 0.0
        access = Access(gate=self.gate, exclusions=Exclusions(folder / "shop"))
        self.recorder = Recorder(
            self.open_spool,
            lambda name: access if name == "shop" else None,
            settings or CaptureSettings(sample_rate=1.0),
            counts=self.counts,
            clock=lambda: 1_800_000_059.5,
            steady=lambda: self.steady,
            draw=lambda: self.drawn,
        )

    def open_spool(self) -> Spool:
        return open_spool(self.folder, self.clock)

    def offer(
        self,
        prompt_input: PromptInput | None = None,
        answer: Prediction | Discarded = PREDICTION,
        before: str = EXCERPT,
    ) -> None:
        self.recorder.offer(
            Offered(
                prompt_input=prompt_input or make_example().prompt_input,
                answer=answer,
                before=TextSnapshot(before),
            )
        )

    def records(self) -> list[Record]:
        """Everything that is kept once the recorder has ended."""
        self.recorder.close()
        spool = self.open_spool()
        try:
            assert spool.account().unaccounted == 0
            return [decode_record(item.body) for item in spool.items()]
        finally:
            spool.close()

    def dropped(self) -> dict[str, int]:
        self.recorder.close()
        spool = self.open_spool()
        try:
            return dict(spool.account().dropped)
        finally:
            spool.close()


def test_an_offer_becomes_an_example_of_the_starting_state_and_the_prediction(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.offer()
    (record,) = place.records()
    assert isinstance(record, Example)
    assert record.prompt_input == make_example().prompt_input
    assert record.prediction is not None
    assert record.prediction.diff == (
        "@@ -1,2 +1,2 @@\n-def total(prices):\n+def amount(prices):\n     return sum(prices)\n"
    )
    assert record.at == 1_800_000_000.0
    assert place.gate.asked == [(), ("shop.py", "cart.py"), ("shop.py", "cart.py")]
    assert place.counts.total("captured") == 1


def test_a_record_carries_its_consent_evidence_and_server_and_is_held_back(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.offer()
    place.recorder.close()
    spool = place.open_spool()
    (item,) = spool.items()
    assert item.project == PROJECT
    assert item.server == COLLECTION.server
    assert item.claims.consent_id == "id-of-starting_state"
    assert item.claims.evidence_digest == ACCEPTED.digest
    assert item.due_s == HOLD_BACK_S
    assert not spool.lease([PROJECT]).items
    papers = spool.papers([item.claims.consent_id, item.claims.evidence_digest])
    assert len(papers) == 2
    told = "".join(papers.values())
    assert make_grant().root not in told
    assert make_grant().binding not in told


def test_that_there_was_no_prediction_is_told_with_its_reason(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.offer(answer=Discarded(reason="no_rule"))
    place.offer(answer=Discarded(reason="canceled"))
    (record,) = place.records()
    assert isinstance(record, Example)
    assert (record.prediction, record.quiet_reason) == (None, "no_rule")


NO = {
    "no consent": {"starting_state": None},
    "withdrawn": {"starting_state": make_grant(withdrawn_at=1.0)},
    "nothing known": None,
    "licence refused": {"licence": replace(ACCEPTED, is_accepted=False)},
    "repository forbids": {"repository": RepositoryRules(forbids_collection=True)},
}


@pytest.mark.parametrize("name", NO)
def test_nothing_is_kept_while_the_gate_says_no(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path)
    changes = NO[name]
    place.gate.facts = Facts(now=0.0) if changes is None else make_facts(**changes)
    place.offer()
    place.recorder.close()
    assert not (tmp_path / "spool").exists()
    assert place.counts.totals() == {"capture_not_allowed": 1}


def test_what_is_forbidden_between_capture_and_spool_is_not_written(tmp_path: Path) -> None:
    place = Place(tmp_path)
    facts = [make_facts(), make_facts(), make_facts(starting_state=make_grant(withdrawn_at=1.0))]

    class Closing:
        def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts:
            return facts.pop(0)

    access = Access(gate=Closing(), exclusions=Exclusions(tmp_path / "shop"))
    place.recorder._access = lambda name: access
    place.offer()
    assert place.records() == []
    assert place.dropped() == {"withdrawn": 1}


def test_a_file_that_the_gate_excludes_is_dropped_and_counted(tmp_path: Path) -> None:
    place = Place(tmp_path)

    class Excluding(OpenGate):
        def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts:
            return make_facts(file_rule="untracked_file" if paths else "")

    access = Access(gate=Excluding(), exclusions=Exclusions(tmp_path / "shop"))
    place.recorder._access = lambda name: access
    place.offer()
    assert place.dropped() == {"excluded": 1}


def with_secret(where: str) -> tuple[PromptInput, Prediction, str]:
    start, answer, before = make_example().prompt_input, PREDICTION, EXCERPT
    line = f"token = '{GITHUB_TOKEN}'\n"
    match where:
        case "excerpt":
            start = replace(start, cursor_excerpt=EXCERPT + line)
        case "event":
            start = replace(start, events=(make_event(GITHUB_TOKEN),))
        case "deleted text":
            event = make_event()
            diff = f"@@ -1,1 +0,0 @@\n-{line}"
            start = replace(start, events=(event, replace(event, diff=diff)))
        case "several edits":
            half = len(GITHUB_TOKEN) // 2
            before_it = make_event("x")
            first = replace(before_it, diff=f"@@ -1,0 +1,1 @@\n+token = '{GITHUB_TOKEN[:half]}\n")
            removed = f"-token = '{GITHUB_TOKEN[:half]}\n"
            diff = f"@@ -1,1 +1,1 @@\n{removed}+token = '{GITHUB_TOKEN}'\n"
            second = replace(before_it, diff=diff)
            start = replace(start, events=(first, second))
        case "related file":
            excerpt = RelatedExcerpt(start_row=0, end_row=1, text=line)
            file = RelatedFile(project="shop", path="b.py", last_row=9, excerpts=(excerpt,))
            start = replace(start, related_files=(file,))
        case "prediction":
            answer = replace(answer, edits=(TextEdit(Span(0, 0), line),))
    return start, answer, before


@pytest.mark.parametrize(
    "where",
    ["excerpt", "event", "deleted text", "several edits", "related file", "prediction"],
)
def test_bad_input_17_a_record_with_a_secret_is_dropped_whole(tmp_path: Path, where: str) -> None:
    start, answer, before = with_secret(where)
    place = Place(tmp_path)
    place.offer(start, answer, before)
    assert place.records() == []
    assert place.dropped() == {"secret": 1}
    assert place.counts.total("capture_dropped_secret") == 1
    spool = (tmp_path / "spool" / "spool.sqlite").read_bytes()
    assert GITHUB_TOKEN.encode() not in spool


def test_bad_input_16_an_excluded_files_text_reaches_no_record(tmp_path: Path) -> None:
    place = Place(tmp_path)
    excerpt = RelatedExcerpt(start_row=0, end_row=1, text="CANARY = 1\n")
    start = make_example().prompt_input
    related = (
        RelatedFile(project="shop", path=".env", last_row=1, excerpts=(excerpt,)),
        RelatedFile(project="other", path="b.py", last_row=1, excerpts=(excerpt,)),
        RelatedFile(
            project="", path="python/os.py", last_row=1, excerpts=(excerpt,),
            is_outside_project=True,
        ),
    )  # fmt: skip
    events = (make_event("CANARY", path=".env"), make_event("CANARY", path="secrets.yml"))
    place.offer(replace(start, related_files=related, events=(*events, *start.events)))
    (record,) = place.records()
    assert isinstance(record, Example)
    assert record.prompt_input == replace(start, related_files=())
    assert "CANARY" not in str(record)


def test_nothing_is_kept_when_the_cursor_or_the_prediction_is_in_an_excluded_file(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.offer(replace(make_example().prompt_input, path=".env"))
    place.offer(answer=replace(PREDICTION, path="id_rsa"))
    assert place.records() == []
    assert place.dropped() == {"excluded": 2}


def test_addresses_and_home_folders_are_masked_and_every_offset_still_fits(tmp_path: Path) -> None:
    place = Place(tmp_path)
    text = "# ada@lovelace.org wrote /home/ada/x and C:\\Users\\Ada\\y\n@app.route\n"
    start = replace(make_example().prompt_input, cursor_excerpt=text, syntax_spans=())
    place.offer(start)
    (record,) = place.records()
    assert isinstance(record, Example)
    masked = record.prompt_input.cursor_excerpt
    assert masked == "# xxx@xxxxxxxx.xxx wrote /home/xxx/x and C:\\Users\\xxx\\y\n@app.route\n"
    assert len(masked) == len(text)


def settle(place: Place, following: Sequence[str] = ("afterwards",)) -> None:
    events = tuple(make_event(text) for text in following)
    texts = (EXCERPT, EXCERPT.replace("total", "amount"), EXCERPT.replace("total", "amount"))
    before, accepted, later = map(TextSnapshot, texts)
    place.recorder.settle(Settled(outcome=SHOWN, texts=(before, accepted, later), following=events))


def test_an_outcome_tells_numbers_alone_without_the_second_consent(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.gate.facts = make_facts(settled_text=None)
    place.offer()
    settle(place)
    example, outcome = place.records()
    assert isinstance(outcome, ExampleOutcome)
    assert (outcome.example_id, outcome.accepted, outcome.kept_rate) == (example.id, True, 1.0)
    assert outcome.following is None
    assert "afterwards" not in str(outcome)


def test_what_followed_is_kept_under_the_second_consent_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.offer()
    settle(place)
    place.recorder.close()
    spool = place.open_spool()
    example, outcome = spool.items()
    assert example.claims.settled_consent_id == ""
    assert outcome.claims.settled_consent_id == "id-of-settled_text"
    record = decode_record(outcome.body)
    assert isinstance(record, ExampleOutcome)
    assert record.following == (make_event("afterwards"),)
    assert spool.withdraw(PROJECT, ["id-of-settled_text"]) == 1


def test_a_secret_typed_in_part_before_and_in_part_afterwards_is_not_kept(tmp_path: Path) -> None:
    place = Place(tmp_path)
    half = len(GITHUB_TOKEN) // 2
    first = replace(make_event(), diff=f"@@ -1,0 +1,1 @@\n+x = {GITHUB_TOKEN[:half]}\n")
    rest = replace(
        make_event(),
        diff=f"@@ -1,1 +1,1 @@\n-x = {GITHUB_TOKEN[:half]}\n+x = {GITHUB_TOKEN}\n",
    )
    place.offer(replace(make_example().prompt_input, events=(first,)))
    place.recorder.settle(Settled(outcome=SHOWN, following=(rest,)))
    _, outcome = place.records()
    assert isinstance(outcome, ExampleOutcome)
    assert outcome.following is None


def test_an_outcome_without_its_example_is_not_kept(tmp_path: Path) -> None:
    place = Place(tmp_path)
    settle(place)
    assert place.records() == []


def test_parts_of_a_prediction_are_told_one_by_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.offer()
    place.recorder.settle(Settled(outcome=replace(SHOWN, part="word")))
    place.recorder.settle(Settled(outcome=SHOWN))
    settle(place)  # of nothing any more
    _, first, second = place.records()
    assert isinstance(first, ExampleOutcome)
    assert isinstance(second, ExampleOutcome)
    assert (first.part, second.part) == ("word", None)


def test_requests_are_sampled_and_no_more_than_so_many_an_hour(tmp_path: Path) -> None:
    place = Place(tmp_path, CaptureSettings(sample_rate=0.5, max_per_hour=2))
    place.drawn = 0.5
    place.offer()
    assert place.counts.totals() == {"capture_not_sampled": 1}
    place.drawn = 0.4
    for _ in range(3):
        place.offer()
    assert place.counts.total("capture_not_sampled") == 2
    place.steady = 3600.0
    place.offer()
    assert len(place.records()) == 3


def test_the_typing_path_never_waits_for_a_recorder_that_is_behind(tmp_path: Path) -> None:
    place = Place(tmp_path, CaptureSettings(sample_rate=1.0, max_per_hour=10_000))
    place.recorder._thread = object()  # type: ignore[assignment]  # nobody takes from the queue
    for _ in range(QUEUE_LENGTH + 5):
        place.offer()
    assert place.counts.total("capture_queue_overflow") == 5


def test_bad_input_22_a_disk_that_fails_is_counted_and_told_once_it_works(tmp_path: Path) -> None:
    place = Place(tmp_path)
    is_full = True

    class Full(Spool):
        def add(self, items: Sequence[NewItem], dropped: object = None) -> int:
            if is_full:
                raise sqlite3.OperationalError("database or disk is full")
            return super().add(items, dropped)  # type: ignore[arg-type]

    place.recorder._open_spool = lambda: Full(tmp_path / "spool" / "spool.sqlite")
    place.offer()
    place.offer()
    while place.counts.total("capture_disk_full") < 2:
        pass
    is_full = False
    place.offer()
    assert len(place.records()) == 1
    assert place.dropped() == {"disk_full": 2}


def test_a_spool_that_cannot_be_used_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path)

    def refuse() -> Spool:
        raise SpoolUnusable("damaged")

    place.recorder._open_spool = refuse
    place.offer()
    place.offer()
    place.recorder.close()
    assert place.counts.total("capture_spool_unusable") == 1


def test_a_fault_of_ours_is_counted_and_hurts_nobody(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.offer(answer=replace(PREDICTION, edits=(TextEdit(Span(9_000, 9_001), "x"),)))
    place.offer()
    assert len(place.records()) == 1
    assert place.counts.total("capture_failed_CaptureError") == 1
