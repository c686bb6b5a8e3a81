"""Estimates of rates, means and differences of two of them, with their 95 % intervals.

Rates have score intervals. These hold for few conversations and for rates of 0 and 1, where the textbook's
p ± z·sqrt(p(1-p)/n) has no width. Means have Student's t intervals, and differences of means have Welch's,
because variants need not vary alike. Both assume only that the mean of the sample is about normal.
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
    """A value and the ends of its interval. The ends are infinite where the sample does not tell how values
    vary.
    """

    value: float
    low: float
    high: float


class Sample(NamedTuple):
    """A sample of whole numbers: how many there are, their sum, and the sum of their squares."""

    size: int
    total: int
    squares: int

    @property
    def mean(self) -> float:
        return self.total / self.size

    @property
    def variance_of_mean(self) -> float:
        """s²/n, where s² has n - 1 degrees of freedom. The sums are whole numbers: no digit is lost."""
        n = self.size
        return (n * self.squares - self.total**2) / (n * n * (n - 1)) if n > 1 else inf


# -- rates -------------------------------------------------------------------------------------------------


def estimate_rate(successes: int, trials: int) -> Estimate:
    """Estimate a rate with its Wilson score interval, without continuity correction. `trials` is 1 or more.

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


def estimate_rate_difference(first: Estimate, other: Estimate) -> Estimate:
    """Estimate `other` less `first`, two rates, with Newcombe's hybrid score interval, which is made of
    theirs.

    Method 10 of R. G. Newcombe (1998), Interval estimation for the difference between independent
    proportions, Statistics in Medicine 17, 873-890.
    """
    value = other.value - first.value
    below = hypot(other.value - other.low, first.high - first.value)
    above = hypot(other.high - other.value, first.value - first.low)
    return Estimate(value, value - below, value + above)


# -- means -------------------------------------------------------------------------------------------------


def estimate_mean(sample: Sample) -> Estimate:
    """Estimate a mean with its Student's t interval. The sample has at least one value.

    NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2, Confidence limits for the mean.
    """
    return _estimate_around(sample.mean, sample.variance_of_mean, sample.size - 1)


def estimate_mean_difference(first: Sample, other: Sample) -> Estimate:
    """Estimate the mean of `other` less that of `first` with Welch's interval, for samples that vary
    differently. Each has at least one value.

    B. L. Welch (1947), The generalization of 'Student's' problem when several different population variances
    are involved, Biometrika 34, 28-35; the degrees of freedom by F. E. Satterthwaite (1946). As in the
    NIST/SEMATECH e-Handbook, 1.3.5.3, Two-sample t-test for equal means.
    """
    return _estimate_around(
        other.mean - first.mean,
        first.variance_of_mean + other.variance_of_mean,
        compute_degrees_of_freedom(first, other),
    )


def compute_degrees_of_freedom(first: Sample, other: Sample) -> float:
    """Compute the degrees of freedom of Welch's interval: infinite where neither sample varies."""
    if first.size == 1 or other.size == 1:
        return 0
    mine, theirs = first.variance_of_mean, other.variance_of_mean
    spread = mine**2 / (first.size - 1) + theirs**2 / (other.size - 1)
    return (mine + theirs) ** 2 / spread if spread else inf


def _estimate_around(value: float, variance: float, freedom: float) -> Estimate:
    """Estimate a value from the variance of its mean, with a t interval of so many degrees of freedom."""
    if variance in (0, inf):  # values that are all the same, few as they are, tell nothing of how they vary
        return Estimate(value, -inf, inf)
    half = compute_t_quantile(freedom) * sqrt(variance)
    return Estimate(value, value - half, value + half)


# -- Student's t -------------------------------------------------------------------------------------------


def compute_t_quantile(freedom: float) -> float:
    """Compute what |t| stays below with probability CONFIDENCE, at so many degrees of freedom, which for
    Welch are no whole number.

    This is Newton's method. The distribution function is concave from 0 on, and the normal quantile lies
    below every t quantile. So each step comes closer from below and none goes too far.
    """
    t = _Z
    for _ in range(100):
        step = (compute_t_tails(t, freedom) - (1 - CONFIDENCE)) / (2 * _compute_t_density(t, freedom))
        t += step
        if abs(step) <= 1e-12 * t:
            break
    return t


def compute_t_tails(t: float, freedom: float) -> float:
    """Compute the probability of more than |t|: I_x(n/2, 1/2) with x = n/(n + t²), where n is the degrees of
    freedom (NIST Digital Library of Mathematical Functions, 8.17; Abramowitz and Stegun, 26.7.1).
    """
    return _compute_incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _compute_t_density(t: float, freedom: float) -> float:
    scale = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(freedom * pi) / 2
    return exp(scale - (freedom + 1) / 2 * log(1 + t * t / freedom))


def _compute_incomplete_beta(x: float, a: float, b: float) -> float:
    """Compute I_x(a, b), regularised, by its continued fraction (DLMF 8.17.22), on the side where that
    converges fast.
    """
    if x > (a + 1) / (a + b + 2):
        return 1 - _compute_incomplete_beta(1 - x, b, a)
    scale = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)
    return exp(scale) / (a * _evaluate_continued_fraction(_list_beta_numerators(x, a, b)))


def _list_beta_numerators(x: float, a: float, b: float) -> Iterator[float]:
    for m in count():
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        yield (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))


def _evaluate_continued_fraction(numerators: Iterator[float]) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + ...)) by the modified Lentz algorithm (DLMF 3.10(iii); Press et al.,
    Numerical Recipes, 5.2).
    """
    value, c, d = 1.0, 1.0, 0.0
    for numerator in numerators:
        d = 1 / ((1 + numerator * d) or _TINY)
        c = (1 + numerator / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
