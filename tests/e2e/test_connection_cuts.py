"""The connection to DynamoDB breaks before or after each request that an endpoint makes, once or for a while;
the client insists; then nothing is lost and nothing is doubled.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from local.serve import connection
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import (
    SECRET,
    Client,
    Served,
    Table,
    event,
    events_of,
    execution,
    incompressible,
    insist,
    said,
    serving,
    written,
)
from tests.e2e.wire import Wire, between
from tests.support.strict import run_engine

pytestmark = needs_dynoxide

APP = "demo-dentist"
LINES = [f"line {at}" for at in range(26)]  # more than one BatchWriteItem takes
LONG = [written(incompressible(700_000, 1), 1)]  # more than the conversation's row takes
SHORT = [written("hello", 1), written("good-bye", 2)]
MOVE = {"newDate": "2026-05-04", "newTime": "9:00 AM"}


@dataclass
class Stage:
    """The service, with the wire behind it that can be cut, and the table past the wire."""

    service: Served
    wire: Wire
    table: Table

    def rows(self, *parts: str) -> list[dict[str, Any]]:
        return self.table.partition(*parts)

    def state_version(self) -> int:
        rows = [*self.rows("APP", APP), *self.rows("APP", APP, "SCENARIO")]
        return max(int(each["version"]["N"]) for each in rows if each["sk"]["S"] == "STATE")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("cuts")
    with (
        run_engine(folder) as engine,
        between(engine) as wire,
        serving(folder / "data", DYNAMODB_ENDPOINT=wire.address) as service,
    ):
        limited = service.operator("app", "update", APP, "--max-actions-per-turn", "1000")
        assert limited.returncode == 0, limited.stderr
        here = replace(connection.find_running(service.data), endpoint=engine)
        with Table(here) as table:
            yield Stage(service, wire, table)


@dataclass(frozen=True)
class Outcome:
    """What a request came to that was sent until it was answered."""

    stage: Stage
    client: Client
    session: str
    answer: dict[str, Any]
    attempts: int
    versions: int
    """How often the scenario's state was written meanwhile."""


@dataclass(frozen=True)
class Case:
    name: str
    path: str
    body: Callable[[str], dict[str, Any]]
    check: Callable[[Outcome], None]
    method: str = "POST"
    first: dict[str, Any] | None = None
    """A save of the conversation beforehand."""
    with_token: bool = True


def messages_are_there_once(outcome: Outcome) -> None:
    assert outcome.answer == {"ok": True, "count": len(LINES)}
    assert outcome.client.messages(outcome.session) == LINES


def events_are_there_once(outcome: Outcome) -> None:
    stored = events_of(outcome.stage.rows("APP", APP, "SESSION", outcome.session))
    assert stored == [event("one", 1), event("two", 2)]


def conversation_is(transcript: list[dict[str, Any]], status: str) -> Callable[[Outcome], None]:
    def check(outcome: Outcome) -> None:
        listed = outcome.client.get("/api/conversations", status=status)["conversations"]
        (conversation,) = [each for each in listed if each["sessionId"] == outcome.session]
        assert json.loads(conversation["transcript"]) == transcript
        assert (conversation["messageCount"], conversation["status"]) == (len(transcript), status)
        stored = outcome.stage.rows("APP", APP, "SESSION", outcome.session)
        assert [each["kind"]["S"] for each in stored].count("conversation") == 1
        emptied = {"sessionId": outcome.session, "messages": []}  # lists are to stay short
        outcome.client.post("/api/conversations", emptied)

    return check


def tool_ran_as_often_as_it_is_audited(outcome: Outcome) -> None:
    executed = outcome.client.executions(outcome.session)
    assert outcome.answer["data"]["newDate"] == MOVE["newDate"]
    assert [each["status"] for each in executed] == ["success"] * outcome.versions
    assert 1 <= len(executed) <= outcome.attempts
    (window,) = [
        each
        for each in outcome.stage.rows("APP", APP, "SESSION", outcome.session)
        if each["kind"]["S"] == "rate"
    ]
    assert len(executed) <= len(window["hits"]["L"]) <= outcome.attempts


def tool_only_looked(outcome: Outcome) -> None:
    assert outcome.answer["data"]["found"] is True
    assert 1 <= len(outcome.client.executions(outcome.session)) <= outcome.attempts


def state_is_initial(outcome: Outcome) -> None:
    state = outcome.client.get("/api/scenario-state")["state"]
    assert state == outcome.answer["state"]
    assert [each["status"] for each in state["appointments"]] == ["confirmed"] * 4


