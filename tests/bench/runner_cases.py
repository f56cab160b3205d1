"""Questions for a local model, and their true answers, from recorded editing sessions.

A session is replayed; at each keystroke the prompt input is gathered as an editor's session would.
The true answer is the editable region as the user left it later: after their next one to few
edits, and only if nothing outside the region changed meanwhile, so that the answer lies in it.
Kinds, by comparing the region now and then:
- `no_edit`: what the user did next was elsewhere; the right answer changes nothing;
- `one_edit`: one hunk within one row, of at most 24 characters;
- `rename`: the same word replaced by the same other word at two places or more;
- `insertion`: whole rows put in, and nothing else.
Sessions marked for tuning are kept apart.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from zeta_context.context.gather import ContextSettings
from zeta_context.counts import Counts
from zeta_context.evals.replay import ReplayedEditor
from zeta_context.events.trace import Edited, TraceEntry
from zeta_context.events.trace_file import TraceReader
from zeta_context.events.trace_replay import ReplayClock, Step, replay
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.proposers.guesses import find_substitutions
from zeta_context.predict.view import View
from zeta_context.prompt.format import Format, RenderedPrompt
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.diff import diff_rows, split_lines

ROOT = Path(__file__).parents[2]
SESSIONS = ROOT / "fixtures" / "sessions"
REPOSITORIES = ROOT / "fixtures" / "repos"
KINDS = ("no_edit", "one_edit", "rename", "insertion")

_PAUSE_MS = 900
"""A pause this long ends an edit: what stands then is a state that the user meant."""
_TYPING = 4
_SMALL = 24
_LATER = 4
"""How many such states ahead the true answer may lie."""
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. `region` is the true next text of the editable region."""

    session: str
    step: int
    kind: str
    prompt_input: PromptInput
    rendered: RenderedPrompt
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    step: int
    path: str
    text: str
    is_settled: bool
    prompt_input: PromptInput
    offset: int


def find_sessions(*, tuning: bool) -> list[Path]:
    """The recorded sessions that may, or may not, be tuned on."""
    found: list[Path] = []
    for path in sorted(SESSIONS.glob("*.jsonl")):
        with TraceReader.open(path, counts=Counts()) as reader:
            if bool(reader.header.metadata["tuning"]) == tuning:
                found.append(path)
    return found


def read_states(path: Path) -> list[_State]:
    """The state after every keystroke of a session."""
    return asyncio.run(_read_states(path))


def make_cases(states: list[_State], session: str, prompt_format: Format) -> Iterator[Case]:
    """A case for each settled state that has a true answer of one of the kinds."""
    settled = [state for state in states if state.is_settled]
    for number, state in enumerate(settled):
        made = make_case(state, settled[number + 1 : number + 1 + _LATER], session, prompt_format)
        if made is not None:
            yield made


def make_successions(
    states: list[_State], session: str, prompt_format: Format
) -> list[tuple[Case, Case]]:
    """Two states in a row, one keystroke apart, with the answer that the next settled states show.

    Of each run of typing only the middle, where there is something left to predict.
    """
    found: list[tuple[Case, Case]] = []
    run: list[_State] = []
    for number, state in enumerate(states):
        run.append(state)
        if not state.is_settled:
            continue
        if len(run) >= _TYPING:
            later = [one for one in states[number:] if one.is_settled][:_LATER]
            middle = len(run) // 2
            pair = [
                make_case(one, later, session, prompt_format)
                for one in (run[middle - 1], run[middle])
            ]
            first, second = pair
            if first is not None and second is not None and second.kind != "no_edit":
                found.append((first, second))
        run = []
    return found


def make_case(
    state: _State, later: list[_State], session: str, prompt_format: Format
) -> Case | None:
    """The question of one state, with the answer that the later states show."""
    rendered = prompt_format.render(state.prompt_input)
    start, end = rendered.editable
    now = normalize(state.prompt_input.cursor_excerpt[start:end])
    before = state.text[: state.offset + start]
    after = state.text[state.offset + end :]
    if not later:
        return None
    kinds: list[tuple[str, str]] = []
    if later[0].path != state.path or now in later[0].text:
        kinds.append(("no_edit", now))
    for one in later:
        text = one.text
        if one.path != state.path or not (text.startswith(before) and text.endswith(after)):
            break
        region = normalize(text[len(before) : len(text) - len(after)])
        kind = classify(now, region)
        if kind is not None:
            kinds.append((kind, region))
    if not kinds:
        return None
    kind, region = kinds[0]
    return Case(
        session=session,
        step=state.step,
        kind=kind,
        prompt_input=state.prompt_input,
        rendered=rendered,
        region=region,
    )


def make_rename(case: Case) -> Case | None:
    """The case of a rename: the word whose first use was just replaced is replaced everywhere.

    Only where the events really replace a word that the region still holds twice or more.
    """
    for old, new in reversed(find_substitutions(case.prompt_input.events)):
        start, end = case.rendered.editable
        now = normalize(case.prompt_input.cursor_excerpt[start:end])
        region = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, now)
        if classify(now, region) == "rename":
            return replace(case, kind="rename", region=region)
    return None


def classify(now: str, then: str) -> str | None:
    """Which of the kinds a change of the region is, None when it is none or nothing."""
    if now == then:
        return None
    hunks = diff_rows(split_lines(now), split_lines(then))
    if all(hunk.old_start == hunk.old_end for hunk in hunks):
        return "insertion"
    if any(hunk.old_end - hunk.old_start != hunk.new_end - hunk.new_start for hunk in hunks):
        return None
    old_words, new_words = _WORD.split(now), _WORD.split(then)
    replaced = [
        pair
        for pair in zip(_WORD.findall(now), _WORD.findall(then), strict=False)
        if pair[0] != pair[1]
    ]
    if old_words == new_words and len(set(replaced)) == 1 and len(replaced) >= 2:
        return "rename"
    prefix = _common_prefix(now, then)
    suffix = _common_prefix(now[prefix:][::-1], then[prefix:][::-1])
    is_small = max(len(now), len(then)) - prefix - suffix <= _SMALL
    return "one_edit" if len(hunks) == 1 and is_small else None


def _common_prefix(one: str, other: str) -> int:
    same = (number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(same, min(len(one), len(other)))


async def _read_states(path: Path) -> list[_State]:
    with TraceReader.open(path, counts=Counts()) as reader:
        entries: list[TraceEntry] = list(reader)
        root = REPOSITORIES / reader.header.root
    clock = ReplayClock()
    settings = Settings(context=ContextSettings(), offer_status=False)
    states: list[_State] = []
    probe = _Probe()
    async with Session(root, settings=settings, proposers=(probe,), clock=clock) as session:
        for step in replay(entries, ReplayedEditor(session), clock):
            if isinstance(step.entry, Edited):
                await session.predict(step.path, step.cursor)
                states.append(_state(step, probe))
    return states


class _Probe:
    """A proposer that keeps what it was shown."""

    name = "probe"

    def __init__(self) -> None:
        self.view: View | None = None

    def propose(self, view: View) -> Discarded:
        self.view = view
        return Discarded(reason="probe")


def _state(step: Step, probe: _Probe) -> _State:
    view = probe.view
    assert view is not None
    assert view.prompt_input is not None
    text = view.document.snapshot.text
    rows = text.split("\n")
    offset = sum(len(row) + 1 for row in rows[: view.prompt_input.excerpt_start_row])
    return _State(
        step=step.number,
        path=step.path,
        text=text,
        is_settled=step.idle_ms is None or step.idle_ms >= _PAUSE_MS,
        prompt_input=view.prompt_input,
        offset=offset,
    )
