"""Writes what sessions came to as one self-contained HTML page: no script, nothing loaded.

Each session is one timeline with a row for each setting, so that two settings stand one above the
other at the same moments; what was shown stands below, side by side. Knows nothing of how scores
are made. Everything that comes from files is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from zeta_context.evals.felt import FeltScore
from zeta_context.evals.sessions import RecordedSession, SessionRun, ShownPrediction
from zeta_context.events.trace import Edited

_WIDTH = 1000
_HEIGHT = 28
_MARK = 3
_BINS = 250
_MAX_DIFF_ROWS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one setting came to; all sides have the same sessions in the same order."""

    spec: str
    signature: str
    runs: tuple[SessionRun, ...]
    scores: Mapping[str, FeltScore]


def render_sessions_page(sides: Sequence[Side]) -> str:
    """The page as a text of its own."""
    style = files("zeta_context.evals").joinpath("sessions_page.css").read_text(encoding="utf-8")
    sections = "\n".join(
        _section(runs[0].session, list(zip(sides, runs, strict=True)))
        for runs in zip(*(side.runs for side in sides), strict=True)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zeta-context: recorded sessions</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>What it feels like</h1>
<p class="lead">Recorded editing sessions, replayed keystroke by keystroke. A simulated user takes
a shown prediction exactly when the recording goes on to make it by hand; all others interrupt.</p>
{"".join(_table(side) for side in sides)}
<p class="key"><span><i style="background:var(--keys)"></i>keystrokes</span>
<span><i style="background:var(--good)"></i>shown and taken</span>
<span><i style="background:var(--good);opacity:.25"></i>keystrokes that this saved</span>
<span><i style="background:var(--bad)"></i>shown and not taken</span></p>
{sections}
</main>
</body>
</html>
"""


def _table(side: Side) -> str:
    head = (
        "<tr><th></th><th>sessions</th><th>shown</th><th>taken</th><th>interruptions</th>"
        "<th>reversals</th><th>re-shown</th><th>replaced</th><th>stale</th>"
        "<th>keystrokes saved</th><th>first shown</th></tr>"
    )
    rows = "".join(_table_row(name, score) for name, score in side.scores.items())
    return (
        f'<div class="scroll"><table><caption class="mono">{escape(side.signature)}</caption>'
        f"{head}{rows}</table></div>"
    )


def _table_row(name: str, score: FeltScore) -> str:
    taken = f"{score.taken} ({score.taken_share:.0%})" if score.shown else "0"
    first = f"{score.first_shown_p50_ms} ms" if score.first_shown_p50_ms is not None else "–"
    faults = "".join(
        f"<td{' class=bad' if count else ''}>{count}</td>"
        for count in (score.reversals, score.reshown_rejections, score.replacements)
    )
    quiet = " class=bad" if name == "quiet" and score.shown else ""
    return (
        f"<tr><td>{escape(name)}</td><td>{score.sessions}</td><td{quiet}>{score.shown}</td>"
        f"<td>{taken}</td><td>{score.interruptions}</td>{faults}<td>{score.stale}</td>"
        f"<td>{score.keystrokes_saved_share:.1%}</td><td>{first}</td></tr>"
    )


def _section(session: RecordedSession, sides: Sequence[tuple[Side, SessionRun]]) -> str:
    purpose = escape(str(session.header.metadata.get("purpose", "")))
    tags = [session.language, "tuning" if session.is_tuning else "held out"]
    tags += ["quiet"] if session.is_quiet else []
    told_tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in tags if tag)
    rows = "".join(_timeline(side, run) for side, run in sides)
    end_ms = max(run.ended_ms for _, run in sides)
    details = "".join(f"<div>{_shown_list(side, run)}</div>" for side, run in sides)
    count = sum(len(run.shown) for _, run in sides)
    more = (
        f'<details{_opened(count)}><summary>what was shown</summary><div class="sides">{details}'
        "</div></details>"
        if count
        else ""
    )
    return (
        f'<section id="{escape(session.name)}"><header><h2>{escape(session.name)}</h2>'
        f'<span class="dim">{purpose}</span>{told_tags}</header>{rows}'
        f'<div class="row"><span></span><div class="times"><span>0:00</span>'
        f"<span>{_time(end_ms)}</span></div><span></span></div>{more}</section>"
    )


def _opened(count: int) -> str:
    return " open" if count <= 4 else ""


def _timeline(side: Side, run: SessionRun) -> str:
    taken = sum(one.is_taken for one in run.shown)
    saved = sum(one.saved for one in run.shown)
    share = saved / run.keystrokes if run.keystrokes else 0.0
    bars = _keystroke_bars(run)
    marks = "".join(_mark(one, run) for one in run.shown)
    return (
        f'<div class="row"><span class="name mono" title="{escape(side.spec)}">'
        f"{escape(side.spec)}</span>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{len(run.shown)} shown, {taken} taken">{bars}{marks}</svg>'
        f'<span class="told">{taken}/{len(run.shown)} taken, {share:.0%} saved</span></div>'
    )


def _keystroke_bars(run: SessionRun) -> str:
    bins = [0] * _BINS
    for entry in run.session.entries:
        if isinstance(entry, Edited):
            bins[min(_BINS - 1, entry.at_ms * _BINS // max(run.ended_ms, 1))] += 1
    most = max(bins, default=0) or 1
    step = _WIDTH / _BINS
    path = "".join(
        f"M{index * step:.0f} {_HEIGHT}v-{round(0.6 * _HEIGHT * count / most)}h{step - 1:.0f}"
        f"V{_HEIGHT}z"
        for index, count in enumerate(bins)
        if count
    )
    return f'<path class="keys" d="{path}"/>'


def _mark(one: ShownPrediction, run: SessionRun) -> str:
    x = _x(one.at_ms, run)
    title = escape(f"{_time(one.at_ms)} {one.path}:{one.row + 1} {one.why}")
    kind = "taken" if one.is_taken else "wrong"
    spared = ""
    if one.fulfilment is not None:
        first = _x(run.session.entries[one.fulfilment.first].at_ms, run)
        last = _x(run.session.entries[one.fulfilment.last].at_ms, run)
        spared = (
            f'<rect class="byhand" x="{first:.1f}" y="0" width="{max(last - first, 1):.1f}" '
            f'height="{_HEIGHT}"/>'
        )
    return (
        f'{spared}<rect class="{kind}" x="{x:.1f}" y="0" width="{_MARK}" height="{_HEIGHT}">'
        f"<title>{title}</title></rect>"
    )


def _x(at_ms: int, run: SessionRun) -> float:
    return (_WIDTH - _MARK) * at_ms / max(run.ended_ms, 1)


def _shown_list(side: Side, run: SessionRun) -> str:
    listed = "".join(_shown(one) for one in run.shown)
    silences = ", ".join(f"{reason} {count}" for reason, count in run.silences.most_common())
    return (
        f'<p class="dim mono">{escape(side.spec)}</p>{listed}'
        f'<p class="dim">asked {run.asked} times; silent: {escape(silences or "never")}</p>'
    )


def _shown(one: ShownPrediction) -> str:
    verdict = (
        f'<b class="good">taken, {one.saved} keystrokes saved</b>'
        if one.is_taken
        else '<b class="bad">not taken</b>'
    )
    faults = [
        name
        for name, is_so in (
            ("takes back what was done", one.is_reversal),
            ("was rejected before", one.is_reshown),
            ("replaced another", one.replaced),
        )
        if is_so
    ]
    told = f' · <b class="bad">{escape(", ".join(faults))}</b>' if faults else ""
    return (
        f'<div class="one{" taken" if one.is_taken else ""}"><p><span class="mono dim">'
        f"{_time(one.at_ms)} {escape(one.path)}:{one.row + 1}</span> · {verdict}{told}</p>"
        f"<p>{escape(one.why)}</p>{_diff(one.diff)}</div>"
    )


def _diff(diff: str) -> str:
    kinds = {"+": "add", "-": "cut", "@": "hunk"}
    rows = diff.splitlines()
    lines = [
        f'<span class="{kinds.get(row[:1], "")}">{escape(row) or " "}</span>'
        for row in rows[:_MAX_DIFF_ROWS]
    ]
    if len(rows) > _MAX_DIFF_ROWS:
        lines.append(f'<span class="hunk">… {len(rows) - _MAX_DIFF_ROWS} more rows</span>')
    return f"<pre>{''.join(lines)}</pre>"


def _time(at_ms: int) -> str:
    minutes, ms = divmod(at_ms, 60_000)
    return f"{minutes}:{ms // 1000:02d}"
