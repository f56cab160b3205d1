"""Which diagnostics belong in a prompt: those near the cursor, the nearest first.

Knows nothing of servers or formats; a format shows as many as it has room for. Source of the
range and of its being inclusive: the public client of the Zeta models.
"""

from __future__ import annotations

from collections.abc import Iterable

from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.prompt.input import Diagnostic
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

ROWS_AROUND = 20
MAX_DIAGNOSTICS = 32
MAX_MESSAGE_LENGTH = 600


def diagnostics_near(
    diagnostics: Iterable[ServerDiagnostic], snapshot: TextSnapshot, cursor_offset: int
) -> tuple[ServerDiagnostic, ...]:
    """The diagnostics that touch the rows around the cursor, by their distance from it."""
    row = snapshot.point(cursor_offset).row
    near: list[tuple[int, int, ServerDiagnostic]] = []
    for one in diagnostics:
        if not 0 <= one.span.start <= one.span.end <= len(snapshot):
            continue
        first, last = snapshot.point(one.span.start).row, snapshot.point(one.span.end).row
        if first <= row + ROWS_AROUND and last >= row - ROWS_AROUND:
            near.append((_distance(one.span, cursor_offset), one.severity, one))
    near.sort(key=lambda item: item[:2])
    return tuple(one for _, _, one in near[:MAX_DIAGNOSTICS])


def to_prompt_diagnostics(
    diagnostics: Iterable[ServerDiagnostic], excerpt: Span
) -> tuple[Diagnostic, ...]:
    """Diagnostics of a document as a prompt input has them: with spans in the cursor excerpt.

    What lies wholly outside of the excerpt is left out, what sticks out is clipped.
    """
    found: list[Diagnostic] = []
    for one in diagnostics:
        start, end = max(one.span.start, excerpt.start), min(one.span.end, excerpt.end)
        if start > end:
            continue
        message = one.message
        if len(message) > MAX_MESSAGE_LENGTH:
            message = message[: MAX_MESSAGE_LENGTH - 3] + "..."
        span = Span(start - excerpt.start, end - excerpt.start)
        found.append(
            Diagnostic(severity=one.severity, message=message, span=span, source=one.source)
        )
    return tuple(found)


def _distance(span: Span, offset: int) -> int:
    return max(span.start - offset, offset - span.end, 0)
