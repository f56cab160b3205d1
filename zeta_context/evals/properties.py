"""Whether an answer has the property that a handwritten case checks.

The bounds are wide on purpose: they tell a wrong habit (too much, too little, undoing, not looking)
from a good answer that differs from the reference. Knows nothing of scores over many cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zeta_context.evals.scenario import Property, Scenario
from zeta_context.metrics.change_size import ChangeSize

MAX_SIZE = 2.0
"""An answer is too large from this many times the largest reference on, in characters."""
MIN_SIZE = 0.5
"""An answer is too small below this share of the smallest reference."""
MIN_POINTS = 80.0
"""The deltaChrF that shows the context was used, where no word tells it."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the answer has the `checked` property, and why not."""

    checked: Property
    holds: bool
    why_not: str = ""


def judge(
    scenario: Scenario,
    actual: Mapping[str, str],
    targets: Sequence[Mapping[str, str]],
    *,
    size: ChangeSize,
    sizes: Sequence[ChangeSize],
    points: float,
    is_bad: bool,
) -> Verdict | None:
    """The verdict on an answer that led to the texts `actual`; None for a case without property.

    `targets` are the texts of the references and `sizes` their changes; `is_bad` says that the
    answer undoes something or is the rejected one.
    """
    checked = scenario.checks
    if checked is None:
        return None
    why_not = ""
    if checked == "quiet":
        why_not = "it changes something" if size.characters else ""
    elif checked == "no-reversal":
        why_not = "it undoes what the user did" if is_bad else ""
    elif not size.characters:
        why_not = "it changes nothing"
    elif checked == "not-too-large":
        most = max(one.characters for one in sizes)
        if size.characters > MAX_SIZE * most:
            why_not = f"{size.characters} characters change, {most} would do"
    elif checked == "not-too-small":
        least = min(one.characters for one in sizes if one.characters)
        if size.characters < MIN_SIZE * least:
            why_not = f"{size.characters} characters change, {least} would be due"
    elif not _uses_context(scenario, actual, targets, points):
        why_not = "what the other files tell is not in it"
    return Verdict(checked=checked, holds=not why_not, why_not=why_not)


def _uses_context(
    scenario: Scenario,
    actual: Mapping[str, str],
    targets: Sequence[Mapping[str, str]],
    points: float,
) -> bool:
    """Whether the answer has the words that a reference brings in from elsewhere."""
    own = _words(scenario.text)
    elsewhere = _words(*(file.text for file in scenario.files))
    brought = [(_words(target[scenario.path]) - own) & elsewhere for target in targets]
    found = _words(actual[scenario.path])
    telling = [words for words in brought if words]
    return any(words <= found for words in telling) if telling else points >= MIN_POINTS


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text)}
