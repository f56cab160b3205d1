"""What a pass of a model takes, measured on the machine at hand, and what follows for drafts.

Knows nothing of the model: it times calls. Milliseconds throughout.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WIDTHS = (1, 8, 32, 128)
"""Numbers of tokens in a pass that a calibration tries."""

_FREE = 1.2
"""A pass that takes at most this much of the shortest one is as good as free."""


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Time of a pass by the number of its tokens: points joined by straight lines.

    `widths` are ascending; beyond the last point the last slope goes on.
    """

    widths: tuple[int, ...] = (1, 128)
    times_ms: tuple[float, ...] = (20.0, 60.0)
    is_measured: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.times_ms) or len(self.widths) < 2:
            raise ValueError("a cost curve needs two points at least, each with its time")
        if list(self.widths) != sorted(set(self.widths)):
            raise ValueError("the widths of a cost curve ascend")

    def pass_ms(self, width: int) -> float:
        """The time of a pass of `width` tokens."""
        at = min(max(bisect_left(self.widths, width), 1), len(self.widths) - 1)
        (x0, x1), (y0, y1) = self.widths[at - 1 : at + 1], self.times_ms[at - 1 : at + 1]
        return max(0.0, y0 + (y1 - y0) * (width - x0) / (x1 - x0))

    @property
    def answer_ms(self) -> float:
        """The time of a typical answer, to compare engines by.

        256 tokens of the prompt are new and read with a draft of 64, two more drafts of 16 follow
        where the answer left the first, and four tokens come one by one.
        """
        return self.pass_ms(320) + 2 * self.pass_ms(16) + 4 * self.pass_ms(1)

    def widest(self, budget_ms: float, *, least: int, most: int) -> int:
        """The most tokens whose pass stays within a time, in powers of two and halves between."""
        best = least
        width = least
        while width < most:
            width = min(most, width + width // 2)
            if self.pass_ms(width) > budget_ms:
                break
            best = width
        return best

    @property
    def free_width(self) -> int:
        """How many tokens a pass can have at about the price of one."""
        width = 1
        while width < 512 and self.pass_ms(width + 1) <= _FREE * self.times_ms[0]:
            width += 1
        return width


def draft_length(segments: Sequence[tuple[int, float]], cost: CostCurve) -> int:
    """How many tokens of a draft to try in one pass.

    A draft is segments of so many tokens, each right with some probability if those before are;
    it is looked at in pieces (see `_pieces`). A piece that is right saves the pass that would
    otherwise have to verify it; one that is wrong costs what it makes this pass longer. What is as
    good as free is always taken.
    """
    whole_pass = cost.pass_ms(1)
    length = 0
    reach = 1.0
    for tokens, probability in _pieces(segments):
        reach *= probability
        longer = cost.pass_ms(1 + length + tokens) - cost.pass_ms(1 + length)
        if reach * whole_pass < (1 - reach) * longer:
            break
        length += tokens
    total = sum(tokens for tokens, _ in segments)
    return min(total, max(length, cost.free_width - 1))


_FIRST_PIECE = 8


def _pieces(segments: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    """The segments cut into pieces, each twice as long as the one before.

    A guess that is wrong shows it early: each doubling is as likely as the others to be where.
    """
    for tokens, probability in segments:
        lengths: list[int] = []
        while (left := tokens - sum(lengths)) > 0:
            lengths.append(min(left, _FIRST_PIECE << len(lengths)))
        for length in lengths:
            yield length, probability ** (1 / len(lengths))


def measure(
    run: Callable[[int], None],
    *,
    budget_s: float = 1.0,
    widths: Sequence[int] = WIDTHS,
    clock: Callable[[], float] = time.perf_counter,
) -> CostCurve:
    """Time passes of several widths, each at least once and the narrow ones most often.

    The shortest time of each counts, since other programs only ever make one longer; a wider
    pass is never taken to be shorter than a narrower one.
    """
    end = clock() + budget_s
    run(widths[0])
    times: list[float] = []
    for number, width in enumerate(widths):
        share = (end - clock()) / (len(widths) - number)
        until = clock() + max(0.0, share)
        best = float("inf")
        while best == float("inf") or clock() < until:
            started = clock()
            run(width)
            best = min(best, (clock() - started) * 1000)
        times.append(max(best, times[-1] if times else 0.0))
    return CostCurve(widths=tuple(widths), times_ms=tuple(times), is_measured=True)
