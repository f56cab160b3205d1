"""Tells how a prediction came about: every event, excerpt and related file, why and at what cost.

First as plain data (what `--json` prints), then as tables for people. Costs are estimated tokens.
Knows nothing of how a prediction is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from zeta_context.cli.rendering import make_harmless
from zeta_context.errors import PromptError
from zeta_context.events.event import Event
from zeta_context.predict.explanation import Explanation
from zeta_context.prompt.budget import estimate_tokens
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.registry import find_format
from zeta_context.text.unified_parser import parse_patch

_SHOWN_RANGES = 3
_WHY = {
    "lsp_definition": "defines",
    "lsp_type_definition": "defines the type of",
    "lsp_second_hop": "defines a name in the signature of",
    "current_file": "same file",
    "edit_history_file": "edited lately",
    "recent_file": "looked at lately",
    "bm25": "similar words",
}


def describe(
    explanation: Explanation,
    *,
    skipped: Mapping[str, int],
    counted: Mapping[str, int] | None = None,
    format_name: str | None = None,
) -> dict[str, Any]:
    """All that went into the answer, as plain data; rows are 1-based, times milliseconds.

    `skipped` counts what was left out of the events, `counted` what happened in the session. With
    a format, also the prompt it would give. Raises SettingsError for an unknown format.
    """
    prompt_input = explanation.gathered.prompt_input
    described: dict[str, Any] = {
        "events": [_describe_event(event) for event in explanation.view.events],
        "left_out_of_events": {reason: n for reason, n in sorted(skipped.items()) if n},
        "cursor_excerpt": _describe_excerpt(prompt_input),
        "related": _describe_related(prompt_input),
        "counted": dict(counted or {}),
        "stages": [
            {"name": stage.name, "elapsed_ms": round(stage.elapsed_ms, 3)}
            for stage in explanation.stages
        ],
    }
    if format_name is not None:
        described["prompt"] = _describe_prompt(prompt_input, format_name)
    return described


def _describe_event(event: Event) -> dict[str, Any]:
    added, removed, row = _read_diff(event.diff)
    return {
        "path": event.path,
        "row": row,
        "added": added,
        "removed": removed,
        "tokens": estimate_tokens(event.diff),
        "why": "accepted prediction" if event.predicted else "uncommitted change",
    }


def _read_diff(diff: str) -> tuple[int, int, int]:
    """The rows a diff adds and removes, and the first changed row of the new text, 1-based."""
    hunks = [hunk for file in parse_patch(diff).files for hunk in file.hunks]
    lines = [line for hunk in hunks for line in hunk.lines]
    row = 1
    if hunks:
        unchanged = next((i for i, line in enumerate(hunks[0].lines) if line.op != " "), 0)
        row = hunks[0].new_start + unchanged + 1
    return sum(line.op == "+" for line in lines), sum(line.op == "-" for line in lines), row


def _describe_excerpt(prompt_input: PromptInput) -> dict[str, Any]:
    rows = prompt_input.cursor_excerpt.count("\n") + 1
    return {
        "path": prompt_input.path,
        "first_row": prompt_input.excerpt_start_row + 1,
        "last_row": prompt_input.excerpt_start_row + rows,
        "tokens": estimate_tokens(prompt_input.cursor_excerpt),
        "why": "around the cursor",
        "syntax_nodes": len(prompt_input.syntax_spans),
    }


def _describe_related(prompt_input: PromptInput) -> list[dict[str, Any]]:
    return [
        {
            "path": file.path,
            "first_row": excerpt.start_row + 1,
            "last_row": excerpt.end_row,
            "tokens": estimate_tokens(excerpt.text),
            "why": f"{_WHY[excerpt.source]} {excerpt.symbol}".rstrip(),
            "is_outside_project": file.is_outside_project,
        }
        for file in prompt_input.related_files
        for excerpt in file.excerpts
    ]


def _describe_prompt(prompt_input: PromptInput, format_name: str) -> dict[str, Any]:
    found = find_format(format_name)
    try:
        prompt = found.render(prompt_input)
    except PromptError as error:
        return {"format": found.name, "refused": str(error)}
    return {
        "format": prompt.format,
        "tokens": prompt.tokens,
        "sections": [
            {
                "name": section.name,
                "tokens": section.tokens,
                "items": [
                    {"label": item.label, "tokens": item.tokens, "why": item.why}
                    for item in section.items
                ],
            }
            for section in prompt.sections
        ],
        "left_out": [
            {"label": one.label, "tokens": one.tokens, "reason": one.reason}
            for one in prompt.left_out
        ],
        "text": prompt.text,
    }


def print_description(described: Mapping[str, Any], console: Console) -> None:
    """What `describe` told, as tables; the prompt's own text is not shown."""
    table = _table("recent edits, oldest first", "place", "rows", "tokens", "why")
    for event in described["events"]:
        place = f"{event['path']}:{event['row']}"
        changed = f"+{event['added']} -{event['removed']}"
        _add_row(table, place, changed, event["tokens"], event["why"])
    for reason, n in described["left_out_of_events"].items():
        _add_row(table, f"{n} left out", "", "", reason.replace("_", " "))
    console.print(table)
    excerpts = _table("excerpts", "place", "tokens", "why")
    for place, tokens, why in _group([described["cursor_excerpt"], *described["related"]]):
        _add_row(excerpts, place, tokens, why)
    console.print(excerpts)
    if described["counted"]:
        reasons = ", ".join(f"{name} {n}" for name, n in described["counted"].items())
        console.print(
            f"counted: {make_harmless(reasons)}", style="dim", markup=False, highlight=False
        )
    if "prompt" in described:
        _print_prompt(described["prompt"], console)
    stages = ", ".join(f"{one['name']} {one['elapsed_ms']:.1f} ms" for one in described["stages"])
    console.print(f"time: {stages}", style="dim", highlight=False)


def _group(excerpts: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """Place, tokens and reason, with excerpts of one file for one reason told together."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in excerpts:
        groups.setdefault((one["path"], one["why"]), []).append(one)
    told = []
    for (path, why), ones in groups.items():
        rows = [f"{one['first_row']}-{one['last_row']}" for one in ones]
        more = f" and {len(rows) - _SHOWN_RANGES} more" if len(rows) > _SHOWN_RANGES else ""
        place = f"{path}:{','.join(rows[:_SHOWN_RANGES])}{more}"
        told.append((place, sum(one["tokens"] for one in ones), why))
    return told


def _print_prompt(prompt: Mapping[str, Any], console: Console) -> None:
    if "refused" in prompt:
        console.print(f"{prompt['format']} cannot show this: {make_harmless(prompt['refused'])}")
        return
    title = f"prompt in {prompt['format']}: {prompt['tokens']} tokens"
    table = _table(title, "what", "tokens", "why")
    for section in prompt["sections"]:
        _add_row(table, section["name"], section["tokens"], "", style="bold")
        for item in section["items"]:
            _add_row(table, f"  {item['label']}", item["tokens"], item["why"])
    for one in prompt["left_out"]:
        reason = "left out: " + one["reason"].replace("_", " ")
        _add_row(table, f"  {one['label']}", one["tokens"], reason, style="dim")
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        is_number = column in ("tokens",)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    return table


def _add_row(table: Table, *cells: object, style: str | None = None) -> None:
    from rich.text import Text

    shown: Sequence[Text] = [Text(make_harmless(str(cell))) for cell in cells]
    table.add_row(*shown, style=style)
