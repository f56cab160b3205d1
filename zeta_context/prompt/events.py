"""The edit history in a prompt: which events fit, and how the Zeta2 family of models reads them.

Knows nothing of how events come about. Source: the public client of the Zeta models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zeta_context.events.event import Event
from zeta_context.prompt.budget import MAX_EVENTS, FittedSection, Item, LeftOut, estimate_tokens
from zeta_context.prompt.format import find_special_token
from zeta_context.prompt.model_text import normalize

ACCEPTED_MARKER = "// User accepted prediction:\n"


def display_path(project: str, path: str) -> str:
    """A path as prompts show it: the project's root folder, then the path below it."""
    return f"{project}/{path}" if project else path


def render_event(event: Event) -> str:
    """One event with its file header; the line endings of the file do not show."""
    old_path = event.path if event.old_path is None else event.old_path
    accepted = ACCEPTED_MARKER if event.predicted else ""
    header = (
        f"--- a{_rooted(display_path(event.project, old_path))}\n"
        f"+++ b{_rooted(display_path(event.project, event.path))}\n"
    )
    diff = normalize(event.diff)
    if diff and not diff.endswith("\n"):
        diff += "\n"
    return accepted + header + diff


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenEvents:
    """The events that a prompt shows, oldest first: their texts, what each is, what was left."""

    texts: tuple[str, ...]
    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]

    def fit(self, text: str) -> FittedSection:
        """The section with `text`, in which the events stand."""
        return FittedSection(text=text, items=self.items, left_out=self.left_out)


def choose_events(
    events: Sequence[Event],
    *,
    max_tokens: int,
    render: Callable[[Event], str] = render_event,
    special_tokens: Sequence[str] = (),
    max_events: int = MAX_EVENTS,
) -> ChosenEvents:
    """The newest events whose texts fit.

    An event that holds a marker of the format is left out and the next older one may take its
    place; the first that does not fit ends the selection. One that renders as nothing is no event.
    """
    taken: list[tuple[Item, str]] = []
    left_out: list[LeftOut] = []
    tokens = 0
    is_full = False
    for event in reversed(events):
        text = render(event)
        if not text:
            continue
        label, cost = display_path(event.project, event.path), estimate_tokens(text)
        if _is_unsafe(event, text, special_tokens):
            left_out.append(LeftOut(label=label, tokens=cost, reason="special_token"))
        elif len(taken) == max_events:
            left_out.append(LeftOut(label=label, tokens=cost, reason="over_count"))
        elif is_full or tokens + cost > max_tokens:
            is_full = True
            left_out.append(LeftOut(label=label, tokens=cost, reason="over_budget"))
        else:
            tokens += cost
            why = "accepted prediction" if event.predicted else event.cause
            taken.append((Item(label=label, tokens=cost, why=why), text))
    taken.reverse()
    left_out.reverse()
    return ChosenEvents(
        texts=tuple(text for _, text in taken),
        items=tuple(item for item, _ in taken),
        left_out=tuple(left_out),
    )


def render_events(
    events: Sequence[Event],
    *,
    header: str,
    max_tokens: int,
    special_tokens: Sequence[str] = (),
    max_events: int = MAX_EVENTS,
) -> FittedSection:
    """The newest events that fit under `header`, oldest first; nothing when none does."""
    chosen = choose_events(
        events,
        max_tokens=max_tokens - estimate_tokens(header),
        special_tokens=special_tokens,
        max_events=max_events,
    )
    return chosen.fit(header + "".join(chosen.texts) if chosen.texts else "")


def _rooted(path: str) -> str:
    """The path with one slash before every component."""
    return "".join(f"/{part}" for part in normalize(path).split("/") if part)


def _is_unsafe(event: Event, text: str, special_tokens: Sequence[str]) -> bool:
    if "\n" in normalize(event.path + (event.old_path or "") + event.project):
        return True
    return find_special_token(text, special_tokens) is not None
