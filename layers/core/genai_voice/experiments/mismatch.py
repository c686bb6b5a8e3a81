"""Whether sessions were assigned in the ratio of the weights: if not, results are not to be trusted."""

from collections.abc import Sequence
from math import erfc, exp, gamma, pow, sqrt
from typing import Final

SIGNIFICANCE: Final = 0.001
"""A p-value below it is a mismatch. A. Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online
Controlled Experiments, KDD '19: low, because every look at an experiment is one more test.
"""
_FEWEST_EXPECTED: Final = 5
"""Below it the chi-square distribution does not describe the test (W. G. Cochran, 1954, Some methods for
strengthening the common χ² tests, Biometrics 10, 417-451).
"""


def p_value(exposures: Sequence[int], weights: Sequence[float]) -> float | None:
    """Of Pearson's chi-square test of the exposures against the weights, variant by variant; of those without
    weight none are expected. None where there are too few exposures to tell, or one variant has all weight.
    """
    whole, total = sum(weights), sum(exposures)
    expected = [
        (seen, total * (weight / whole)) for seen, weight in zip(exposures, weights, strict=True) if weight
    ]
    if len(expected) < 2 or any(wanted < _FEWEST_EXPECTED for _, wanted in expected):
        return None
    return chi_square_tail(sum((seen - wanted) ** 2 / wanted for seen, wanted in expected), len(expected) - 1)


def chi_square_tail(x: float, freedom: int) -> float:
    """The probability of more than x at so many degrees of freedom: for whole ones the series of Abramowitz
    and Stegun, 26.4.4 (odd) and 26.4.5 (even), ends and is exact.
    """
    half = x / 2
    if freedom % 2:
        terms = (pow(half, j - 0.5) / gamma(j + 0.5) for j in range(1, (freedom + 1) // 2))
        return erfc(sqrt(half)) + exp(-half) * sum(terms)
    return exp(-half) * sum(half**j / gamma(j + 1) for j in range(freedom // 2))
