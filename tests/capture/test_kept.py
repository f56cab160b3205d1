"""How much of a prediction was kept."""

from __future__ import annotations

import pytest

from zeta_context.capture.kept import kept_rate

BEFORE = "a = 1\nb = 2\n"
ACCEPTED = "a = 1\nxyzw\nb = 2\n"


@pytest.mark.parametrize(
    ("later", "rate"),
    [
        (ACCEPTED, 1.0),
        (BEFORE, 0.0),
        ("a = 100\nxyzw\nb = 2\nc = 3\n", 1.0),
        ("something else entirely\n", 0.0),
    ],
)
def test_the_share_of_what_was_added_that_is_still_there(later: str, rate: float) -> None:
    assert kept_rate(BEFORE, ACCEPTED, later) == rate


def test_a_part_of_it_counts_as_a_part() -> None:
    rate = kept_rate("f()\n", "f(alpha, beta)\n", "f(alpha)\n")
    assert rate is not None
    assert 0.3 < rate < 0.7


def test_a_deletion_keeps_nothing_to_speak_of() -> None:
    assert kept_rate(ACCEPTED, BEFORE, BEFORE) is None
