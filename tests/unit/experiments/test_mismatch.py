"""The test of the ratio in which sessions were assigned, against published examples and scipy."""

import pytest
from genai_voice.experiments.mismatch import SIGNIFICANCE, compute_chi_square_tail, compute_p_value
from hypothesis import given
from hypothesis import strategies as st


def test_the_p_value_is_that_of_a_published_mismatch() -> None:
    """Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 3: a ratio of 0.993 where 1
    was designed.
    """
    assert f"{compute_p_value([821_588, 815_482], [1, 1]):.1e}" == "1.8e-06"


@pytest.mark.parametrize(
    ("exposures", "weights", "mismatch"),
    [
        ([5000, 5000], [1, 1], False),
        ([5100, 4900], [1, 1], False),
        ([5200, 4800], [1, 1], True),
        ([9000, 1000], [9, 1], False),
        ([9000, 1000], [8, 2], True),
        ([3000, 3000, 4000], [0.3, 0.3, 0.4], False),
        ([0, 10_000], [1, 1], True),
    ],
    ids=str,
)
def test_a_mismatch_is_told_from_chance(exposures: list[int], weights: list[float], mismatch: bool) -> None:
    found = compute_p_value(exposures, weights)
    assert found is not None
    assert (found < SIGNIFICANCE) == mismatch


@pytest.mark.parametrize(
    ("exposures", "weights"),
    [
        ([0, 0], [1, 1]),
        ([9, 0], [1, 1]),
        ([95, 3], [19, 0.9]),
        ([10_000, 0], [1, 0]),
        ([10_000, 0], [1, 1e-100]),
    ],
    ids=str,
)
def test_where_nothing_can_be_told_nothing_is(exposures: list[int], weights: list[float]) -> None:
    assert compute_p_value(exposures, weights) is None


def test_of_a_variant_without_weight_nothing_is_expected() -> None:
    assert compute_p_value([500, 0, 510], [1, 0, 1]) == compute_p_value([500, 510], [1, 1])


@given(
    st.lists(st.tuples(st.integers(10, 10**6), st.integers(1, 10)), min_size=2, max_size=20).map(
        lambda cases: [list(each) for each in zip(*cases, strict=True)]
    )
)
def test_the_p_value_is_scipys(case: list[list[int]]) -> None:
    from scipy import stats

    exposures, weights = case
    found = compute_p_value(exposures, weights)
    expected = [sum(exposures) * weight / sum(weights) for weight in weights]
    if min(expected) < 5:
        assert found is None
    else:
        assert found == pytest.approx(stats.chisquare(exposures, expected).pvalue, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("freedom", "critical"),
    [(1, 3.841), (2, 5.991), (3, 7.815), (4, 9.488), (9, 16.919), (10, 18.307), (19, 30.144)],
)
def test_the_tail_is_that_of_the_printed_tables(freedom: int, critical: float) -> None:
    """Abramowitz and Stegun, table 26.8."""
    assert compute_chi_square_tail(critical, freedom) == pytest.approx(0.05, abs=2e-5)


@given(st.floats(0, 1000), st.integers(1, 19))
def test_the_tail_is_scipys(x: float, freedom: int) -> None:
    from scipy import stats

    assert compute_chi_square_tail(x, freedom) == pytest.approx(
        stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-300
    )
