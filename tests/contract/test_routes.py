"""The routes of the template and of the code are the same; every payload in events/ is served."""

import json
import os
from pathlib import Path

import pytest
from genai_voice.seeding.service import seed_demos

from tests.support.replies import record
from tests.support.samples import store_samples
from tests.support.service import ROOT, handle, list_endpoints, list_groups, load_apis, load_template

SAMPLE_SECRET = "only-a-sample"
EVENTS = sorted(
    (ROOT / "events").glob("*.json"),
    key=lambda file: ('"method": "GET"' in file.read_text(), file.stem),  # lists show what was written
)


def test_the_template_routes_each_endpoint_to_the_function_that_declares_it() -> None:
    routed = {
        (route.method, route.path): load_template().functions[route.function].folder.name
        for route in load_template().routes
    }
    declared = {
        (endpoint.method, endpoint.path): group
        for group, api in load_apis().items()
        for endpoint in api.endpoints.values()
    }
    assert routed == declared


def test_every_function_of_the_template_has_its_folder_and_the_other_way_round() -> None:
    assert sorted(each.folder.name for each in load_template().functions.values()) == list_groups()


def test_the_edge_function_answers_what_no_route_does() -> None:
    default = load_template().default
    assert default is not None
    assert load_template().functions[default].folder.name == "edge"


@pytest.fixture(scope="module")
def demos(engine: None) -> None:
    """Whatever the payloads name, so that each is answered alone."""
    list(seed_demos(SAMPLE_SECRET))
    store_samples("demo-dentist")
    (conversation,) = (file for file in EVENTS if file.stem == "conversations.save")
    handle(json.loads(conversation.read_text()))


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_every_event_file_is_answered(demos: None, file: Path) -> None:
    event = json.loads(file.read_text())
    group, _, case = file.stem.partition(".")
    assert group in load_apis()
    reply = handle(event)
    endpoint = load_apis()[group].endpoints.get((event["requestContext"]["http"]["method"], event["rawPath"]))
    expected = endpoint.status if endpoint else 204 if case == "preflight" else 404
    assert reply.status == expected, reply.text
    if "RECORD" in os.environ and reply.status in (200, 201):
        record(file, reply)


def test_every_endpoint_has_an_event_file() -> None:
    shown = {(event["requestContext"]["http"]["method"], event["rawPath"]) for event in map(_read, EVENTS)}
    assert {(endpoint.method, endpoint.path) for endpoint in list_endpoints()} <= shown


def _read(file: Path) -> dict[str, dict[str, dict[str, str]]]:
    return dict(json.loads(file.read_text()))
