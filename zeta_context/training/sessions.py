"""Starting states from recorded sessions, and how the user went on, for evaluation alone.

Knows nothing of teachers. What the user wrote afterwards (`settled`) is asked for by name, and only
evaluation asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zeta_context.evals.sessions import RecordedSession
from zeta_context.events.trace import Edited, TraceEntry
from zeta_context.training.example import Example, Target
from zeta_context.training.moments import clip_edits, find_moments

SETTLED_MS = 2_000
"""A pause this long after an edit ends what belonged together."""


def find_states(
    sessions: Iterable[RecordedSession],
    *,
    every: int,
    max_tokens: int,
    with_settled: bool = False,
) -> Iterator[Example]:
    """The state after every so many edits of each session, its excerpt within `max_tokens`.

    Without targets, unless `with_settled` asks for what the user made of it; then the examples
    are for evaluation.
    """
    for session in sessions:
        edits = [at for at, entry in enumerate(session.entries) if isinstance(entry, Edited)]
        wanted = {at: (find_settled(session.entries, at),) for at in edits[every - 1 :: every]}
        seen: set[tuple[str, int]] = set()
        repository = session.header.root
        moments = find_moments(session.entries, wanted, project=repository, max_tokens=max_tokens)
        for moment in moments:
            state = (moment.prompt_input.cursor_excerpt, moment.prompt_input.cursor_offset)
            if state in seen:
                continue
            seen.add(state)
            settled = clip_edits(moment, moment.later[0]) if moment.later else None
            targets = (Target(edits=settled, source="settled"),) if settled else ()
            yield Example(
                name=f"{session.name}-{moment.index}",
                repository=repository,
                prompt_input=moment.prompt_input,
                origin="session",
                purpose="evaluation" if with_settled else "training",
                targets=targets if with_settled else (),
                tags=(session.name,),
            )


def find_settled(entries: Sequence[TraceEntry], index: int) -> int:
    """The entry with which the change at `index` came to rest, or its document was left."""
    at = entries[index]
    reached = index
    last_ms = at.at_ms
    for number in range(index + 1, len(entries)):
        entry = entries[number]
        if not isinstance(entry, Edited):
            continue
        if not isinstance(at, Edited) or entry.path != at.path:
            break
        if reached > index and entry.at_ms - last_ms >= SETTLED_MS:
            break
        reached, last_ms = number, entry.at_ms
    return reached
