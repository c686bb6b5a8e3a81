"""Play one short conversation with a service that runs somewhere (`make smoke`), which shows that its parts
work together; then remove its traces as far as may be.

    URL=https://… SLUG=my-app APP_SECRET=… python -m local.demo.smoke

The secret comes from APP_SECRET, else from standard input. The conversation's id begins with `smoke-`, its
token lasts a minute, and it ends as resolved. Its rows stay, since no endpoint deletes them, unless the table
can be reached: the local service's at URL, or with an operator's credentials the one of TABLE_NAME.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from getpass import getpass
from typing import Any
from uuid import uuid4

from local.demo import script
from local.demo.clients import Browser, CallFailed, Json, ServiceClient, VoiceAgent, get_now_ms, make_event
from local.demo.compare import find_differences
from local.errors import LocalError
from local.project import Project
from local.serve import connection
from local.serve.greeting import DEMO_APPS

_TOKEN_MS = 60_000
_NO_TOOL = "smoke_test"
"""Called where no demo tool is: a real one would do something real."""


def main(environ: Mapping[str, str] = os.environ) -> int:
    try:
        agent = _make_agent(environ)
        try:
            for done in _converse(agent):
                print(f"  ok  {done}", flush=True)
            print(_clean_up(agent, environ))
        finally:
            agent.service.close()
    except (LocalError, CallFailed) as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _make_agent(environ: Mapping[str, str]) -> VoiceAgent:
    """Make the client of the service and the app that were named. Raises LocalError when something is
    missing.
    """
    address, app = environ.get("URL"), environ.get("SLUG")
    if not address or not app:
        raise LocalError("Say which service and which app: make smoke URL=https://… SLUG=my-app")
    secret = environ.get("APP_SECRET") or _read_secret()
    if not secret:
        raise LocalError(f"Give the secret of {app}: set APP_SECRET, or write it to standard input.")
    service = ServiceClient(address, local=address.startswith(("http://127.0.0.1", "http://localhost")))
    return VoiceAgent(service, app, secret, f"smoke-{get_now_ms()}-{uuid4().hex[:8]}", f"smoke-{uuid4().hex}")


def _read_secret() -> str:
    return getpass("Secret of the app: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def _converse(agent: VoiceAgent) -> Iterator[str]:
    """Play the conversation, and say after each step what it has done. The conversation ends as resolved,
    however it went. Raises CallFailed.
    """
    health = _take_step("GET /api/health", agent.service.call, "GET", "/api/health")
    yield f"version {health['version']} answers"
    session = _take_step("POST /api/auth/session", agent.post, "/api/auth/session", ttlMs=_TOKEN_MS)
    token = session["sessionToken"]
    yield "the secret opens a session token, for a minute"
    try:
        yield from _talk(agent, Browser(agent.service, token))
    finally:
        _save(agent, status="resolved", resolution="smoke test")
    yield "the conversation is resolved"


def _talk(agent: VoiceAgent, browser: Browser) -> Iterator[str]:
    said = [
        {"role": role, "content": f"Smoke test: the {role} speaks.", "ts": get_now_ms() + at}
        for at, role in enumerate(("user", "agent"))
    ]
    _save(agent, status="active", channel="smoke", messages=said)
    yield f"a conversation begins: {agent.session}"
    sent = [
        {"sessionId": agent.session, "participantIdentity": each["role"], "isFinal": True}
        | {"role": each["role"], "content": each["content"], "createdAt": each["ts"]}
        for each in said
    ]
    _take_step("POST /api/messages", agent.post, "/api/messages", messages=sent, must={"count": len(sent)})
    started = make_event(agent.trace_id, "session_started", {"channel": "smoke"})
    reported = {"sessionId": agent.session, "events": [started]}
    _take_step("POST /api/events", browser.post, "/api/events", **reported, must={"inserted": 1})
    yield "messages arrive with the secret, events with the token"
    tool, parameters, succeeds = _choose_tool(agent.app)
    _take_step(
        "POST /api/tools/execute", agent.execute, tool, parameters, "smoke", must={"success": succeeds}
    )
    yield f"a tool is called: {tool}" + ("" if succeeds else ", which no app has, and which is refused")
    _read_back(agent, browser, said, tool)
    yield "all of it is read back"


def _choose_tool(app: str) -> tuple[str, Json, bool]:
    """Choose a tool to call, with parameters, and say whether it succeeds: for a demo app one that reads."""
    if app in DEMO_APPS:
        calls = [call for turn in script.read(app).turns for call in turn.calls if not call.changes]
        return calls[0].tool, calls[0].parameters, True
    return _NO_TOOL, {}, False


def _read_back(agent: VoiceAgent, browser: Browser, said: list[Json], tool: str) -> None:
    shown = _take_step("GET /api/messages", browser.get, "/api/messages", sessionId=agent.session)["messages"]
    _compare("GET /api/messages", [each["content"] for each in said], [each["content"] for each in shown])
    (kept,) = _list_own(agent, "/api/conversations", "conversations")
    _compare("GET /api/conversations", said, json.loads(kept["transcript"]))
    _compare("GET /api/tools/executions", [tool], [each["toolName"] for each in _list_executions(agent)])


def _list_executions(agent: VoiceAgent) -> list[Json]:
    return _list_own(agent, "/api/tools/executions", "executions")


def _list_own(agent: VoiceAgent, path: str, items: str) -> list[Json]:
    """List this session's items of the newest page of a list of the app."""
    page = _take_step(f"GET {path}", agent.get, path)[items]
    return [each for each in page if each["sessionId"] == agent.session]


