"""What older versions left on disk is read; what a newer one left is refused, and stays as it is.

`fixtures/stored/KIND-NUMBER` was written by the first version that had that schema, with
`tools.write_stored`.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.capture.spools import Clock, open_spool
from tools.write_stored import AT, KINDS, TEXT
from zeta_context.capture.codec import decode_record
from zeta_context.cli.setup.installing import Record
from zeta_context.consent.chain import Chain
from zeta_context.consent.grant import UnreadableGrant, decode_grant
from zeta_context.counts import Counts
from zeta_context.errors import SpoolUnusable, ZetaError
from zeta_context.evals.baseline import Figure, find_regressions
from zeta_context.evals.scenario_rows import read_jsonl
from zeta_context.events.trace_file import TraceReader
from zeta_context.ingest.database import Sqlite
from zeta_context.ingest.index import Index
from zeta_context.predict.rejections import RejectionMemory
from zeta_context.prompt.codec import decode_dict
from zeta_context.rollout.manifest import decode_manifest
from zeta_context.runners.installed import find_installed
from zeta_context.runners.replay import ReplayRunner
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot
from zeta_context.training.dataset import read_dataset
from zeta_context.training.teacher.cache import AnswerCache

STORED = Path(__file__).parent.parent / "fixtures" / "stored"
REJECTED = [TextEdit(Span(4, 9), "price")]


def read_prompt_input(folder: Path) -> None:
    found = decode_dict(json.loads((folder / "input.json").read_text()))
    assert found.cursor_excerpt == TEXT
    assert [event.at for event in found.events] == [12.5]


def read_spool(folder: Path) -> None:
    (folder / "spool").chmod(0o700)
    clock = Clock()
    spool = open_spool(folder, clock)
    try:
        found = [decode_record(body) for body in spool_bodies(folder)]
        assert len(found) == 3
    finally:
        spool.close()


def spool_bodies(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "spool" / "spool.sqlite") as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema")]
        (table,) = (one for one in tables if one in ("record", "records", "item", "items"))
        return [row[0] for row in connection.execute(f"SELECT body FROM {table}")]


def read_ledger(folder: Path) -> None:
    chain = Chain(folder / "ledger.jsonl")
    assert [entry.kind for entry in chain.entries()] == ["sending", "answer"]
    assert chain.verify() == (2, ())


def read_consent(folder: Path) -> None:
    assert decode_grant((folder / "grant.json").read_bytes()).consent_id == "c-1"


def read_rejections(folder: Path) -> None:
    memory = RejectionMemory(folder / "project.json", clock=lambda: AT)
    assert memory.has("shop.py", TextSnapshot(TEXT), REJECTED)


def read_model(folder: Path) -> None:
    found = find_installed("own", folder / "models")
    assert found is not None
    assert (found.format, found.size_bytes) == ("V0211SeedCoder", 64)


def read_trace(folder: Path) -> None:
    with TraceReader.open(folder / "session.jsonl") as reader:
        assert reader.header.root == "shop"
        assert [entry.at_ms for entry in reader] == [0, 900]


def read_cassette(folder: Path) -> None:
    assert ReplayRunner.from_file(folder / "cassette.jsonl").model == "cassette"


def read_baseline(folder: Path) -> None:
    held = {"right": Figure(more_is_better=True)}
    (worse,) = find_regressions(folder / "baseline.json", "default", {"right": 0.4}, held)
    assert worse.was == 0.5


def read_scenario(folder: Path) -> None:
    assert all(one.text for one in read_jsonl(folder / "scenarios.jsonl"))


def read_setup(folder: Path) -> None:
    (entry,) = Record(folder / "setup.json").done
    assert entry["kind"] == "block"


def read_variants(folder: Path) -> None:
    assert decode_manifest((folder / "variants.json").read_bytes()).candidate.name == "new"


def read_set(folder: Path) -> None:
    manifest, examples = read_dataset(folder / "set.jsonl")
    assert manifest.examples == len(list(examples)) == 1


def read_index(folder: Path) -> None:
    database = Sqlite(folder / "index.sqlite")
    Index(database)
    database.close()


def read_answers(folder: Path) -> None:
    cache = AnswerCache(folder / "answers.sqlite")
    assert cache.find("k") is None
    cache.close()


READERS: dict[str, Callable[[Path], None]] = {
    "prompt-input": read_prompt_input,
    "spool": read_spool,
    "ledger": read_ledger,
    "consent": read_consent,
    "rejections": read_rejections,
    "model": read_model,
    "trace": read_trace,
    "cassette": read_cassette,
    "baseline": read_baseline,
    "scenario": read_scenario,
    "setup": read_setup,
    "variants": read_variants,
    "dataset": read_set,
    "index": read_index,
    "answers": read_answers,
}
VERSIONED = {
    "prompt-input": ("input.json", "schema"),
    "consent": ("grant.json", "schema"),
    "rejections": ("project.json", "schema"),
    "model": ("models/own/zeta-context-model.json", "schema"),
    "trace": ("session.jsonl", "zeta-trace"),
    "cassette": ("cassette.jsonl", "schema"),
    "baseline": ("baseline.json", "schema"),
    "scenario": ("scenarios.jsonl", "schema"),
    "setup": ("setup.json", "schema"),
    "variants": ("variants.json", "schema"),
    "dataset": ("set.jsonl.manifest.json", "schema"),
}
DATABASES = {
    "spool": "spool/spool.sqlite",
    "index": "index.sqlite",
    "answers": "answers.sqlite",
}


def copy(kind: str, target: Path, number: int = 1) -> Path:
    shutil.copytree(STORED / f"{kind}-{number}", target)
    return target


@pytest.mark.parametrize("stored", sorted(path.name for path in STORED.iterdir()))
def test_what_an_older_version_left_is_read(stored: str, tmp_path: Path) -> None:
    kind, _, number = stored.rpartition("-")
    READERS[kind](copy(kind, tmp_path / "stored", int(number)))


def test_each_kind_has_its_first_version_among_the_fixtures() -> None:
    assert set(KINDS) == set(READERS) == {path.name.rpartition("-")[0] for path in STORED.iterdir()}


@pytest.mark.parametrize("kind", sorted({*VERSIONED} - {"rejections"}))
def test_what_a_newer_version_left_is_refused_and_stays(kind: str, tmp_path: Path) -> None:
    folder = copy(kind, tmp_path / "stored")
    name, key = VERSIONED[kind]
    before = raise_number(folder / name, key)
    with pytest.raises((ZetaError, UnreadableGrant), match=r"\w"):
        READERS[kind](folder)
    assert (folder / name).read_bytes() == before


def raise_number(path: Path, key: str) -> bytes:
    """Make the first object of a file say that it is of a version far ahead."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    if not first.rstrip().endswith("}"):
        first, rest = path.read_text(encoding="utf-8"), []
    table: dict[str, Any] = json.loads(first)
    assert key in table, table
    table[key] = 99
    path.write_text("\n".join([json.dumps(table), *rest]) + "\n", encoding="utf-8")
    return path.read_bytes()


@pytest.mark.parametrize("kind", sorted(DATABASES))
def test_a_newer_database_is_refused_and_stays(kind: str, tmp_path: Path) -> None:
    folder = copy(kind, tmp_path / "stored")
    file = folder / DATABASES[kind]
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises((SpoolUnusable, ZetaError), match="newer version"):
        READERS[kind](folder)
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_rejections_of_a_newer_version_are_not_overwritten(tmp_path: Path) -> None:
    folder = copy("rejections", tmp_path / "stored")
    before = raise_number(folder / "project.json", "schema")
    counts = Counts()
    memory = RejectionMemory(folder / "project.json", counts=counts, clock=lambda: AT)
    memory.add("shop.py", TextSnapshot(TEXT), REJECTED)
    assert memory.has("shop.py", TextSnapshot(TEXT), REJECTED)
    assert (folder / "project.json").read_bytes() == before
    assert counts.total("rejections_of_newer_version") == 1
