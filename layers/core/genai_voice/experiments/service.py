"""Experiments: create them, assign their variants to sessions, and compare the outcomes."""

import json
from functools import partial
from typing import cast

from pydantic_core import to_json

from genai_voice.conversations.exposures import MAX_EXPERIMENTS, exposure_changes
from genai_voice.conversations.rows import ConversationRow
from genai_voice.experiments.comparison import compare_variants
from genai_voice.experiments.draw import draw_variant
from genai_voice.experiments.mismatch import SIGNIFICANCE, compute_p_value
from genai_voice.experiments.model import (
    MAX_STORED,
    AssignRequest,
    ExperimentPage,
    ExperimentQuery,
    ExperimentReference,
    ExperimentResults,
    ExperimentUpdate,
    ExperimentView,
    NewExperiment,
    ResultsQuery,
    Variant,
    VariantAssignment,
)
from genai_voice.experiments.rows import ExperimentRow, ExposureRow
from genai_voice.foundation.bounds import Bound
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import find_together
from genai_voice.foundation.transactions import write_together
from genai_voice.outcomes.model import Tally
from genai_voice.outcomes.tallies import read_tallies

_BOUND = Bound.of_number(
    "experiments",
    ExperimentRow.count_in_app,
    MAX_STORED,
    f"At most {MAX_STORED} experiments: delete some",
)
_BUSY = "Too many changes of these experiments at once: try again"
_UNTRUSTWORTHY = (
    "Sessions were not assigned in the ratio of the weights (sample ratio mismatch, p = {p:.2g}): "
    "the results are not to be trusted until the cause is found."
)


def create_experiment(app: str, request: NewExperiment) -> Created:
    """Create an experiment, which is active at once. Names need not be unique. Raises BadRequest beyond
    MAX_STORED, and Busy.
    """
    now = get_now_ms()
    row = ExperimentRow.of(app, make_time_ordered_id(now))
    row.name, row.is_active, row.created_at = request.name, True, now
    row.variants = to_json([_drop_nulls(variant) for variant in request.variants]).decode()
    _BOUND.insert(app, row, busy=_BUSY)
    return {"id": row.experiment_id}


def list_experiments(app: str, query: ExperimentQuery) -> ExperimentPage:
    """List all experiments, newest first, as many as fit the reply, and the cursor where more are left."""

    def read(before: str | None) -> PageRows[ExperimentRow, ExperimentView]:
        return PageRows(ExperimentRow.list_newest(app, before), partial(_view_experiment, app))

    views, cursor = read_page(app, query, ("experiments",), read)
    return add_optional(ExperimentPage(experiments=views), cursor=cursor)


def update_experiment(app: str, request: ExperimentUpdate) -> Ok:
    """Stop assigning variants, or go on. Raises NotFound."""
    row = ExperimentRow
    is_there = row.pk.exists()
    if not row.of(app, request.experiment_id).change([row.is_active.set(request.is_active)], is_there):
        raise NotFound("Experiment not found")
    return {"ok": True}


def delete_experiment(app: str, named: ExperimentReference) -> Ok:
    """Remove an experiment, and with it its results. Sessions keep their variants. Raises NotFound, for the
    second of two removals too, and Busy.
    """
    if not _BOUND.remove(app, ExperimentRow.of(app, named.experiment_id), busy=_BUSY):
        raise NotFound("Experiment not found")
    return {"ok": True}


def assign_variant(app: str, request: AssignRequest) -> VariantAssignment:
    """Answer the variant of a session. Where it has none yet, draw one and store it (contract 5.4).

    Raises NotFound for a session without a variant where the experiment is not there or not active,
    BadRequest for a session that takes part in MAX_EXPERIMENTS already, and Busy.
    """
    conversation = ConversationRow.of(app, request.session_id)
    # The conversation is read only after a refusal: it may be the reason.
    return retry_lost_races(
        partial(_try_assigning, app, request, None),
        after_loss=partial(_try_assigning, app, request, conversation),
        busy="Too many changes of this session at once: try again",
    )


def _try_assigning(
    app: str, request: AssignRequest, conversation: ConversationRow | None
) -> VariantAssignment | None:
    """Read, draw and write in one transaction the exposure, its count and what the conversation carries of
    it. None says that another writer came between.
    """
    wanted = ExperimentRow.of(app, request.experiment_id)
    new = ExposureRow.of(app, request.experiment_id, request.session_id)
    experiment, exposure, stored = find_together(wanted, new, conversation)
    if exposure:
        return {"variantId": exposure.variant_id, "alreadyAssigned": True}
    if experiment is None or not experiment.is_active:
        raise NotFound("Experiment not found or inactive")
    if stored and len(stored.exposures or ()) >= MAX_EXPERIMENTS:
        raise BadRequest(f"A session takes part in at most {MAX_EXPERIMENTS} experiments")
    weights = [(each["id"], each["weight"]) for each in _parse_variants(experiment)]
    new.variant_id = draw_variant(experiment.experiment_id, request.session_id, weights)
    new.created_at = get_now_ms()
    changes = exposure_changes(app, request.session_id, experiment.experiment_id, new.variant_id, stored)
    if not write_together(changes, inserts=[new]):
        return None
    return {"variantId": new.variant_id, "alreadyAssigned": False}


def read_results(app: str, query: ResultsQuery) -> ExperimentResults:
    """Read what the experiment has shown so far. Takes ten reads, however many sessions it has seen. Raises
    NotFound.
    """
    row = ExperimentRow.of(app, query.experiment_id).find_stored() if query.is_for(app) else None
    if row is None:
        raise NotFound("Experiment not found")
    counted = read_tallies(app, query.experiment_id)
    variants = [
        (each["id"], each["weight"], counted.get(each["id"], Tally())) for each in _parse_variants(row)
    ]
    p = compute_p_value([tally.exposures for *_, tally in variants], [weight for _, weight, _ in variants])
    found: ExperimentResults = {
        "experimentId": row.experiment_id,
        "appSlug": app,
        "name": row.name,
        "isActive": row.is_active,
        "createdAt": row.created_at or 0,
        "variants": list(compare_variants(variants)),
        "srm": p is not None and p < SIGNIFICANCE,
        "srmPValue": p,
    }
    if found["srm"]:
        found["warning"] = _UNTRUSTWORTHY.format(p=p)
    return found


def _parse_variants(row: ExperimentRow) -> list[Variant]:
    return list(json.loads(row.variants))


def _drop_nulls(variant: Variant) -> Variant:
    """Leave out the optional fields that are null."""
    kept = {name: value for name, value in variant.items() if value is not None}
    return cast(Variant, kept)


def _view_experiment(app: str, row: ExperimentRow) -> ExperimentView:
    return {
        "_id": row.experiment_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "name": row.name,
        "variants": _parse_variants(row),
        "isActive": row.is_active,
        "createdAt": row.created_at or 0,
    }
