"""Takes the next word or the next row out of what a prediction still has to change.

Knows texts and edits, nothing of documents or of what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from zeta_context.predict.prediction import Part
from zeta_context.text.edit import TextEdit
from zeta_context.text.snapshot import TextSnapshot

_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+")
_LINE = re.compile(r"\s*[^\n]*(?:\n|\Z)")


def cut_part(snapshot: TextSnapshot, edits: Sequence[TextEdit], part: Part) -> tuple[TextEdit, ...]:
    """The edits that accepting the next `part` of `edits` makes; `snapshot` is what they are for.

    A word comes with the white space before it and with all that the first edit takes away. A line
    is the rest of the first row that changes, with every edit in it, up to its line feed. What is
    left afterwards is for `interpolate` to find.
    """
    if not edits:
        return ()
    first = edits[0]
    if part == "word":
        return (_cut(first, _WORD),)
    if "\n" in first.new_text:
        return (_cut(first, _LINE),)
    row = snapshot.point(first.span.end).row
    taken = [first]
    for edit in edits[1:]:
        if snapshot.point(edit.span.start).row != row:
            break
        cut = _cut(edit, _LINE)
        taken.append(cut)
        if cut != edit or "\n" in cut.new_text:
            break
        row = snapshot.point(edit.span.end).row
    return tuple(taken)


def _cut(edit: TextEdit, pattern: re.Pattern[str]) -> TextEdit:
    found = pattern.match(edit.new_text)
    return edit if found is None else TextEdit(edit.span, found.group())
