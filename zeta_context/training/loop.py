"""The whole pipeline on one page: recorded sessions to a student that is measured to be better.

    sessions -> starting states -> teacher -> selected targets -> rows -> student
                      \\-> held-out repositories -> model before and after -> gain

The starting states of training carry no text that a user wrote afterwards: every target is the
teacher's. Held-out examples come from other repositories; they are scored against the teacher's
answer and against what the user really did, whichever is met better.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from zeta_context.counts import Counts
from zeta_context.errors import DatasetError
from zeta_context.evals.sessions import read_sessions
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.limited import LimitedFormat
from zeta_context.prompt.registry import find_format
from zeta_context.runners.base import Runner
from zeta_context.text.edit import TextEdit
from zeta_context.training.example import Example, Target, write_examples
from zeta_context.training.leakage import NearDuplicates, sign_example
from zeta_context.training.rows import encode_row, make_rows
from zeta_context.training.select import SelectSettings, refuse_target
from zeta_context.training.sessions import find_states
from zeta_context.training.student_config import StudentConfig
from zeta_context.training.teacher import programmatic
from zeta_context.training.trial import Attempt, Gain, compare_attempts, try_model

Teacher = Callable[[PromptInput], tuple[TextEdit, ...]]
OpenModel = Callable[[Path], Runner]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How large the loop is. `held_out` are the repositories that nothing is trained on.

    `excerpt_tokens` and `prompt_tokens` are estimates, of which a real token is about nine tenths
    in code; `every` and `every_held_out` are edits between two states of a session.
    """

    held_out: tuple[str, ...]
    max_rows: int = 80
    max_held_out: int = 60
    every: int = 2
    every_held_out: int = 5
    excerpt_tokens: int = 110
    prompt_tokens: int = 480
    output_tokens: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReport:
    """What the loop came to; gains are in points of deltaChrF."""

    rows: int
    all: Gain
    both_parse: Gain
    parse_failures_before: int
    parse_failures_after: int
    minutes: float


def run_loop(
    sessions: Path,
    base: Path,
    output: Path,
    config: StudentConfig,
    settings: LoopSettings,
    *,
    open_model: OpenModel,
    teacher: Teacher = programmatic.teach,
    tell: Callable[[str], None] = print,
) -> LoopReport:
    """Run every stage and leave its result in the folder `output`."""
    from zeta_context.training.student import train_student

    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    counts = Counts()
    recorded = read_sessions(sessions)

    # 1. Starting states, split by repository: what is held out is never trained on.
    train_on = [one for one in recorded if one.header.root not in settings.held_out]
    hold_out = [one for one in recorded if one.header.root in settings.held_out]
    states = find_states(train_on, every=settings.every, max_tokens=settings.excerpt_tokens)
    held_out = find_states(
        hold_out,
        every=settings.every_held_out,
        max_tokens=settings.excerpt_tokens,
        with_settled=True,
    )

    # 2. The teacher says what should follow; what may not be trained on is left out and counted.
    evaluation = _spread(list(_add_reference(held_out, teacher)), settings.max_held_out, settings)
    taught = drop_leaks(_teach(states, teacher, counts), evaluation, counts)
    if not taught or not evaluation:
        raise DatasetError("the teacher had nothing to say: there is nothing to train or measure")
    write_examples(output / "evaluation.jsonl", evaluation)

    # 3. Rows in the model's own format.
    chosen = _spread(taught, settings.max_rows, settings)
    write_examples(output / "training.jsonl", chosen)
    rows = list(make_rows(chosen, config.format, max_tokens=settings.prompt_tokens, counts=counts))
    lines = "".join(encode_row(row) + "\n" for row in rows)
    (output / "rows.jsonl").write_text(lines, encoding="utf-8")
    tell(f"{len(rows)} rows, {len(evaluation)} held-out examples; {counts.totals()}")

    # 4. The model as it was, on the held-out examples.
    prompt_format = LimitedFormat(
        inner=find_format(config.format),
        max_prompt_tokens=settings.prompt_tokens,
        max_output_tokens=settings.output_tokens,
    )
    attempt = partial(
        _try, prompt_format=prompt_format, open_model=open_model, output=output, tell=tell
    )
    before = attempt(base, "before", evaluation)

    # 5. The student.
    trained = train_student(rows, base, output, config)
    tell(f"trained {trained.steps} steps: loss {trained.first_loss:.3f} -> {trained.last_loss:.3f}")

    # 6. The student on the same examples, and what that says.
    after = attempt(trained.model, "after", evaluation)
    both = [
        (one, other)
        for one, other in zip(before, after, strict=True)
        if one.is_parsed and other.is_parsed
    ]
    report = LoopReport(
        rows=trained.rows,
        all=compare_attempts(before, after),
        both_parse=compare_attempts([one for one, _ in both], [other for _, other in both]),
        parse_failures_before=sum(not one.is_parsed for one in before),
        parse_failures_after=sum(not one.is_parsed for one in after),
        minutes=round((time.monotonic() - started) / 60, 1),
    )
    (output / "report.json").write_text(json.dumps(asdict(report), indent=2), encoding="utf-8")
    return report


