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
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import webhook_settings
from genai_voice.tenancy.credential_rows import AppsSplitRow, CredentialRow

from tests.support.service import call, create_app, list_endpoints, sweep
from tests.support.valid import expect_with_token, make_body, make_query, name_endpoint
from tests.support.webhooks import announce, deliver, find_stored

CREDENTIALED = [
    each for each in list_endpoints() if "caller" in each.wants or each.path == "/api/auth/session"
]


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
    forget_all()
    yield
    monkeypatch.undo()
    forget_all()


def forget() -> None:
    """As a process that has just started."""
    forget_all()


@pytest.mark.parametrize("endpoint", CREDENTIALED, ids=name_endpoint)
def test_a_function_may_check_every_credential_in_a_new_process(deployed: None, endpoint: Endpoint) -> None:
    app = create_app()
    wrong = {**app.headers, "authorization": "Bearer wrong"}
    expected = [(app.headers, endpoint.status), (wrong, 401)]
    if endpoint.path != "/api/auth/session":
        expected.append(({"authorization": f"Bearer {app.open_session()}"}, expect_with_token(endpoint)))
    for headers, status in expected:
        body, query = make_body(endpoint, app), make_query(endpoint, app)
        forget()
        assert call(endpoint.method, endpoint.path, body=body, query=query, headers=headers).status == status


@pytest.mark.parametrize("endpoint", CREDENTIALED, ids=name_endpoint)
def test_a_function_may_check_a_secret_of_an_app_of_before(engine: None, endpoint: Endpoint) -> None:
    app = create_app()
    body, query = make_body(endpoint, app), make_query(endpoint, app)
    AppsSplitRow.of().delete()
    CredentialRow.of(app.slug).delete()
    forget()
    for slug, status in [(app.slug, endpoint.status), (f"not-{app.slug}", 401)]:
        headers = app.headers | {"x-app-slug": slug}
        assert call(endpoint.method, endpoint.path, body=body, query=query, headers=headers).status == status


def test_the_sweeper_may_split_an_app_of_before(engine: None) -> None:
    app = create_app()
    AppsSplitRow.of().delete()
    CredentialRow.of(app.slug).delete()
    sweep()
    assert CredentialRow.of(app.slug).find_stored()


def test_the_sender_of_webhooks_may_sign_in_a_new_process(deployed: None) -> None:
    app = create_app(handoff_webhook_url="https://127.0.0.1:4443/")
    webhook_settings.rotate_secret(app.slug, 0)
    row = announce(app)
    forget()
    deliver(row)
    assert [each.error for each in find_stored(row).attempts] == ["The host must be public."]
