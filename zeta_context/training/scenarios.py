"""Examples as scenarios, the records that evaluations read.

The scenario holds the cursor excerpt as its text and the prompt input as it was, so what is
measured is what was gathered. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import replace

from zeta_context.errors import EvalError
from zeta_context.evals.scenario import (
    ExpectedPatch,
    HistoryStep,
    Origin,
    Scenario,
    texts_before,
)
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.training.example import Example

_ORIGINS: dict[str, Origin] = {
    "commit": "commit",
    "session": "session",
    "capture": "collected",
    "handwritten": "handwritten",
}


def to_scenario(example: Example) -> Scenario:
    """The scenario of an example; targets become expected patches, in their order."""
    prompt_input = example.prompt_input
    rejected = None
    if example.rejected is not None:
        rejected = _render(prompt_input, example.rejected)
    scenario = Scenario(
        name=example.name,
        path=prompt_input.path,
        text=prompt_input.cursor_excerpt,
        cursor=prompt_input.cursor_offset,
        start_row=prompt_input.excerpt_start_row,
        expected=tuple(
            ExpectedPatch(diff=_render(prompt_input, target.edits), cursor=target.cursor)
            for target in example.targets
        ),
        rejected=rejected,
        repository_url=example.repository,
        revision=example.revision,
        tags=tuple(tag for tag in example.tags if tag),
        origin=_ORIGINS[example.origin],
        prompt_input=prompt_input,
    )
    return _with_history(scenario, prompt_input)


def _with_history(scenario: Scenario, prompt_input: PromptInput) -> Scenario:
    """The scenario with the edits that can be undone in its text: those of its own rows."""
    for event in reversed(prompt_input.events):
        if event.path != scenario.path or not event.diff:
            continue
        header = f"--- {event.path}\n+++ {event.path}\n"
        step = HistoryStep(diff=header + event.diff, predicted=event.predicted)
        longer = replace(scenario, history=(step, *scenario.history))
        try:
            texts_before(longer)
        except EvalError:
            continue
        scenario = longer
    return scenario


def _render(prompt_input: PromptInput, edits: tuple[TextEdit, ...]) -> str:
    """Edits of the excerpt as a unified diff with the rows of the file."""
    blank = "\n" * prompt_input.excerpt_start_row
    before = prompt_input.cursor_excerpt
    after = apply_edits(before, edits)
    path = prompt_input.path
    return render_unified(blank + before, blank + after, paths=(path, path))
