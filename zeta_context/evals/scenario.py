"""A case to predict from, and what should come of it: the record of evaluation and training.

It is plain data: texts as they are at the cursor, the edits that led there as unified diffs, and
the patches that would be good answers. Texts before an edit are found by undoing it, so nothing is
kept twice. Knows neither files nor predictors; `scenario_markdown` and `scenario_rows` write it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from zeta_context.errors import EvalError, PatchError
from zeta_context.events.language import language_of
from zeta_context.metrics.patches import read_patch
from zeta_context.prompt.input import PromptInput
from zeta_context.text.patch import (
    FilePatch,
    Patch,
    PatchHunk,
    apply_hunks,
    render_patch,
    reverse_hunks,
)

Property = Literal["not-too-large", "not-too-small", "no-reversal", "uses-context", "quiet"]
"""What a case is there to check. A tag of this name puts a scenario under it."""

Origin = Literal["handwritten", "commit", "session", "collected", "rejected", "teacher", "other"]
"""Where a scenario comes from; those from commits are too clean to train on unmarked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """Another file of the project, as it is at the cursor."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """One edit before the cursor: a unified diff with file headers; `predicted` if accepted."""

    diff: str
    predicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPatch:
    """A good answer: a unified diff with file headers, empty where nothing should be predicted.

    `cursor` is where the cursor would be in the resulting text of the scenario's own file.
    """

    diff: str
    cursor: int | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether the good answer is none."""
        return not self.diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A state of an editor, and what should be predicted from it.

    `text` is the file at `path` from its row `start_row` on (0-based), all of it as a rule; an
    excerpt where the rest is in `repository_url` at `revision`. `cursor` is an offset in `text`.
    `history` is oldest first and leads to the texts given here. Without any `expected` patch
    nothing is known of what would be good. `rejected` is a patch that would be bad: a model's
    answer that was not wanted. `prompt_input` is the state as it was collected, where it was.
    """

    name: str
    path: str
    text: str
    cursor: int
    start_row: int = 0
    files: tuple[ScenarioFile, ...] = ()
    history: tuple[HistoryStep, ...] = ()
    expected: tuple[ExpectedPatch, ...] = ()
    rejected: str | None = None
    repository_url: str = ""
    revision: str = ""
    uncommitted_diff: str = ""
    tags: tuple[str, ...] = ()
    reasoning: str = ""
    origin: Origin = "other"
    prompt_input: PromptInput | None = None

    @property
    def language(self) -> str:
        """The language of the file with the cursor, by its name."""
        return language_of(self.path)

    @property
    def checks(self) -> Property | None:
        """What the scenario is there to check, if anything."""
        return next((name for name in get_args(Property) if name in self.tags), None)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing should be predicted, by every reference."""
        return bool(self.expected) and all(one.is_quiet for one in self.expected)

    @property
    def texts(self) -> dict[str, str]:
        """Every text of the scenario at the cursor, by path."""
        return {self.path: self.text, **{file.path: file.text for file in self.files}}

    @property
    def group(self) -> str:
        """What its figures are not independent of: the repository, else the file."""
        return self.repository_url or self.path


def texts_before(scenario: Scenario, *, steps: int | None = None) -> dict[str, str]:
    """The texts by path before the last `steps` edits of the history (all of them, if None).

    A file that an edit made is empty before it. Raises EvalError with the number of the edit that
    cannot be undone.
    """
    texts = scenario.texts
    count = len(scenario.history) if steps is None else steps
    for number in range(len(scenario.history), len(scenario.history) - count, -1):
        step = scenario.history[number - 1]
        try:
            for file in reversed(read_patch(step.diff).files):
                _apply(scenario, texts, _turn_round(file))
        except PatchError as error:
            raise EvalError(
                f"{scenario.name}: edit {number} of the history does not lead to the text: {error}"
            ) from None
    return texts


def texts_after(scenario: Scenario, diff: str) -> dict[str, str]:
    """The texts by path after a patch to those at the cursor; raises EvalError if it does not fit.

    Hunks may stand some rows away from where they say, as the reference allows it.
    """
    texts = scenario.texts
    try:
        for file in read_patch(diff).files:
            _apply(scenario, texts, file)
    except PatchError as error:
        raise EvalError(f"{scenario.name}: the patch does not apply: {error}") from None
    return texts


def changed_paths(diffs: Iterable[str]) -> tuple[str, ...]:
    """The paths that diffs touch, each once, in order of first mention."""
    paths: dict[str, None] = {}
    for diff in diffs:
        for file in read_patch(diff).files:
            path = file.new_path or file.old_path
            if path is not None:
                paths[path] = None
    return tuple(paths)


def digest_scenarios(scenarios: Iterable[Scenario]) -> str:
    """The SHA-256 of what decides scores: texts, cursors, history and references, in any order."""
    digests = sorted(_digest(one) for one in scenarios)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def pick(scenarios: Sequence[Scenario], *, name: str = "", tag: str = "") -> list[Scenario]:
    """Those whose name contains `name` and that have `tag`, where given."""
    return [one for one in scenarios if name in one.name and (not tag or tag in one.tags)]


def canonical_diff(file: FilePatch) -> str:
    """A patch of one file as it is kept: with its header, without comments around it."""
    hunks = tuple(replace(hunk, preamble=(), has_place=True) for hunk in file.hunks)
    return render_patch(Patch(files=(replace(file, preamble=(), hunks=hunks),)))


def _digest(scenario: Scenario) -> str:
    parts = (
        scenario.name,
        scenario.path,
        scenario.text,
        scenario.cursor,
        [(file.path, file.text) for file in scenario.files],
        [(step.diff, step.predicted) for step in scenario.history],
        [(one.diff, one.cursor) for one in scenario.expected],
        scenario.rejected,
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _turn_round(file: FilePatch) -> FilePatch:
    return replace(
        file, old_path=file.new_path, new_path=file.old_path, hunks=reverse_hunks(file.hunks)
    )


def _apply(scenario: Scenario, texts: dict[str, str], file: FilePatch) -> None:
    """Change `texts` by one file's hunks; a file made or removed is one with, or of, no text."""
    source, target = file.old_path or file.new_path, file.new_path or file.old_path
    if source is None or target is None:
        raise PatchError("a patch that names no file")
    if source not in texts and file.old_path is not None:
        raise PatchError(f"{source} is no file of the scenario")
    hunks: Sequence[PatchHunk] = file.hunks
    if scenario.start_row and source == scenario.path:
        hunks = [_moved(hunk, -scenario.start_row) for hunk in hunks]
    changed = apply_hunks(texts.get(source, ""), hunks, search=True)
    if source != target:
        del texts[source]
    texts[target] = changed


def _moved(hunk: PatchHunk, by: int) -> PatchHunk:
    return replace(
        hunk, old_start=max(hunk.old_start + by, 0), new_start=max(hunk.new_start + by, 0)
    )
