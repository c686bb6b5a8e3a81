"""One engine per run: moto in the process, or dynoxide where `ENGINE=dynoxide` asks for the strict one."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

_DATA = tempfile.TemporaryDirectory(prefix="genai-voice-tests-")
_SECRET = Path(_DATA.name) / "deployment-secret"
_SECRET.write_text('{"id": "k1", "key": "only for tests"}')

os.environ.update(
    TABLE_NAME="genai-voice-tests",
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="local",
    AWS_SECRET_ACCESS_KEY="local",
    DEPLOYMENT_SECRET_FILE=str(_SECRET),
    POWERTOOLS_SERVICE_NAME="genai-voice",
)
for _variable in ("ALLOWED_ORIGINS", "DYNAMODB_ENDPOINT", "DEPLOYMENT_SECRET_ARN", "OUTGOING_TEST_CA"):
    os.environ.pop(_variable, None)


# Time is no promise of a property, and a failing example is printed so that it can be had again.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")

STRICT = os.environ.get("ENGINE") == "dynoxide"


@pytest.fixture(scope="session")
def _strict_engine() -> Iterator[None]:
    if not STRICT:
        yield
        return
    from tests.support.strict import running_engine

    with running_engine(Path(_DATA.name)) as endpoint:
        os.environ["DYNAMODB_ENDPOINT"] = endpoint
        _create_table()
        yield


@pytest.fixture(scope="module")
def engine(_strict_engine: None) -> Iterator[None]:
    """The table of the template, in the strict engine or in moto: a new one per module, as moto slows with
    its size.
    """
    if STRICT:
        yield
        return
    from moto import mock_aws

    with mock_aws():
        _create_table()
        yield


def _create_table() -> None:
    import boto3

    from tests.support.service import template

    client = boto3.client("dynamodb", endpoint_url=os.environ.get("DYNAMODB_ENDPOINT"))
    for table in template().tables:
        definition = dict(table.definition)
        if not STRICT:  # moto copies a table's whole stream in every transaction, and nobody reads it here
            del definition["StreamSpecification"]
        client.create_table(**definition)


@pytest.fixture
def strict(engine: None) -> None:
    """For races: under threads moto lets transactions oversell."""
    if not STRICT:
        pytest.skip("runs on the strict engine alone: ENGINE=dynoxide")


@pytest.fixture(autouse=True)
def _nobody_is_known(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "engine" in request.fixturenames:
        from genai_voice.tenancy.resolver import forget_callers

        forget_callers()
