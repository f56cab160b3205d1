"""Differences between texts as HTML rows, with the words that changed marked.

Knows nothing of what the texts are. Everything is escaped.
"""

from __future__ import annotations

from html import escape

from zeta_context.text.diff import diff_text, split_lines
from zeta_context.text.patch import make_hunks, parse_patch
from zeta_context.text.unified import HunkLine, PatchHunk

MAX_ROWS = 80
MAX_COLUMNS = 300
_CLASSES = {" ": "", "-": "cut", "+": "add"}


def render_text_diff(old: str, new: str, *, context: int = 3) -> str:
    """The difference of two texts; a sentence where there is none."""
    hunks = make_hunks(split_lines(old), split_lines(new), context)
    if not hunks:
        return '<p class="dim">no difference</p>'
    return _pre([row for hunk in hunks for row in _render_hunk(hunk)])


def render_patch_diff(diff: str) -> str:
    """A unified diff, file by file; a sentence where it is empty."""
    pieces = []
    for file in parse_patch(diff).files:
        rows = [row for hunk in file.hunks for row in _render_hunk(hunk)]
        path = escape(file.new_path or file.old_path or "")
        pieces.append(f'<p class="path mono">{path}</p>{_pre(rows)}')
    return "".join(pieces) or '<p class="dim">nothing</p>'


def render_excerpt(text: str, cursor: int, *, rows: int = 12) -> str:
    """The rows around a cursor, which is marked."""
    row = text.count("\n", 0, cursor)
    column = cursor - (text.rfind("\n", 0, cursor) + 1)
    lines = text.split("\n")
    first, end = max(row - rows, 0), min(row + rows + 1, len(lines))
    shown = []
    for number in range(first, end):
        line = lines[number].rstrip("\r")
        content = escape(line[:MAX_COLUMNS])
        if number == row:
            head, tail = escape(line[:column]), escape(line[column:MAX_COLUMNS])
            content = f'{head}<i class="cursor"></i>{tail}'
        shown.append(
            f'<span class="{"here" if number == row else ""}">{number + 1:>4}  {content}</span>'
        )
    return _pre(shown)


def _pre(rows: list[str]) -> str:
    more = f'<span class="hunk">… {len(rows) - MAX_ROWS} more rows</span>'
    return f"<pre>{''.join(rows[:MAX_ROWS])}{more if len(rows) > MAX_ROWS else ''}</pre>"


def _render_hunk(hunk: PatchHunk) -> list[str]:
    rows = [f'<span class="hunk">row {hunk.old_start + 1}</span>']
    pending = list(hunk.lines)
    while pending:
        context = _take(pending, " ")
        removed, added = _take(pending, "-"), _take(pending, "+")
        rows += [_render_line(line, None) for line in context]
        are_pairs = len(removed) == len(added)
        for lines, others in ((removed, added), (added, removed)):
            for number, line in enumerate(lines):
                rows.append(_render_line(line, others[number].text if are_pairs else None))
    return rows


def _take(pending: list[HunkLine], op: str) -> list[HunkLine]:
    taken = []
    while pending and pending[0].op == op:
        taken.append(pending.pop(0))
    return taken


def _render_line(line: HunkLine, partner: str | None) -> str:
    content = line.text.rstrip("\r\n")[:MAX_COLUMNS]
    if partner is None:
        shown = escape(content)
    else:
        shown, end = "", 0
        for edit in diff_text(content, partner.rstrip("\r\n")[:MAX_COLUMNS]):
            start, stop = edit.span
            shown += escape(content[end:start])
            shown += f"<b>{escape(content[start:stop])}</b>" if stop > start else ""
            end = stop
        shown += escape(content[end:])
    return f'<span class="{_CLASSES[line.op]}">{line.op} {shown}</span>'
