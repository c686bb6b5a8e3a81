"""Experiments: sessions are assigned variants, each once, and what comes of them is compared."""

import json
from functools import partial
from typing import cast

from pydantic_core import to_json

from genai_voice.conversations.model import Tally
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.service import MAX_EXPERIMENTS, exposed
from genai_voice.conversations.tallies import sums
from genai_voice.experiments.comparison import compare
from genai_voice.experiments.draw import draw
from genai_voice.experiments.mismatch import SIGNIFICANCE, p_value
from genai_voice.experiments.model import (
    Assigned,
    AssignRequest,
    ExperimentPage,
    ExperimentQuery,
    ExperimentUpdate,
    ExperimentView,
    NewExperiment,
    Results,
    ResultsQuery,
    Variant,
)
from genai_voice.experiments.rows import ExperimentRow, ExposureRow
from genai_voice.foundation.clock import back_off, now_ms, time_ordered_id
from genai_voice.foundation.errors import BadRequest, Busy, NotFound
from genai_voice.foundation.model import Created, Ok
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import find_together
from genai_voice.foundation.transactions import write_together

_ATTEMPTS = 30
_UNTRUSTWORTHY = (
    "Sessions were not assigned in the ratio of the weights (sample ratio mismatch, p = {p:.2g}): "
    "the results are not to be trusted until the cause is found."
)


def create(app: str, request: NewExperiment) -> Created:
    """Begin an experiment. Names need not be unique."""
    now = now_ms()
    row = ExperimentRow.of(app, time_ordered_id(now))
    row.name, row.is_active, row.created_at = request.name, True, now
    row.variants = to_json([_without_null(variant) for variant in request.variants]).decode()
    row.insert()
    return {"id": row.experiment_id}


def find(app: str, query: ExperimentQuery) -> ExperimentPage:
    """All of them, newest first; `cursor` where more are left than a reply can hold."""
    if not query.is_for(app):
        return {"experiments": []}
    scope = (app, "experiments")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    views, last = fill(ExperimentRow.newest(app, before), partial(_view, app))
    page: ExperimentPage = {"experiments": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.sk], *scope)
    return page


def update(app: str, request: ExperimentUpdate) -> Ok:
    """Stop assigning, or go on. Raises NotFound."""
    row = ExperimentRow
    is_there = row.pk.exists()
    if not row.of(app, request.experiment_id).change([row.is_active.set(request.is_active)], is_there):
        raise NotFound("Experiment not found")
    return {"ok": True}


def assign(app: str, request: AssignRequest) -> Assigned:
    """The variant of the session: the one that it has, else the one that is drawn (contract 5.4).

    The exposure, its count and what the conversation carries are one transaction under the condition that
    there is no exposure yet. One call reads, after a refusal the conversation too. Raises NotFound for a
    session without a variant where the experiment is not active or not there, BadRequest for one that takes
    part in MAX_EXPERIMENTS, Busy.
    """
    wanted = ExperimentRow.of(app, request.experiment_id)
    new = ExposureRow.of(app, request.experiment_id, request.session_id)
    conversation = ConversationRow.of(app, request.session_id)
    for attempt in range(_ATTEMPTS):
        experiment, exposure, stored = find_together(wanted, new, conversation if attempt else None)
        if exposure:
            return {"variantId": exposure.variant_id, "alreadyAssigned": True}
        if experiment is None or not experiment.is_active:
            raise NotFound("Experiment not found or inactive")
        if stored and len(stored.exposures or ()) >= MAX_EXPERIMENTS:
            raise BadRequest(f"A session takes part in at most {MAX_EXPERIMENTS} experiments")
        new.variant_id, new.created_at = _drawn(experiment, request.session_id), now_ms()
        changes = exposed(app, request.session_id, experiment.experiment_id, new.variant_id, stored)
        if write_together(changes, inserts=[new]):
            return {"variantId": new.variant_id, "alreadyAssigned": False}
        back_off(attempt)
    raise Busy("Too many changes of this session at once: try again")


def results(app: str, query: ResultsQuery) -> Results:
    """What the experiment shows so far: two reads, whatever it has seen. Raises NotFound."""
    row = ExperimentRow.of(app, query.experiment_id).find_stored() if query.is_for(app) else None
    if row is None:
        raise NotFound("Experiment not found")
    counted = sums(app, query.experiment_id)
    variants = [(each["id"], each["weight"], counted.get(each["id"], Tally())) for each in _variants(row)]
    p = p_value([tally.exposures for *_, tally in variants], [weight for _, weight, _ in variants])
    found: Results = {
        "experimentId": row.experiment_id,
        "appSlug": app,
        "name": row.name,
        "isActive": row.is_active,
        "createdAt": row.created_at or 0,
        "variants": list(compare(variants)),
        "srm": p is not None and p < SIGNIFICANCE,
        "srmPValue": p,
    }
    if found["srm"]:
        found["warning"] = _UNTRUSTWORTHY.format(p=p)
    return found


def _drawn(row: ExperimentRow, session_id: str) -> str:
    return draw(row.experiment_id, session_id, [(each["id"], each["weight"]) for each in _variants(row)])


def _variants(row: ExperimentRow) -> list[Variant]:
    return list(json.loads(row.variants))


def _without_null(variant: Variant) -> Variant:
    """What is optional and null is absent."""
    kept = {name: value for name, value in variant.items() if value is not None}
    return cast(Variant, kept)


def _view(app: str, row: ExperimentRow) -> ExperimentView:
    return {
        "_id": row.experiment_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "name": row.name,
        "variants": _variants(row),
        "isActive": row.is_active,
        "createdAt": row.created_at or 0,
    }
