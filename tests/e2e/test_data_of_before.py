"""Data that earlier commits have written is read as they read it: tests/data has a folder for each."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.serve import connection, tables
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Served, serving
from tests.recording.caller import Caller
from tests.recording.folder import SECRET, list_folders, read_replies, unpack
from tests.recording.reads import read_lines, read_pages
from tests.recording.rows import kinds, read_items
from tests.recording.writes import DESK, LATE, LATE_S

pytestmark = needs_dynoxide

DATA_AS_NAMES = {"rule_stats"}
"""Kinds of rows whose attribute names are data."""


@pytest.fixture(scope="module", params=list_folders(), ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def service(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service on what was recorded. Tests that only read come first: a minute after its start it deletes
    what has expired.
    """
    data = tmp_path_factory.mktemp(folder.name)
    unpack(folder, data)
    with serving(data, DEMO_SECRET=SECRET) as service:
        yield service


def test_every_row_is_of_a_known_kind_and_has_known_attributes(service: Served) -> None:
    models, items = kinds(), read_items(service.data)
    assert items
    for item in items:
        kind = item["kind"]["S"]
        row = models[kind].from_raw_data(item)
        known = {attribute.attr_name for attribute in row.get_attributes().values()}
        assert kind in DATA_AS_NAMES or set(item) <= known, f"nobody reads {set(item) - known} of {kind}"


def test_every_endpoint_answers_as_it_did(service: Served, folder: Path) -> None:
    callers: dict[str, Caller] = {}
    for each in read_replies(folder)["requests"]:
        caller = callers.setdefault(each["app"], Caller(service.address, each["app"]))
        pages = read_pages(caller, each["path"], each["query"])
        assert not lost(each["pages"], pages), f"{each['app']} {each['path']} {each['query']}"
    for caller in callers.values():
        caller.close()


def test_every_command_that_reads_prints_what_it_did(service: Served, folder: Path) -> None:
    for each in read_replies(folder)["commands"]:
        assert not lost(each["lines"], read_lines(service, each["command"])), each["command"]


def test_every_app_is_given_its_credential_row(service: Served) -> None:
    deadline = time.monotonic() + 60
    while True:
        items = read_items(service.data)
        apps, credentials = (
            {item["slug"]["S"]: item["secrets"] for item in items if item["kind"]["S"] == kind}
            for kind in ("app", "credential")
        )
        is_noted = any(item["kind"]["S"] == "apps_split" for item in items)
        if is_noted or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert is_noted
    assert credentials == apps


def test_the_table_has_lost_its_stream(service: Served) -> None:
    here = connection.find_running(service.data)
    client = tables.open_client(here)
    described = client.describe_table(TableName=here.table)["Table"]
    client.close()
    assert not described.get("StreamSpecification", {}).get("StreamEnabled")


def test_what_was_sealed_opens(service: Served) -> None:
    """Nobody listens any more where the tool and the webhooks are: who gets so far has opened its headers or
    its signing secret.
    """
    assert service.operator("webhooks", "enable", DESK).returncode == 0
    with Caller(service.address, DESK) as caller:
        call = {"sessionId": "later", "toolName": "open_door", "parameters": {}}
        result = caller.send("POST", "/api/tools/execute", call)
        assert result["success"] is False
        assert "can no longer be read" not in result["error"]
        failed = caller.list_items("/api/webhooks/deliveries", "deliveries", status="failed")[0]
        caller.send("POST", "/api/webhooks/deliveries/replay", {"deliveryId": failed["_id"]})
        attempt = await_attempt(caller, failed)
        assert "secret" not in attempt["error"]


def await_attempt(caller: Caller, before: dict[str, Any]) -> dict[str, Any]:
    """The first attempt of a delivery after those that it had."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for each in caller.list_items("/api/webhooks/deliveries", "deliveries"):
            if each["_id"] == before["_id"] and len(each["attempts"]) > len(before["attempts"]):
                return dict(each["attempts"][-1])
        time.sleep(0.1)
    raise AssertionError(f"nothing was sent: {json.dumps(before)}")


def test_what_was_due_is_found(service: Served) -> None:
    with Caller(service.address, LATE) as caller:
        (handoff,) = caller.list_items("/api/handoffs", "handoffs")
        is_late = time.time() * 1000 > handoff["createdAt"] + LATE_S * 1000
        expected = "expired" if is_late else "pending"
        deadline = time.monotonic() + 30
        while handoff["status"] != expected and time.monotonic() < deadline:
            time.sleep(0.1)
            (handoff,) = caller.list_items("/api/handoffs", "handoffs")
        assert handoff["status"] == expected


def lost(before: Any, now: Any, at: str = "") -> list[str]:
    """What is no more as it was, by its place. Fields may come, none may go or change."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [place for name, each in before.items() for place in lost(each, now.get(name), f"{at}.{name}")]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [place for n, (old, new) in pairs for place in lost(old, new, f"{at}[{n}]")]
    return [] if before == now else [f"{at}: {before!r:.200} is now {now!r:.200}"]


def test_a_field_that_changes_is_lost_and_one_that_comes_is_not() -> None:
    assert lost([{"a": 1}], [{"a": 1, "b": 2}]) == []
    assert lost([{"a": 1}], [{"a": 2}]) == ["[0].a: 1 is now 2"]
    assert lost([{"a": 1}], [{}]) == ["[0].a: 1 is now None"]
    assert lost([1], [1, 1]) == [": [1] is now [1, 1]"]
