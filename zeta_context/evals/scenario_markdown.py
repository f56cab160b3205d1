"""Scenarios as Markdown, for people to write and read: the reference pipeline's case format.

    +++
    repository_url = "https://example.org/shop"
    revision = "4f0c1d2"
    tags = ["not-too-small"]
    +++
    # rename-field
    ## Edit History
    ```diff
    ...successive unified diffs; a line "// User accepted prediction:" marks the next as a model's
    ```
    ## Cursor Position
    ```src/order.py
    def total(order):
        return order.
    #                ^[CURSOR_POSITION]
    ```
    ## Expected Patch
    ```diff
    ...one block for each good answer; an empty one where nothing should be predicted
    ```

Besides, `## Reasoning`, `## Uncommitted Diff` and `## Rejected Patch` as there, and of our own
`## Other Files` (blocks headed by a path) and a final line `\\ No newline at end of file` in a
block. The cursor may also be `<|user_cursor|>` in its row, and is numbers in the front matter where
a text holds such a mark itself. In a patch it is a line `#   ^[CURSOR_POSITION]` below its row.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, get_args

from zeta_context.errors import EvalError
from zeta_context.evals.scenario import (
    ExpectedPatch,
    HistoryStep,
    Origin,
    Scenario,
    ScenarioFile,
    canonical_diff,
    texts_after,
)
from zeta_context.text.diff import split_lines
from zeta_context.text.patch import FilePatch, Patch, PatchHunk, parse_patch, render_patch
from zeta_context.text.unified import NO_NEWLINE

CURSOR_TAG = "[CURSOR_POSITION]"
INLINE_CURSOR = "<|user_cursor|>"
ACCEPTED = "// User accepted prediction:\n"

_POINTER = re.compile(r"[ \t]*(?://|#|--|;|%)[ \t]*\^\[CURSOR_POSITION\][ \t\r]*")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*(.*)")
_COMMENTS = {
    "#": "py pyi sh bash zsh rb toml yaml yml tf hcl r pl ex exs ps1 cmake nix dockerfile makefile",
    "--": "sql lua hs elm ada vhd",
    ";": "lisp el clj cljs scm asm s ini",
    "%": "tex erl hrl m pro",
}
_PREFIXES = {suffix: mark for mark, suffixes in _COMMENTS.items() for suffix in suffixes.split()}
_SCALARS = ("repository_url", "revision", "origin")
_KEYS = (*_SCALARS, "tags", "start_row", "cursor_row", "cursor_column")


def render_markdown(scenario: Scenario) -> str:
    """The scenario as Markdown; `prompt_input` is left out, as it is for machines."""
    front = {key: getattr(scenario, key) for key in _SCALARS if getattr(scenario, key)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in front.items() if value != "other"]
    if scenario.tags:
        lines.append(f"tags = {json.dumps(list(scenario.tags))}")
    if scenario.start_row:
        lines.append(f"start_row = {scenario.start_row}")
    position, numbers = _mark_cursor(scenario)
    lines += numbers
    front_matter = "".join(f"{line}\n" for line in lines)
    pieces = [f"+++\n{front_matter}+++\n\n" if lines else "", f"# {scenario.name}\n"]
    if scenario.reasoning:
        pieces.append(f"\n## Reasoning\n\n{scenario.reasoning.strip()}\n")
    if scenario.uncommitted_diff:
        pieces.append(_section("Uncommitted Diff", [("diff", scenario.uncommitted_diff)]))
    if scenario.history:
        pieces.append(_section("Edit History", [("diff", _render_history(scenario.history))]))
    if scenario.files:
        others = [(file.path, file.text) for file in scenario.files]
        pieces.append(_section("Other Files", others))
    pieces.append(_section("Cursor Position", [(scenario.path, position)]))
    if scenario.expected:
        patches = [("diff", _mark_patch(scenario, one)) for one in scenario.expected]
        pieces.append(_section("Expected Patch", patches))
    if scenario.rejected is not None:
        pieces.append(_section("Rejected Patch", [("diff", scenario.rejected)]))
    return "".join(pieces)


def parse_markdown(source: str, *, name: str = "") -> Scenario:
    """The scenario in a Markdown text; `name` is used where it has no heading of its own.

    Raises EvalError that says which part is missing or wrong.
    """
    front, body = _split_front_matter(source, name)
    title, sections, blocks = _read_sections(body)
    name = title or name
    positions = blocks.get("cursor position", [])
    if len(positions) != 1:
        raise EvalError(f"{name}: needs one block under 'Cursor Position', has {len(positions)}")
    path, marked = positions[0]
    text, cursor = _find_cursor(marked, front, name)
    scenario = Scenario(
        name=name,
        path=_project_path(path, name),
        text=text,
        cursor=cursor,
        start_row=front.get("start_row", 0),
        files=tuple(
            ScenarioFile(path=_project_path(other, name), text=content)
            for other, content in blocks.get("other files", [])
        ),
        history=_read_history("".join(text for _, text in blocks.get("edit history", []))),
        rejected=next((_canonical(text) for _, text in blocks.get("rejected patch", [])), None),
        uncommitted_diff="".join(text for _, text in blocks.get("uncommitted diff", [])),
        tags=tuple(front.get("tags", ())),
        reasoning=sections.get("reasoning", "").strip(),
        **{key: front[key] for key in _SCALARS if key in front},
    )
    expected = [_read_expected(scenario, text) for _, text in blocks.get("expected patch", [])]
    return replace(scenario, expected=tuple(expected))


# Front matter and sections.


def _split_front_matter(source: str, name: str) -> tuple[dict[str, Any], str]:
    if not source.startswith("+++"):
        return {}, source
    opening, _, rest = source.partition("\n")
    content, closing, body = rest.partition("\n+++")
    if rest.startswith("+++"):
        content, closing, body = "", "+++", rest[3:]
    if opening.strip() != "+++" or not closing:
        raise EvalError(f"{name}: front matter that begins with +++ and does not end with it")
    try:
        front = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise EvalError(f"{name}: the front matter is no TOML: {error}") from None
    for key, value in front.items():
        if key in _SCALARS:
            fits = isinstance(value, str)
        elif key == "tags":
            fits = isinstance(value, list) and all(isinstance(tag, str) for tag in value)
        elif key in _KEYS:
            fits = type(value) is int and value >= 0
        else:
            fits = True
        if not fits:
            raise EvalError(f"{name}: {key} = {value!r} in the front matter cannot be used")
    if front.get("origin", "other") not in get_args(Origin):
        raise EvalError(f"{name}: origin is one of {', '.join(get_args(Origin))}")
    return front, body.partition("\n")[2]


_Blocks = dict[str, list[tuple[str, str]]]


def _read_sections(body: str) -> tuple[str, dict[str, str], _Blocks]:
    """The title, the prose of each section, and its fenced blocks with their info strings."""
    title, section = "", ""
    prose: dict[str, str] = {}
    blocks: _Blocks = {}
    lines = split_lines(body)
    at = 0
    while at < len(lines):
        line = lines[at].rstrip("\r\n")
        at += 1
        fence = _FENCE.fullmatch(line)
        if fence and section != "reasoning":
            mark = re.compile(f"{re.escape(fence[1])}{re.escape(fence[1][0])}*[ \t\r]*")
            end = at
            while end < len(lines) and not mark.fullmatch(lines[end].rstrip("\n")):
                end += 1
            blocks.setdefault(section, []).append((fence[2].strip(), "".join(lines[at:end])))
            at = end + 1
        elif line.startswith("## "):
            section = line[3:].strip().lower()
        elif line.startswith("# ") and not section:
            title = line[2:].strip()
        else:
            prose[section] = prose.get(section, "") + lines[at - 1]
    unended = {key: [(i, _without_note(key, t)) for i, t in found] for key, found in blocks.items()}
    return title, prose, unended


def _without_note(section: str, text: str) -> str:
    """A file's text without the remark that it does not end in a line feed; diffs keep theirs."""
    if section in ("cursor position", "other files") and text.endswith(NO_NEWLINE):
        return text.removesuffix(NO_NEWLINE).removesuffix("\n")
    return text


