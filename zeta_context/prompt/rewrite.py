"""Reads the answer of a format whose models rewrite the whole editable region.

Decides when a rewrite is none: nothing changed, nothing answered, or an answer that was cut off,
which must never be taken for a deletion. Knows the end marker and the cursor marker, and nothing
of prompts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zeta_context.errors import OutputError
from zeta_context.prompt.format import FinishReason, Parsed, find_special_token
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion

NO_EDIT_ANSWERS = ("NO_EDITS", "KEEP_PREVIOUS")
"""Answers that related training runs taught for "no edit", seen from released weights."""

_NO_EDIT = re.compile(rf"\s*(?:{'|'.join(NO_EDIT_ANSWERS)})(?!\w)")

_MIN_CUT_MARKER = 7
"""Characters of the end marker from which a cut marker is recognised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """How a format marks its answers; `end_marker` is a row of its own with its line feed.

    It is empty where the model just ends. `shows_final_row` is for a format whose prompt gives a
    final empty row of the region a row of its own, so that an answer has it, too.
    """

    end_marker: str
    cursor_marker: str
    special_tokens: tuple[str, ...]
    shows_final_row: bool = False

    def encode(self, region: CursorRegion, new: str, cursor: int | None = None) -> str:
        """The answer for the editable region to become `new`, the cursor at an offset in it.

        A region is whole rows without the last line feed; an answer has that line feed. One
        difference it cannot tell: a final empty row that the region has and `new` has not.
        """
        old, text = region.text, new
        if cursor is not None:
            text = new[:cursor] + self.cursor_marker + new[cursor:]
        is_ended = new.endswith("\n") and old.endswith("\n") and not self.shows_final_row
        if not is_ended or _may_be_copied(region, new):
            text += "\n"
        return text + self.end_marker

    def parse(self, output: str, region: CursorRegion, finish: FinishReason | None) -> Parsed:
        """What an answer says about `region`.

        No edit: the region unchanged; one of `NO_EDIT_ANSWERS`; nothing but blanks or the end
        marker where the region has text (a model in the wrong format answers so: taking it for
        "delete everything" is the worst of readings). Without an end marker an answer is cut off
        when the runner says so or, where it says nothing, when the end of the region is missing.
        """
        old = region.text
        answer, is_complete = self._split_at_end(normalize(output))
        if is_no_edit_answer(answer, old):
            return Parsed(kind="no_edit", reason="sentinel")
        if not is_complete and finish == "length":
            return Parsed(kind="truncated", reason="truncated")
        answer, cursor = self._take_cursor(answer)
        others = [token for token in self.special_tokens if token != self.cursor_marker]
        if token := find_special_token(answer, others):
            raise OutputError(f"the output holds the marker {token.strip()!r} of the prompt format")
        if old.strip() and not answer.strip():
            return Parsed(kind="no_edit", reason="empty_output")
        new = self._take_region(answer, region)
        cursor = None if cursor is None else min(cursor, len(new))
        if not is_complete and finish is None and _lacks_its_end(old, new):
            return Parsed(kind="truncated", reason="truncated")
        place = None if cursor is None else region.source_offset_in(new, cursor)
        edits = region.edits_to(new)
        text = region.source_with(edits)
        if not edits:
            return Parsed(kind="no_edit", region=text, cursor=place, reason="identical")
        return Parsed(kind="edits", edits=edits, region=text, cursor=place)

    def _split_at_end(self, output: str) -> tuple[str, bool]:
        """The answer before its end marker, and whether there was one.

        The marker counts where it is a row, or the end of the output; text after it is no part
        of the answer.
        """
        row = self.end_marker.rstrip("\n")
        if not row:
            return output, False
        at = f"\n{output}\n".find(f"\n{row}\n")
        if at >= 0:
            return output[:at], True
        if output.endswith((row, self.end_marker)):
            return output[: output.rindex(row)], True
        last_row = output[output.rfind("\n") + 1 :]
        if len(last_row) >= _MIN_CUT_MARKER and row.startswith(last_row):
            return output[: len(output) - len(last_row)], True
        return output, False

    def _take_region(self, answer: str, region: CursorRegion) -> str:
        """The new text of the region: an answer has one line feed that the region has not."""
        new = answer.removesuffix("\n")
        is_ended = region.text.endswith("\n")
        if self.shows_final_row:
            return new + "\n" if is_ended and not new.endswith("\n") else new
        if is_ended:
            new += "\n"
        return new[:-1] if _may_be_copied(region, new) else new

    def _take_cursor(self, answer: str) -> tuple[str, int | None]:
        at = answer.find(self.cursor_marker)
        return answer.replace(self.cursor_marker, ""), at if at >= 0 else None


def is_no_edit_answer(answer: str, old: str) -> bool:
    """Whether an answer begins with one of `NO_EDIT_ANSWERS`, which the old text does not."""
    return bool(_NO_EDIT.match(answer)) and not _NO_EDIT.match(old)


def _may_be_copied(region: CursorRegion, new: str) -> bool:
    """Whether one line feed more at the end of `new` may be the prompt's own, copied.

    With the cursor on a final empty row the prompt shows that row, which it does not otherwise.
    """
    old = region.text
    if not old.endswith("\n") or region.cursor < region.editable.end:
        return False
    return _count_final_newlines(new) > _count_final_newlines(old)


def _count_final_newlines(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def _lacks_its_end(old: str, new: str) -> bool:
    """Whether a rewrite of unknown completeness looks cut off.

    It does when it stops within what was there, or with fewer rows and another last row.
    """
    old, new = old.rstrip(), new.rstrip()
    if old != new and old.startswith(new):
        return True
    old_rows, new_rows = old.split("\n"), new.split("\n")
    if new_rows[-1].rstrip() == old_rows[-1].rstrip():
        return False
    if len(new_rows) < len(old_rows):
        return True
    cut_row = new_rows[-1]
    return len(new_rows) == len(old_rows) and old_rows[-1].startswith(cut_row)


def cut_at(output: str, ends: Sequence[str]) -> tuple[str, bool]:
    """The output before the first of a format's ends, and whether it holds one.

    A runner cuts there itself, unless it hands on what a server returned.
    """
    places = [place for end in ends if (place := output.find(end)) >= 0]
    return (output[: min(places)], True) if places else (output, False)


def take_between(answer: str, start: str, end: str) -> str:
    """The rows between two markers, of which a model may leave out either or both."""
    before, found, rest = answer.partition(start)
    body, is_closed, _ = (rest.removeprefix("\n") if found else before).partition(end)
    return f"{body}\n" if is_closed and not body.endswith("\n") else body


def strip_fence(answer: str, old: str) -> str:
    """An answer without the code fence that a chat model may put around it.

    A fence belongs to the answer when the old text begins with one, too, and no other follows.
    """
    text = answer.strip("\n")
    if not text.startswith("```"):
        return answer
    _, _, rest = text.partition("\n")
    if old.lstrip("\n").startswith("```") and not rest.lstrip("\n").startswith("```"):
        return answer
    if rest == "```":
        return ""
    return rest.removesuffix("\n```") + "\n" if rest.endswith("\n```") else rest
