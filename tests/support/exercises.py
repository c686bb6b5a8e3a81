"""What functions do that needs each of the actions that template.yaml grants them: every endpoint with every
credential in a new process, and what takes more than a minimal request.
"""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, get_args

import time_machine
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import webhook_settings
from genai_voice.tenancy.credential_rows import AppsSplitRow, CredentialRow
from genai_voice.tenancy.model import WebhookEvent

from tests.support.service import (
    Client,
    call,
    create_app,
    list_endpoints,
    load_template,
    note_that_apps_are_split,
    sweep,
)
from tests.support.valid import HANDOFF, expect_with_token, make_body, make_query, name_endpoint
from tests.support.webhooks import announce, deliver


class Exercise(NamedTuple):
    """Something that a function does, and what it is called."""

    function: str
    name: str
    run: Callable[[], object]


def list_exercises(function: str) -> list[Exercise]:
    """List all of a function, those of its endpoints first."""
    others = _OTHERS.get(function, {})
    return [*_list_calls(function), *(Exercise(function, name, run) for name, run in others.items())]


# -- endpoints ---------------------------------------------------------------------------------------------


_CREDENTIALS: dict[str, Callable[[Client], dict[str, str]]] = {
    "secret": lambda app: app.headers,
    "wrong secret": lambda app: {**app.headers, "authorization": "Bearer wrong"},
    "token": lambda app: {"authorization": f"Bearer {app.open_session()}"},
}


def _list_calls(function: str) -> Iterator[Exercise]:
    for endpoint in list_endpoints():
        found = load_template().find(endpoint.method, endpoint.path)
        if found and found[1] == function:
            for credential in _CREDENTIALS:
                name = f"{name_endpoint(endpoint)} with a {credential}"
                yield Exercise(function, name, partial(_call, endpoint, credential))


def _call(endpoint: Endpoint, credential: str) -> None:
    """In a process that has just started, and that answers as it should."""
    app = _create_app()
    headers = _CREDENTIALS[credential](app)
    body, query = make_body(endpoint, app), make_query(endpoint, app)
    forget_all()
    reply = call(endpoint.method, endpoint.path, body=body, query=query, headers=headers)
    assert reply.status == _expect_status(endpoint, credential), reply


def _expect_status(endpoint: Endpoint, credential: str) -> int:
    if endpoint.path == "/api/auth/session":
        return endpoint.status if credential == "secret" else 401
    if "caller" not in endpoint.wants:
        return endpoint.status
    return {"secret": endpoint.status, "wrong secret": 401, "token": expect_with_token(endpoint)}[credential]


# -- what takes more ---------------------------------------------------------------------------------------


def _create_app() -> Client:
    """An app that is told of everything, at an address where nobody is."""
    events = list(get_args(WebhookEvent))
    return create_app(handoff_webhook_url="https://nobody.invalid/", webhook_events=events)


def _save(*saves: dict[str, Any]) -> None:
    app = _create_app()
    for save in saves:
        app.post("/api/conversations", {"sessionId": "s"} | save)


def _make_long_transcript() -> list[dict[str, Any]]:
    """Too long for one row, however it is packed."""
    letters = random.Random(7)  # noqa: S311 - no secret
    text = "".join(letters.choices(string.ascii_letters + string.digits, k=600_000))
    return [{"role": "user", "content": text, "ts": 1}]


def _replace_long_transcript() -> None:
    long, short = _make_long_transcript(), [{"role": "user", "content": "hello", "ts": 2}]
    _save(*({"messages": each, "replaceTranscript": True} for each in (long, short, long)))


def _open_session_of_old_app() -> None:
    """One that has no row for its credentials, in a table that was not swept since there are such rows."""
    app = _create_app()
    CredentialRow.of(app.slug).remove()
    AppsSplitRow.of().delete()
    forget_all()
    try:
        app.post("/api/auth/session", {})
    finally:
        note_that_apps_are_split()


def _list(path: str, **query: str) -> None:
    _create_app().get(path, **query)


def _hand_over(*, transcript: Sequence[dict[str, Any]] = (), twice: bool = False) -> None:
    app = _create_app()
    app.post("/api/conversations", {"sessionId": "x", "status": "active"})
    for _ in range(1 + twice):
        app.post("/api/handoffs", HANDOFF | {"transcript": list(transcript)})


