"""The test whether sessions were assigned in the ratio of the weights: if not, results are not trusted."""

from collections.abc import Sequence
from math import erfc, exp, gamma, pow, sqrt
from typing import Final

SIGNIFICANCE: Final = 0.001
"""A p-value below it is a mismatch. A. Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online
Controlled Experiments, KDD '19: low, because every look at an experiment is one more test.
"""
_FEWEST_EXPECTED: Final = 5
"""With fewer expected exposures than these the chi-square distribution does not describe the test (W. G.
Cochran, 1954, Some methods for strengthening the common χ² tests, Biometrics 10, 417-451).
"""


def compute_p_value(exposures: Sequence[int], weights: Sequence[float]) -> float | None:
    """Compute the p-value of Pearson's chi-square test of the exposures against the weights. Both are listed
    by variant, and a variant without weight is left out.

    Answers None where there are too few exposures to tell, or one variant has all the weight.
    """
    weight_sum, total = sum(weights), sum(exposures)
    expected = [
        (seen, total * (weight / weight_sum))
        for seen, weight in zip(exposures, weights, strict=True)
        if weight
    ]
    if len(expected) < 2 or any(wanted < _FEWEST_EXPECTED for _, wanted in expected):
        return None
    return compute_chi_square_tail(
        sum((seen - wanted) ** 2 / wanted for seen, wanted in expected), len(expected) - 1
    )


def compute_chi_square_tail(x: float, freedom: int) -> float:
    """Compute the probability of more than x at so many degrees of freedom. For whole numbers of them the
    series of Abramowitz and Stegun, 26.4.4 (odd) and 26.4.5 (even), ends and is exact.
    """
    half = x / 2
    if freedom % 2:
        terms = (pow(half, j - 0.5) / gamma(j + 0.5) for j in range(1, (freedom + 1) // 2))
        return erfc(sqrt(half)) + exp(-half) * sum(terms)
    return exp(-half) * sum(half**j / gamma(j + 1) for j in range(freedom // 2))
