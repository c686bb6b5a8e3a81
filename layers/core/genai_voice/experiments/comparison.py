"""What the sums of variants say: rates and means, and how they differ from those of the first variant."""

from collections.abc import Iterator, Mapping, Sequence
from math import isinf
from typing import cast

from genai_voice.conversations.model import Tally
from genai_voice.experiments.intervals import (
    Estimate,
    Sample,
    mean,
    mean_difference,
    rate,
    rate_difference,
)
from genai_voice.experiments.model import EstimateView, Measures, VariantResults


def compare(variants: Sequence[tuple[str, float, Tally]]) -> Iterator[VariantResults]:
    """The variants by id, weight and sums, in their order, each with its difference to the first."""
    for place, (variant, weight, tally) in enumerate(variants):
        yield {
            "variantId": variant,
            "weight": weight,
            "exposures": tally.exposures,
            "conversations": tally.conversations,
            **_measures(tally),
            "difference": _difference(variants[0][2], tally) if place else None,
        }


def _measures(tally: Tally) -> Measures:
    return _shown({**_rates(tally), **{name: mean(sample) for name, sample in _samples(tally).items()}})


def _difference(first: Tally, other: Tally) -> Measures:
    if not first.conversations:
        return _shown({})
    rates, samples = _rates(first), _samples(first)
    return _shown(
        {
            **{name: rate_difference(rates[name], mine) for name, mine in _rates(other).items()},
            **{name: mean_difference(samples[name], mine) for name, mine in _samples(other).items()},
        }
    )


def _rates(tally: Tally) -> dict[str, Estimate]:
    """None without conversations; so are the means."""
    counts = {
        "resolutionRate": tally.resolved,
        "handoffRate": tally.handed_off,
        "abandonmentRate": tally.abandoned,
    }
    return {name: rate(n, tally.conversations) for name, n in counts.items() if tally.conversations}


def _samples(tally: Tally) -> dict[str, Sample]:
    sums = {
        "meanDurationMs": (tally.duration_ms, tally.duration_ms_squared),
        "meanMessages": (tally.messages, tally.messages_squared),
    }
    return {name: Sample(tally.conversations, *each) for name, each in sums.items() if tally.conversations}


def _shown(estimates: Mapping[str, Estimate]) -> Measures:
    return cast(Measures, {name: _view(estimates.get(name)) for name in Measures.__annotations__})


def _view(estimate: Estimate | None) -> EstimateView | None:
    if estimate is None:
        return None
    known = not isinf(estimate.low)
    return {
        "value": estimate.value,
        "low": estimate.low if known else None,
        "high": estimate.high if known else None,
    }