def _hand_over_again() -> None:
    """Once more as the first, of which only the segments of the conversation were stored."""
    app = _create_app()
    for _ in range(2):
        ConversationRow.of(app.slug, HANDOFF["sessionId"]).remove()
        app.post("/api/handoffs", HANDOFF | {"transcript": _make_long_transcript()})


def _return_claim() -> None:
    app = _create_app()
    handoff = app.post("/api/handoffs", HANDOFF).json["id"]
    for status in ("claimed", "pending"):
        app.patch("/api/handoffs", {"handoffId": handoff, "status": status, "assignedAgent": "ada"})


def _ask_judge() -> None:
    app = _create_app()
    judged = {"evaluatorType": "llm_judge", "llmJudgeCriteria": [{"name": "polite", "description": "Is it?"}]}
    scenario = {"name": "x", "turns": [{"role": "user", "content": "x"}]} | judged
    made = app.post("/api/qa/scenarios", scenario).json["id"]
    app.post("/api/qa/runs", {"scenarioId": made, "responseText": "x", "useLlmJudge": True})


def _check_blocked_text() -> None:
    """A rule that blocks what is said, of which the app is told."""
    app = _create_app()
    app_rule = {"type": "keyword", "pattern": "gun", "action": "block"}
    app.post("/api/guardrails/rules", app_rule)
    app.post("/api/guardrails/check", {"sessionId": "x", "content": "a gun", "direction": "input"})


def _sign_and_send() -> None:
    app = _create_app()
    webhook_settings.rotate_secret(app.slug, 0)
    row = announce(app)
    forget_all()
    deliver(row)


def _expire_handoffs() -> None:
    app = create_app(handoff_expiration_seconds=60)
    app.post("/api/handoffs", HANDOFF)
    with time_machine.travel(get_now_ms() / 1000 + 120, tick=False):
        sweep()


def _hand_on_delivery() -> None:
    announce(_create_app())
    sweep()


def _split_apps() -> None:
    app = _create_app()
    CredentialRow.of(app.slug).remove()
    AppsSplitRow.of().delete()
    try:
        sweep()
    finally:
        note_that_apps_are_split()


def _name_trace(path: str, body: dict[str, Any]) -> None:
    _create_app().post(path, body, **{"x-trace-id": "t"})


_OTHERS: dict[str, dict[str, Callable[[], object]]] = {
    "AuthFunction": {"an app of before": _open_session_of_old_app},
    "ConversationsFunction": {
        "a long transcript": lambda: _save({"messages": _make_long_transcript()}),
        "a long transcript that comes back": _replace_long_transcript,
        "an end that is told": lambda: _save({"status": "active"}, {"status": "resolved"}),
        "a list by status": lambda: _list("/api/conversations", status="active"),
    },
    "EventsFunction": {
        "a trace": lambda: _name_trace(
            "/api/events", {"sessionId": "s", "events": [{"eventType": "e", "ts": 1}]}
        )
    },
    "ToolsFunction": {
        "a trace": lambda: _name_trace("/api/tools/execute", {"sessionId": "s", "toolName": "t"})
    },
    "AnnotationsFunction": {"a list by quality": lambda: _list("/api/annotations", quality="good")},
    "HandoffsFunction": {
        "a list by session": lambda: _list("/api/handoffs", sessionId="s"),
        "a list by status": lambda: _list("/api/handoffs", status="pending"),
        "a long transcript": lambda: _hand_over(transcript=_make_long_transcript()),
        "a long transcript whose segments are there": _hand_over_again,
        "a second request": lambda: _hand_over(twice=True),
        "a claim that is given back": _return_claim,
    },
    "QaFunction": {"a run that is judged": _ask_judge},
    "TracesFunction": {"a session": lambda: _list("/api/traces", traceId="t", sessionId="s")},
    "GuardrailsFunction": {
        "a violation that is told": _check_blocked_text,
        "a list by session": lambda: _list("/api/guardrails/violations", sessionId="s"),
        "a list by rule": lambda: _list("/api/guardrails/violations", ruleId="r"),
    },
    "WebhooksFunction": {"a list by status": lambda: _list("/api/webhooks/deliveries", status="failed")},
    "WebhookSenderFunction": {"a delivery": _sign_and_send},
    "SweeperFunction": {
        "apps of before": _split_apps,
        "a delivery that is due": _hand_on_delivery,
        "a handoff that expires": _expire_handoffs,
    },
}
"""By function, and by what it is called."""
