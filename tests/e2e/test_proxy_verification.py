"""Behind the real proxy, the editor's own server judges predictions and tells of old names, unseen.

The server is the editor's: nothing that is done beside it may reach the editor, in any message.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live_session import CAPABILITIES, LiveSession, frames_of, messages_of
from tests.e2e.servers import need

pytestmark = pytest.mark.e2e

COMMAND = Path(sys.executable).with_name("zeta-context")
SERVERS = {"ty": ["server"], "basedpyright-langserver": ["--stdio"]}
MAIN = """\
import logging


class Alarm:
    def warn(self, text: str, extra: dict[str, str]) -> None:
        print(text, extra)


alarm = {made}
logger = logging.getLogger()


def run(data: dict[str, str]) -> None:
    logger.warn('0', extra=data)
    logger.error('0', extra=data)
    alarm.warn('1', extra=data)
"""
FIRST_ROW = 13
NAMED = "def total(prices):\n    return sum(prices)\n\n\nprint(total([1]), total([2]))\n"


class Editing(LiveSession):
    """An editor with `main.py` open."""

    def begin(self, text: str) -> None:
        self.uri = (self.root / "main.py").as_uri()
        self.version = 1
        opened = {"uri": self.uri, "languageId": "python", "version": 1, "text": text}
        self.start()
        self.send(method="textDocument/didOpen", params={"textDocument": opened})
        here = {"textDocument": {"uri": self.uri}, "position": {"line": 0, "character": 8}}
        self.ask("textDocument/hover", here)
        self.ask("zeta/predict", here)
        self.until(lambda: self.ask("zeta/status", None).get("documents"))

    def until(self, is_so: Any, timeout_s: float = 30) -> Any:
        ends = time.monotonic() + timeout_s
        while not (found := is_so()):
            assert time.monotonic() < ends
            time.sleep(0.1)
        return found

    def change(self, row: int, start: int, end: int, text: str) -> None:
        self.version += 1
        places = ({"line": row, "character": at} for at in (start, end))
        change = {"range": dict(zip(("start", "end"), places, strict=True)), "text": text}
        document = {"uri": self.uri, "version": self.version}
        self.send(
            method="textDocument/didChange",
            params={"textDocument": document, "contentChanges": [change]},
        )

    def predict(self, row: int, column: int) -> dict[str, Any]:
        place = {"line": row, "character": column}
        answer: dict[str, Any] = self.ask(
            "zeta/predict", {"textDocument": {"uri": self.uri}, "position": place}
        )
        return answer

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.ask("zeta/status", None)["counts"]
        return counts

    def assert_nothing_seen(self) -> None:
        """In any message that came to the editor."""
        assert self.stop() == 0
        assert b"__zeta" not in self.received


@pytest.fixture(params=["ty", "ty pulled", "basedpyright-langserver"])
def editor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Editing]:
    name, _, is_pulled = request.param.partition(" ")
    server = need(name)
    if is_pulled:
        monkeypatch.setitem(CAPABILITIES["textDocument"], "diagnostic", {})
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
        (tmp_path / variable).mkdir(mode=0o700)
    config = tmp_path / "XDG_CONFIG_HOME" / "zeta-context" / "config.toml"
    config.parent.mkdir()
    config.write_text("[predict]\nverify_deadline_ms = 15000\n")
    root = tmp_path / "project"
    root.mkdir()
    arguments = SERVERS[name]
    session = Editing([str(COMMAND), "proxy", "--", *server.command, *arguments], root)
    with session.peer:
        yield session


def rename_first(editor: Editing) -> dict[str, Any]:
    column = MAIN.splitlines()[FIRST_ROW].index("warn")
    editor.change(FIRST_ROW, column, column + 4, "warning")
    return editor.predict(FIRST_ROW, column + 8)


def test_a_prediction_that_brings_an_error_is_held_back(editor: Editing) -> None:
    text = MAIN.format(made="Alarm()")
    (editor.root / "main.py").write_text(text)
    editor.begin(text)
    answer = rename_first(editor)
    assert answer["reason"] == "verified_worse"
    assert editor.counts()["verify_worse"] >= 1
    editor.assert_nothing_seen()


@pytest.mark.parametrize("editor", ["ty"], indirect=True)
def test_the_same_is_shown_where_it_brings_none_and_doctor_tells_how_it_goes(
    editor: Editing,
) -> None:
    text = MAIN.format(made="logging.getLogger()")
    (editor.root / "main.py").write_text(text)
    editor.begin(text)
    prediction = rename_first(editor)["prediction"]
    assert prediction is not None
    counts = editor.counts()
    assert counts.get("verify_unknown", 0) == 0
    assert counts.get("verify_neutral", 0) + counts.get("verify_better", 0) >= 1

    editor.send(method="zeta/didShow", params={"id": prediction["id"]})
    for edit in reversed(prediction["edits"]):
        place = edit["range"]
        editor.change(
            place["start"]["line"],
            place["start"]["character"],
            place["end"]["character"],
            edit["newText"],
        )
    editor.send(method="zeta/didAccept", params={"id": prediction["id"]})
    rates = doctor(editor)
    assert rates["asked"] >= 2
    assert rates["predicted"] == rates["shown"] == rates["accepted"] == 1
    assert 0 < rates["predicted_share"] < 1
    assert rates["kept_share"] == 1
    editor.assert_nothing_seen()


@pytest.mark.parametrize("editor", ["ty"], indirect=True)
def test_wrong_finds_it(editor: Editing) -> None:
    """The last answer behind the proxy. A short name: the path of a socket has to be short."""
    text = MAIN.format(made="Alarm()")
    (editor.root / "main.py").write_text(text)
    editor.begin(text)
    rename_first(editor)
    done = subprocess.run(
        [COMMAND, "wrong", "--last"], capture_output=True, check=False, cwd=editor.root, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "logger.warning(" in Path(done.stdout.strip()).read_text()


def doctor(editor: Editing) -> dict[str, float]:
    """What `zeta-context doctor` tells of the proxy, which hears of its worker each second."""

    def told() -> dict[str, Any]:
        editor.predict(0, 0)
        done = subprocess.run(
            [COMMAND, "doctor", "--json"], capture_output=True, check=False, cwd=editor.root
        )
        (session,) = json.loads(done.stdout)["sessions"]
        return session if session["rates"].get("accepted") else {}

    session = editor.until(told)
    assert session["memory_mb"] > 1
    assert session["latency_ms"]["p50"] > 0
    shown = subprocess.run([COMMAND, "doctor"], capture_output=True, check=False, cwd=editor.root)
    assert b"accepted 100%; kept 100%" in shown.stdout
    rates: dict[str, float] = session["rates"]
    return rates


@pytest.mark.parametrize("editor", ["ty", "basedpyright-langserver"], indirect=True)
def test_a_rename_that_nobody_asked_about_before_goes_on_in_its_file(editor: Editing) -> None:
    (editor.root / "main.py").write_text(NAMED)
    editor.begin(NAMED)
    # The cursor was in row 0 of column 8 at last, inside the name: forget that.
    editor.predict(1, 0)
    editor.until(lambda: not editor.predict(1, 0).get("prediction"))
    editor.change(0, 4, 9, "amount")
    answer = editor.predict(1, 0)
    told = editor.until(lambda: answer.get("prediction") or editor.predict(1, 0)["prediction"])
    assert told["proposer"] == "ripple"
    assert [edit["newText"] for edit in told["edits"]] == ["amount", "amount"]
    assert told["edits"][0]["range"]["start"] == {"line": 4, "character": 6}
    editor.assert_nothing_seen()


@pytest.mark.parametrize("editor", ["ty", "basedpyright-langserver"], indirect=True)
def test_what_the_editor_asks_beyond_a_document_finds_no_shadow(editor: Editing) -> None:
    text = MAIN.format(made="Alarm()")
    (editor.root / "main.py").write_text(text)
    editor.begin(text)
    column = text.splitlines()[FIRST_ROW].index("warn")
    editor.change(FIRST_ROW, column, column + 4, "warning")
    place = {"line": 3, "character": 7}
    document = {"textDocument": {"uri": editor.uri}, "position": place}
    # Both are under way at once: the comparison is given up, or is over, before the second.
    editor.send(id="p1", method="zeta/predict", params={**document, "trigger": "explicit"})
    for _ in range(20):
        context = {"includeDeclaration": True}
        found = editor.ask("textDocument/references", {**document, "context": context})
        assert {one["uri"] for one in found} == {editor.uri}
        editor.ask("workspace/symbol", {"query": "Alarm"})
    editor.assert_nothing_seen()


def test_the_peer_would_notice() -> None:
    """What `assert_nothing_seen` looks through is what the editor was sent."""
    frame = b'{"method": "textDocument/publishDiagnostics", "params": {"uri": "a__zeta_is.py"}}'
    raw = b"Content-Length: %d\r\n\r\n%b" % (len(frame), frame)
    ((seen, message),) = messages_of(frames_of(raw))
    assert b"__zeta" in seen
    assert "diagnostic" not in CAPABILITIES["textDocument"]
    assert message["params"]["uri"] == "a__zeta_is.py"
