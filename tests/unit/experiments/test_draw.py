"""The draw: a walk over the weights by a hash, uniform, sticky, exact."""

from collections import Counter
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate

import pytest
from genai_voice.experiments.draw import draw_variant
from hypothesis import given
from hypothesis import strategies as st

ids = st.text(st.characters(exclude_categories=["Cs"]))
weights = st.lists(
    st.just(0) | st.integers(0, 10**15 - 1) | st.floats(1e-100, 1e15, exclude_max=True),
    min_size=2,
    max_size=20,
).filter(any)


def named(weights: list[float]) -> list[tuple[str, float]]:
    return [(f"v{place}", weight) for place, weight in enumerate(weights)]


@pytest.mark.parametrize(
    "weights",
    [[1, 1], [1, 3], [5, 0, 3, 2], [0, 0.5, 0.25, 0.25], [1e-3, 1], [1] * 20, [1e14, 3e14]],
    ids=str,
)
def test_20000_sessions_fit_the_weights(weights: list[float]) -> None:
    from scipy.stats import chisquare

    drawn = Counter(draw_variant("an-experiment", f"session-{n}", named(weights)) for n in range(20_000))
    expected = [(drawn.pop(name, 0), weight / sum(weights) * 20_000) for name, weight in named(weights)]
    assert not drawn
    assert all(seen == 0 for seen, wanted in expected if wanted == 0)
    seen, wanted = zip(*[each for each in expected if each[1]], strict=True)
    assert chisquare(seen, wanted).pvalue > 0.001


def test_what_a_session_gets_in_one_experiment_says_nothing_of_another() -> None:
    from scipy.stats import chisquare

    fair = named([1, 1])
    pairs = Counter(
        (draw_variant("one", f"s{n}", fair), draw_variant("other", f"s{n}", fair)) for n in range(20_000)
    )
    assert chisquare(list(pairs.values())).pvalue > 0.001
    assert len(pairs) == 4


@given(ids, ids, weights)
def test_the_draw_is_the_same_each_time_and_has_a_weight(
    experiment: str, session: str, weights: list[float]
) -> None:
    drawn = draw_variant(experiment, session, named(weights))
    assert drawn == draw_variant(experiment, session, named(weights))
    assert dict(named(weights))[drawn] > 0


@given(ids, ids, weights, st.integers(-20, 20))
def test_only_the_ratio_of_the_weights_matters(
    experiment: str, session: str, weights: list[float], power: int
) -> None:
    scaled = [(name, Fraction(weight) * Fraction(2) ** power) for name, weight in named(weights)]
    assert draw_variant(experiment, session, scaled) == draw_variant(experiment, session, named(weights))  # type: ignore[arg-type]


@given(ids, weights, st.integers(0, 10**15 - 1))
def test_a_variant_that_gains_weight_loses_no_session(session: str, weights: list[float], more: int) -> None:
    """The first one: where r falls into its share of the sum, it falls into the larger share."""
    before = draw_variant("e", session, named(weights))
    heavier = [weights[0] + more, *weights[1:]]
    if before == "v0":
        assert draw_variant("e", session, named(heavier)) == "v0"


def test_the_walk_goes_over_the_variants_in_their_stored_order() -> None:
    """By bounds instead of a walk: r falls behind the weights of those before."""
    shares = [2, 5, 0, 1, 8]
    bounds = list(accumulate(shares))
    for n in range(2_000):
        hashed = sha256(f'["e","s{n}"]'.encode()).digest()
        r = int.from_bytes(hashed) / 2**256 * bounds[-1]
        expected = next(place for place, bound in enumerate(bounds) if r < bound)
        assert draw_variant("e", f"s{n}", named([*map(float, shares)])) == f"v{expected}"


def test_neither_id_can_pass_for_a_part_of_the_other() -> None:
    many = named([1] * 20)
    assert (
        len({(draw_variant("ab", f"c{n}", many), draw_variant("a", f"bc{n}", many)) for n in range(400)})
        > 200
    )


def test_without_any_weight_there_is_no_draw() -> None:
    with pytest.raises(ValueError, match="no variant has a weight"):
        draw_variant("e", "s", [("a", 0), ("b", 0)])
