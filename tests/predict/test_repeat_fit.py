"""The fit of the repeat proposer: what a case in a short file is."""

from __future__ import annotations

from tests.bench.cases import Case, Hunk
from tests.bench.fit_repeat import CROP_MARGIN, MAX_CROPPED, crop_case
from tests.bench.repeat import replay_case

ROWS = tuple(f"row {number}\n" for number in range(200))


def make_case(*rows: int) -> Case:
    hunks = tuple(
        Hunk(old_row=row, old=(ROWS[row],), new=(f"new {row}\n", "more\n")) for row in rows
    )
    return Case(commit="c", path="a.py", language="python", lines=ROWS, hunks=hunks)


def test_a_cropped_case_goes_through_the_same_changes_among_fewer_rows() -> None:
    whole = make_case(100, 110, 120)
    cropped = crop_case(whole)
    assert cropped is not None
    assert cropped.lines == ROWS[100 - CROP_MARGIN : 121 + CROP_MARGIN]
    start = 100 - CROP_MARGIN
    for long, short in zip(replay_case(whole), replay_case(cropped), strict=True):
        assert short.lines == long.lines[start : start + len(short.lines)]
        assert short.cursor_row == long.cursor_row - start


def test_nothing_is_cropped_where_the_changes_lie_far_apart() -> None:
    assert crop_case(make_case(10, 50, 10 + MAX_CROPPED)) is None
