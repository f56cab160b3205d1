"""Shows the demo's story in a terminal, readable at a glance.

Knows nothing of how the story came about.
"""

from __future__ import annotations

from collections import Counter
from statistics import median

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from zeta_context.cli.demo.story import Moment, SectionSize, Story
from zeta_context.cli.rendering import make_harmless, render_diff
from zeta_context.context.layout import Found
from zeta_context.events.event import Event
from zeta_context.predict.prediction import Discarded, Prediction

MAX_EVENT_ROWS = 6
MAX_FOUND = 5
BAR_WIDTH = 28
MODEL = "model"
"""What the predictions of a model carry as their proposer."""

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show_story(story: Story, console: Console) -> None:
    """Print the whole story."""
    console.print(_opening(story))
    for moment in story.moments:
        console.print(show_moment(moment))
    console.print(_closing(story))


def show_moment(moment: Moment) -> RenderableType:
    """One pause: in full where something was predicted, in one line where not."""
    if not isinstance(moment.answer, Prediction):
        return _silence(moment)
    parts = Table.grid(padding=(0, 2), expand=True)
    parts.add_column(style="dim", width=10, no_wrap=True)
    parts.add_column(ratio=1)
    if moment.news:
        parts.add_row("just done", show_event(moment.news[-1]))
    if moment.found:
        parts.add_row("found", show_found(moment.found))
    if moment.sections:
        parts.add_row("prompt", _show_sections(moment.sections))
    parts.add_row("predicts", render_diff(moment.answer, moment.before.text))
    parts.add_row("because", Text(make_harmless(moment.answer.why), style="italic"))
    parts.add_row("took", tell_stages(moment))
    if moment.came_true:
        parts.add_row("then", Text("the user went on to make this very change", style="green"))
    title = f"{tell_time(moment.at_ms)}  {moment.path}:{moment.row + 1}"
    return Group(Rule(title, align="left", style="cyan"), parts)


def show_event(event: Event) -> Text:
    """The changed rows of an event."""
    rows = [row for row in event.diff.splitlines() if row[:1] in _COLOURS]
    shown = Text()
    for row in rows[:MAX_EVENT_ROWS]:
        shown.append(make_harmless(row) + "\n", style=_COLOURS[row[0]])
    if len(rows) > MAX_EVENT_ROWS:
        shown.append(f"… {len(rows) - MAX_EVENT_ROWS} more rows\n", style="dim")
    shown.rstrip()
    return shown


def show_found(found: tuple[Found, ...]) -> Text:
    """Where the nearest definitions were found."""
    shown = Text()
    for one in found[:MAX_FOUND]:
        shown.append(one.symbol, style="bold")
        shown.append(f" {one.path}:{one.row + 1}   ", style="dim")
    if len(found) > MAX_FOUND:
        shown.append(f"and {len(found) - MAX_FOUND} more", style="dim")
    return shown


def tell_stages(moment: Moment) -> str:
    """The time of each stage in words."""
    return " · ".join(f"{stage.name} {stage.elapsed_ms:.1f} ms" for stage in moment.stages)


def tell_time(at_ms: int) -> str:
    """A time of the recording as minutes and seconds."""
    return f"{at_ms // 60_000:02d}:{at_ms // 1000 % 60:02d}"


def tell_departures(story: Story) -> str:
    """What left the machine, as counted."""
    if story.connections == 0:
        return (
            "What left this machine: nothing. This process opened 0 network connections (counted)."
        )
    return f"What left this machine: this process opened {story.connections} network connections."


def tell_score(story: Story) -> str:
    """How often it spoke, and how often that was what the user then did."""
    spoken = story.predictions
    return (
        f"{len(story.moments)} pauses · {len(spoken)} predictions, "
        f"{sum(moment.came_true for moment in spoken)} of them what the user then did by hand · "
        f"{len(story.moments) - len(spoken)} times silent, each with its reason"
    )


def tell_medians(story: Story) -> str:
    """The median time of each stage over all moments."""
    times: dict[str, list[float]] = {}
    for moment in story.moments:
        for stage in moment.stages:
            times.setdefault(stage.name, []).append(stage.elapsed_ms)
    parts = [f"{name} {median(values):.1f} ms" for name, values in times.items()]
    return f"Median per prediction: {' · '.join(parts)}. The whole replay: {story.elapsed_s:.1f} s."


def tell_progress(moment: Moment) -> str:
    """One pause while the replay is under way."""
    what = moment.answer.proposer if isinstance(moment.answer, Prediction) else "silent"
    place = make_harmless(f"{moment.path}:{moment.row + 1}")
    return f"Replaying the recorded session … {tell_time(moment.at_ms)} {place} {what}"


def tell_waits(story: Story) -> str:
    """How long the model took where it was asked, and what came of it; empty without one."""
    asked = [
        moment
        for moment in story.moments
        if isinstance(moment.answer, Discarded) or moment.answer.proposer == MODEL
    ]
    if not story.model or not asked:
        return ""
    times = [stage.elapsed_ms for one in asked for stage in one.stages if stage.name == "propose"]
    came = Counter(
        one.answer.reason if isinstance(one.answer, Discarded) else "prediction" for one in asked
    )
    parts = ", ".join(f"{count} {what}" for what, count in came.most_common())
    waits = f"median {median(times) / 1000:.1f} s, longest {max(times) / 1000:.1f} s"
    advice = ""
    if came["truncated"] + came["runner_timeout"] + came["bad_output"] > len(asked) / 2:
        advice = ". It mostly gave no usable answer: is it trained for edits, in this format?"
    return f"{story.model} was asked at {len(asked)} pauses, {waits}: {parts}{advice}"


def tell_model(story: Story) -> str:
    """What predicted."""
    if not story.model:
        return "without any model"
    return f"without a model where that is sure enough, by {story.model} elsewhere"


def _opening(story: Story) -> RenderableType:
    server = f"{story.server} answers for definitions" if story.server else "no language server"
    return Text.assemble(
        ("zeta-context demo", "bold"),
        f"  a session recorded in {story.recorded_in}, {story.keystrokes} edits in {story.project}/"
        f"; {server}; predicted {tell_model(story)}.\n",
    )


def _closing(story: Story) -> RenderableType:
    waits = tell_waits(story)
    return Group(
        Rule(style="cyan"),
        Text(tell_score(story), style="bold"),
        *([Text(make_harmless(waits))] if waits else []),
        Text(tell_medians(story)),
        Text(tell_departures(story), style="bold green" if story.connections == 0 else "bold red"),
    )


def _silence(moment: Moment) -> Text:
    total = sum(stage.elapsed_ms for stage in moment.stages)
    reason = getattr(moment.answer, "reason", "")
    detail = getattr(moment.answer, "detail", "")
    return Text.assemble(
        (f"{tell_time(moment.at_ms)}  {moment.path}:{moment.row + 1}", "dim"),
        ("  silent: ", "dim"),
        (reason, "yellow"),
        (f"  {make_harmless(detail)}" if detail else "", "dim"),
        (f"  {total:.1f} ms", "dim"),
    )


def _show_sections(sections: tuple[SectionSize, ...]) -> RenderableType:
    total = sum(section.tokens for section in sections) or 1
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for section in sections:
        bar = "▇" * max(1, round(BAR_WIDTH * section.tokens / total)) if section.tokens else ""
        table.add_row(section.name, f"{section.tokens} tokens", Text(bar, style="blue"))
    return table
