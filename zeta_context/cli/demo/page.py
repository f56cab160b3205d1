"""Writes the demo's story as one self-contained HTML page: no script, nothing loaded.

Knows nothing of how the story came about. Everything that comes from files is escaped.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from statistics import median

from zeta_context.cli.demo.story import Moment, SectionSize, Story
from zeta_context.cli.demo.terminal import (
    MAX_FOUND,
    tell_departures,
    tell_medians,
    tell_model,
    tell_score,
    tell_stages,
    tell_time,
    tell_waits,
)
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified

MAX_EVENT_ROWS = 14


def render_page(story: Story) -> str:
    """The page as a text of its own."""
    style = files("zeta_context.cli.demo").joinpath("page.css").read_text(encoding="utf-8")
    moments = "\n".join(_moment(moment) for moment in story.moments)
    server = f"{story.server} finds the definitions" if story.server else "no language server"
    departures = tell_departures(story)
    is_bad = " class=bad" if story.connections else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zeta-context demo</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>What would you do next?</h1>
<p class="lead">A session recorded in {escape(story.recorded_in)}: {story.keystrokes} edits in
<code>{escape(story.project)}/</code>, replayed keystroke by keystroke. At each pause the next edit
is predicted {escape(tell_model(story))}; {escape(server)}.</p>
{_facts(story)}
{_strip(story)}
{moments}
<footer><p><b{is_bad}>{escape(departures)}</b></p>
<p>{escape(tell_score(story))}.<br>{escape(tell_medians(story))}<br>{escape(tell_waits(story))}</p></footer>
</main>
</body>
</html>
"""


def _facts(story: Story) -> str:
    spoken = story.predictions
    times = [sum(stage.elapsed_ms for stage in one.stages) for one in story.moments]
    facts = [
        (str(len(story.moments)), "pauses in the typing"),
        (str(len(spoken)), "predictions"),
        (str(sum(one.came_true for one in spoken)), "what the user then did by hand"),
        (f"{median(times):.1f} ms" if times else "–", "median, context and all"),
    ]
    items = "".join(f"<li><b>{escape(n)}</b><span>{escape(what)}</span></li>" for n, what in facts)
    return f'<ul class="facts">{items}</ul>'


def _strip(story: Story) -> str:
    marks = []
    for moment in story.moments:
        kind = "true" if moment.came_true else "spoke" if moment.answer else ""
        title = escape(f"{tell_time(moment.at_ms)} {moment.path}:{moment.row + 1}")
        marks.append(f'<a class="{kind}" href="#m{moment.number}" title="{title}"></a>')
    return f'<nav class="strip" aria-label="the session, pause by pause">{"".join(marks)}</nav>'


def _moment(moment: Moment) -> str:
    place = f"{escape(moment.path)}:{moment.row + 1}"
    time = f'<span class="time">{tell_time(moment.at_ms)}</span>'
    if isinstance(moment.answer, Discarded):
        return (
            f'<div class="silent" id="m{moment.number}">{time}<span class="place">{place}</span>'
            f'<span>silent: <span class="reason">{escape(moment.answer.reason)}</span> '
            f"{escape(moment.answer.detail)}</span></div>"
        )
    mark = '<span class="mark">✓ the user then did just this</span>' if moment.came_true else ""
    rows = [("just done", _diff(moment.news[-1].diff, MAX_EVENT_ROWS))] if moment.news else []
    if moment.found:
        rows.append(("found", _found(moment)))
    if moment.sections:
        rows.append(("prompt", _bars(moment.sections)))
    rows += [
        ("predicts", _predicted(moment, moment.answer)),
        ("because", f'<span class="why">{escape(moment.answer.why)}</span>'),
        ("took", f'<span class="dim">{escape(tell_stages(moment))}</span>'),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{shown}</dd>" for name, shown in rows)
    return (
        f'<article id="m{moment.number}"><header>{time}<span class="place">{place}</span>{mark}'
        f"</header><dl>{listed}</dl></article>"
    )


def _predicted(moment: Moment, prediction: Prediction) -> str:
    old = moment.before.text
    diff = render_unified(old, apply_edits(old, prediction.edits), context=2)
    where = moment.before.point(prediction.edits[0].span.start).row + 1
    return f'<span class="place dim">{escape(prediction.path)}:{where}</span>{_diff(diff, 40)}'


def _found(moment: Moment) -> str:
    shown = [
        f"<code>{escape(one.symbol)}</code> "
        f'<span class="place dim">{escape(one.path)}:{one.row + 1}</span>'
        for one in moment.found[:MAX_FOUND]
    ]
    left = len(moment.found) - MAX_FOUND
    return " &ensp; ".join([*shown, f"and {left} more"] if left > 0 else shown)


def _bars(sections: tuple[SectionSize, ...]) -> str:
    total = sum(section.tokens for section in sections) or 1
    cells = "".join(
        f'<span>{escape(one.name)}</span><span class="dim">{one.tokens} tokens</span>'
        f'<i style="width:{100 * one.tokens / total:.1f}%"></i>'
        for one in sections
    )
    return f'<div class="bars">{cells}</div>'


def _diff(diff: str, max_rows: int) -> str:
    kinds = {"+": "add", "-": "cut", "@": "hunk"}
    rows = diff.splitlines()
    lines = [
        f'<span class="{kinds.get(row[:1], "")}">{escape(row) or " "}</span>'
        for row in rows[:max_rows]
    ]
    if len(rows) > max_rows:
        lines.append(f'<span class="hunk">… {len(rows) - max_rows} more rows</span>')
    return f"<pre>{''.join(lines)}</pre>"
