"""Fits the confidence of the repeat proposer on public git histories and writes it as data.

    python -m tests.bench.fit_repeat REPO... [--limit 300] [--folds 4] [--write]

Needs scikit-learn (not a dependency: nothing else does, and nothing at run time). Two models are
fitted: of one place (is this rule's edit part of what the commit changed there?), and of a group
of neighbouring places (is the whole group exactly one of the remaining hunks?). The second one
learns from what the first says of repositories that it was not fitted on, and the table printed is
of repositories that neither was fitted on. Files of public repositories are long, what people try
first is short: every case whose hunks lie close together is taken twice, once as it is and once
with the lines far from them cut off (`crop_case`). `--write` then fits both on everything and
replaces `confidence.json`, which names the repositories with their commits.
"""

from __future__ import annotations

import difflib
import json
import random
import re
import subprocess
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from tests.bench.cases import LANGUAGES, Case, Hunk, find_git_dir, read_cases
from tests.bench.repeat import Step, replay_case
from zeta_context.predict.proposers.repeat import confidence
from zeta_context.predict.proposers.repeat.assembly import (
    GROUP_FEATURES,
    Group,
    apply_spans,
    find_groups,
    group_features,
)
from zeta_context.predict.proposers.repeat.evidence import (
    SITE_FEATURES,
    Scored,
    weigh_rules,
)
from zeta_context.predict.proposers.repeat.learning import learn_rules
from zeta_context.predict.proposers.repeat.scene import Scene, make_scene

MAX_SITES = 80
MAX_CROPPED = 60
CROP_MARGIN = 6
MAX_HUNK_TOKENS = 800
SITE_MODEL = {
    "learning_rate": 0.08,
    "min_samples_leaf": 60,
    "l2_regularization": 5.0,
    "max_iter": 100,
    "max_leaf_nodes": 16,
}
GROUP_MODEL = {
    "learning_rate": 0.05,
    "min_samples_leaf": 100,
    "l2_regularization": 20.0,
    "max_iter": 150,
    "max_leaf_nodes": 12,
    "max_features": 0.3,
}

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(slots=True)
class Moment:
    """One step with its candidate places."""

    step: Step
    scene: Scene
    scored: list[Scored]


def read_moments(repo: Path, limit: int) -> Iterator[Moment]:
    """The steps of a repository, those within hunks included."""
    parts = random.Random(0)
    for whole in read_cases(repo, extensions=tuple(LANGUAGES), limit=limit):
        cropped = crop_case(whole)
        for case in (whole,) if cropped is None else (whole, cropped):
            for step in replay_case(case, parts=parts):
                text = "".join(step.lines)
                scene = make_scene(text, step.events, "project", case.path, step.cursor_row)
                yield Moment(step, scene, weigh_rules(scene, learn_rules(scene.examples)))