def drop_leaks(
    examples: Iterable[Example], evaluation: Iterable[Example], counts: Counts
) -> list[Example]:
    """The examples that are near-duplicates of nothing that is evaluated on."""
    held_out = NearDuplicates()
    for example in evaluation:
        held_out.add(sign_example(example))
    given = list(examples)
    kept = [example for example in given if not held_out.holds(sign_example(example))]
    counts.add("near_held_out", len(given) - len(kept))
    return kept


def _teach(states: Iterable[Example], teacher: Teacher, counts: Counts) -> Iterator[Example]:
    """The states for which the teacher has something to say that may be trained on."""
    settings = SelectSettings(may_be_quiet=False)
    for state in states:
        edits = teacher(state.prompt_input)
        reason = refuse_target(state.prompt_input, edits, settings)
        if reason is not None:
            counts.add(f"target_{reason}")
            continue
        target = Target(edits=edits, source="teacher", teacher=programmatic.NAME)
        yield replace(state, targets=(target,))


def _add_reference(examples: Iterable[Example], teacher: Teacher) -> Iterator[Example]:
    """The held-out examples that the teacher has an answer to, with that as another reference."""
    for example in examples:
        edits = teacher(example.prompt_input)
        if edits and refuse_target(example.prompt_input, edits, SelectSettings()) is None:
            target = Target(edits=edits, source="teacher", teacher=programmatic.NAME)
            yield replace(example, targets=(target, *example.targets))


def _spread(examples: list[Example], limit: int, settings: LoopSettings) -> list[Example]:
    """At most so many, of every session alike as far as it has them, in their order."""
    random = Random(settings.seed)
    by_session: dict[str, list[Example]] = {}
    for example in examples:
        by_session.setdefault(example.tags[0], []).append(example)
    for group in by_session.values():
        random.shuffle(group)
    chosen: set[str] = set()
    while len(chosen) < min(limit, len(examples)):
        for group in by_session.values():
            if group and len(chosen) < limit:
                chosen.add(group.pop().name)
    return [example for example in examples if example.name in chosen]


def _try(
    model: Path,
    label: str,
    evaluation: list[Example],
    *,
    prompt_format: LimitedFormat,
    open_model: OpenModel,
    output: Path,
    tell: Callable[[str], None],
) -> list[Attempt]:
    runner = open_model(model)
    try:
        attempts = try_model(evaluation, runner, prompt_format)
    finally:
        runner.close()
    with (output / f"attempts-{label}.jsonl").open("w", encoding="utf-8") as file:
        for one in attempts:
            edits = [[edit.span.start, edit.span.end, edit.new_text] for edit in one.edits]
            record = {"name": one.name, "score": one.score, "reason": one.reason, "edits": edits}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    mean = sum(one.score for one in attempts) / len(attempts)
    failed = sum(not one.is_parsed for one in attempts)
    tell(f"{label}: deltaChrF {mean:.2f}, {failed} of {len(attempts)} answers not readable")
    return attempts
