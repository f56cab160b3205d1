"""Whether installs came to the arms in the shares that were meant: if not, nothing else counts.

The test of M. Lindon and A. Malek (2022), "Anytime-valid inference for multinomial count data": a
Bayes factor of a Dirichlet prior around the meant shares against these, which may be looked at
after every install. Knows nothing of what the arms are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

ALPHA = 0.001
"""A mismatch is a fault of the machinery, not a finding: it may be called seldom and surely."""
PRIOR_INSTALLS = 100.0
"""How sure the prior is that shares near the meant ones are what a fault would give."""


def find_mismatch(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The always-valid p-value of counts by arm against the shares that were meant.

    Raises ValueError unless the shares are positive and sum to 1.
    """
    if abs(sum(shares) - 1) > 1e-9 or min(shares) <= 0 or len(counts) != len(shares):
        raise ValueError("shares are positive, one for each count, and sum to 1")
    prior = [PRIOR_INSTALLS * share for share in shares]
    total = sum(counts)
    log_factor = lgamma(sum(prior)) - lgamma(sum(prior) + total)
    for weight, count, share in zip(prior, counts, shares, strict=True):
        log_factor += lgamma(weight + count) - lgamma(weight) - count * log(share)
    return min(1.0, exp(-log_factor)) if log_factor > 0 else 1.0
