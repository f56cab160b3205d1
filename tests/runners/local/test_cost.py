"""What passes cost, and how long drafts should be at that cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.runners.local.cost import CostCurve, draft_length, measure


class _Clock:
    """Time that passes only when somebody runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[int] = []

    def __call__(self) -> float:
        return self.now

    def run(self, width: int) -> None:
        self.calls.append(width)
        noise = 0.05 if len(self.calls) % 3 else 0.0
        self.now += 0.02 + 0.001 * width + noise


def test_a_measurement_takes_its_time_and_finds_the_shortest() -> None:
    clock = _Clock()
    curve = measure(clock.run, budget_s=2.0, widths=(1, 10, 100), clock=clock)
    assert curve.is_measured
    assert curve.times_ms == pytest.approx((21.0, 30.0, 120.0))
    assert clock.now < 2.6
    assert curve.pass_ms(55) == pytest.approx(75.0)
    assert curve.pass_ms(200) == pytest.approx(220.0)


def test_what_is_nearly_free_is_always_tried_and_no_more_of_what_is_unlikely() -> None:
    curve = CostCurve(widths=(1, 17, 100), times_ms=(20.0, 20.0, 186.0))
    assert curve.free_width >= 17
    assert draft_length([(200, 0.01)], curve) == curve.free_width - 1
    assert draft_length([(5, 0.01)], curve) == 5


def test_a_likely_draft_is_tried_whole_and_an_expensive_engine_tries_less() -> None:
    cheap = CostCurve(widths=(1, 100), times_ms=(20.0, 30.0))
    dear = CostCurve(widths=(1, 100), times_ms=(20.0, 500.0))
    segments = [(4, 0.7), (150, 0.9)]
    assert draft_length(segments, cheap) == 154
    assert 4 <= draft_length(segments, dear) < 20
    assert draft_length([(150, 0.99)], dear) > draft_length([(150, 0.3)], dear)


def test_the_widest_pass_keeps_to_its_time() -> None:
    curve = CostCurve(widths=(1, 100), times_ms=(10.0, 110.0))
    width = curve.widest(60.0, least=8, most=4096)
    assert curve.pass_ms(width) <= 60.0 < curve.pass_ms(width + width // 2)
    assert curve.widest(1.0, least=8, most=4096) == 8
    assert curve.widest(1e9, least=8, most=4096) == 4096


@given(
    segments=st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1)), max_size=4),
    slope=st.floats(0, 10),
)
def test_a_draft_is_never_longer_than_what_there_is(
    segments: list[tuple[int, float]], slope: float
) -> None:
    curve = CostCurve(widths=(1, 11), times_ms=(20.0, 20.0 + 10 * slope))
    length = draft_length(segments, curve)
    total = sum(tokens for tokens, _ in segments)
    assert min(total, curve.free_width - 1) <= length <= total


def test_a_curve_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="two points"):
        CostCurve(widths=(1,), times_ms=(1.0,))
    with pytest.raises(ValueError, match="ascend"):
        CostCurve(widths=(4, 2), times_ms=(1.0, 2.0))
