"""Proposes the next edit without any model, by carrying on what the user has just been doing.

Knows nothing of editors, of how predictions are shown, or of what became of earlier ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.events.event import Event
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.repeat.assembly import Group, find_groups, group_features
from zeta_context.predict.proposers.repeat.confidence import load_models
from zeta_context.predict.proposers.repeat.evidence import (
    is_insertion,
    is_rename_under_way,
    weigh_rules,
)
from zeta_context.predict.proposers.repeat.learning import learn_rules
from zeta_context.predict.proposers.repeat.placing import make_edits
from zeta_context.predict.proposers.repeat.rules import AnyRule, WordRule
from zeta_context.predict.proposers.repeat.scene import Scene, make_scene
from zeta_context.predict.proposers.repeat.tokens import is_word, read_line
from zeta_context.predict.proposers.repeat.travel import is_foreign, may_travel
from zeta_context.predict.proposers.repeat.wording import explain_group
from zeta_context.predict.view import Document, View


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatSettings:
    """When to speak. Confidences are 0..1; elsewhere means in another open document.

    Of a rename that is under way what is left comes more readily, and so does an insertion that was
    made at least twice in calls of the same form. The confidence is fitted on commits, which hold
    fewer of both than people leave behind while they type. Words are parts of names, or names in
    another case, which the confidence overrates unless it is high.
    """

    min_confidence: float = 0.6
    min_confidence_rename: float = 0.4
    min_confidence_insertion: float = 0.2
    min_confidence_words: float = 0.8
    min_confidence_elsewhere: float = 0.8
    max_events: int = 64
    max_length: int = 2_000_000
    max_other_documents: int = 8


ABOUT_AS_PROBABLE = 0.05
"""Between places whose probabilities differ by less, nearness decides."""


class RepeatProposer:
    """Learns rewrite rules from the recent events and applies the surest one where it fits next."""

    def __init__(self, settings: RepeatSettings | None = None) -> None:
        self._settings = settings or RepeatSettings()

    @property
    def name(self) -> str:
        """What its predictions carry as `proposer`."""
        return "repeat"

    def propose(self, view: View) -> Prediction | Discarded:
        """The next edit, here or in another open document, or why there is none.

        Reasons: `no_events`, `too_large`, `no_rule` (nothing was learnt), `no_place` (no rule fits
        anywhere), `half_typed` (the word under the cursor seems unfinished), `ambiguous` (two
        edits of the same place are about as likely), `low_confidence`.
        """
        settings = self._settings
        events = view.events[-settings.max_events :]
        if not events:
            return Discarded(reason="no_events", detail="nothing was edited yet")
        if len(view.document.snapshot) > settings.max_length:
            return Discarded(reason="too_large", detail="the document is too long to look through")
        answer = self._propose_in(view.document, events, view.cursor)
        if isinstance(answer, Prediction) or answer.reason in ("no_rule", "half_typed"):
            return answer
        return self._propose_elsewhere(view, events) or answer

    def _propose_in(
        self, document: Document, events: Sequence[Event], cursor: int
    ) -> Prediction | Discarded:
        snapshot = document.snapshot
        row = snapshot.point(min(cursor, len(snapshot))).row
        scene = make_scene(snapshot.text, events, document.project, document.path, row)
        rules = [r for r in learn_rules(scene.examples) if not is_foreign(r) or may_travel(r)]
        if not rules:
            return Discarded(reason="no_rule", detail="the recent edits taught no rule")
        finished = [rule for rule in rules if not _is_half_typed(rule, scene, cursor)]
        groups = rank_groups(scene, finished)
        if not groups:
            if len(finished) < len(rules):
                return Discarded(reason="half_typed", detail="the last word seems unfinished")
            return Discarded(reason="no_place", detail="no rule fits anywhere else")
        return self._choose(document, scene, groups, self._find_least(groups[0]))

    def _find_least(self, group: Group) -> float:
        """The confidence that a group of the document where the user is has to have."""
        settings = self._settings
        readings = group.readings()
        if any(all(isinstance(one.site.rule, WordRule) for one in same) for same in readings):
            return settings.min_confidence_words
        least = settings.min_confidence
        if all(any(map(is_rename_under_way, same)) for same in readings):
            least = min(least, settings.min_confidence_rename)
        if all(any(map(is_insertion, same)) for same in readings) and group.count_examples() > 1:
            least = min(least, settings.min_confidence_insertion)
        return least

    def _choose(
        self, document: Document, scene: Scene, groups: list[Group], least: float
    ) -> Prediction | Discarded:
        best = groups[0]
        if best.probability < least:
            if best.best_rival > 0.5:
                return Discarded(reason="ambiguous", detail="two edits of one place are as likely")
            return Discarded(reason="low_confidence", detail=f"the best has {best.probability:.2f}")
        edits, cursor = make_edits(scene.page, best)
        if not edits:
            return Discarded(reason="no_place", detail="the place already reads like that")
        key = (document.project, document.path, document.version, edits)
        return Prediction(
            id=hashlib.sha256(repr(key).encode("utf-8", "backslashreplace")).hexdigest()[:32],
            project=document.project,
            path=document.path,
            version=document.version,
            edits=edits,
            proposer=self.name,
            why=explain_group(best),
            cursor=cursor,
            confidence=round(best.probability, 4),
        )

    def _propose_elsewhere(self, view: View, events: Sequence[Event]) -> Prediction | None:
        settings = self._settings
        for document in view.others[: settings.max_other_documents]:
            if (
                document.project != view.document.project
                or len(document.snapshot) > settings.max_length
            ):
                continue
            scene = make_scene(document.snapshot.text, events, document.project, document.path, 0)
            rules = [rule for rule in learn_rules(scene.examples) if may_travel(rule)]
            groups = rank_groups(scene, rules)
            if groups:
                least = settings.min_confidence_elsewhere
                answer = self._choose(document, scene, groups, least)
                if answer:
                    return answer
        return None


def rank_groups(scene: Scene, rules: Sequence[AnyRule]) -> list[Group]:
    """The candidate edits, the most probable first; of those about as probable, the nearest."""
    site_model, group_model = load_models()
    scored = weigh_rules(scene, rules)
    for one in scored:
        one.probability = site_model.probability(one.features)
    groups = find_groups(scored)
    for group in groups:
        group.probability = group_model.probability(group_features(group, scene.page))
    groups.sort(key=lambda group: (-group.probability, abs(group.row - scene.row)))
    least = groups[0].probability - ABOUT_AS_PROBABLE if groups else 0.0
    close = [group for group in groups if group.probability >= least]
    close.sort(key=lambda group: abs(group.row - scene.row))
    return close + groups[len(close) :]


def _is_half_typed(rule: AnyRule, scene: Scene, cursor: int) -> bool:
    """Whether all that supports the rule is a word that the cursor touches, new to the text."""
    latest = scene.latest
    changes = {id(support.change) for support in rule.supports}
    if latest is None or changes != {id(latest)}:
        return False
    page = scene.page
    row = page.row_at(cursor)
    if not latest.row <= row < latest.end:
        return False
    column = cursor - page.starts[row]
    line = read_line(page.lines[row])
    for token, start, end in zip(line.tokens, line.starts, line.ends, strict=True):
        if start < column <= end and is_word(token):
            was_there = any(token in read_line(text).tokens for text in latest.old)
            return not was_there and page.count_word(token) < 2
    return False
