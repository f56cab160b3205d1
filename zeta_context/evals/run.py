"""Runs a contestant over scenarios into a folder that can be resumed, read and compared later.

The folder holds `manifest.json` (who was asked what), `scenarios.jsonl` and `answers.jsonl`, to
which each answer is added as it comes: after a kill, the next run asks only what is not answered.
Knows nothing of scores.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from zeta_context.errors import EvalError
from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.contestants import Contestant
from zeta_context.evals.scenario import Scenario, digest_scenarios
from zeta_context.evals.scenario_rows import read_jsonl, write_jsonl
from zeta_context.evals.staging import Definitions, Staging, predict_scenario

RUN_SCHEMA = 1
MANIFEST, SCENARIOS, ANSWERS = "manifest.json", "scenarios.jsonl", "answers.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Who was asked what. `scenarios` is a digest; `dataset` names what the model was trained on,
    by its manifest's hash, empty where it was not told; `history` and `definitions` are how the
    scenarios were shown."""

    contestant: str
    scenarios: str
    count: int
    version: str
    dataset: str = ""
    history: str = "fine"
    definitions: Definitions = "files"
    schema: int = RUN_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it lies in its folder, the answers by scenario."""

    folder: Path
    manifest: Manifest
    scenarios: tuple[Scenario, ...]
    answers: dict[str, ScenarioAnswer]

    @property
    def is_complete(self) -> bool:
        """Whether every scenario was answered."""
        return len(self.answers) == len(self.scenarios)


def describe_run(
    contestant: Contestant,
    scenarios: Sequence[Scenario],
    version: str,
    *,
    dataset: str = "",
    history: str = "fine",
    definitions: Definitions = "files",
) -> Manifest:
    """The manifest of a run that is about to start."""
    return Manifest(
        contestant=contestant.spec,
        scenarios=digest_scenarios(scenarios),
        count=len(scenarios),
        version=version,
        dataset=dataset,
        history=history,
        definitions=definitions,
    )


def start_run(folder: Path, manifest: Manifest, scenarios: Sequence[Scenario]) -> Run:
    """The run in a folder, new or as far as it came.

    Raises EvalError when the folder holds another run, or files that are none.
    """
    if (folder / MANIFEST).exists():
        run = read_run(folder)
        for field in fields(Manifest):
            was, now = getattr(run.manifest, field.name), getattr(manifest, field.name)
            if was != now and field.name != "version":
                raise EvalError(
                    f"{folder.name} holds a run with another {field.name}: {was!r}, not {now!r}; "
                    "choose another folder"
                )
        return run
    if folder.exists() and any(folder.iterdir()):
        raise EvalError(f"{folder.name} is not empty and holds no run")
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / SCENARIOS, scenarios)
    # Last: a folder with a manifest has its scenarios.
    _write_whole(folder / MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")
    return Run(folder=folder, manifest=manifest, scenarios=tuple(scenarios), answers={})


def read_run(folder: Path) -> Run:
    """The run in a folder; raises EvalError when there is none.

    A last line that was cut off is dropped; of two answers to a scenario the last counts.
    """
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = {field.name for field in fields(Manifest)}
        manifest = Manifest(**{key: data[key] for key in data if key in known})
    except (OSError, ValueError, TypeError):
        raise EvalError(f"{folder.name} holds no run: its {MANIFEST} cannot be read") from None
    if manifest.schema > RUN_SCHEMA:
        raise EvalError(f"{folder.name} was written by a newer version")
    return Run(
        folder=folder,
        manifest=manifest,
        scenarios=tuple(read_jsonl(folder / SCENARIOS)),
        answers=_read_answers(folder / ANSWERS),
    )


async def answer_scenarios(
    run: Run, contestant: Contestant, *, parallel: int = 1, keeps_prompts: bool = False
) -> AsyncIterator[ScenarioAnswer]:
    """Ask for what the run does not hold yet; each answer is kept before it is given.

    Faults (`answer.FAULTS`) are kept, too, and asked again by the next run. `parallel` is how many
    scenarios are under way at once.
    """
    staging = Staging(
        definitions=run.manifest.definitions,
        is_guarded=contestant.is_guarded,
        prompt_format=contestant.prompt_format if keeps_prompts else None,
    )
    wanted = [
        one
        for one in run.scenarios
        if one.name not in run.answers or run.answers[one.name].is_fault
    ]
    turns = asyncio.Semaphore(parallel)

    async def ask(scenario: Scenario) -> ScenarioAnswer:
        async with turns:
            return await _answer(scenario, contestant, staging)

    with _Journal(run.folder / ANSWERS) as journal:
        for batch in _batches(wanted, max(parallel * 4, 16)):
            for task in asyncio.as_completed([asyncio.ensure_future(ask(one)) for one in batch]):
                answer = await task
                journal.add(answer)
                run.answers[answer.name] = answer
                yield answer


async def _answer(scenario: Scenario, contestant: Contestant, staging: Staging) -> ScenarioAnswer:
    started = time.perf_counter()
    try:
        return await predict_scenario(scenario, contestant.make_proposers(), staging)
    except EvalError as error:
        elapsed_ms = (time.perf_counter() - started) * 1000
        return ScenarioAnswer(
            name=scenario.name, reason="unstageable", detail=str(error), elapsed_ms=elapsed_ms
        )


def digest_answer(answer: ScenarioAnswer) -> str:
    """What tells an answer from another one: the patch, or its absence; not the reason or time."""
    return hashlib.sha256(answer.patch.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Journal:
    """A file of JSON lines that is added to, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        if self._file.tell() and path.read_bytes()[-1:] != b"\n":
            # The line before was cut off by a kill: end it, so that the next one is whole.
            self._file.write(b"\n")

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, answer: ScenarioAnswer) -> None:
        """Write and hand to the system, so that a kill loses at most the answer under way."""
        self._file.write(json.dumps(asdict(answer)).encode() + b"\n")
        self._file.flush()


def _read_answers(path: Path) -> dict[str, ScenarioAnswer]:
    answers: dict[str, ScenarioAnswer] = {}
    if not path.exists():
        return answers
    known = {field.name for field in fields(ScenarioAnswer)}
    with path.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError, TypeError, AttributeError):
                row: dict[str, Any] = json.loads(line)
                answer = ScenarioAnswer(**{key: row[key] for key in row if key in known})
                answers[answer.name] = answer
    return answers


def _batches(scenarios: Sequence[Scenario], size: int) -> Iterable[Sequence[Scenario]]:
    for start in range(0, len(scenarios), size):
        yield scenarios[start : start + size]


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
