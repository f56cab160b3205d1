"""What speaks for and against a place: the features that confidence is computed from.

Knows nothing of how the features are weighed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2

from zeta_context.predict.proposers.repeat.matching import Site, compare_site, find_sites
from zeta_context.predict.proposers.repeat.rules import (
    AnyRule,
    BlockRule,
    Support,
    TemplateRule,
    TokenRule,
    WordRule,
)
from zeta_context.predict.proposers.repeat.scene import Scene, measure_indent
from zeta_context.predict.proposers.repeat.tokens import (
    Line,
    comment_start,
    is_defining,
    is_quoted,
    is_word,
    read_line,
)

MAX_FREE = 24
"""How many places a rule is tried at, the nearest ones."""

SITE_FEATURES = (
    "is_token_word", "is_token_mark", "is_word", "is_template", "is_block_replace",
    "is_block_insert", "is_block_delete", "supports", "supporting_changes", "is_latest",
    "age", "share", "recent_share", "negatives", "stronger_negatives", "weaker_negatives",
    "left", "right", "is_same_line", "holes_agree", "distance", "rank", "below", "above",
    "removed_tokens", "removed_words", "longest_removed", "added_tokens", "longest_added",
    "is_rename", "is_added_known", "comment_agrees", "quote_agrees", "in_comment", "in_quotes",
    "is_adjacent", "is_above", "is_foreign", "changes", "change_lines", "same_in_line",
    "line_tokens", "support_lines", "kept_above", "kept_below", "support_same_line",
    "max_agreement_gap", "left_in_changed", "indent_agrees", "conflicts", "late_negatives",
    "defines", "scope_exit", "support_exits", "lines_above", "lines_below", "length_over",
    "length", "most_change_lines", "touched_rules", "hole_count", "balance", "top_level_between",
    "latest_gap", "neighbour_words", "recent_negatives", "is_comment_only", "session_repeats",
    "latest_repeats", "usual_gap", "coverage", "before_supports", "after_supports",
    "before_negatives", "after_negatives", "both_negatives", "both_supports", "is_number",
    "block_rows", "block_growth", "mean_share", "latest_supports", "text_rows",
    "still_defined", "is_dangling", "site_defines", "defined_between", "is_adapted",
)  # fmt: skip


@dataclass(slots=True)
class Scored:
    """A site with its features, in the order of `SITE_FEATURES`, and its probability."""

    site: Site
    features: list[float]
    probability: float = 0.0


_RENAME = tuple(
    map(SITE_FEATURES.index, ("is_token_word", "is_rename", "negatives", "is_dangling", "supports"))
)
NEARLY_SURE = 0.8
_INSERTION = tuple(map(SITE_FEATURES.index, ("is_template", "removed_tokens", "negatives")))


def is_rename_under_way(one: Scored) -> bool:
    """Whether a name is left here that is being renamed, and no such place was passed over.

    Either its only definition was renamed, so that it means nothing now; or it was renamed twice
    already and the place is nearly sure.
    """
    is_whole, is_rename, negatives, is_dangling, supports = (one.features[at] for at in _RENAME)
    if not is_whole or not is_rename or negatives:
        return False
    return bool(is_dangling) or (supports > 1 and one.probability >= NEARLY_SURE)


def is_insertion(one: Scored) -> bool:
    """Whether something is only added between parts that fit, and no such place was passed over."""
    is_template, removed, negatives = (one.features[index] for index in _INSERTION)
    return bool(is_template and not removed and not negatives)


@dataclass(slots=True)
class _Fit:
    """The places that one rule fits, sorted by what the user has shown about them."""

    free: list[Site]
    passed: list[Site]
    above: int = 0
    touched: int = 0
    defining: list[int] = field(default_factory=list)


def weigh_rules(scene: Scene, rules: Sequence[AnyRule], newest: int = -1) -> list[Scored]:
    """The places that the rules fit and may be applied at, each with its features."""
    newest = max((change.order for change in scene.recent), default=0)
    outcomes: dict[object, set[object]] = {}
    for rule in rules:
        outcomes.setdefault(_left_side(rule), set()).add(_right_side(rule))
    scored: list[Scored] = []
    for rule in rules:
        conflicts = len(outcomes[_left_side(rule)]) - 1
        scored.extend(_weigh_rule(scene, rule, newest, conflicts))
    return scored


def _left_side(rule: AnyRule) -> object:
    if isinstance(rule, TokenRule):
        return ("token", rule.left, rule.removed, rule.right)
    if isinstance(rule, TemplateRule):
        return ("template", rule.pattern)
    if isinstance(rule, BlockRule):
        return ("block", rule.old)
    return ("word", tuple(part.lower() for part in rule.removed))


def _right_side(rule: AnyRule) -> object:
    if isinstance(rule, TemplateRule):
        return tuple((start, end, cut.added) for start, end, cut in rule.cuts)
    if isinstance(rule, BlockRule):
        return rule.new
    return tuple(part.lower() for part in rule.added)


def _weigh_rule(scene: Scene, rule: AnyRule, newest: int, conflicts: int) -> list[Scored]:
    own_rows = [support.change.row for support in rule.supports if support.change.row >= 0]
    since = min(own_rows, default=scene.row)
    sites = find_sites(scene.page, rule, scene.reach(since))
    if sites is None:
        return []
    fit = _sort_sites(scene, sites, since)
    if not fit.free:
        return []
    shared = _rule_features(scene, rule, newest, fit)
    shared["conflicts"] = min(4, conflicts)
    last = max(own_rows, default=scene.row)
    shared["late_negatives"] = min(6, sum(site.row > last for site in fit.passed))
    shared["latest_gap"] = log2(1 + abs(scene.row - last))
    shared["session_repeats"], shared["latest_repeats"] = scene.repetition
    shared["usual_gap"] = log2(1 + (last - since) / max(1, len(set(own_rows)) - 1))
    per_row = Counter(site.row for site in fit.free)
    scored: list[Scored] = []
    nearest = sorted(fit.free, key=lambda site: abs(site.row - scene.row))[:MAX_FREE]
    for rank, site in enumerate(nearest):
        own = dict(shared)
        own["rank"] = min(8, rank)
        own["same_in_line"] = min(4, per_row[site.row])
        own.update(_site_features(scene, site, fit))
        scored.append(Scored(site, [float(own.get(name, 0.0)) for name in SITE_FEATURES]))
    return scored


def _sort_sites(scene: Scene, sites: Sequence[Site], since: int) -> _Fit:
    fit = _Fit([], [])
    for site in sites:
        if _is_changed(scene, site):
            fit.touched += 1
            continue
        if _site_defines(scene, site):
            fit.defining.append(site.row)
        if site.row >= scene.row:
            compare_site(scene.page, site)
            fit.free.append(site)
            continue
        if scene.is_passed(site.row, since):
            compare_site(scene.page, site)
            fit.passed.append(site)
        elif scene.has_moved_up or scene.latest is None:
            compare_site(scene.page, site)
            fit.free.append(site)
        else:
            fit.above += 1
    return fit


def _site_defines(scene: Scene, site: Site) -> bool:
    if site.lines is not None or site.end_token != site.start_token + 1:
        return False
    line = read_line(scene.page.lines[site.row])
    if line.starts[site.start_token] >= comment_start(line.text):
        return False
    return is_defining(line.tokens, site.start_token, site.end_token)


def _is_changed(scene: Scene, site: Site) -> bool:
    if site.row == site.end:
        return any(change.row <= site.row <= change.end for change in scene.changes)
    return any(row in scene.settled_rows for row in range(site.row, site.end))


def rule_sides(rule: AnyRule) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens that a rule removes and those that it adds."""
    if isinstance(rule, TemplateRule):
        removed = tuple(token for _, _, cut in rule.cuts for token in cut.removed)
        return removed, tuple(token for _, _, cut in rule.cuts for token in cut.added)
    if isinstance(rule, BlockRule):
        old, new = list(rule.old), list(rule.new)
        del old[: rule.kept_above], new[: rule.kept_above]
        if rule.kept_below:
            del old[-rule.kept_below :], new[-rule.kept_below :]
        return (
            tuple(token for text in old for token in read_line(text).tokens),
            tuple(token for text in new for token in read_line(text).tokens),
        )
    return rule.removed, rule.added


