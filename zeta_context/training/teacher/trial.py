"""Tries a teacher's prompt on handwritten cases, and says where it is worse than another prompt.

The teacher answers as any predictor would, from what the evaluation shows; its answers are cached
as in a bulk run. A prompt that loses a property of the cases is marked, and bulk runs refuse it.
Knows nothing of the command line.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zeta_context.counts import Counts
from zeta_context.errors import OutputError
from zeta_context.evals.scenario import Scenario
from zeta_context.evals.score import ScenarioScore, score_answer
from zeta_context.evals.staging import Staging, predict_scenario
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import View
from zeta_context.prompt.format import shift_edits
from zeta_context.prompt.input import PromptInput
from zeta_context.text.point import Point
from zeta_context.training.teacher.cache import AnswerCache, make_key
from zeta_context.training.teacher.endpoint import TeacherSettings, open_teacher
from zeta_context.training.teacher.prompt import Size, TeacherPrompt, read_answer
from zeta_context.training.teacher.run import Question, RunLimits, ask_all
from zeta_context.training.teacher.teach import first_turn


class TeacherProposer:
    """A teacher in the place of a model: asks for each view, unless the cache has the answer."""

    def __init__(
        self, teacher: TeacherSettings, prompt: TeacherPrompt, size: Size, cache: Path
    ) -> None:
        self._teacher = teacher
        self._prompt = prompt
        self._size: Size = size
        self._cache = cache

    @property
    def name(self) -> str:
        """What its predictions carry as `proposer`."""
        return "teacher"

    def propose(self, view: View) -> Prediction | Discarded:
        """The teacher's edit; reasons: `no_context`, `no_answer`, `bad_output`, `no_edit`."""
        prompt_input = view.prompt_input
        if prompt_input is None:
            return Discarded(reason="no_context", detail="nothing was gathered around the cursor")
        text = self._ask(prompt_input)
        if text is None:
            return Discarded(reason="no_answer", detail="the teacher did not answer")
        try:
            edits = read_answer(text, prompt_input)
        except OutputError as problem:
            return Discarded(reason="bad_output", detail=str(problem))
        if not edits:
            return Discarded(reason="no_edit", detail="the teacher changes nothing")
        document = view.document
        start = document.snapshot.offset(Point(prompt_input.excerpt_start_row, 0))
        return Prediction(
            id=hashlib.sha256(text.encode()).hexdigest()[:32],
            project=document.project,
            path=document.path,
            version=document.version,
            edits=shift_edits(edits, start),
            proposer=self.name,
            why="the teacher says so",
        )

    def _ask(self, prompt_input: PromptInput) -> str | None:
        messages = first_turn(prompt_input, self._teacher, self._prompt, self._size)
        parts = {
            **self._teacher.key_parts(),
            "prompt": self._prompt.version,
            "messages": [[one.role, one.content] for one in messages],
            "completion": 0,
        }
        question = Question(key=make_key(parts), messages=messages)
        cache = AnswerCache(self._cache)
        try:
            limits = RunLimits(concurrency=1, ask_doubtful=True)
            teacher = open_teacher(self._teacher)
            asyncio.run(ask_all([question], teacher, cache, limits, counts=Counts()))
            known = cache.find(question.key)
        finally:
            cache.close()
        return known.answer.text if known is not None and known.answer is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptScore:
    """What a prompt came to: cases that hold and cases in all by property, and the mean deltaChrF
    of the cases that want an edit."""

    version: str
    held: dict[str, int]
    cases: dict[str, int]
    delta_chrf: float
    failed: tuple[str, ...]


def try_prompt(
    scenarios: Sequence[Scenario],
    prompt: TeacherPrompt,
    teacher: TeacherSettings,
    cache: Path,
    *,
    size: Size = "normal",
    on_case: Callable[[], None] = lambda: None,
) -> PromptScore:
    """Score a prompt on cases, by the property that each is there to check."""
    proposer = TeacherProposer(teacher, prompt, size, cache)
    scores: list[ScenarioScore] = []
    for scenario in scenarios:
        answer = asyncio.run(predict_scenario(scenario, [proposer], Staging(is_guarded=False)))
        scores.append(score_answer(scenario, answer))
        on_case()
    held: dict[str, int] = {}
    cases: dict[str, int] = {}
    for one in scores:
        if one.verdict is not None:
            cases[one.verdict.checked] = cases.get(one.verdict.checked, 0) + 1
            held[one.verdict.checked] = held.get(one.verdict.checked, 0) + one.verdict.holds
    points = [one.points for one in scores if one.wants_edit]
    return PromptScore(
        version=prompt.version,
        held=held,
        cases=cases,
        delta_chrf=sum(points) / len(points) if points else 0.0,
        failed=tuple(
            one.scenario.name for one in scores if one.verdict is not None and not one.verdict.holds
        ),
    )


def find_losses(before: PromptScore, after: PromptScore) -> tuple[str, ...]:
    """The properties that fewer cases have with the prompt `after`, which saw the same cases."""
    return tuple(name for name, held in before.held.items() if after.held.get(name, 0) < held)


def note_verdict(cache: Path, version: str, losses: Sequence[str]) -> None:
    """Remember, beside the cache, whether a prompt may be used in bulk."""
    path = _verdicts(cache)
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[version] = list(losses)
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def find_verdict(cache: Path, version: str) -> tuple[str, ...]:
    """The properties that a prompt was found to lose; none if it was never found so."""
    path = _verdicts(cache)
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return tuple(known.get(version, ()))


def _verdicts(cache: Path) -> Path:
    return cache.with_name(cache.name + ".prompts.json")
