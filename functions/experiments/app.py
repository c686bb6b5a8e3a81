"""Experiments: sessions are assigned variants, and the outcomes of their conversations are compared."""

from genai_voice.experiments import service
from genai_voice.experiments.model import (
    AssignRequest,
    ExperimentPage,
    ExperimentQuery,
    ExperimentReference,
    ExperimentResults,
    ExperimentUpdate,
    NewExperiment,
    ResultsQuery,
    VariantAssignment,
)
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Created, Ok
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/experiments")
def list_experiments(caller: Caller, query: ExperimentQuery) -> ExperimentPage:
    """List all experiments, newest first."""
    return service.list_experiments(caller.app.slug, query)


@api.post("/api/experiments", scope="manage")
def create_experiment(caller: Caller, body: NewExperiment) -> Created:
    """Create an experiment. Names need not be unique; an app has at most 200."""
    return service.create_experiment(caller.app.slug, body)


@api.patch("/api/experiments", scope="manage", raises=(NotFound,))
def update_experiment(caller: Caller, body: ExperimentUpdate) -> Ok:
    """Stop assigning variants, or go on."""
    return service.update_experiment(caller.app.slug, body)


@api.delete("/api/experiments", scope="manage", raises=(NotFound,))
def delete_experiment(caller: Caller, body: ExperimentReference) -> Ok:
    """Delete an experiment and its results. A session that has a variant keeps it."""
    return service.delete_experiment(caller.app.slug, body)


@api.post("/api/experiments/assign", raises=(NotFound,))
def assign_variant(caller: Caller, body: AssignRequest) -> VariantAssignment:
    """Assign a variant to a session: drawn by the weights the first time, the same ever after.

    A session that has one keeps it when the experiment is not active any more.
    """
    return service.assign_variant(caller.app.slug, body)


@api.get("/api/experiments/results", raises=(NotFound,))
def compare_variants(caller: Caller, query: ResultsQuery) -> ExperimentResults:
    """Compare the variants so far, with 95 % intervals and each one's difference to the first.

    `srm` tells whether sessions were assigned in another ratio than that of the weights: then results are not
    to be trusted.
    """
    return service.read_results(caller.app.slug, query)


handler = api.handle
