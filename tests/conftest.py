"""One engine per run: moto in the process, or dynoxide where `ENGINE=dynoxide` asks for the strict one."""

import os
import tempfile
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """The table of the template, in moto."""
    import boto3
    from moto import mock_aws

    from tests.support.service import template

    with mock_aws():
        client = boto3.client("dynamodb")
        for table in template().tables:
            client.create_table(**table.definition)
        yield


@pytest.fixture(autouse=True)
def _nobody_is_known(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "engine" in request.fixturenames:
        from genai_voice.tenancy.resolver import forget_callers

        forget_callers()