def crop_case(case: Case) -> Case | None:
    """The case in a file of few lines; None where its hunks lie too far apart for one.

    Short are `MAX_CROPPED` lines, of a file of at least twice as many: up to `CROP_MARGIN` lines
    are left above the first hunk and below the last.
    """
    first, last = case.hunks[0], case.hunks[-1]
    start = max(0, first.old_row - CROP_MARGIN)
    end = min(len(case.lines), last.old_row + len(last.old) + CROP_MARGIN)
    if end - start > min(MAX_CROPPED, len(case.lines) // 2):
        return None
    hunks = tuple(replace(hunk, old_row=hunk.old_row - start) for hunk in case.hunks)
    return replace(case, lines=case.lines[start:end], hunks=hunks)


def is_site_right(one: Scored, step: Step) -> bool:
    """Whether the place's edit alone brings the lines nearer to what the commit made of them."""
    site = one.site
    for hunk in step.remaining:
        row = hunk.old_row + step.shift
        end = row + len(hunk.old)
        if not row <= site.row <= site.end <= end or (site.lines is None and site.row == end):
            continue
        lines = list(hunk.old)
        if site.lines is None:
            text = step.lines[site.row].rstrip("\r\n")
            lines[site.row - row] = apply_spans(text, site.spans)
        else:
            lines[site.row - row : site.end - row] = site.lines
        old, made, new = _tokens(hunk.old), _tokens(lines), _tokens(hunk.new)
        if len(old) + len(new) > MAX_HUNK_TOKENS:
            return False
        size = _distance(old, made)
        return size > 0 and _distance(made, new) <= _distance(old, new) - size
    return (
        site.lines is not None
        and site.row == site.end
        and any(
            _reads_the_same(site.row, site.end, site.lines, hunk, step)
            for hunk in step.remaining
            if not hunk.old
        )
    )


def is_group_right(group: Group, moment: Moment) -> bool:
    """Whether the group is exactly one of the remaining hunks."""
    new = group.replace_rows(moment.scene.page)
    return any(
        _reads_the_same(group.row, group.end, new, hunk, moment.step)
        for hunk in moment.step.remaining
    )


def _reads_the_same(row: int, end: int, new: Sequence[str], hunk: Hunk, step: Step) -> bool:
    """Whether replacing rows `row` to `end` by `new` gives the same text as the hunk."""
    start = hunk.old_row + step.shift
    stop = start + len(hunk.old)
    low, high = min(row, start), max(end, stop)
    if len(new) - (end - row) != len(hunk.new) - len(hunk.old) or high - low > 200:
        return False
    lines = [line.rstrip("\r\n") for line in step.lines[low:high]]
    mine = [*lines[: row - low], *new, *lines[end - low :]]
    target = [line.rstrip("\r\n") for line in hunk.new]
    return mine == [*lines[: start - low], *target, *lines[stop - low :]]


def _tokens(lines: Sequence[str]) -> list[str]:
    return [token for line in lines for token in _TOKEN.findall(line)]


def _distance(old: list[str], new: list[str]) -> int:
    head = tail = 0
    limit = min(len(old), len(new))
    while head < limit and old[head] == new[head]:
        head += 1
    while tail < limit - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    if not a or not b:
        return len(a) + len(b)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    return sum(i2 - i1 + j2 - j1 for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")


@dataclass(slots=True)
class Sample:
    """Rows of features with what is true of each, and the number of the step each is from."""

    rows: list[array[float]]
    labels: list[bool]
    numbers: list[int]
    steps: int = 0


def sample_sites(repo: Path, limit: int) -> Sample:
    """The candidate places of a repository, at most `MAX_SITES` a step."""
    choice = random.Random(0)
    sample = Sample([], [], [])
    for moment in read_moments(repo, limit):
        picked = choice.sample(moment.scored, min(MAX_SITES, len(moment.scored)))
        sample.rows.extend(array("f", one.features) for one in picked)
        sample.labels.extend(is_site_right(one, moment.step) for one in picked)
        sample.numbers.extend([sample.steps] * len(picked))
        sample.steps += 1
    click.echo(f"{repo}: {sample.steps} steps, {len(sample.rows)} places", err=True)
    return sample


def sample_groups(repo: Path, limit: int, fitted: Any) -> Sample:
    """The candidate groups of a repository, made with the fitted model of one place."""
    model = confidence.read_model(export_model(fitted, SITE_FEATURES))
    sample = Sample([], [], [])
    for moment in read_moments(repo, limit):
        for one in moment.scored:
            one.probability = model.probability(one.features)
        for group in find_groups(moment.scored):
            sample.rows.append(array("f", group_features(group, moment.scene.page)))
            sample.labels.append(is_group_right(group, moment))
            sample.numbers.append(sample.steps)
        sample.steps += 1
    click.echo(f"{repo}: {len(sample.rows)} groups", err=True)
    return sample


def fit_samples(samples: Sequence[Sample], options: dict[str, Any]) -> Any:
    """A model fitted on all the samples."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as fault:
        raise click.ClickException("install scikit-learn to fit the model") from fault
    rows = [row for sample in samples for row in sample.rows]
    labels = [label for sample in samples for label in sample.labels]
    return HistGradientBoostingClassifier(**options, random_state=0).fit(rows, labels)


def export_model(model: Any, names: Sequence[str]) -> dict[str, Any]:
    """A fitted model as plain data, in the form that `confidence.py` reads."""
    trees = []
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        trees.append(
            [
                [-1 if node["is_leaf"] else int(node["feature_idx"]) for node in nodes],
                [
                    round(float(node["value" if node["is_leaf"] else "num_threshold"]), 5)
                    for node in nodes
                ],
                [int(node["left"]) for node in nodes],
                [int(node["right"]) for node in nodes],
            ]
        )
    base = float(model._baseline_prediction.ravel()[0])
    return {"features": list(names), "base": round(base, 5), "trees": trees}


def describe_repo(repo: Path) -> str:
    """The repository's name and the commit at which it was read."""
    git_dir = find_git_dir(repo)
    head = subprocess.run(
        ["git", f"--git-dir={git_dir}", "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{_name_repo(repo)}@{head.stdout.strip()}"


def _name_repo(repo: Path) -> str:
    """The last part of the path that names it: `flask` of `x/flask` and of `x/flask/.git`."""
    parts = [part.removesuffix(".git") for part in repo.resolve().parts]
    return next(part for part in reversed(parts) if part not in ("", "repo"))


def _print_curve(name: str, steps: int, best: list[tuple[float, bool]]) -> None:
    cells = []
    for least in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8):
        shown = [is_right for chance, is_right in best if chance >= least]
        precision = sum(shown) / len(shown) if shown else 0.0
        cells.append(f"{least}: {precision:.3f} / {sum(shown) / max(1, steps):.3f}")
    click.echo(f"{name:40} {'   '.join(cells)}")


@click.command()
@click.argument("repos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--limit", default=300, show_default=True, help="Cases of each repository.")
@click.option("--folds", default=4, show_default=True)
@click.option("--write", is_flag=True, help="Replace confidence.json.")
def main(repos: tuple[Path, ...], limit: int, folds: int, write: bool) -> None:
    """Fit on REPOS; print precision / recall by confidence for those not fitted on."""
    names = [str(repo) for repo in repos]
    sites = {name: sample_sites(Path(name), limit) for name in names}
    groups: dict[str, Sample] = {}
    parts = [names[start::folds] for start in range(min(folds, len(names)))]
    for part in parts:
        model = fit_samples([sites[name] for name in names if name not in part], SITE_MODEL)
        for name in part:
            groups[name] = sample_groups(Path(name), limit, model)
    every: list[tuple[float, bool]] = []
    for part in parts:
        model = fit_samples([groups[name] for name in names if name not in part], GROUP_MODEL)
        for name in part:
            best = _pick_best(groups[name], model)
            _print_curve(name, groups[name].steps, best)
            every.extend(best)
    _print_curve("all", sum(sample.steps for sample in groups.values()), every)
    if write:
        data = {
            "fitted_on": [describe_repo(repo) for repo in repos],
            "cases": limit,
            "site": export_model(fit_samples(list(sites.values()), SITE_MODEL), SITE_FEATURES),
            "group": export_model(
                fit_samples(list(groups.values()), GROUP_MODEL), (*GROUP_FEATURES, *SITE_FEATURES)
            ),
        }
        path = Path(confidence.__file__).with_name("confidence.json")
        path.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
        click.echo(f"wrote {path.name}: {path.stat().st_size} bytes", err=True)


def _pick_best(sample: Sample, model: Any) -> list[tuple[float, bool]]:
    """Confidence and truth of the most probable group of each step that has any."""
    best: dict[int, tuple[float, bool]] = {}
    chances = model.predict_proba(sample.rows)[:, 1]
    for number, chance, label in zip(sample.numbers, chances, sample.labels, strict=True):
        if number not in best or chance > best[number][0]:
            best[number] = (float(chance), label)
    return list(best.values())


if __name__ == "__main__":
    main()