_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def measure_balance(tokens: Sequence[str]) -> tuple[int, int]:
    """Open minus closed brackets, and the parity of double quotes."""
    return sum(_BRACKETS.get(token, 0) for token in tokens), tokens.count('"') % 2


def _rule_features(scene: Scene, rule: AnyRule, newest: int, fit: _Fit) -> dict[str, float]:
    removed, added = rule_sides(rule)
    words = [token for token in removed if is_word(token)]
    supports = rule.supports
    changes = {id(support.change) for support in supports}
    recent = scene.recent
    is_rename = len(removed) == len(added) == 1 and is_word(removed[0]) and is_word(added[0])
    opened, quoted = measure_balance(removed)
    reopened, requoted = measure_balance(added)
    rows = sorted({s.change.row for s in supports if s.change.row >= 0})
    sizes = [max(len(s.change.old), len(s.change.new)) for s in supports]
    latest_row = scene.latest.row if scene.latest else -1
    before_latest = max((c.end for c in scene.changes if c.row < latest_row), default=-1)
    defines = any(
        is_defining(one.edit.old.tokens, one.start, one.end) for one in supports if one.edit
    )
    features: dict[str, float] = {
        "is_token_word": isinstance(rule, TokenRule) and bool(words),
        "is_token_mark": isinstance(rule, TokenRule) and not words,
        "is_word": isinstance(rule, WordRule),
        "is_template": isinstance(rule, TemplateRule),
        "is_block_replace": isinstance(rule, BlockRule) and bool(removed) and bool(added),
        "is_block_insert": isinstance(rule, BlockRule) and not removed,
        "is_block_delete": isinstance(rule, BlockRule) and not added,
        "supports": min(6, len(supports)),
        "supporting_changes": min(6, len(changes)),
        "age": min(8, newest - rule.order),
        "is_latest": rule.order == newest,
        "share": max(support.share for support in supports[-4:]),
        "recent_share": sum(id(change) in changes for change in recent) / max(1, len(recent)),
        "negatives": min(10, len(fit.passed)),
        "recent_negatives": min(5, sum(site.row >= before_latest for site in fit.passed)),
        "below": min(10, len(fit.free)),
        "above": min(10, fit.above),
        "removed_tokens": min(12, len(removed)),
        "removed_words": min(6, len(words)),
        "longest_removed": min(16, max(map(len, words), default=0)),
        "added_tokens": min(20, len(added)),
        "longest_added": min(16, max(map(len, added), default=0)),
        "is_rename": is_rename,
        "is_added_known": max(
            -2, min(5, scene.page.text.count(added[0]) - len(supports) if is_rename else 0)
        ),
        "is_foreign": all(support.change.row < 0 for support in supports),
        "changes": min(12, len(scene.changes)),
        "change_lines": min(10, *sizes),
        "most_change_lines": min(10, max(sizes)),
        "left_in_changed": min(5, fit.touched),
        "kept_above": getattr(rule, "kept_above", 0),
        "kept_below": getattr(rule, "kept_below", 0),
        "support_lines": min(
            6, len({s.edit.old.tokens if s.edit else s.change.old for s in supports})
        ),
        "defines": defines,
        "still_defined": min(3, len(fit.defining)),
        "is_dangling": defines and not fit.defining,
        "support_exits": min(
            4,
            sum(
                scene.least_indent(one, two) < scene.indent(one)
                for one, two in zip(rows[-5:], rows[-4:], strict=False)
            ),
        ),
        "hole_count": rule.pattern.count("") if isinstance(rule, TemplateRule) else 0,
        "is_number": bool(words) and all(word[0].isdigit() for word in words),
        "block_rows": min(20, len(rule.old)) if isinstance(rule, BlockRule) else 0,
        "block_growth": (
            max(-10, min(10, len(rule.new) - len(rule.old))) if isinstance(rule, BlockRule) else 0
        ),
        "mean_share": sum(support.share for support in supports[-4:]) / len(supports[-4:]),
        "latest_supports": min(4, sum(s.change.order == newest for s in supports)),
        "text_rows": log2(1 + len(scene.page.lines)),
        "coverage": len(supports) / (len(supports) + len(fit.passed)),
        "balance": abs(reopened - opened) + abs(requoted - quoted),
    }
    return features


