"""The comparison of variants: rates and means from their sums, and the differences to the first variant."""

from collections.abc import Iterator, Mapping, Sequence
from math import isinf
from typing import cast

from genai_voice.experiments.intervals import (
    Estimate,
    Sample,
    estimate_mean,
    estimate_mean_difference,
    estimate_rate,
    estimate_rate_difference,
)
from genai_voice.experiments.model import EstimateView, Measures, VariantResults
from genai_voice.outcomes.model import Tally


def compare_variants(variants: Sequence[tuple[str, float, Tally]]) -> Iterator[VariantResults]:
    """Compare variants, given by id, weight and sums. Answers them in their order, each with its measures and
    its difference to the first.
    """
    for place, (variant, weight, tally) in enumerate(variants):
        yield {
            "variantId": variant,
            "weight": weight,
            "exposures": tally.exposures,
            "conversations": tally.conversations,
            **_measure(tally),
            "difference": _measure_difference(variants[0][2], tally) if place else None,
        }


def _measure(tally: Tally) -> Measures:
    return _view_measures(
        {
            **_estimate_rates(tally),
            **{name: estimate_mean(sample) for name, sample in _collect_samples(tally).items()},
        }
    )


def _measure_difference(first: Tally, other: Tally) -> Measures:
    if not first.conversations:
        return _view_measures({})
    rates, samples = _estimate_rates(first), _collect_samples(first)
    return _view_measures(
        {
            **{
                name: estimate_rate_difference(rates[name], mine)
                for name, mine in _estimate_rates(other).items()
            },
            **{
                name: estimate_mean_difference(samples[name], mine)
                for name, mine in _collect_samples(other).items()
            },
        }
    )


def _estimate_rates(tally: Tally) -> dict[str, Estimate]:
    """Estimate the rates of a variant: none while it has no conversations."""
    counts = {
        "resolutionRate": tally.resolved,
        "handoffRate": tally.handed_off,
        "abandonmentRate": tally.abandoned,
    }
    return {name: estimate_rate(n, tally.conversations) for name, n in counts.items() if tally.conversations}


def _collect_samples(tally: Tally) -> dict[str, Sample]:
    """Collect the samples whose means are compared: none while the variant has no conversations."""
    sums = {
        "meanDurationMs": (tally.duration_ms, tally.duration_ms_squared),
        "meanMessages": (tally.messages, tally.messages_squared),
    }
    return {name: Sample(tally.conversations, *each) for name, each in sums.items() if tally.conversations}


def _view_measures(estimates: Mapping[str, Estimate]) -> Measures:
    """Show all measures: null where there is no estimate."""
    return cast(Measures, {name: _view_estimate(estimates.get(name)) for name in Measures.__annotations__})


def _view_estimate(estimate: Estimate | None) -> EstimateView | None:
    if estimate is None:
        return None
    known = not isinf(estimate.low)
    return {
        "value": estimate.value,
        "low": estimate.low if known else None,
        "high": estimate.high if known else None,
    }
