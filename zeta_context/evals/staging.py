"""Brings a scenario's state about in a session, as an editor would have, and asks for a prediction.

The files are opened as they were before the history and edited step by step on the session's
clock; so proposers see the documents, events and provenance that they would see in an editor.
Knows nothing of which predictor is asked.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from zeta_context.context.gather import ContextSettings
from zeta_context.counts import Counts
from zeta_context.errors import PromptError
from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.scenario import HistoryStep, Scenario, changed_paths, texts_before
from zeta_context.lsp.pool import LanguageServers
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View
from zeta_context.prompt.format import Format
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified

PROJECT = "project"
SECONDS_BETWEEN_STEPS = 2.0
"""Steps of the history are this far apart: each is an event of its own."""

Definitions = Literal["none", "files", "server"]
"""What of other files a model is shown: nothing, the scenario's other files as they are, or what
a language server tells of the names around the cursor, and nothing where none is installed. What
was collected with the scenario stands for both."""

SERVER_DEADLINE_MS = 20_000.0
"""How long a server may take to start and to answer; each scenario has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How a scenario is brought about. With `is_guarded` the checks of the product decide what is
    shown; without, the first proposer's answer counts as it is. The prompt in `prompt_format` is
    kept with the answer, where a format is given."""

    definitions: Definitions = "files"
    is_guarded: bool = True
    prompt_format: Format | None = None


async def predict_scenario(
    scenario: Scenario, proposers: Sequence[Proposer] | None, staging: Staging
) -> ScenarioAnswer:
    """What proposers answer to a scenario (the embedded default, if None).

    Raises EvalError when the history cannot be undone.
    """
    seen = _Seen(scenario, staging)
    watched = None if proposers is None else [seen.watch(one) for one in proposers]
    asked = watched if staging.is_guarded or watched is None else [_Silent()]
    async with stage(scenario, asked, definitions=staging.definitions) as session:
        started = time.perf_counter()
        answer, explanation = await session.explain(
            scenario.path, scenario.cursor, trigger="testing"
        )
        if watched is not None and asked is not watched:
            answer = await asyncio.to_thread(_propose, watched[0], explanation.view)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return _describe(scenario, session, answer, elapsed_ms, seen.prompt)


@asynccontextmanager
async def stage(
    scenario: Scenario, proposers: Sequence[Proposer] | None, *, definitions: Definitions = "files"
) -> AsyncIterator[Session]:
    """A session in the scenario's state: its files on disk and open, its history done."""
    states = _states(scenario)
    now = [0.0]
    context = ContextSettings(deadline_ms=SERVER_DEADLINE_MS)
    settings = Settings(offer_status=False, watch_files=False, context=context)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / PROJECT
        for path, text in scenario.texts.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode("utf-8", "surrogatepass"))
        session = Session(
            root, settings=settings, proposers=proposers, counts=Counts(), clock=lambda: now[0]
        )
        async with AsyncExitStack() as closing:
            if definitions == "server" and scenario.prompt_input is None:
                await _lend_server(session, root, scenario, closing)
            await closing.enter_async_context(session)
            opened = changed_paths(step.diff for step in scenario.history)
            for path in (*(one for one in opened if one != scenario.path), scenario.path):
                session.open(path, states[0].get(path, ""))
            for step, before, after in zip(scenario.history, states[:-1], states[1:], strict=True):
                now[0] += SECONDS_BETWEEN_STEPS
                for path in changed_paths([step.diff]):
                    edits = diff_text(before.get(path, ""), after.get(path, ""))
                    if edits:
                        session.edit_many(path, edits, predicted=step.predicted, cause="edit")
            now[0] += SECONDS_BETWEEN_STEPS
            yield session


async def _lend_server(
    session: Session, root: Path, scenario: Scenario, closing: AsyncExitStack
) -> None:
    """Start a language server for the scenario, if there is one: here it is waited for."""
    servers = await closing.enter_async_context(LanguageServers(root, counts=session.counts))
    with suppress(TimeoutError):
        async with asyncio.timeout(SERVER_DEADLINE_MS / 1000):
            server = await servers.start(scenario.language)
            if server is not None:
                session.lend_server(server)