def _site_features(scene: Scene, site: Site, fit: _Fit) -> dict[str, float]:
    negatives = fit.passed
    agreement = site.agreement
    passed = [one.agreement for one in negatives]
    lines = scene.page.lines
    text = lines[site.row] if site.row < len(lines) else ""
    rule = site.rule
    own: dict[str, float] = {
        "left": site.left,
        "right": site.right,
        "is_same_line": site.is_same_line,
        "holes_agree": site.holes_agree,
        "is_adapted": site.is_adapted,
    }
    own["stronger_negatives"] = min(10, sum(one >= agreement for one in passed))
    own["weaker_negatives"] = min(10, sum(one < agreement for one in passed))
    own["max_agreement_gap"] = agreement - max(passed, default=-1)
    own["distance"] = log2(1 + abs(site.row - scene.row))
    own["site_defines"] = _site_defines(scene, site)
    own["is_adjacent"] = site.row == scene.row and scene.latest is not None
    own["is_above"] = site.row < scene.row
    own["line_tokens"] = min(40, len(text.split()))
    own["comment_agrees"] = own["quote_agrees"] = own["indent_agrees"] = 1.0
    rows = [s.change.row for s in rule.supports if s.change.row >= 0]
    near = max((row for row in rows if row <= site.row), default=-1)
    if near >= 0:
        least = scene.least_indent(near, site.row)
        own["scope_exit"] = min(4.0, max(0, scene.indent(near) - least) / 2)
        own["defined_between"] = min(3, sum(near < row <= site.row for row in fit.defining))
        own["top_level_between"] = least == 0 and scene.indent(near) > 0
    above, below = _agree_around(lines, site, rule.supports)
    own["lines_above"], own["lines_below"] = above, below
    if site.spans:
        own.update(_neighbour_features(scene, site, negatives))
        grown = sum(len(new) - (end - start) for start, end, new in site.spans)
        own["length"] = min(160, len(text) + grown) / 10
        own["length_over"] = max(-3.0, min(3.0, (len(text) + grown - scene.width) / 10))
        column = site.spans[0][0]
        comment = comment_start(text)
        in_comment = column >= comment
        in_quotes = is_quoted(text, column)
        own["in_comment"], own["in_quotes"] = in_comment, in_quotes
        own["is_comment_only"] = not text[:comment].strip()
        edits = [s for s in rule.supports[-4:] if s.edit is not None and s.edit.old.starts]
        places = [
            (s.edit.old.text, s.edit.old.left_end(s.start) + (s.start > 0)) for s in edits if s.edit
        ]
        own["comment_agrees"] = any(
            (at >= comment_start(line)) == in_comment for line, at in places
        )
        own["quote_agrees"] = any(is_quoted(line, at) == in_quotes for line, at in places)
        indent = measure_indent(text)
        own["indent_agrees"] = any(measure_indent(line) == indent for line, _ in places)
        mine = set(read_line(text).tokens)
        own["neighbour_words"] = max(
            (
                len(mine & set(s.edit.old.tokens)) / max(1, len(mine | set(s.edit.old.tokens)))
                for s in edits
                if s.edit
            ),
            default=0.0,
        )
    else:
        own["indent_agrees"] = site.is_same_line
    return own


