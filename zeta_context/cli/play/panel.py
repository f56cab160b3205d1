"""What stands beside the text: the prediction or the reason for none, events, context, cost.

Turns what the library tells into text for people; knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from zeta_context.events.event import Event
from zeta_context.predict.explanation import Explanation
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.prompt.budget import estimate_tokens
from zeta_context.text.snapshot import TextSnapshot

SHOWN_EVENTS = 4
SHOWN_EXCERPTS = 6


def tell_answer(answer: Prediction | Discarded, snapshot: TextSnapshot, elapsed_ms: float) -> Text:
    """The prediction and why, or the reason why there is none."""
    if isinstance(answer, Discarded) and answer.jump is not None:
        return Text.assemble(("go to ", "bold green"), f"{answer.jump.why}\n{elapsed_ms:.1f} ms")
    if isinstance(answer, Discarded):
        told = f"{answer.reason}\n{answer.detail}".strip()
        return Text.assemble(("none: ", "bold yellow"), told, f"\n{elapsed_ms:.1f} ms")
    row = snapshot.point(answer.edits[0].span.start).row + 1
    more = f" and {len(answer.edits) - 1} more" if len(answer.edits) > 1 else ""
    confidence = "" if answer.confidence is None else f", confidence {answer.confidence:.2f}"
    return Text.assemble(
        (f"line {row}{more}", "bold green"),
        f"\n{answer.why}\nby {answer.proposer}{confidence}, {elapsed_ms:.1f} ms",
    )


def tell_events(events: Sequence[Event]) -> Text:
    """The newest events, as diffs."""
    told = Text()
    for event in events[-SHOWN_EVENTS:][::-1]:
        kind = "accepted" if event.predicted else event.cause
        told.append(f"{kind} {event.path}\n", "bold")
        for line in event.diff.splitlines():
            if line.startswith(("+", "-")):
                told.append(line[:80] + "\n", "green" if line[0] == "+" else "red")
    return told if told.plain else Text("nothing typed yet", "dim")


def tell_context(explanation: Explanation) -> Text:
    """The excerpts that a model would see, what they cost in tokens, and the time of each stage."""
    prompt_input = explanation.gathered.prompt_input
    rows = prompt_input.cursor_excerpt.count("\n") + 1
    first = prompt_input.excerpt_start_row + 1
    told = Text()
    cost = estimate_tokens(prompt_input.cursor_excerpt)
    told.append(f"{prompt_input.path}:{first}-{first + rows - 1}  {cost} tokens\n", "bold")
    excerpts = [(file, one) for file in prompt_input.related_files for one in file.excerpts]
    for file, one in sorted(excerpts, key=lambda pair: pair[1].order)[:SHOWN_EXCERPTS]:
        cost = estimate_tokens(one.text)
        told.append(f"{file.path}:{one.start_row + 1}-{one.end_row}  {cost} tokens, {one.source}\n")
    for stage in explanation.stages:
        told.append(f"{stage.name} {stage.elapsed_ms:.1f} ms\n", "dim")
    return told
