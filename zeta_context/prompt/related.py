"""Excerpts of other files as the Zeta2 family of models reads them.

Chosen by rank across all files, shown in the order of the files, with an ellipsis where rows are
missing. Knows nothing of how they were found. Source: the public client of the Zeta models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zeta_context.prompt.budget import (
    FittedSection,
    Item,
    LeftOut,
    LeftOutReason,
    estimate_tokens,
)
from zeta_context.prompt.events import display_path
from zeta_context.prompt.format import find_special_token
from zeta_context.prompt.input import RelatedExcerpt, RelatedFile
from zeta_context.prompt.model_text import normalize

ELLIPSIS = "...\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    file_at: int
    at: int
    file: RelatedFile
    excerpt: RelatedExcerpt
    text: str

    @property
    def label(self) -> str:
        rows = f"{self.excerpt.start_row + 1}-{self.excerpt.end_row}"
        return f"{display_path(self.file.project, self.file.path)}:{rows}"

    @property
    def path(self) -> str:
        return normalize(display_path(self.file.project, self.file.path))

    def header(self, file_marker: str) -> str:
        return f"{file_marker}{self.path}\n"

    @property
    def cost(self) -> int:
        ellipsis = ELLIPSIS if self.excerpt.end_row < self.file.last_row else ""
        return estimate_tokens(self.text + ellipsis)


def render_related_files(
    files: Sequence[RelatedFile],
    *,
    file_marker: str,
    max_tokens: int,
    special_tokens: Sequence[str] = (),
    cursor_file: tuple[str, str] | None = None,
    cursor_rows: tuple[int, int] | None = None,
) -> FittedSection:
    """The best-ranked excerpts that fit, up to the first that does not.

    `cursor_file` is the (project, path) of the file whose rows `cursor_rows` (end exclusive) the
    prompt shows anyway: excerpts wholly inside are left out, as is one that holds a marker of
    the format, or all of a file whose path does.
    """
    candidates, left_out = _admit(files, special_tokens, cursor_file, cursor_rows)
    taken = _choose(
        candidates, max_tokens, lambda one: one.cost, lambda one: one.header(file_marker)
    )
    return _fit(_render(taken, file_marker), taken, candidates, left_out)


def render_related_excerpts(
    files: Sequence[RelatedFile],
    *,
    render: Callable[[str, str], str],
    max_tokens: int,
    special_tokens: Sequence[str] = (),
    cursor_file: tuple[str, str] | None = None,
    cursor_rows: tuple[int, int] | None = None,
) -> FittedSection:
    """As `render_related_files`, each excerpt by itself: `render` gets its path and its text.

    The text ends in a line feed unless it is empty.
    """
    candidates, left_out = _admit(files, special_tokens, cursor_file, cursor_rows)

    def text_of(one: _Candidate) -> str:
        return render(one.path, one.text)

    taken = _choose(candidates, max_tokens, lambda one: estimate_tokens(text_of(one)))
    return _fit("".join(map(text_of, taken)), taken, candidates, left_out)


def _admit(
    files: Sequence[RelatedFile],
    special_tokens: Sequence[str],
    cursor_file: tuple[str, str] | None,
    cursor_rows: tuple[int, int] | None,
) -> tuple[list[_Candidate], list[LeftOut]]:
    """The excerpts that the prompt may show, and those it may not."""
    left_out: list[LeftOut] = []
    candidates: list[_Candidate] = []
    for candidate in _candidates(files):
        excerpt, key = candidate.excerpt, (candidate.file.project, candidate.file.path)
        is_shown = (
            cursor_rows is not None
            and key == cursor_file
            and cursor_rows[0] <= excerpt.start_row
            and excerpt.end_row <= cursor_rows[1]
        )
        if is_shown:
            left_out.append(_left_out(candidate, "in_cursor_excerpt"))
        elif "\n" in candidate.path or find_special_token(
            f"{candidate.path}\n{candidate.text}", special_tokens
        ):
            left_out.append(_left_out(candidate, "special_token"))
        else:
            candidates.append(candidate)
    return candidates, left_out


def _fit(
    text: str, taken: list[_Candidate], candidates: list[_Candidate], left_out: list[LeftOut]
) -> FittedSection:
    left_out.extend(
        _left_out(candidate, "over_budget") for candidate in candidates if candidate not in taken
    )
    items = tuple(Item(label=one.label, tokens=one.cost, why=_why(one.excerpt)) for one in taken)
    return FittedSection(text=text, items=items, left_out=tuple(left_out))


def _candidates(files: Sequence[RelatedFile]) -> list[_Candidate]:
    found = []
    for file_at, file in enumerate(files):
        for at, excerpt in enumerate(file.excerpts):
            text = normalize(excerpt.text)
            text = text if not text or text.endswith("\n") else text + "\n"
            found.append(_Candidate(file_at=file_at, at=at, file=file, excerpt=excerpt, text=text))
    return found


def _choose(
    candidates: Sequence[_Candidate],
    max_tokens: int,
    cost_of: Callable[[_Candidate], int],
    header_of: Callable[[_Candidate], str] | None = None,
) -> list[_Candidate]:
    """By order, then place, until one does not fit; a file's header counts once."""
    taken: list[_Candidate] = []
    files: set[int] = set()
    tokens = 0
    for one in sorted(candidates, key=lambda one: (one.excerpt.order, one.file_at, one.at)):
        cost = cost_of(one)
        if header_of is not None and one.file_at not in files:
            cost += estimate_tokens(header_of(one))
        if tokens + cost > max_tokens:
            break
        tokens += cost
        files.add(one.file_at)
        taken.append(one)
    return sorted(taken, key=lambda one: (one.file_at, one.at))


def _render(taken: Sequence[_Candidate], file_marker: str) -> str:
    parts: list[str] = []
    for at, one in enumerate(taken):
        if at == 0 or taken[at - 1].file_at != one.file_at:
            parts.append(one.header(file_marker))
        parts.append(one.text)
        is_last = at + 1 == len(taken) or taken[at + 1].file_at != one.file_at
        next_row = one.file.last_row if is_last else taken[at + 1].excerpt.start_row
        if one.excerpt.end_row < next_row:
            parts.append(ELLIPSIS)
    return "".join(parts)


def _why(excerpt: RelatedExcerpt) -> str:
    return f"{excerpt.source} of {excerpt.symbol}" if excerpt.symbol else excerpt.source


def _left_out(candidate: _Candidate, reason: LeftOutReason) -> LeftOut:
    return LeftOut(label=candidate.label, tokens=candidate.cost, reason=reason)