def _section(title: str, blocks: Sequence[tuple[str, str]]) -> str:
    pieces = [f"\n## {title}\n"]
    for info, text in blocks:
        runs = re.findall(r"^`{3,}", text, re.MULTILINE)
        fence = "`" * max([3, *(len(run) + 1 for run in runs)])
        ending = "" if not text or text.endswith("\n") else f"\n{NO_NEWLINE}"
        pieces.append(f"\n{fence}{info}\n{text}{ending}{fence}\n")
    return "".join(pieces)


def _project_path(path: str, name: str) -> str:
    """A relative path inside the project; raises EvalError for any other."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise EvalError(f"{name}: {path!r} is no path below the project's root")
    return path


# The cursor.


def _mark_cursor(scenario: Scenario) -> tuple[str, list[str]]:
    """The text with the cursor marked in it, or as it is and the cursor as front matter."""
    text, cursor = scenario.text, scenario.cursor
    if not 0 <= cursor <= len(text):
        raise EvalError(f"{scenario.name}: the cursor {cursor} is outside the text")
    start = text.rfind("\n", 0, cursor) + 1
    column = cursor - start
    if CURSOR_TAG in text or INLINE_CURSOR in text:
        row = text.count("\n", 0, cursor)
        return text, [f"cursor_row = {row}", f"cursor_column = {column}"]
    suffix = PurePosixPath(scenario.path).name.rpartition(".")[2].lower()
    prefix = _PREFIXES.get(suffix, "//")
    end = text.find("\n", cursor) + 1
    if column < len(prefix) or not end or text[end - 2 : end - 1] == "\r":
        return text[:cursor] + INLINE_CURSOR + text[cursor:], []
    pointer = f"{prefix}{' ' * (column - len(prefix))}^{CURSOR_TAG}\n"
    return text[:end] + pointer + text[end:], []


def _find_cursor(marked: str, front: dict[str, Any], name: str) -> tuple[str, int]:
    if "cursor_row" in front:
        rows = split_lines(marked) or [""]
        row, column = front["cursor_row"], front.get("cursor_column", 0)
        if row > len(rows):
            raise EvalError(f"{name}: there is no row {row} for the cursor")
        return marked, min(sum(map(len, rows[:row])) + column, len(marked))
    inline = marked.find(INLINE_CURSOR)
    if inline >= 0:
        return marked[:inline] + marked[inline + len(INLINE_CURSOR) :], inline
    rows = split_lines(marked)
    for number, row in enumerate(rows):
        if number and _POINTER.fullmatch(row.rstrip("\n")):
            start = sum(map(len, rows[: number - 1]))
            length = len(rows[number - 1].rstrip("\r\n"))
            text = "".join(rows[:number] + rows[number + 1 :])
            return text, start + min(row.index("^"), length)
    raise EvalError(f"{name}: nothing marks the cursor in the block under 'Cursor Position'")


# Patches.


def _canonical(diff: str) -> str:
    return "".join(canonical_diff(file) for file in parse_patch(diff).files)


def _render_history(steps: Sequence[HistoryStep]) -> str:
    return "".join((ACCEPTED if step.predicted else "") + step.diff for step in steps)


def _read_history(diff: str) -> tuple[HistoryStep, ...]:
    """The steps of successive diffs; what a model wrote is a step of its own."""
    steps: list[HistoryStep] = []
    for file in parse_patch(diff).files:
        runs: list[tuple[bool, list[PatchHunk]]] = []
        is_whole_predicted = ACCEPTED in file.preamble
        growth = 0
        for hunk in file.hunks:
            predicted = is_whole_predicted or ACCEPTED in hunk.preamble
            if not runs or runs[-1][0] != predicted:
                runs.append((predicted, []))
                # What is a step of its own finds the rows as the steps before have left them.
                growth = sum(_growth(one) for _, run in runs for one in run)
            moved = replace(hunk, old_start=hunk.old_start + growth)
            runs[-1][1].append(moved)
        for predicted, hunks in runs:
            part = replace(file, hunks=tuple(hunks))
            steps.append(HistoryStep(diff=canonical_diff(part), predicted=predicted))
    return tuple(steps)


def _growth(hunk: PatchHunk) -> int:
    return len(hunk.new_lines) - len(hunk.old_lines)


def _mark_patch(scenario: Scenario, expected: ExpectedPatch) -> str:
    """The patch, with a pointer below the row that holds its cursor, where a hunk shows it."""
    if expected.cursor is None:
        return expected.diff
    text = texts_after(scenario, expected.diff)[scenario.path]
    start = text.rfind("\n", 0, expected.cursor) + 1
    row = text.count("\n", 0, expected.cursor) + scenario.start_row
    files = parse_patch(expected.diff).files
    for number, file in enumerate(files):
        for index, hunk in enumerate(file.hunks if file.new_path == scenario.path else ()):
            last = _line_at(hunk, row)
            if last is not None:
                cut = (*file.hunks[:index], replace(hunk, lines=hunk.lines[: last + 1]))
                shown = Patch(files=(*files[:number], replace(file, hunks=cut)))
                lines = split_lines(expected.diff)
                at = len(split_lines(render_patch(shown)))
                pointer = f"#{' ' * (expected.cursor - start)}^{CURSOR_TAG}\n"
                return "".join([*lines[:at], pointer, *lines[at:]])
    return expected.diff


def _line_at(hunk: PatchHunk, row: int) -> int | None:
    """Which of a hunk's lines is `row` of the new text."""
    at = hunk.new_start
    for index, line in enumerate(hunk.lines):
        if line.op != "-":
            if at == row:
                return index
            at += 1
    return None


