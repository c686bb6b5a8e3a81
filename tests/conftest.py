"""One engine per process: moto in it, or dynoxide where `ENGINE=dynoxide` asks for the strict one."""

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
for _variable in (
    *("ALLOWED_ORIGINS", "DYNAMODB_ENDPOINT", "DEPLOYMENT_SECRET_ARN", "OUTGOING_LOCAL_CA"),
    *("WEBHOOK_QUEUE_URL", "GEMINI_API_KEY", "GEMINI_BASE_URL", "GOOGLE_API_KEY", "PROVIDER_SECRET_ARN"),
):
    os.environ.pop(_variable, None)


# Time is no promise of a property, and a failing example is printed so that it can be had again.
settings.register_profile("tests", deadline=None, print_blob=True)
# `make soak`: a hundred times what a property is tried with otherwise. A database would hide the seed's part.
settings.register_profile("soak", settings.get_profile("tests"), max_examples=10_000, database=None)
settings.load_profile("soak" if os.environ.get("SOAK") else "tests")

STRICT = os.environ.get("ENGINE") == "dynoxide"


@pytest.fixture(scope="session")
def _strict_engine() -> Iterator[None]:
    from tests.support.fast_botocore import share_descriptions

    share_descriptions()
    if not STRICT:
        yield
        return
    from tests.support.strict import run_engine

    with run_engine(Path(_DATA.name)) as endpoint:
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

    from tests.support.fast_moto import patch_moto

    with mock_aws(), patch_moto():
        _create_table()
        yield


def _create_table() -> None:
    import boto3

    from tests.support.service import load_template

    client = boto3.client("dynamodb", endpoint_url=os.environ.get("DYNAMODB_ENDPOINT"))
    for table in load_template().tables:
        client.create_table(**table.definition)


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
