"""What is told of variants: the intervals' sources have tests of their own."""

from genai_voice.experiments.comparison import compare_variants
from genai_voice.experiments.intervals import (
    Sample,
    estimate_mean,
    estimate_mean_difference,
    estimate_rate,
    estimate_rate_difference,
)
from genai_voice.experiments.model import Measures
from genai_voice.outcomes.model import Tally

MEASURES = tuple(Measures.__annotations__)
FIRST = Tally(100, 80, 48, 9, 12, 80 * 60_000, 80 * 60_000**2 + 5_000_000, 800, 8_700)
OTHER = Tally(90, 70, 56, 3, 1, 70 * 50_000, 70 * 50_000**2 + 4_000_000, 700, 7_900)


def test_each_variant_has_its_measures_and_its_difference_to_the_first() -> None:
    first, other = compare_variants([("a", 1, FIRST), ("b", 3, OTHER)])
    assert (first["variantId"], first["weight"], first["exposures"], first["conversations"]) == (
        "a",
        1,
        100,
        80,
    )
    assert first["difference"] is None
    assert other["resolutionRate"] == estimate_rate(56, 70)._asdict()
    assert other["handoffRate"] == estimate_rate(3, 70)._asdict()
    assert other["abandonmentRate"] == estimate_rate(1, 70)._asdict()
    durations = Sample(70, OTHER.duration_ms, OTHER.duration_ms_squared)
    assert other["meanDurationMs"] == estimate_mean(durations)._asdict()
    difference = other["difference"]
    assert (
        difference["resolutionRate"]
        == estimate_rate_difference(estimate_rate(48, 80), estimate_rate(56, 70))._asdict()
    )
    assert (
        difference["meanMessages"]
        == estimate_mean_difference(Sample(80, 800, 8_700), Sample(70, 700, 7_900))._asdict()
    )
    assert difference["resolutionRate"]["value"] > 0 > difference["meanDurationMs"]["value"]


def test_what_no_conversation_tells_is_null() -> None:
    first, other = compare_variants([("a", 1, Tally(9)), ("b", 1, OTHER)])
    assert [first[name] for name in MEASURES] == [None] * 5  # type: ignore[literal-required]
    assert [other["difference"][name] for name in MEASURES] == [None] * 5  # type: ignore[literal-required]
    assert other["meanMessages"] is not None
    first, other = compare_variants([("a", 1, OTHER), ("b", 1, Tally(9))])
    assert [other["difference"][name] for name in MEASURES] == [None] * 5  # type: ignore[literal-required]


def test_one_conversation_has_a_mean_without_an_interval() -> None:
    (only,) = compare_variants([("a", 1, Tally(1, 1, 1, 0, 0, 1_000, 1_000_000, 4, 16))])
    assert only["meanMessages"] == {"value": 4, "low": None, "high": None}
    assert only["resolutionRate"]["low"] is not None