def _read_expected(scenario: Scenario, marked: str) -> ExpectedPatch:
    lines = split_lines(marked)
    pointers = [n for n, line in enumerate(lines) if line.startswith("#") and _is_pointer(line)]
    if not pointers:
        return ExpectedPatch(diff=_canonical(marked))
    at = pointers[0]
    diff = "".join(line for n, line in enumerate(lines) if n not in pointers)
    patch = _canonical(diff)
    place = _new_row(parse_patch("".join(lines[:at])).files, scenario.path)
    if place is None:
        raise EvalError(f"{scenario.name}: the cursor of an expected patch is below no row of it")
    text = texts_after(scenario, patch)[scenario.path]
    rows = split_lines(text)
    row = place - scenario.start_row
    column = min(lines[at].index("^") - 1, len(rows[row].rstrip("\r\n")) if row < len(rows) else 0)
    return ExpectedPatch(diff=patch, cursor=min(sum(map(len, rows[:row])) + column, len(text)))


def _is_pointer(line: str) -> bool:
    return _POINTER.fullmatch(line.rstrip("\n")) is not None


def _new_row(files: Sequence[FilePatch], path: str) -> int | None:
    """The row, in the new text, of the last line of a patch that was cut off there."""
    if not files or files[-1].new_path != path or not files[-1].hunks:
        return None
    hunk = files[-1].hunks[-1]
    return hunk.new_start + len(hunk.new_lines) - 1