def _save(agent: VoiceAgent, **fields: Any) -> None:
    _take_step("POST /api/conversations", agent.post, "/api/conversations", sessionId=agent.session, **fields)


def _take_step(what: str, act: Any, *arguments: Any, must: Json | None = None, **fields: Any) -> Json:
    """Take a step, and return its answer, which has what it `must`. Raises CallFailed, which says at which
    step.
    """
    try:
        answer: Json = act(*arguments, **fields)
    except CallFailed as failed:
        raise CallFailed(f"{what} {failed}") from None
    _compare(what, must or {}, answer)
    return answer


def _compare(what: str, expected: Any, got: Any) -> None:
    """Raise CallFailed when the answer is not as expected."""
    if wrong := list(find_differences(expected, got)):
        raise CallFailed(f"{what}: {'; '.join(wrong)}")


# -- afterwards --------------------------------------------------------------------------------------------


def _clean_up(agent: VoiceAgent, environ: Mapping[str, str]) -> str:
    """Remove the conversation's rows where the table can be reached. Returns a sentence that says what became
    of them.
    """
    if not environ.get("TABLE_NAME") and not _is_local(agent, environ):
        return (
            "Its rows stay, as there is no TABLE_NAME with an operator's credentials; its token has a minute."
        )
    from genai_voice.foundation.keys import make_key
    from genai_voice.tools.rows import ExecutionRow

    connection.connect()
    partition = make_key("APP", agent.app, "SESSION", agent.session)
    executions = [ExecutionRow.of(agent.app, each["_id"]) for each in _list_executions(agent)]
    audit = [(row.pk, row.sk) for row in executions]
    return f"Its {_delete(partition, audit)} rows are removed; its token has a minute."


def _is_local(agent: VoiceAgent, environ: Mapping[str, str]) -> bool:
    try:
        return connection.find_running(Project.read(environ).data).address == agent.service.address
    except LocalError:
        return False


def _delete(partition: str, others: list[tuple[str, str]]) -> int:
    """Delete the rows of a partition, and others. Returns how many they were."""
    import boto3
    from boto3.dynamodb.conditions import Key

    name, endpoint = os.environ["TABLE_NAME"], os.environ.get("DYNAMODB_ENDPOINT")
    table = boto3.resource("dynamodb", endpoint_url=endpoint, region_name=os.environ["AWS_REGION"]).Table(
        name
    )
    found = table.query(KeyConditionExpression=Key("pk").eq(partition), ConsistentRead=True)["Items"]
    keys = [*((item["pk"], item["sk"]) for item in found), *others]
    with table.batch_writer() as batch:
        for pk, sk in keys:
            batch.delete_item(Key={"pk": pk, "sk": sk})
    return len(keys)


if __name__ == "__main__":
    sys.exit(main())
