"""One engine per run: moto in the process, or dynoxide where `ENGINE=dynoxide` asks for the strict one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

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
    POWERTOOLS_METRICS_NAMESPACE="GenaiVoice",
)
for _variable in ("ALLOWED_ORIGINS", "DYNAMODB_ENDPOINT", "DEPLOYMENT_SECRET_ARN"):
    os.environ.pop(_variable, None)


STRICT = os.environ.get("ENGINE") == "dynoxide"


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """The table of the template, in moto or in the strict engine."""
    import boto3

    from tests.support.service import template

    with _strict_engine() if STRICT else _moto():
        client = boto3.client("dynamodb", endpoint_url=os.environ.get("DYNAMODB_ENDPOINT"))
        for table in template().tables:
            client.create_table(**table.definition)
        yield


def _moto() -> AbstractContextManager[None]:
    from moto import mock_aws

    return mock_aws()


@contextmanager
def _strict_engine() -> Iterator[None]:
    from tests.support.strict import running_engine

    with running_engine(Path(_DATA.name)) as endpoint:
        os.environ["DYNAMODB_ENDPOINT"] = endpoint
        yield


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
