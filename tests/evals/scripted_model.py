"""A model whose answers are known: for tests of what is made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from zeta_context.evals.scenario import Scenario, texts_after
from zeta_context.evals.staging import stage
from zeta_context.prompt.format import Format
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
)

FORMAT = find_format("zeta2_1")
"""A format whose outputs can be told from what is none."""


class ScriptedRunner:
    """Answers prompts with prepared outputs, found by the editable region that they show."""

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs
        self.asked: list[str] = []

    @property
    def model(self) -> str:
        return "scripted"

    @property
    def is_remote(self) -> bool:
        return False

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        del cancel, on_text
        self.asked.append(request.prompt)
        return Completion(text=self._outputs[request.reference], finish_reason="stop")

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        del prompt, cancel

    def close(self) -> None:
        self.asked.append("closed")


def write_outputs(
    answers: Mapping[str, str | None], scenarios: Sequence[Scenario]
) -> dict[str, str]:
    """What a model says that makes each scenario's file the text given; None: no such output."""
    outputs = {}
    for scenario in scenarios:
        region, output = asyncio.run(_output(scenario, answers[scenario.name], FORMAT))
        outputs[region] = output
    return outputs


async def _output(scenario: Scenario, text: str | None, prompt_format: Format) -> tuple[str, str]:
    """The editable region of a scenario's prompt, and what a model says to rewrite it."""
    async with stage(scenario, None) as session:
        _, explanation = await session.explain(scenario.path, scenario.cursor)
    prompt_input = explanation.view.prompt_input
    assert prompt_input is not None
    assert prompt_input.cursor_excerpt == scenario.text
    start, end = prompt_format.render(prompt_input).editable
    region = scenario.text[start:end]
    if text is None:
        return region, "no markers at all"
    tail = len(scenario.text) - end
    return region, prompt_format.encode(prompt_input, text[start : len(text) - tail])


def wanted(scenario: Scenario, number: int = 0) -> str:
    """The scenario's own file as a reference wants it."""
    return texts_after(scenario, scenario.expected[number].diff)[scenario.path]


def unwanted(scenario: Scenario) -> str:
    """The same after the rejected patch."""
    assert scenario.rejected is not None
    return texts_after(scenario, scenario.rejected)[scenario.path]