def persona_is_changed(outcome: Outcome) -> None:
    assert outcome.client.get("/api/persona")["personaTone"] == outcome.session


def token_works(outcome: Outcome) -> None:
    headers = {"Authorization": f"Bearer {outcome.answer['sessionToken']}"}
    reply = httpx.get(
        f"{outcome.stage.service.address}/api/tools", headers=headers, timeout=20, trust_env=False
    )
    assert reply.status_code == 200


def saving(**fields: Any) -> Callable[[str], dict[str, Any]]:
    return lambda session: {"sessionId": session, **fields}


CASES = [
    Case(
        "messages",
        "/api/messages",
        lambda session: {"messages": [said(session, line, at) for at, line in enumerate(LINES, 1)]},
        messages_are_there_once,
    ),
    Case("events", "/api/events", saving(events=[event("one", 1), event("two", 2)]), events_are_there_once),
    Case(
        "a conversation's first save",
        "/api/conversations",
        saving(messages=SHORT, status="active"),
        conversation_is(SHORT, "active"),
    ),
    Case(
        "a conversation's end",
        "/api/conversations",
        saving(messages=SHORT, status="resolved"),
        conversation_is(SHORT, "resolved"),
        first={"messages": []},
    ),
    Case(
        "a long transcript in place of another",
        "/api/conversations",
        saving(messages=LONG, status="active"),
        conversation_is(LONG, "active"),
        first={"messages": [written(incompressible(700_000, 2), 1)]},
    ),
    Case(
        "a status that is refused",
        "/api/conversations",
        saving(messages=SHORT, status="resolved"),
        conversation_is(SHORT, "handed_off"),
        first={"messages": LONG, "status": "handed_off"},
    ),
    Case(
        "a tool that changes the state",
        "/api/tools/execute",
        lambda session: execution(session, "reschedule_appointment", appointmentId="APT-10041", **MOVE),
        tool_ran_as_often_as_it_is_audited,
    ),
    Case(
        "a tool that only looks",
        "/api/tools/execute",
        lambda session: execution(session, "lookup_appointment", patientName="Kim"),
        tool_only_looked,
    ),
    Case("the reset of the state", "/api/scenario-state/reset", lambda session: {}, state_is_initial),
    Case(
        "the persona",
        "/api/persona",
        lambda session: {"personaTone": session},
        persona_is_changed,
        method="PATCH",
    ),
    Case(
        "a session token",
        "/api/auth/session",
        lambda session: {"appSlug": APP, "appSecret": SECRET},
        token_works,
        with_token=False,
    ),
]


# What a lasting cut before a request leaves is what one after the request before it leaves, so that is played
# once; and last, since it uses up the SDK's quota of retries, and then the SDK mends nothing for a while.
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("after", "lasting"),
    [
        pytest.param(False, False, id="once before"),
        pytest.param(True, False, id="once after"),
        pytest.param(True, True, id="after and for a while"),
    ],
)
def test_no_cut_loses_or_doubles_anything(stage: Stage, case: Case, after: bool, lasting: bool) -> None:
    number = 0
    while True:
        number += 1
        session = f"{case.name}-{after}-{lasting}-{number}"
        with stage.service.client(APP) as client:
            if not attempt(stage, case, client, session, Plan(number, after, lasting)):
                break
    assert number > 1, "the endpoint asked nothing of DynamoDB"


@dataclass(frozen=True)
class Plan:
    number: int
    after: bool
    lasting: bool


def attempt(stage: Stage, case: Case, client: Client, session: str, plan: Plan) -> bool:
    """Whether there was a request to cut."""
    if case.first is not None:
        client.post("/api/conversations", {"sessionId": session, **case.first})
    if case.with_token:
        client.open_session()  # so that looking it up is among the requests
    version = stage.state_version()
    with stage.wire.cut(plan.number, after=plan.after, lasting=plan.lasting) as cut:
        answer, failures = insist(lambda: mended(stage, cut_call(case, client, session)))
    outcome = Outcome(stage, client, session, answer, 1 + len(failures), stage.state_version() - version)
    if not plan.lasting:
        assert failures == [], "one broken connection is the SDK's to mend, not the client's"
    case.check(outcome)
    return cut.happened


def cut_call(case: Case, client: Client, session: str) -> httpx.Response:
    return client.call(case.method, case.path, case.body(session))


def mended(stage: Stage, response: httpx.Response) -> httpx.Response:
    """A failure that reached the client is the end of the bad time."""
    if response.status_code >= 500:
        assert set(response.json()) == {"error"}
        stage.wire.mend()
    return response