def _neighbour_features(scene: Scene, site: Site, negatives: list[Site]) -> dict[str, float]:
    """How many examples and passed places have the same tokens next to them as this one."""
    before, after = _neighbours(read_line(scene.page.lines[site.row]), site)
    counts = [0] * 6
    for support in site.rule.supports[-8:]:
        if support.edit is not None:
            one, two = _around(support.edit.old.tokens, support.start, support.end)
            counts[0] += one == before
            counts[1] += two == after
            counts[2] += one == before and two == after
    for other in negatives[-12:]:
        one, two = _neighbours(read_line(scene.page.lines[other.row]), other)
        counts[3] += one == before
        counts[4] += two == after
        counts[5] += one == before and two == after
    return {
        "before_supports": min(4, counts[0]),
        "after_supports": min(4, counts[1]),
        "both_supports": min(4, counts[2]),
        "before_negatives": min(4, counts[3]),
        "after_negatives": min(4, counts[4]),
        "both_negatives": min(4, counts[5]),
    }


def _neighbours(line: Line, site: Site) -> tuple[str, str]:
    return _around(line.tokens, site.start_token, site.end_token)


def _around(tokens: Sequence[str], start: int, end: int) -> tuple[str, str]:
    return tokens[start - 1] if start else "", tokens[end] if end < len(tokens) else ""


def _agree_around(lines: Sequence[str], site: Site, supports: Sequence[Support]) -> tuple[int, int]:
    """How many whole lines above and below read like those around an example's line."""
    best = (0, 0)
    for support in supports[-4:]:
        change = support.change
        edit = support.edit
        if edit is None or len(change.old) != len(change.new):
            old_above, old_below = change.above[::-1], change.below
        else:
            at = change.new.index(edit.new.text) if edit.new.text in change.new else 0
            old_above = (*change.above, *change.old[:at])[::-1]
            old_below = (*change.old[at + 1 :], *change.below)
        left = right = 0
        while left < min(3, len(old_above)) and site.row - 1 - left >= 0:
            if old_above[left].strip() != lines[site.row - 1 - left].strip():
                break
            left += 1
        while right < min(3, len(old_below)) and site.end + right < len(lines):
            if old_below[right].strip() != lines[site.end + right].strip():
                break
            right += 1
        best = max(best, (left, right), key=sum)
    return best
