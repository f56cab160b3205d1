"""How far typed-out commits are from what people recorded: habits side by side, and how easily a
simple classifier tells them apart.

The classifier is logistic regression over the habits of stretches of sessions, cross-validated so
that no session is on both sides; its AUC is 0.5 where nothing tells them apart, 1 where all does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, pstdev

from zeta_context.errors import SettingsError
from zeta_context.events.trace import Edited, Opened, TraceEntry
from zeta_context.training.commits.profile import FEATURES, Habits, measure_habits

STRETCH_EDITS = 150
"""Edits of a stretch, the unit that the classifier judges."""

FOLDS = 5
_STEPS = 300
_RATE = 0.3
_RIDGE = 0.01

Session = Sequence[TraceEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealismReport:
    """Habits of both sides, the classifier's AUC, and each feature's AUC alone."""

    recorded: Habits
    made: Habits
    recorded_stretches: int
    made_stretches: int
    auc: float
    auc_of: dict[str, float]


def compare_realism(recorded: Sequence[Session], made: Sequence[Session]) -> RealismReport:
    """The report; raises SettingsError when either side has too little to cross-validate."""
    rows: list[tuple[int, bool, list[float]]] = []
    for is_recorded, sessions in ((True, recorded), (False, made)):
        for number, session in enumerate(sessions):
            group = 2 * number + is_recorded
            rows += [(group, is_recorded, _features(one)) for one in _stretches(session)]
    sides = [sum(is_recorded is side for _, is_recorded, _ in rows) for side in (True, False)]
    if min(sides) < 2 * FOLDS:
        raise SettingsError(
            f"{sides[0]} recorded and {sides[1]} made stretches of {STRETCH_EDITS} edits: "
            f"a comparison needs {2 * FOLDS} of each"
        )
    labels = [is_recorded for _, is_recorded, _ in rows]
    columns = list(zip(*(features for _, _, features in rows), strict=True))
    alone = {
        name: abs(_auc(column, labels) - 0.5) + 0.5
        for name, column in zip(FEATURES, columns, strict=True)
    }
    return RealismReport(
        recorded=measure_habits(recorded),
        made=measure_habits(made),
        recorded_stretches=sides[0],
        made_stretches=sides[1],
        auc=_cross_validate(rows),
        auc_of=alone,
    )


def _stretches(session: Session) -> list[list[TraceEntry]]:
    """Runs of so many edits, each with the documents that were open when it began."""
    texts: dict[str, str] = {}
    stretches: list[list[TraceEntry]] = []
    current: list[TraceEntry] = []
    edits = 0
    for entry in session:
        if isinstance(entry, Opened):
            texts[entry.path] = entry.text or ""
        elif isinstance(entry, Edited):
            text = texts.get(entry.path, "")
            texts[entry.path] = text[: entry.span.start] + entry.new_text + text[entry.span.end :]
            edits += 1
        current.append(entry)
        if edits == STRETCH_EDITS:
            stretches.append(current)
            current = [
                Opened(at_ms=entry.at_ms, path=path, text=text) for path, text in texts.items()
            ]
            edits = 0
    return stretches


def _features(stretch: Session) -> list[float]:
    habits = asdict(measure_habits([stretch]))
    return [float(habits[name]) for name in FEATURES]


def _cross_validate(rows: Sequence[tuple[int, bool, list[float]]]) -> float:
    scores: list[float] = []
    labels: list[bool] = []
    for fold in range(FOLDS):
        train = [row for row in rows if row[0] // 2 % FOLDS != fold]
        test = [row for row in rows if row[0] // 2 % FOLDS == fold]
        if not test or len({label for _, label, _ in train}) < 2:
            continue
        means, spreads = _scale([features for _, _, features in train])
        weights = _fit([(_standard(x, means, spreads), label) for _, label, x in train])
        for _, label, features in test:
            scores.append(_score(weights, _standard(features, means, spreads)))
            labels.append(label)
    return _auc(scores, labels)


def _scale(rows: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    columns = list(zip(*rows, strict=True))
    return [fmean(column) for column in columns], [pstdev(column) or 1.0 for column in columns]


def _standard(row: Sequence[float], means: list[float], spreads: list[float]) -> list[float]:
    return [1.0] + [(x - m) / s for x, m, s in zip(row, means, spreads, strict=True)]


def _fit(rows: Sequence[tuple[list[float], bool]]) -> list[float]:
    """Weights by gradient descent, both classes weighing the same."""
    size = len(rows[0][0])
    weights = [0.0] * size
    share = {label: 0.5 / sum(one is label for _, one in rows) for label in (True, False)}
    for _ in range(_STEPS):
        gradient = [_RIDGE * weight for weight in weights]
        for row, label in rows:
            miss = (1 / (1 + math.exp(-_score(weights, row))) - label) * share[label]
            for i, x in enumerate(row):
                gradient[i] += miss * x
        weights = [weight - _RATE * by for weight, by in zip(weights, gradient, strict=True)]
    return weights


def _score(weights: Sequence[float], row: Sequence[float]) -> float:
    total = sum(weight * x for weight, x in zip(weights, row, strict=True))
    return max(-30.0, min(30.0, total))


def _auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The share of pairs, one of each class, that the score puts in the right order."""
    ordered = sorted(zip(scores, labels, strict=True))
    wins = below = 0.0
    i = 0
    while i < len(ordered):
        j = i
        while j < len(ordered) and ordered[j][0] == ordered[i][0]:
            j += 1
        positives = sum(label for _, label in ordered[i:j])
        negatives = j - i - positives
        wins += positives * (below + negatives / 2)
        below += negatives
        i = j
    total = sum(labels)
    return wins / (total * (len(labels) - total))