def with_coarse_history(scenario: Scenario) -> Scenario:
    """The scenario with all edits of a file as one, in the order of their last edits."""
    before, now = texts_before(scenario), scenario.texts
    last = {
        path: number
        for number, step in enumerate(scenario.history)
        for path in changed_paths([step.diff])
    }
    steps = []
    for path in sorted(last, key=lambda path: last[path]):
        diff = render_unified(before.get(path, ""), now.get(path, ""), paths=(path, path))
        if diff:
            steps.append(HistoryStep(diff=diff))
    return replace(scenario, history=tuple(steps), prompt_input=None)


def _states(scenario: Scenario) -> list[dict[str, str]]:
    """The texts before the history and after each step."""
    steps = range(len(scenario.history), -1, -1)
    return [texts_before(scenario, steps=count) for count in steps]


class _Seen:
    """Completes what proposers see of a scenario, and keeps it."""

    def __init__(self, scenario: Scenario, staging: Staging) -> None:
        self._scenario = scenario
        self._staging = staging
        self.prompt = ""

    def watch(self, proposer: Proposer) -> Proposer:
        """The proposer, shown what an evaluation shows."""
        return _Watched(proposer, self)

    def complete(self, view: View) -> View:
        """The view with the related files that an evaluation shows."""
        prompt_input = view.prompt_input
        if prompt_input is None:
            return view
        prompt_input = self._complete_input(prompt_input)
        if self._staging.prompt_format is not None:
            with suppress(PromptError):
                self.prompt = self._staging.prompt_format.render(prompt_input).text
        return replace(view, prompt_input=prompt_input)

    def _complete_input(self, prompt_input: PromptInput) -> PromptInput:
        scenario = self._scenario
        if self._staging.definitions == "none":
            return replace(prompt_input, related_files=())
        if scenario.prompt_input is not None:
            return replace(prompt_input, related_files=scenario.prompt_input.related_files)
        if self._staging.definitions == "server":
            return prompt_input
        return replace(prompt_input, related_files=related_files(scenario))


def related_files(scenario: Scenario) -> tuple[RelatedFile, ...]:
    """The scenario's other files, whole, as a prompt shows related files."""
    return tuple(
        RelatedFile(
            project=PROJECT,
            path=file.path,
            last_row=file.text.count("\n"),
            excerpts=(
                RelatedExcerpt(
                    start_row=0,
                    end_row=file.text.count("\n") + (not file.text.endswith("\n")),
                    text=file.text,
                    order=order,
                    source="edit_history_file",
                ),
            ),
        )
        for order, file in enumerate(scenario.files)
    )


class _Watched:
    """A proposer that is shown a completed view."""

    def __init__(self, proposer: Proposer, seen: _Seen) -> None:
        self._proposer = proposer
        self._seen = seen

    @property
    def name(self) -> str:
        return self._proposer.name

    def propose(self, view: View) -> Prediction | Discarded:
        return self._proposer.propose(self._seen.complete(view))


@dataclass(frozen=True, slots=True)
class _Silent:
    """Has a session gather the context and propose nothing."""

    name: str = "silent"

    def propose(self, _: View) -> Discarded:
        return Discarded(reason="not_asked")


def _propose(proposer: Proposer, view: View) -> Prediction | Discarded:
    try:
        return proposer.propose(view)
    except Exception as fault:  # as in the product: one fault does not end a run
        detail = f"{proposer.name} failed with {type(fault).__name__}"
        return Discarded(reason="proposer_fault", detail=detail)


def _describe(
    scenario: Scenario,
    session: Session,
    answer: Prediction | Discarded,
    elapsed_ms: float,
    prompt: str,
) -> ScenarioAnswer:
    elapsed_ms = round(elapsed_ms, 3)
    if isinstance(answer, Discarded):
        return ScenarioAnswer(
            name=scenario.name,
            reason=answer.reason,
            detail=answer.detail,
            elapsed_ms=elapsed_ms,
            prompt=prompt,
        )
    path = answer.path
    text = session.document(path).snapshot.text
    predicted = apply_edits(text, answer.edits)
    diff = render_unified(text, predicted, paths=(path, path))
    return ScenarioAnswer(
        name=scenario.name,
        patch=diff,
        reason="" if diff else "empty",
        cursor=answer.cursor if path == scenario.path else None,
        proposer=answer.proposer,
        confidence=answer.confidence,
        elapsed_ms=elapsed_ms,
        prompt=prompt,
    )
