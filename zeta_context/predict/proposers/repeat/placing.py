"""From a group of places to edits by offset in the text.

Knows nothing of rules or confidence.
"""

from __future__ import annotations

from zeta_context.predict.proposers.repeat.assembly import Group
from zeta_context.predict.proposers.repeat.page import Page
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span


def make_edits(page: Page, group: Group) -> tuple[tuple[TextEdit, ...], int]:
    """The edits of the text, sorted and disjoint, and where the cursor would go afterwards."""
    if all(member.site.lines is None for member in group.members):
        edits = _span_edits(page, group)
    else:
        edits = _row_edits(page, group)
    kept = tuple(
        edit for edit in edits if page.text[edit.span.start : edit.span.end] != edit.new_text
    )
    if not kept:
        return (), 0
    grown = sum(len(edit.new_text) - edit.span.length for edit in kept)
    return kept, kept[-1].span.end + grown


def _span_edits(page: Page, group: Group) -> list[TextEdit]:
    places = [
        (page.starts[member.site.row] + start, page.starts[member.site.row] + end, new)
        for member in group.members
        for start, end, new in member.site.spans
    ]
    return [TextEdit(Span(start, end), new) for start, end, new in sorted(places)]


def _row_edits(page: Page, group: Group) -> list[TextEdit]:
    """One edit of whole rows, less the lines that stay the same at either end."""
    row, end = group.row, group.end
    old, new = page.lines[row:end], group.replace_rows(page)
    while old and new and old[0] == new[0]:
        del old[0], new[0]
        row += 1
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
        end -= 1
    ending = page.ending
    last = len(page.lines)
    if end < last:
        return [
            TextEdit(Span(page.starts[row], page.starts[end]), "".join(t + ending for t in new))
        ]
    # The text's last row has no ending: the one before the rows goes or stays with them.
    text = ending.join(new)
    if new or row == 0:
        start = page.starts[row] if row < last else len(page.text)
        lead = ending if row == last else ""
        return [TextEdit(Span(start, len(page.text)), lead + text)]
    start = page.starts[row] - len(ending)
    return [TextEdit(Span(start, len(page.text)), "")]
