"""Does a claim hold: judged by paired differences over seeds, corrected for how many claims are looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from goodfit.stats.intervals import mean_interval

FEWEST = 3  # pairs below which nothing is concluded
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """What the seeds say of one claim.

    ``difference`` is the mean of a − b with its interval [low, high]; all three are NaN where nothing could
    be subtracted. Of ``seeds`` pairs ``n`` were compared; ``diverged`` counts the networks of a and of b that
    diverged.
    ``claims`` is how many claims the interval is corrected for (0: exact, nothing was drawn).
    """

    verdict: str
    difference: float
    low: float
    high: float
    n: int
    diverged: tuple[int, int]
    claims: int
    seeds: int

    @property
    def words(self) -> str:
        """The verdict, with the number of seeds where they do not suffice."""
        return (
            f"{UNKNOWN} at {self.seeds} seed{'s' * (self.seeds != 1)}"
            if self.verdict == UNKNOWN
            else self.verdict
        )


def judge(
    a: np.ndarray,
    b: np.ndarray | float,
    *,
    inside: tuple[float, float] = (0.0, math.inf),
    claims: int = 1,
    more_is_better: bool = True,
) -> Verdict:
    """Judge the claim that the mean of a − b lies inside an open range.

    Student's t interval of the paired differences at level 1 − .05/``claims`` (Bonferroni: all intervals
    together cover with 95 %). The claim *holds* if the interval lies inside the range, *does not hold* if it
    lies outside, else the seeds *cannot tell*.

    A NaN is a diverged network. If some diverged, half of the error goes to Fisher's exact test of their
    numbers: where one side diverged more, it is the worse one. If that does not decide, the pairs in which
    both survived are compared with the other half.

    Args:
        a: one number a seed, (n,).
        b: its partners, seed by seed, (n,), or one number that a is compared with.
        inside: what the claim says of a − b; the default is "a is larger".
        claims: how many claims are looked at together.
        more_is_better: whether larger numbers are the better ones; decides on which side a diverged network
            falls.

    Raises:
        ValueError: a and b are not vectors of equal length.
    """
    a = np.asarray(a, np.float64)
    b = np.full(len(a), float(b)) if np.ndim(b) == 0 else np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"pairs need two vectors of equal length, got shapes {a.shape} and {b.shape}")
    gone = (int(np.isnan(a).sum()), int(np.isnan(b).sum()))
    error = 0.05 / claims
    if any(gone):
        error /= 2
        decided = _by_divergence(gone, len(a), inside, error, more_is_better)
        if decided:
            return Verdict(decided, math.nan, math.nan, math.nan, 0, gone, claims, len(a))
    pairs = (a - b)[~np.isnan(a) & ~np.isnan(b)]
    mean, low, high = mean_interval(pairs, level=1 - error)
    return Verdict(_place(low, high, inside, len(pairs)), mean, low, high, len(pairs), gone, claims, len(a))


def exact(a: float, b: float = 0.0, *, inside: tuple[float, float] = (0.0, math.inf)) -> Verdict:
    """Judge a claim about numbers in which nothing is drawn at random: there is no interval."""
    difference = float(a) - float(b)
    held = inside[0] < difference < inside[1]
    return Verdict(HOLDS if held else FAILS, difference, difference, difference, 1, (0, 0), 0, 1)


def _place(low: float, high: float, inside: tuple[float, float], n: int) -> str:
    if n < FEWEST or math.isnan(low):
        return UNKNOWN
    if inside[0] < low and high < inside[1]:
        return HOLDS
    return FAILS if high <= inside[0] or low >= inside[1] else UNKNOWN


def _by_divergence(
    gone: tuple[int, int], n: int, inside: tuple[float, float], error: float, more_is_better: bool
) -> str:
    """Return what the numbers of diverged networks alone decide, or an empty text."""
    from scipy.stats import fisher_exact

    p = float(fisher_exact([[gone[0], n - gone[0]], [gone[1], n - gone[1]]]).pvalue)  # type: ignore[attr-defined]
    if n < FEWEST or p >= error or math.isinf(inside[0]) == math.isinf(inside[1]):
        return ""  # a range closed on both sides says nothing about which side is better
    a_is_better = gone[0] < gone[1]
    claimed_larger = math.isinf(inside[1])
    return HOLDS if a_is_better == (claimed_larger == more_is_better) else FAILS
