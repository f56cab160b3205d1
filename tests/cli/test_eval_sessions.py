"""`zeta-context eval sessions`: scores for people, machines and a page."""

from __future__ import annotations

import json
import shutil
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.runners.scripted_server import Request, ScriptedServer, text
from zeta_context.cli.eval import JSON_KEYS
from zeta_context.cli.main import cli

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sessions")
    for name in ("boxoffice-return-types", "accesslog-percentile-fix"):
        shutil.copy(SESSIONS / f"{name}.jsonl", target)
    return target


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["eval", "sessions", *map(str, arguments)])


def test_the_last_line_of_the_json_has_the_agreed_keys(folder: Path) -> None:
    result = run(folder, "--predictor", "repeat", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    last = lines[-1]
    assert set(JSON_KEYS) <= set(last)
    assert last["sessions"] == 2
    assert last["shown"] >= last["taken"] >= 3
    assert last["keystrokes_saved_share"] > 0
    assert [line["name"] for line in lines if line["type"] == "session"] == [
        "accesslog-percentile-fix",
        "boxoffice-return-types",
    ]
    groups = {line["group"]: line for line in lines if line["type"] == "score"}
    assert set(groups) == {"all", "tuning", "held out", "python"}
    assert groups["all"]["shown"] == last["shown"]
    assert groups["all"]["interruptions"] == last["shown"] - last["taken"]


def test_people_get_a_table_for_each_setting(folder: Path) -> None:
    result = run(folder, "--predictor", "repeat", "--compare", "repeat,pause=900")
    assert result.exit_code == 0, result.output
    assert "predictor:repeat,pause=300,latency=20|sessions:2:" in result.stdout
    assert "predictor:repeat,pause=900,latency=20|sessions:2:" in result.stdout
    assert "held out (1)" in result.stdout


def test_a_model_behind_a_server_is_asked_in_every_session_and_let_go_once(folder: Path) -> None:
    with ScriptedServer(text("nothing of use")) as server:
        spec = f"http:{server.url},model=toy,format=zeta2_1,latency=250"
        result = run(folder, "--predictor", spec, "--compare", "repeat", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    one, two, *_ = lines
    assert one["asked"] > 0
    assert two["asked"] > 0
    assert len(server.requests) >= (one["asked"] + two["asked"]) / 2
    assert {request.fields["model"] for request in server.requests} == {"toy"}
    for told in (one, two):
        assert not {"runner_closed", "closed", "proposer_fault"} & told["silences"].keys()
    total = next(line for line in lines if line["type"] == "total")
    assert f"predictor:{spec}"[:60] in total["signature"]
    assert (total["sessions"], total["shown"], total["reversals"]) == (2, 0, 0)


def test_a_model_that_says_what_stood_there_before_is_never_shown(folder: Path) -> None:
    """Over HTTP, in its own format: the adversary that every guard has to hold against."""
    seen: list[str] = []

    def go_back(connection: socket.socket, request: Request) -> None:
        region = request.fields["prompt"].rpartition("<|user_cursor|>")[0][-200:]
        seen.append(region)
        text(seen[-2] if len(seen) > 1 else region)(connection, request)

    with ScriptedServer(go_back) as server:
        result = run(folder, "--json", "--predictor", f"http:{server.url},model=toy,format=zeta2_1")
    assert result.exit_code == 0, result.output
    total = json.loads(result.stdout.splitlines()[-1])
    assert seen
    assert (total["reversals"], total["reshown_rejections"]) == (0, 0)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("http:http://127.0.0.1:1,model=toy,format=zeta2_1,guarded=no", "always guarded"),
        ("http:http://127.0.0.1:1,model=toy,format=zeta2_1,pause=x", "pause is a whole number"),
        ("model:/no/such/folder,colour=red", "has no option 'colour'"),
        ("modle:x", "there are default, repeat"),
    ],
)
def test_a_setting_that_is_none_is_named(folder: Path, spec: str, told: str) -> None:
    result = run(folder, "--predictor", spec)
    assert result.exit_code == 2
    assert told in result.stderr


class PageReader(HTMLParser):
    """Counts what stands in a page and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_each_session_once_with_a_row_for_each_setting(
    folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    result = run(folder, "--predictor", "repeat", "--compare", "repeat,pause=900", "--html", page)
    assert result.exit_code == 0, result.output
    reader = PageReader()
    text = page.read_text(encoding="utf-8")
    reader.feed(text)
    assert reader.open == []
    assert reader.loads == []
    assert reader.tags.count("section") == 2
    assert reader.tags.count("svg") == 4
    assert "script" not in reader.tags
    assert "added `-&gt; None`" in text or "added `-> None`" not in text


def test_a_baseline_is_written_and_then_held(folder: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    assert run(folder, "--predictor", "repeat", "--write-baseline", baseline).exit_code == 0
    held = run(folder, "--predictor", "repeat", "--baseline", baseline)
    assert held.exit_code == 0
    assert "no figure is worse" in held.stderr
    table = json.loads(baseline.read_text(encoding="utf-8"))
    (figures,) = table["settings"].values()
    figures["taken"] += 1
    baseline.write_text(json.dumps(table), encoding="utf-8")
    worse = run(folder, "--predictor", "repeat", "--baseline", baseline)
    assert worse.exit_code == 1
    assert "taken is worse than the baseline" in worse.stderr


def test_wrong_use_is_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    unknown = run(folder, "--predictor", "oracle")
    assert unknown.exit_code == 2
    assert "no predictor 'oracle'" in unknown.stderr
    assert run(tmp_path).exit_code == 2
