"""Shows a prediction: as a unified diff that git can apply, and as a coloured one for people.

Text from files is made harmless before a terminal sees it: control characters and marks that
reorder text are shown as symbols. Knows nothing of how predictions come about.
"""

from __future__ import annotations

import re

from rich.text import Text

from zeta_context.predict.prediction import Prediction
from zeta_context.text.diff import diff_text, split_lines
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import make_hunks, render_unified
from zeta_context.text.unified import HunkLine, PatchHunk

CONTEXT_ROWS = 3
_SHOWN_COLUMNS = 400
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def render_patch(prediction: Prediction, text: str) -> str:
    """The prediction as a unified diff of the text it was made for, with git's headers."""
    path = prediction.path
    return render_unified(text, apply_edits(text, prediction.edits), paths=(path, path))


def render_diff(prediction: Prediction, text: str) -> Text:
    """The prediction as a coloured diff with row numbers and the changed words marked."""
    shown = Text()
    new = apply_edits(text, prediction.edits)
    for hunk in make_hunks(split_lines(text), split_lines(new), CONTEXT_ROWS):
        row = hunk.new_start + 1
        shown.append(make_harmless(f"{prediction.path}:{row}"), style="bold")
        if hunk.section:
            shown.append(f"  {make_harmless(hunk.section)}", style="dim")
        shown.append("\n")
        _append_hunk(shown, hunk)
    return shown


def make_harmless(text: str) -> str:
    """The text with everything that a terminal would obey instead of show as a symbol."""
    return _UNSAFE.sub(lambda match: _symbol(match[0]), text)


def _symbol(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def _append_hunk(shown: Text, hunk: PatchHunk) -> None:
    width = len(str(max(hunk.old_start, hunk.new_start) + len(hunk.lines)))
    old_row, new_row = hunk.old_start, hunk.new_start
    pending: list[HunkLine] = [*hunk.lines]
    while pending:
        removed = _take(pending, "-")
        added = _take(pending, "+")
        for i, line in enumerate(removed):
            old_row += 1
            partner = added[i].text if len(added) == len(removed) else None
            _append_line(shown, f"{old_row:>{width}} - ", line.text, partner, "red")
        for i, line in enumerate(added):
            new_row += 1
            partner = removed[i].text if len(added) == len(removed) else None
            _append_line(shown, f"{new_row:>{width}} + ", line.text, partner, "green")
        for line in _take(pending, " "):
            old_row, new_row = old_row + 1, new_row + 1
            _append_line(shown, f"{new_row:>{width}}   ", line.text, None, "dim")


def _take(pending: list[HunkLine], op: str) -> list[HunkLine]:
    taken = []
    while pending and pending[0].op == op:
        taken.append(pending.pop(0))
    return taken


def _append_line(shown: Text, lead: str, line: str, partner: str | None, colour: str) -> None:
    """One row; where its partner on the other side is known, the words that differ stand out."""
    ends = "" if line.endswith("\n") else "  (no line ending)"
    content = line.rstrip("\r\n")
    shown.append(lead, style=colour)
    end = 0
    if partner is not None:
        for edit in diff_text(content, partner.rstrip("\r\n")):
            shown.append(make_harmless(content[end : edit.span.start]), style=colour)
            marked = content[edit.span.start : edit.span.end]
            shown.append(make_harmless(marked), style=f"bold reverse {colour}")
            end = edit.span.end
    rest = content[end:]
    shown.append(make_harmless(rest[:_SHOWN_COLUMNS]), style=colour)
    if len(rest) > _SHOWN_COLUMNS:
        shown.append(f" … {len(rest) - _SHOWN_COLUMNS} more", style="dim")
    shown.append(f"{ends}\n", style="dim")
