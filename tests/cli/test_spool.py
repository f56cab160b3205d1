"""What a user reads of their spool are the bytes that would leave, and what they wipe is gone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.capture.records import make_example
from tests.capture.spools import make_item
from zeta_context.capture.codec import encode_record
from zeta_context.capture.example import Example
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_file import spool_path
from zeta_context.capture.spool_records import NewItem
from zeta_context.cli.main import cli


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["spool", *arguments])


def put(text: str = "CANARY = 1\n", *, hold_back_s: float = 3600.0) -> tuple[Example, NewItem]:
    example = make_example(text)
    item = make_item(record_id=example.id, body=encode_record(example), hold_back_s=hold_back_s)
    spool = Spool()
    spool.add([item])
    spool.close()
    return example, item


def test_without_a_spool_nothing_is_shown_and_nothing_made() -> None:
    assert json.loads(run("list", "--json").stdout)["records"] == []
    assert "nothing was ever collected" in run("list").stderr
    assert run("purge", "--all").stdout == "0 purged\n"
    assert run("show", "abc").exit_code == 2
    assert not spool_path().exists()


def test_the_list_tells_what_waits_and_what_became_of_the_rest() -> None:
    example, _ = put()
    told = json.loads(run("list", "--json").stdout)
    assert [one["id"] for one in told["records"]] == [example.id]
    assert told["records"][0]["path"] == "shop.py"
    assert (told["captured"], told["acknowledged"], told["dropped"]) == (1, 0, {})
    printed = run("list")
    assert example.id[-12:] in printed.stdout
    assert "due in 60 min" in printed.stdout
    assert "CANARY" not in printed.stdout


def test_the_raw_bytes_are_exactly_those_that_would_be_sent() -> None:
    example, item = put()
    shown = run("show", example.id[-12:], "--raw")
    assert shown.stdout_bytes == item.body
    data = json.loads(run("show", example.id).stdout)
    assert data["sending"]["sha256"] == hashlib.sha256(item.body).hexdigest()
    assert data["record"]["prompt_input"]["cursor_excerpt"] == "CANARY = 1\n"


def test_an_export_holds_the_bytes_and_what_they_say(tmp_path: Path) -> None:
    example, item = put()
    assert run("export", "-o", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / f"{example.id}.zst").read_bytes() == item.body
    data = json.loads((tmp_path / "out" / f"{example.id}.json").read_text())
    assert data["id"] == example.id


def test_redacting_masks_a_text_everywhere_and_leaves_the_rest() -> None:
    example, _ = put("CANARY = 1\ny = CANARY\n")
    assert "redacted" in run("redact", example.id, "CANARY").stdout
    data = json.loads(run("show", example.id).stdout)
    assert data["record"]["prompt_input"]["cursor_excerpt"] == "xxxxxx = 1\ny = xxxxxx\n"
    assert "unchanged" in run("redact", example.id, "CANARY").stdout
    assert run("redact", example.id, example.id[:8]).exit_code == 2


def test_purging_leaves_nothing() -> None:
    example, item = put()
    put("y = 2\n")
    assert run("purge", example.id).stdout == "1 purged\n"
    for file in spool_path().parent.iterdir():
        assert item.body[:60] not in file.read_bytes()
    assert run("purge").exit_code == 2
    assert run("purge", "--all").stdout == "1 purged\n"


def test_a_damaged_spool_says_so_and_can_be_removed() -> None:
    put()
    spool_path().write_bytes(b"garbage" * 1000)
    listed = run("list")
    assert listed.exit_code == 2
    assert "purge --all" in listed.stderr
    assert "removed" in run("purge", "--all").stdout
    assert json.loads(run("list", "--json").stdout)["records"] == []
