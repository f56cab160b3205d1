"""Makes records of the given texts."""

from __future__ import annotations

from zeta_context.capture.example import (
    Example,
    ExampleOutcome,
    ExamplePrediction,
    make_record_id,
)
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span

EXCERPT = "def total(prices):\n    return sum(prices)\n"


def make_event(text: str = "total", *, path: str = "shop.py") -> Event:
    return Event(
        project="shop",
        path=path,
        diff="@@ -1,2 +1,2 @@\n-def sum_up(prices):\n"
        f"+def {text}(prices):\n     return sum(prices)\n",
        old_span=Span(4, 10),
        new_span=Span(4, 4 + len(text)),
        at=12.5,
    )


def make_example(
    excerpt: str = EXCERPT,
    *,
    path: str = "shop.py",
    record_id: str = "",
    at: float = 1_800_000_000.0,
) -> Example:
    return Example(
        id=record_id or make_record_id(),
        at=at,
        prompt_input=PromptInput(
            project="shop",
            path=path,
            language="python",
            cursor_excerpt=excerpt,
            cursor_offset=min(4, len(excerpt)),
            excerpt_start_row=0,
            syntax_spans=(Span(0, len(excerpt)),),
            events=(make_event(),),
            related_files=(
                RelatedFile(
                    project="shop",
                    path="cart.py",
                    last_row=40,
                    excerpts=(RelatedExcerpt(start_row=3, end_row=5, text="cart = []\n"),),
                ),
            ),
            trigger="buffer_edit",
        ),
        prediction=ExamplePrediction(
            path=path,
            diff="@@ -2,1 +2,1 @@\n-    return sum(prices)\n+    return 1\n",
            proposer="repeat",
        ),
    )


def make_outcome(example_id: str, *, record_id: str = "", accepted: bool = True) -> ExampleOutcome:
    return ExampleOutcome(
        id=record_id or make_record_id(),
        example_id=example_id,
        at=1_800_000_060.0,
        accepted=accepted,
        was_shown=True,
        reason=None if accepted else "rejected",
        kept_rate=0.75 if accepted else None,
    )
