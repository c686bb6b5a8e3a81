"""Requests and replies of experiments."""

from typing import Annotated, Any, ClassVar, NotRequired

from pydantic import AfterValidator, Field
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    Amount,
    Listing,
    Name,
    Request,
    Scoped,
    limit_items,
    limit_json_bytes,
    refuse,
)

MAX_STORED = 200
"""Experiments of an app."""
MAX_VARIANTS = 20
MAX_VARIANT_ID = 100  # characters
MAX_CONFIG_BYTES = 10_000

VariantId = Annotated[str, Field(min_length=1, max_length=MAX_VARIANT_ID)]


class Variant(TypedDict):
    id: VariantId
    weight: Amount
    """Its share is its part of the sum of all weights. A variant of weight 0 is never assigned."""
    config: NotRequired[Annotated[dict[str, Any], limit_json_bytes(MAX_CONFIG_BYTES)] | None]
    """What the variant means to whoever carries it out. It is kept as it is."""


def _check_variants(variants: list[Variant]) -> list[Variant]:
    ids = [variant["id"] for variant in variants]
    for place, id_ in enumerate(ids):
        if id_ in ids[:place]:
            raise refuse(f"Invalid field: variants[{place}].id (two variants have this id)")
    if not any(variant["weight"] for variant in variants):
        raise refuse("Invalid field: variants (a weight must be more than 0)")
    return variants


class NewExperiment(Request):
    missing: ClassVar[str] = "Name and at least 2 variants required"

    name: Name
    variants: Annotated[
        list[Variant],
        FailFast(),
        Field(min_length=2, examples=[[{"id": "control", "weight": 1}, {"id": "other", "weight": 1}]]),
        limit_items(MAX_VARIANTS),
        AfterValidator(_check_variants),
    ]


class ExperimentUpdate(Request):
    missing: ClassVar[str] = "experimentId and isActive required"

    experiment_id: Name
    is_active: bool
    """False: no more sessions are assigned. A session that has a variant keeps it and counts."""


class ExperimentReference(Request):
    missing: ClassVar[str] = "experimentId required"

    experiment_id: Name


class ExperimentQuery(Listing):
    all: str | None = None


class ExperimentView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    name: str
    variants: list[Variant]
    isActive: bool
    createdAt: float


class ExperimentPage(TypedDict):
    experiments: list[ExperimentView]
    cursor: NotRequired[str]


class AssignRequest(Request):
    missing: ClassVar[str] = "experimentId and sessionId required"

    experiment_id: Name
    session_id: Name


class VariantAssignment(TypedDict):
    variantId: str
    alreadyAssigned: bool


# -- results -----------------------------------------------------------------------------------------------


class ResultsQuery(Scoped):
    missing: ClassVar[str] = "experimentId required"

    experiment_id: Name


class EstimateView(TypedDict):
    """An estimate with the ends of its 95 % interval. Those of a mean are null while there is one
    conversation, or all are alike: such conversations do not tell how they vary.
    """

    value: float
    low: float | None
    high: float | None


class Measures(TypedDict):
    """Measures of a variant, null while no conversation has been counted. Rates are fractions of the
    conversations.
    """

    resolutionRate: EstimateView | None
    handoffRate: EstimateView | None
    """The rate of those that were with a person at any time, whatever their outcome."""
    abandonmentRate: EstimateView | None
    meanDurationMs: EstimateView | None
    meanMessages: EstimateView | None


class VariantResults(Measures):
    variantId: str
    weight: float
    exposures: int
    """Sessions that were assigned this variant."""
    conversations: int
    """Conversations of these sessions that have ended or were handed over. Rates and means are of these."""
    difference: Measures | None
    """The difference to the first variant, in the same units; null for the first itself."""


class ExperimentResults(TypedDict):
    experimentId: str
    appSlug: str
    name: str
    isActive: bool
    createdAt: float
    variants: list[VariantResults]
    """In their stored order."""
    srm: bool
    """A sample ratio mismatch: sessions were not assigned in the ratio of the weights."""
    srmPValue: float | None
    """Null while too few sessions are assigned to tell."""
    warning: NotRequired[str]
    """A sentence for people, where results are not to be trusted."""
