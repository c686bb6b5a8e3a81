import socket
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import boto3
import pytest
from genai_voice.foundation.caches import forget_all
from moto import mock_aws

from tests.support.gemini import Gemini, ask_instead, serve_gemini
from tests.support.https import Authority, Names, Server, serve_https
from tests.support.log import record_log
from tests.support.webhooks import Queue


@pytest.fixture(autouse=True)
def _needs_engine(engine: None) -> None:
    """Every test here talks to the table."""


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the service's logger writes meanwhile."""
    with record_log() as written:
        yield written


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What goes out trusts the tests' authority and reaches loopback addresses."""
    monkeypatch.setenv("OUTGOING_LOCAL_CA", str(authority.path))
    forget_all()
    yield
    forget_all()


@pytest.fixture
def server(authority: Authority, trusted: None) -> Iterator[Server]:
    """An HTTPS server that can be reached."""
    with serve_https(authority) as server:
        yield server


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """The queue of the sender of webhooks, in moto also where the table is in the strict engine."""
    with mock_aws():
        queue = Queue(boto3.client("sqs").create_queue(QueueName=f"webhooks-{uuid4()}")["QueueUrl"])
        monkeypatch.setenv("WEBHOOK_QUEUE_URL", queue.url)
        forget_all()
        yield queue
        monkeypatch.undo()
        forget_all()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """In place of DNS."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    """A server in place of Gemini."""
    with serve_gemini() as gemini, ask_instead(gemini):
        yield gemini


@pytest.fixture
def deployed(gemini: Gemini, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Its keys are in Secrets Manager, under an ARN that the functions know. Answers what puts them there."""
    forget_all()
    with mock_aws():
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name=f"providers-{uuid4()}", SecretString="{}")["ARN"]
        monkeypatch.delenv("GEMINI_API_KEY")
        monkeypatch.setenv("PROVIDER_SECRET_ARN", arn)
        forget_all()
        yield lambda text: client.put_secret_value(SecretId=arn, SecretString=text)
    forget_all()
