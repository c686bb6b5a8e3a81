"""A web page reaches no engine at any address that the service or its files tell; programs do."""

import re
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.serve import connection, tables
from tests.e2e.local.service import Project, Service, body_of, needs_dynoxide
from tests.e2e.served import serving

Start = Callable[..., Service]
CREDENTIALS = (
    "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=x"
)
LIST = {
    "dynamodb": ("DynamoDB_20120810.ListTables", "{}"),
    "sqs": ("AmazonSQS.ListQueues", "{}"),
}
ANSWERED = ("TableNames", "QueueUrls")
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real service, with its queue. Yields its data folder."""
    data = tmp_path_factory.mktemp("guarded")
    with serving(data) as service:
        service.wait_until(lambda: can_reach_queue(connection.find_running(data)))
        (data / "output").write_text(service.output)
        yield data


def can_reach_queue(here: connection.Connection) -> bool:
    with socket.socket() as probe:
        parts = urlsplit(here.webhook_queue_url)
        return probe.connect_ex((str(parts.hostname), int(parts.port or 0))) == 0


def list_addresses(data: Path) -> set[tuple[str, int]]:
    """Every address that a file tells, but the service's own, whose files are the service's to give."""
    said = b"".join(file.read_bytes() for file in data.iterdir() if file.is_file())
    found = re.findall(rb"https?://([a-z0-9.-]+):(\d+)", said) + re.findall(rb"\b(127\.[0-9.]+):(\d+)", said)
    own = urlsplit(connection.find_running(data).address).port
    return {(host.decode(), int(port)) for host, port in found if int(port) != own}


def ask(place: tuple[str, int], service: str, method: str = "POST", **headers: str) -> str:
    """What is answered to a request for a list, or nothing."""
    target, body = LIST[service]
    asked = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-Target": target,
        "Authorization": CREDENTIALS.format(service),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    client = HTTPConnection(*place, timeout=10)
    try:
        client.request(method, "/", body, asked)
        return client.getresponse().read().decode()
    except OSError:
        return ""
    finally:
        client.close()


FROM_PAGES: dict[str, dict[str, str]] = {
    "another origin": {"Origin": EVIL},
    "a file": {"Origin": "null"},
    "this machine's": {"Origin": "http://127.0.0.1:3000"},
    "without preflight": {"Origin": EVIL, "Content_Type": "text/plain"},
    "a name that was bound again": {"Host": "evil.example"},
    "an image": {"Sec_Fetch_Site": "cross-site"},
}


@needs_dynoxide
@pytest.mark.parametrize("headers", FROM_PAGES.values(), ids=FROM_PAGES.keys())
def test_a_page_reaches_no_engine_at_any_address_that_is_told(whole: Path, headers: dict[str, str]) -> None:
    places = list_addresses(whole)
    lists = [ask(place, service) for place in places for service in LIST]
    assert all(any(name in each for each in lists) for name in ANSWERED), "programs are answered"
    for place in places:
        for service in LIST:
            said = ask(place, service, **headers)
            assert not any(each in said for each in ANSWERED), (place, said)


@needs_dynoxide
def test_a_program_reaches_both_engines_where_the_files_say(whole: Path) -> None:
    here = connection.find_running(whole)
    table = tables.open_client(here)
    assert table.list_tables()["TableNames"] == [here.table]
    table.close()
    queues = tables.open_aws_client("sqs", here.webhook_queue_url.rsplit("/", 2)[0], here.region)
    assert here.webhook_queue_url.rpartition("/")[2] in str(queues.list_queues()["QueueUrls"])
    queues.close()


@needs_dynoxide
def test_a_request_without_an_origin_that_is_no_post_is_refused(whole: Path) -> None:
    """As a page's images send it, of an old browser."""
    for place in list_addresses(whole):
        assert ask(place, "sqs", method="GET") in ("", "Only POST is answered here.\n")


@needs_dynoxide
def test_only_the_first_request_of_a_connection_is_answered(whole: Path) -> None:
    """Else a harmless one could open the way for another."""
    place = urlsplit(connection.find_running(whole).endpoint)
    one = (
        f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 2\r\n"
        f"Authorization: {CREDENTIALS.format('dynamodb')}\r\nX-Amz-Date: 20260101T000000Z\r\n"
        "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n"
    )
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10) as client:
        client.sendall(f"{one}\r\n{{}}{one}Origin: {EVIL}\r\n\r\n{{}}".encode())
        said = b"".join(iter(lambda: client.recv(65_536), b""))
    assert said.count(b"TableNames") == 1


def test_moto_in_the_place_of_dynoxide_is_guarded_too(start: Start, project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    service = start(PATH=str(tmp_path / "bin"), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert body_of(service.post("/store?key=k")) == {"stored": "k"}
    here = connection.find_running(project.data)
    (project.data / "output").write_text(service.output)
    place = urlsplit(here.endpoint)
    assert (str(place.hostname), place.port) in list_addresses(project.data)
    for told in list_addresses(project.data):
        assert "TableNames" not in ask(told, "dynamodb", Origin=EVIL)
        assert "TableNames" in ask(told, "dynamodb")
    assert service.end() == 0
