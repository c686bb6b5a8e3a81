"""Intervals, against the worked examples of their sources and against scipy."""

from math import inf, isnan

import pytest
from genai_voice.experiments.intervals import (
    Sample,
    compute_degrees_of_freedom,
    compute_t_quantile,
    compute_t_tails,
    estimate_mean,
    estimate_mean_difference,
    estimate_rate,
    estimate_rate_difference,
)
from hypothesis import assume, given
from hypothesis import strategies as st

values = st.lists(st.integers(0, 10**7), min_size=2, max_size=50).filter(lambda each: len(set(each)) > 1)


def sample_of(values: list[int]) -> Sample:
    return Sample(len(values), sum(values), sum(value**2 for value in values))


def like(size: int, mean: float, deviation: float) -> Sample:
    """A sample with about this mean and standard deviation, in millionths."""
    total = round(size * mean * 10**6)
    squares = round((size - 1) * (deviation * 10**6) ** 2 + total**2 / size)
    return Sample(size, total, squares)


# -- rates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_rate_has_the_interval_of_newcombes_examples(
    successes: int, trials: int, low: float, high: float
) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3."""
    found = estimate_rate(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == successes / trials


@given(st.integers(1, 10**6).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_a_rate_has_the_interval_that_scipy_gives_it(case: tuple[int, int]) -> None:
    from scipy import stats

    wilson = stats.binomtest(*case).proportion_ci(method="wilson")
    found = estimate_rate(*case)
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), rel=1e-9, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(
    ("other", "first", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_a_difference_of_rates_has_the_interval_of_newcombes_examples(
    other: tuple[int, int], first: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10."""
    found = estimate_rate_difference(estimate_rate(*first), estimate_rate(*other))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == other[0] / other[1] - first[0] / first[1]


def test_a_difference_the_other_way_round_is_its_mirror_image() -> None:
    one, two = estimate_rate(3, 10), estimate_rate(40, 90)
    there, back = estimate_rate_difference(one, two), estimate_rate_difference(two, one)
    assert back == pytest.approx((-there.value, -there.high, -there.low))


# -- means -------------------------------------------------------------------------------------------------


def test_a_mean_has_the_interval_of_nists_example() -> None:
    """e-Handbook, 1.3.5.2: ZARR13.DAT, N = 195, mean 9.261460, standard deviation 0.022789."""
    found = estimate_mean(like(195, 9.261460, 0.022789))
    published = [9.261460, 9.258242, 9.264679]
    assert [each / 10**6 for each in found] == pytest.approx(published, abs=2e-6)


def test_a_difference_of_means_has_what_nists_example_has() -> None:
    """e-Handbook, 1.3.5.3: AUTO83B.DAT, T = -12.94627, 136.8750 degrees of freedom without equal
    variances.
    """
    us, japan = like(249, 20.14458, 6.41470), like(79, 30.48101, 6.10771)
    found = estimate_mean_difference(us, japan)
    assert compute_degrees_of_freedom(us, japan) == pytest.approx(136.8750, abs=5e-4)
    half = (found.high - found.low) / 2
    assert found.value / half * compute_t_quantile(136.8750) == pytest.approx(12.94627, abs=2e-5)


@given(values)
def test_a_mean_has_the_interval_that_scipy_gives_it(values: list[int]) -> None:
    from scipy import stats

    assume(len(set(values)) > 1)
    found = estimate_mean(sample_of(values))
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-6)


@given(values, values)
def test_a_difference_of_means_has_the_interval_that_scipy_gives_it(one: list[int], two: list[int]) -> None:
    from scipy import stats

    assume(len(set(one)) > 1 or len(set(two)) > 1)
    found = estimate_mean_difference(sample_of(one), sample_of(two))
    expected = stats.ttest_ind(two, one, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-6)


def test_values_that_are_all_alike_tell_nothing_of_how_they_vary() -> None:
    same, others = sample_of([4, 4, 4]), sample_of([6, 6])
    assert estimate_mean(same) == (4, -inf, inf)
    assert estimate_mean_difference(same, others) == (2, -inf, inf)


def test_one_value_tells_nothing_of_how_values_vary() -> None:
    one, some = Sample(1, 5, 25), sample_of([1, 2, 4])
    assert estimate_mean(one) == (5, -inf, inf)
    for found in (estimate_mean_difference(one, some), estimate_mean_difference(some, one)):
        assert (found.low, found.high) == (-inf, inf)
        assert not isnan(found.value)


def test_what_varies_little_about_much_is_not_rounded_away() -> None:
    """The textbook's sum of squares less squared sum, in floating point, has nothing left here."""
    about = 10**12
    found = estimate_mean(sample_of([about - 1, about, about + 1]))
    assert found.high - found.value == pytest.approx(4.302653 / 3**0.5, abs=1e-3)


# -- Student's t -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (60, 2.000), (120, 1.980)],
)
def test_the_quantiles_are_those_of_the_printed_tables(freedom: int, quantile: float) -> None:
    """Abramowitz and Stegun, table 26.10."""
    assert round(compute_t_quantile(freedom), 3) == quantile


@given(st.floats(1, 1e6))
def test_the_quantiles_are_scipys(freedom: float) -> None:
    from scipy import stats

    assert compute_t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-8)


@given(st.floats(0.01, 100), st.floats(1, 1e5))
def test_the_tails_are_scipys(t: float, freedom: float) -> None:
    from scipy import stats

    assert compute_t_tails(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-7, abs=1e-13)
