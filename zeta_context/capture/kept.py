"""How much of an accepted prediction is still there later. Pure."""

from __future__ import annotations

from zeta_context.text.diff import diff_text


def kept_rate(before: str, accepted: str, later: str) -> float | None:
    """The share (0..1) of the characters that acceptance added which stand in `later` as well.

    None when it added none. The three texts are the whole document's.
    """
    added = [0] * (len(accepted) + 1)
    shift = n_added = 0
    for edit in diff_text(before, accepted):
        start = edit.span.start + shift
        for offset in range(start, start + len(edit.new_text)):
            added[offset] = 1
        n_added += len(edit.new_text)
        shift += edit.growth
    if not n_added:
        return None
    gone = sum(sum(added[edit.span.start : edit.span.end]) for edit in diff_text(accepted, later))
    return 1 - gone / n_added
