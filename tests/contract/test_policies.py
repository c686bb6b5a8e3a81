"""Each function may do in AWS what it does, and nothing else. That its policy allows what it does is asserted
in every test that calls it (tests/support/policies.py), that it allows nothing else after a whole run
(tests/conftest.py).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from genai_voice.foundation import secret
from genai_voice.foundation.http import Endpoint
from genai_voice.foundation.settings import settings
from genai_voice.tenancy.resolver import forget_callers

from tests.support.service import call, endpoints, new_app
from tests.support.valid import body_for, name, query_for

CREDENTIALED = [each for each in endpoints() if "caller" in each.wants or each.path == "/api/auth/session"]


@pytest.fixture
def deployed(engine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The deployment secret and the keys of providers are in Secrets Manager, as they are in AWS."""
    document = Path(os.environ["DEPLOYMENT_SECRET_FILE"]).read_text()
    for variable, kept, text in (
        ("DEPLOYMENT_SECRET_ARN", "DEPLOYMENT_SECRET_FILE", document),
        ("PROVIDER_SECRET_ARN", "GEMINI_API_KEY", '{"GEMINI_API_KEY": "a-key"}'),
    ):
        made = boto3.client("secretsmanager").create_secret(Name=f"a-{uuid4()}", SecretString=text)
        monkeypatch.delenv(kept)
        monkeypatch.setenv(variable, made["ARN"])
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
    secret._roots.cache_clear()


def forget() -> None:
    """As a process that has just started."""
    forget_callers()
    secret._roots.cache_clear()
    secret._provided.clear()


@pytest.mark.parametrize("endpoint", CREDENTIALED, ids=name)
def test_a_function_may_check_every_credential_in_a_new_process(deployed: None, endpoint: Endpoint) -> None:
    app = new_app()
    wrong = {**app.headers, "authorization": "Bearer wrong"}
    expected = [(app.headers, endpoint.status), (wrong, 401)]
    if endpoint.path != "/api/auth/session":
        expected.append(({"authorization": f"Bearer {app.token()}"}, endpoint.status))
    for headers, status in expected:
        body, query = body_for(endpoint, app), query_for(endpoint, app)
        forget()
        assert call(endpoint.method, endpoint.path, body=body, query=query, headers=headers).status == status
