"""A model on another machine is asked only once its notice was shown, and so often a day."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.predict.test_model_proposer import ScriptedRunner
from zeta_context.consent.chain import Chain
from zeta_context.consent.policy import FORBIDS_ALL, NO_POLICY, Policy
from zeta_context.consent.remote_notice import NoticeStore
from zeta_context.counts import Counts
from zeta_context.errors import RemoteNotAllowed, RunnerBusy, RunnerTimeout
from zeta_context.predict.remote_use import MeteredRunner, RemoteUse
from zeta_context.runners.base import CancelToken, CompletionRequest
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint

URL = "https://models.example.org/v1/completions"
ENDPOINT = parse_endpoint(URL)
REQUEST = CompletionRequest(prompt="x" * 300)
DAY_S = 86_400.0


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_800_000_000.0
        self.chain = Chain(folder / "ledger" / "ledger.jsonl", clock=lambda: self.now)
        self.notices = NoticeStore(folder)
        self.permission = RemotePermission.from_urls([URL])
        self.policy = NO_POLICY
        self.counts = Counts()
        self.runner = ScriptedRunner(answer=lambda _: "y" * 30, is_remote=True)

    def use(self) -> RemoteUse:
        return RemoteUse(
            ENDPOINT,
            self.permission,
            folder=self.folder,
            chain=self.chain,
            read_policy=lambda: self.policy,
            clock=lambda: self.now,
            counts=self.counts,
        )

    def ask(self) -> None:
        MeteredRunner(self.runner, self.use()).complete(REQUEST)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.chain.entries()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.notices.note_shown(URL)
    return made


def test_nothing_is_sent_before_the_notice_was_shown(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with pytest.raises(RemoteNotAllowed, match="consent remote"):
        place.ask()
    assert place.runner.asked == []
    assert place.kinds() == []
    place.notices.note_shown("https://models.example.org/v2")
    with pytest.raises(RemoteNotAllowed):
        place.ask()
    place.notices.note_shown(URL)
    place.ask()
    assert len(place.runner.asked) == 1
    place.notices.forget(URL)
    with pytest.raises(RemoteNotAllowed):
        place.ask()


def test_an_endpoint_that_the_configuration_does_not_name_is_never_asked(place: Place) -> None:
    place.permission = RemotePermission()
    with pytest.raises(RemoteNotAllowed, match="configuration"):
        place.ask()
    assert place.runner.asked == []


@pytest.mark.parametrize("policy", [Policy(allows_remote=False), FORBIDS_ALL])
def test_the_organisation_can_forbid_it(place: Place, policy: Policy) -> None:
    place.policy = policy
    with pytest.raises(RemoteNotAllowed):
        place.ask()
    assert place.runner.asked == []


def test_requests_are_capped_by_the_day_over_all_processes(place: Place) -> None:
    place.permission = replace(place.permission, max_requests_per_day=3)
    for _ in range(3):
        place.ask()
    with pytest.raises(RunnerBusy) as caught:
        place.ask()
    assert 0 < caught.value.retry_after_s <= DAY_S
    assert len(place.runner.asked) == 3
    assert place.counts.total("remote_daily_cap") == 1
    place.now += DAY_S
    place.ask()
    assert place.use().today()["requests"] == 1


def test_cost_is_capped_by_the_day(place: Place) -> None:
    place.permission = replace(
        place.permission, max_cost_per_day=0.0005, price_per_million_input_tokens=3.0
    )
    place.ask()  # 100 tokens of input by the estimate: 0.0003
    place.ask()
    with pytest.raises(RunnerBusy):
        place.ask()
    assert place.use().today()["cost"] == pytest.approx(0.0006)


def test_a_clock_set_back_gives_no_further_requests(place: Place) -> None:
    place.permission = replace(place.permission, max_requests_per_day=1)
    place.ask()
    place.now -= 3 * DAY_S
    with pytest.raises(RunnerBusy):
        place.ask()


def test_each_day_s_use_is_in_the_ledger(place: Place) -> None:
    place.ask()
    place.ask()
    place.now += DAY_S
    place.ask()
    assert place.kinds() == ["remote_day_begins", "remote_day", "remote_day_begins"]
    entry = tuple(place.chain.entries())[1]
    assert entry.fields["endpoint"] == URL
    assert entry.fields["requests"] == 2
    assert place.chain.verify()[1] == ()


def test_the_ledger_is_written_before_anything_is_sent(place: Place) -> None:
    seen: list[list[str]] = []
    place.runner.answer = lambda _: (seen.append(place.kinds()), "")[1]
    place.ask()
    assert seen == [["remote_day_begins"]]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"day": "2027-01-15", "endpoints": 3}'])
def test_a_count_that_cannot_be_read_stops_it(place: Place, content: bytes) -> None:
    place.ask()
    (place.folder / "remote" / "use.json").write_bytes(content)
    with pytest.raises(RemoteNotAllowed, match=r"use\.json"):
        place.ask()
    assert len(place.runner.asked) == 1


def test_a_negative_count_is_not_believed(place: Place) -> None:
    place.ask()
    path = place.folder / "remote" / "use.json"
    path.write_text(path.read_text().replace('"requests": 1', '"requests": -1e9'))
    with pytest.raises(RemoteNotAllowed):
        place.ask()


def test_a_failed_request_counts_and_one_given_up_before_does_not(place: Place) -> None:
    place.runner.fault = RunnerTimeout("late")
    with pytest.raises(RunnerTimeout):
        place.ask()
    assert place.use().today()["requests"] == 1
    assert place.use().today()["input_tokens"] == 100
    cancelled = CancelToken()
    cancelled.cancel()
    assert not MeteredRunner(place.runner, place.use()).complete(REQUEST, cancel=cancelled)
    assert place.use().today()["requests"] == 1


def test_nothing_of_a_prompt_is_kept(place: Place) -> None:
    place.runner.answer = lambda _: "canary-answer"
    MeteredRunner(place.runner, place.use()).complete(CompletionRequest(prompt="canary-prompt"))
    for file in place.folder.rglob("*"):
        assert not file.is_file() or b"canary" not in file.read_bytes()


def test_processes_count_together(place: Place) -> None:
    program = f"""
import sys
from pathlib import Path
from zeta_context.consent.chain import Chain
from zeta_context.errors import RunnerBusy
from zeta_context.predict.remote_use import RemoteUse
from zeta_context.runners.endpoint import RemotePermission, parse_endpoint
from dataclasses import replace
from zeta_context.consent.policy import NO_POLICY
folder = Path(sys.argv[1])
use = RemoteUse(
    parse_endpoint({URL!r}),
    replace(RemotePermission.from_urls([{URL!r}]), max_requests_per_day=30),
    folder=folder, chain=Chain(folder / "ledger" / "ledger.jsonl"), read_policy=lambda: NO_POLICY,
)
n = 0
for _ in range(20):
    try:
        use.admit()
        n += 1
    except RunnerBusy:
        pass
print(n)
"""
    command = [sys.executable, "-c", program, str(place.folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    told = [int(process.communicate()[0]) for process in running]
    assert sum(told) == 30
    table = json.loads((place.folder / "remote" / "use.json").read_bytes())
    assert table["endpoints"][URL]["requests"] == 30
