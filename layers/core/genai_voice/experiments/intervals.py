"""How sure a rate, a mean or a difference of two is: estimates with their 95 % intervals.

Rates have score intervals, which hold for few conversations and for rates of 0 and 1, where the textbook's
p ± z·sqrt(p(1-p)/n) has no width. Means have Student's t intervals, two of them Welch's, since variants need
not vary alike; neither asks for more than that the mean of the sample is about normal.
"""

from collections.abc import Iterator
from itertools import count
from math import exp, hypot, inf, lgamma, log, pi, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_PRECISION: Final = 1e-13
_TINY: Final = 1e-300


class Estimate(NamedTuple):
    value: float
    low: float
    high: float
    """Infinite on both sides where nothing is known of how values vary."""


class Sample(NamedTuple):
    """Of whole numbers: how many, their sum, the sum of their squares."""

    size: int
    total: int
    squares: int

    @property
    def mean(self) -> float:
        return self.total / self.size

    @property
    def variance_of_mean(self) -> float:
        """s²/n, s² with n - 1 degrees of freedom. Taken from whole numbers, nothing cancels out."""
        n = self.size
        return (n * self.squares - self.total**2) / (n * n * (n - 1)) if n > 1 else inf


# -- rates -------------------------------------------------------------------------------------------------


def rate(successes: int, trials: int) -> Estimate:
    """The Wilson score interval without continuity correction; `trials` is 1 or more.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22,
    209-212; method 3 of R. G. Newcombe (1998), Two-sided confidence intervals for the single proportion,
    Statistics in Medicine 17, 857-872.
    """
    n, p = trials, successes / trials
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half  # exact, where rounding would leave a trace
    high = 1.0 if successes == trials else centre + half
    return Estimate(p, low, high)


def rate_difference(first: Estimate, other: Estimate) -> Estimate:
    """`other` less `first`, both of `rate`: Newcombe's hybrid score interval, which is made of theirs.

    Method 10 of R. G. Newcombe (1998), Interval estimation for the difference between independent
    proportions, Statistics in Medicine 17, 873-890.
    """
    value = other.value - first.value
    below = hypot(other.value - other.low, first.high - first.value)
    above = hypot(other.high - other.value, first.value - first.low)
    return Estimate(value, value - below, value + above)


# -- means -------------------------------------------------------------------------------------------------


def mean(sample: Sample) -> Estimate:
    """Student's t interval; the sample has 1 or more.

    NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2, Confidence limits for the mean.
    """
    return _around(sample.mean, sample.variance_of_mean, sample.size - 1)


def mean_difference(first: Sample, other: Sample) -> Estimate:
    """`other` less `first`: Welch's interval, for samples that vary differently; each has 1 or more.

    B. L. Welch (1947), The generalization of 'Student's' problem when several different population variances
    are involved, Biometrika 34, 28-35; the degrees of freedom by F. E. Satterthwaite (1946). As in the
    NIST/SEMATECH e-Handbook, 1.3.5.3, Two-sample t-test for equal means.
    """
    return _around(
        other.mean - first.mean,
        first.variance_of_mean + other.variance_of_mean,
        degrees_of_freedom(first, other),
    )


def degrees_of_freedom(first: Sample, other: Sample) -> float:
    """Of Welch's interval; infinite where neither sample varies."""
    if first.size == 1 or other.size == 1:
        return 0
    mine, theirs = first.variance_of_mean, other.variance_of_mean
    spread = mine**2 / (first.size - 1) + theirs**2 / (other.size - 1)
    return (mine + theirs) ** 2 / spread if spread else inf


def _around(value: float, variance: float, freedom: float) -> Estimate:
    if variance in (0, inf):  # values that are all the same, few as they are, tell nothing of how they vary
        return Estimate(value, -inf, inf)
    half = t_quantile(freedom) * sqrt(variance)
    return Estimate(value, value - half, value + half)


# -- Student's t -------------------------------------------------------------------------------------------


def t_quantile(freedom: float) -> float:
    """What |t| stays below with probability CONFIDENCE, at so many degrees of freedom (not whole for Welch).

    Newton's method. The distribution function is concave from 0 on and the normal quantile lies below every
    t quantile, so that each step comes closer from below and none goes too far.
    """
    t = _Z
    for _ in range(100):
        step = (t_tails(t, freedom) - (1 - CONFIDENCE)) / (2 * _t_density(t, freedom))
        t += step
        if abs(step) <= 1e-12 * t:
            break
    return t


def t_tails(t: float, freedom: float) -> float:
    """The probability of more than |t|: I_x(n/2, 1/2) with x = n/(n + t²), n being the degrees of
    freedom (NIST Digital Library of Mathematical Functions, 8.17; Abramowitz and Stegun, 26.7.1).
    """
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _t_density(t: float, freedom: float) -> float:
    scale = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(freedom * pi) / 2
    return exp(scale - (freedom + 1) / 2 * log(1 + t * t / freedom))


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), regularised, by its continued fraction (DLMF 8.17.22), on the side where that converges
    fast.
    """
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)
    return exp(scale) / (a * _continued(_beta_numerators(x, a, b)))


def _beta_numerators(x: float, a: float, b: float) -> Iterator[float]:
    for m in count():
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        yield (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))


def _continued(numerators: Iterator[float]) -> float:
    """1 + d1/(1 + d2/(1 + ...)), by the modified Lentz algorithm (DLMF 3.10(iii); Press et al., Numerical
    Recipes, 5.2).
    """
    value, c, d = 1.0, 1.0, 0.0
    for numerator in numerators:
        d = 1 / ((1 + numerator * d) or _TINY)
        c = (1 + numerator / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
