"""Writes one file of each kind that is kept on disk, as this version writes it.

`python -m tools.write_stored FOLDER [KIND ...]`. Run it before a schema number is raised, and
commit what it wrote under `fixtures/stored/KIND-NUMBER/`: `tests/test_stored.py` reads all of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

TEXT = "def total(prices):\n    return sum(prices)\n"
AT = 1_800_000_000.0


def write_prompt_input(folder: Path) -> None:
    from zeta_context.events.event import Event
    from zeta_context.prompt.codec import encode_dict
    from zeta_context.prompt.input import PromptInput
    from zeta_context.text.point import Span

    made = PromptInput(
        project="shop",
        path="shop.py",
        language="python",
        cursor_excerpt=TEXT,
        cursor_offset=4,
        excerpt_start_row=0,
        syntax_spans=(Span(0, len(TEXT)),),
        events=(
            Event(
                project="shop",
                path="shop.py",
                diff="@@ -1,1 +1,1 @@\n-def sum_up(prices):\n+def total(prices):\n",
                old_span=Span(4, 10),
                new_span=Span(4, 9),
                at=12.5,
            ),
        ),
        trigger="buffer_edit",
    )
    (folder / "input.json").write_text(json.dumps(encode_dict(made)), encoding="utf-8")


def write_spool(folder: Path) -> None:
    from tests.capture.spools import Clock, make_item, open_spool

    spool = open_spool(folder, Clock())
    for number in range(3):
        spool.add([make_item(TEXT, record_id=f"{number:032x}")])
    spool.close()


def write_ledger(folder: Path) -> None:
    from zeta_context.consent.chain import Chain

    chain = Chain(folder / "ledger.jsonl", clock=lambda: AT)
    chain.append("sending", {"server": "https://collect.example.org", "records": []})
    chain.append("answer", {"server": "https://collect.example.org", "results": {}})


def write_consent(folder: Path) -> None:
    from zeta_context.consent.grant import Grant, encode_grant

    grant = Grant(
        consent_id="c-1",
        purpose="starting_state",
        project="0" * 32,
        binding="b",
        anchor_commit="a" * 40,
        root="/home/u/shop",
        text_version=1,
        text_digest="d" * 64,
        server="https://collect.example.org",
        operator="An Operator",
        teacher="A Teacher",
        actor="cli",
        granted_at=AT,
        expires_at=AT + 1,
    )
    (folder / "grant.json").write_bytes(encode_grant(grant))


def write_rejections(folder: Path) -> None:
    from zeta_context.predict.rejections import RejectionMemory
    from zeta_context.text.edit import TextEdit
    from zeta_context.text.point import Span
    from zeta_context.text.snapshot import TextSnapshot

    memory = RejectionMemory(folder / "project.json", clock=lambda: AT)
    memory.add("shop.py", TextSnapshot(TEXT), [TextEdit(Span(4, 9), "price")])


def write_model(folder: Path) -> None:
    from zeta_context.runners.installed import import_model

    file = folder / "own.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    import_model(file, name="own", format_name="V0211SeedCoder", folder=folder / "models")
    file.unlink()


def write_trace(folder: Path) -> None:
    from zeta_context.events.trace import Edited, Opened, TraceHeader
    from zeta_context.events.trace_file import write_trace
    from zeta_context.text.point import Span

    entries = [
        Opened(at_ms=0, path="shop.py", language="python", text=TEXT),
        Edited(at_ms=900, path="shop.py", span=Span(4, 9), new_text="price", version=1),
    ]
    write_trace(folder / "session.jsonl", TraceHeader(root="shop"), entries)


def write_cassette(folder: Path) -> None:
    from zeta_context.runners.base import Completion, CompletionRequest
    from zeta_context.runners.replay import RecordingRunner, ReplayRunner, digest_request

    request = CompletionRequest(prompt="p", max_output_tokens=5)
    behind = ReplayRunner({digest_request(request): Completion(text="t", finish_reason="stop")})
    RecordingRunner(behind, folder / "cassette.jsonl").complete(request)


def write_baseline(folder: Path) -> None:
    from zeta_context.evals.baseline import write_baseline

    write_baseline(folder / "baseline.json", "default", {"right": 0.5})


def write_scenario(folder: Path) -> None:
    from zeta_context.evals.scenario_files import read_scenarios
    from zeta_context.evals.scenario_rows import write_jsonl

    source = next(p for p in Path("fixtures/scenarios").rglob("*.md") if p.name != "README.md")
    write_jsonl(folder / "scenarios.jsonl", read_scenarios(source))


def write_setup(folder: Path) -> None:
    from zeta_context.cli.setup.editors import Block
    from zeta_context.cli.setup.installing import Record, install

    step = Block(path=folder / "init.el", sign=";;", content="(x)\n")
    install(step, Record(folder / "setup.json"))
    told = (folder / "setup.json").read_text(encoding="utf-8")
    (folder / "setup.json").write_text(told.replace(str(folder), "FOLDER"), encoding="utf-8")


def write_variants(folder: Path) -> None:
    from zeta_context.rollout.manifest import Variant, VariantManifest, encode_manifest

    made = VariantManifest(
        experiment="next",
        number=1,
        control=Variant(name="old"),
        candidate=Variant(name="new", model="sweep-0.5b"),
        salt="s" * 16,
        issued_at=AT,
        expires_at=AT + 86_400,
    )
    (folder / "variants.json").write_bytes(encode_manifest(made))


def write_dataset(folder: Path) -> None:
    from zeta_context.counts import Counts
    from zeta_context.prompt.codec import decode_dict
    from zeta_context.training.dataset import Source, write_dataset
    from zeta_context.training.example import Example

    write_prompt_input(folder)
    content = (folder / "input.json").read_text(encoding="utf-8")
    (folder / "input.json").unlink()
    example = Example(
        name="one",
        repository="https://example.org/shop",
        origin="captured",
        purpose="training",
        prompt_input=decode_dict(json.loads(content)),
    )
    source = Source(name="export.jsonl", sha256="e" * 64)
    write_dataset(folder / "set.jsonl", [example], sources=[source], filters={}, counts=Counts())


def write_index(folder: Path) -> None:
    from zeta_context.ingest.database import Sqlite
    from zeta_context.ingest.index import Index

    database = Sqlite(folder / "index.sqlite")
    Index(database)
    database.close()


def write_answers(folder: Path) -> None:
    from zeta_context.training.teacher.cache import AnswerCache

    AnswerCache(folder / "answers.sqlite").close()


KINDS: dict[str, Callable[[Path], None]] = {
    "prompt-input": write_prompt_input,
    "spool": write_spool,
    "ledger": write_ledger,
    "consent": write_consent,
    "rejections": write_rejections,
    "model": write_model,
    "trace": write_trace,
    "cassette": write_cassette,
    "baseline": write_baseline,
    "scenario": write_scenario,
    "setup": write_setup,
    "variants": write_variants,
    "dataset": write_dataset,
    "index": write_index,
    "answers": write_answers,
}


def main() -> None:
    out, names = Path(sys.argv[1]), sys.argv[2:] or list(KINDS)
    for name in names:
        folder = out / name
        folder.mkdir(parents=True)
        KINDS[name](folder)
        print(name, *sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))


if __name__ == "__main__":
    main()
