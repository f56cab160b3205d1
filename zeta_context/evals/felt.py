"""Scores what a person would feel of a predictor, from runs over recorded sessions.

Knows nothing of how the runs came about or how scores are shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from zeta_context.evals.predictors import PredictorSetting
from zeta_context.evals.sessions import RecordedSession, SessionRun


@dataclass(frozen=True, slots=True, kw_only=True)
class FeltScore:
    """What a group of sessions came to.

    `interruptions` were shown and not taken; `reversals` took back what the user had done;
    `reshown_rejections` had been rejected nearby; `replacements` took the place of one that was
    still shown; `stale` answers came after the user had gone on and were not shown.
    `keystrokes_saved_share` is of all recorded keystrokes. `first_shown_p50_ms` is the median time
    from an edit to the first prediction after it, None where nothing was shown.
    `shown_in_quiet` counts predictions in sessions in which there was nothing to foresee.
    """

    sessions: int
    keystrokes: int
    asked: int
    stale: int
    shown: int
    taken: int
    interruptions: int
    reversals: int
    reshown_rejections: int
    replacements: int
    shown_in_quiet: int
    keystrokes_saved: int
    keystrokes_saved_share: float
    first_shown_p50_ms: int | None

    @property
    def taken_share(self) -> float:
        """How much of what was shown was taken; 0 where nothing was."""
        return self.taken / self.shown if self.shown else 0.0


def score_runs(runs: Iterable[SessionRun]) -> FeltScore:
    """The score of some runs, each session counting by what was typed in it."""
    runs = tuple(runs)
    shown = [one for run in runs for one in run.shown]
    keystrokes = sum(run.keystrokes for run in runs)
    saved = sum(one.saved for one in shown)
    taken = sum(one.is_taken for one in shown)
    waits = [one.waited_ms for one in shown if one.is_first]
    return FeltScore(
        sessions=len(runs),
        keystrokes=keystrokes,
        asked=sum(run.asked for run in runs),
        stale=sum(run.stale for run in runs),
        shown=len(shown),
        taken=taken,
        interruptions=len(shown) - taken,
        reversals=sum(one.is_reversal for one in shown),
        reshown_rejections=sum(one.is_reshown for one in shown),
        replacements=sum(one.replaced for one in shown),
        shown_in_quiet=sum(len(run.shown) for run in runs if run.session.is_quiet),
        keystrokes_saved=saved,
        keystrokes_saved_share=round(saved / keystrokes, 4) if keystrokes else 0.0,
        first_shown_p50_ms=round(median(waits)) if waits else None,
    )


def score_groups(runs: Sequence[SessionRun]) -> Mapping[str, FeltScore]:
    """The score of all runs, of those kept out of tuning and the others, and of each language."""
    groups = {
        "all": list(runs),
        "tuning": [run for run in runs if run.session.is_tuning],
        "held out": [run for run in runs if not run.session.is_tuning],
    }
    for language in sorted({run.session.language for run in runs}):
        groups[language] = [run for run in runs if run.session.language == language]
    groups["quiet"] = [run for run in runs if run.session.is_quiet]
    return {name: score_runs(group) for name, group in groups.items() if group}


def sign(setting: PredictorSetting, sessions: Sequence[RecordedSession], version: str) -> str:
    """One line that tells where a score comes from: setting, sessions with a digest, version."""
    digest = hashlib.sha256()
    for session in sessions:
        digest.update(f"{session.name}\0{session.entries!r}\0".encode("utf-8", "surrogatepass"))
    return (
        f"predictor:{setting.spec}|sessions:{len(sessions)}:{digest.hexdigest()[:8]}"
        f"|zeta-context:{version}"
    )
