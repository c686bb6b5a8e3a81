"""Everything that the service writes, written by its endpoints, its commands and the demo."""

import random
import string
import time
from typing import Any

from tests.e2e.served import Served
from tests.recording.caller import Caller
from tests.recording.folder import SECRET
from tests.support import gemini as models
from tests.support.gemini import Gemini
from tests.support.https import Server, send_reply

DESK, DEMO, LATE = "front-desk", "demo-dentist", "late-desk"
LATE_S = 1_000_000
"""After which the handoff of LATE expires."""
TRACE = "trace-0001"
_BLOCK = 16_383
"""Literals in a block of deflate."""
_WINDOW = 33_000
"""A little more than deflate looks back."""
_ALPHABET = string.ascii_letters + string.digits + "-_.:;!?()[]<>=+*/%&#@~^|$"
_CREATED = (
    *("--name", "Front desk", "--model-id", "a-model", "--reply-as-audio", "--temperature", "0.5"),
    *("--system-prompt", "Be kind.", "--voice", "Kore", "--persona-name", "Kim", "--guardrails-enabled"),
    *("--persona-greeting", "Hello!", "--persona-tone", "warm", "--preferred-terms", "guest,stay"),
    *("--blocked-terms", "cheap", "--max-actions-per-turn", "50", "--tokens-per-minute", "5"),
    *("--token-expire-minutes", "30", "--handoff-enabled"),
    *("--ui-strings", '{"start": "Call us"}', "--browser-scope", "runtime", "--knowledge-threshold", "0.5"),
)


def write_everything(service: Served, gemini: Gemini, server: Server) -> list[tuple[str, str]]:
    """Write at least one row of every kind. Answers the (app, id) of the agents' sessions."""
    address = server.make_url("127.0.0.1", "/events")
    _run(service, "app", "create", DESK, *_CREATED, APP_SECRET=SECRET)
    _run(service, "app", "webhook-secret", "rotate", DESK)
    events = "handoff.claimed,handoff.resolved,conversation.ended,guardrail.blocked"
    _run(service, "app", "update", DESK, "--handoff-webhook-url", address, "--webhook-events", events)
    demo = service.demo(DEMO_SECRET=SECRET)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    with Caller(service.address, DESK) as desk, Caller(service.address, DEMO) as dentist:
        _write_tenancy(service, desk)
        _write_personas(desk)
        _write_tools(desk, server)
        _write_guardrails(desk)
        _write_conversations(desk)
        _write_experiments(desk)
        _write_handoffs(desk, server)
        _write_due(service)
        _write_qa(desk, gemini)
        _operate(service, desk, server)
        return [(DESK, _write_agent(desk)), (DEMO, _write_agent(dentist))]


def _run(service: Served, *command: str, **variables: str) -> None:
    done = service.operator(*command, **variables)
    assert done.returncode == 0, done.stderr


def _write_tenancy(service: Served, desk: Caller) -> None:
    """Sessions, a live token, and what slows down those who guess."""
    desk.send("POST", "/api/auth/session", {"ttlMs": 600_000})
    with Caller(service.address, DESK, "not the secret") as stranger:
        assert stranger.ask("/api/persona", {}).status_code == 401
    desk.send("POST", "/api/conversations", {"sessionId": "with-token", "status": "active"})
    desk.send("POST", "/api/token", {"sessionId": "with-token"})
    _run(service, "tokens", "revoke", "--app", DESK)
    _run(service, "app", "rotate-secret", DESK, "--overlap", "30d", APP_SECRET=f"{SECRET}, the next one")
    _run(service, "app", "rotate-secret", DESK, "--overlap", "30d", APP_SECRET=SECRET)
    desk.send("POST", "/api/auth/session", {"ttlMs": 600_000})


def _write_personas(desk: Caller) -> None:
    for tone in ("warm, calm", "brisk"):
        desk.send("PATCH", "/api/persona", {"personaTone": tone})
    calm = desk.send("POST", "/api/personas", {"name": "Calm", "systemPrompt": "Speak slowly."})["id"]
    gone = desk.send("POST", "/api/personas", {"name": "Gone", "systemPrompt": "Speak fast."})["id"]
    desk.send("PATCH", "/api/personas", {"personaId": calm, "personaTone": "calm", "voice": "Puck"})
    desk.send("POST", "/api/personas/rollback", {"personaId": calm, "version": 1})
    desk.send("POST", "/api/personas/rollback", {"version": 1})
    desk.send("PATCH", "/api/personas/assign", {"targetAppSlug": DESK, "personaId": calm})
    desk.send("DELETE", "/api/personas", {"personaId": gone})


def _write_tools(desk: Caller, server: Server) -> None:
    door = {
        "name": "open_door",
        "description": "Opens the door of a room.",
        "parametersSchema": '{"type": "object", "properties": {"room": {"type": "string"}}}',
        "endpoint": server.make_url("127.0.0.1", "/doors"),
        "headers": '{"X-Building": "north"}',
        "requiresConfirmation": True,
    }
    for name in ("open_door", "close_door", "paint_door"):
        desk.send("POST", "/api/tools", door | {"name": name})
    desk.send("PATCH", "/api/tools", {"name": "close_door", "isActive": False, "httpMethod": "PUT"})
    desk.send("DELETE", "/api/tools", {"name": "paint_door"})
    server.act = send_reply(200, b'{"open": true}')
    call = {"sessionId": "resolved", "toolName": "open_door", "parameters": {"room": "12"}, "spanId": "ab12"}
    for call_id in ("call-1", "call-1", "call-2"):
        desk.send("POST", "/api/tools/execute", call | {"toolCallId": call_id}, TRACE)
    assert server.requests[-1].headers["x-building"] == "north"
    desk.send("POST", "/api/tools/execute", call | {"toolName": "unknown"}, TRACE)
    done = {"status": "success", "parameters": '{"times": 2}', "result": '{"waved": true}', "durationMs": 840}
    said = {"sessionId": "resolved", "toolName": "wave", "executedAt": _now(), "spanId": "ab12cd34"}
    desk.send("POST", "/api/tools/log", said | done, TRACE)


def _write_guardrails(desk: Caller) -> None:
    rules = [
        {"type": "blocked_topic", "pattern": "politics, elections", "action": "block", "userMessage": "No."},
        {"type": "pii_filter", "pattern": r"\b\d{3}-\d{2}-\d{4}\b", "action": "log", "shadow": True},
        {"type": "keyword", "pattern": "gun", "action": "warn"},
        {"type": "regex", "pattern": "gone", "action": "log"},
    ]
    ids = [desk.send("POST", "/api/guardrails/rules", rule)["id"] for rule in rules]
    desk.send("PATCH", "/api/guardrails/rules", {"ruleId": ids[2], "userMessage": "Please do not."})
    for content in ("Is it politics?", "It is 123-45-6789.", "A gun, and politics", "gone", "nothing"):
        for direction in ("input", "output"):
            body = {"sessionId": "resolved", "content": content, "direction": direction}
            desk.send("POST", "/api/guardrails/check", body, TRACE)
    found = desk.list_items("/api/guardrails/violations", "violations")
    for violation, verdict in zip(found, ("true_positive", "false_positive"), strict=False):
        judged = {"violationId": violation["_id"], "annotatedCorrectness": verdict, "annotatedBy": "Kim"}
        desk.send("PATCH", "/api/guardrails/violations", judged)
    desk.send("DELETE", "/api/guardrails/rules", {"ruleId": ids[3]})


def _write_conversations(desk: Caller) -> None:
    now = _now()
    turns = [
        {"role": "user", "content": 'Can I move my booking? "Soon" \N{GRINNING FACE}', "ts": now - 9_000},
        {"role": "agent", "content": "Of course. To when?", "ts": now - 6_000},
    ]
    first = {"sessionId": "resolved", "startedAt": now - 10_000, "channel": "voice-webrtc", "messages": turns}
    desk.send("POST", "/api/conversations", first | {"status": "active", "agentModes": "calm"})
    desk.send("POST", "/api/conversations", first | {"status": "resolved", "resolution": "moved"})
    desk.send("POST", "/api/conversations", {"sessionId": "active", "status": "active"})
    desk.send("POST", "/api/conversations", {"sessionId": "abandoned", "status": "abandoned"})
    long = {"sessionId": "in-parts", "messages": _long_transcript(), "status": "active"}
    desk.send("POST", "/api/conversations", long)
    for session in ("resolved", "active"):
        for role in ("user", "agent"):
            message = {"sessionId": session, "participantIdentity": role, "role": role, "isFinal": True}
            texts = [{"content": f"{role} says {n}", "createdAt": now + n} for n in range(3)]
            more = {"roomName": f"{DESK}-{session}", "language": "en"}
            batch = [message | more | text for text in texts]
            desk.send("POST", "/api/messages", {"messages": batch}, TRACE)
        events = [
            {"eventType": "agent_state_changed", "ts": now, "data": '{"state": "listening"}'},
            {"eventType": "user_state_changed", "ts": now + 1},
        ]
        desk.send("POST", "/api/events", {"sessionId": session, "events": events}, TRACE)
    modes = {"failureModes": ["tone_issue"], "notes": "Polite, but too long.", "annotatedBy": "Kim"}
    for session, quality in (("resolved", "mixed"), ("active", "bad"), ("active", "bad")):
        body = {"sessionId": session, "qualityRating": quality}
        desk.send("POST", "/api/annotations", body | modes)


def _write_experiments(desk: Caller) -> None:
    variants = [
        {"id": "control", "weight": 1},
        {"id": "warm", "weight": 1, "config": {"greeting": "How lovely that you call!"}},
    ]
    ids = [
        desk.send("POST", "/api/experiments", {"name": name, "variants": variants})["id"]
        for name in ("Greeting", "Farewell")
    ]
    for number in range(12):
        for experiment in ids:
            asked = {"experimentId": experiment, "sessionId": f"tried-{number}"}
            desk.send("POST", "/api/experiments/assign", asked)
        save = {"sessionId": f"tried-{number}", "startedAt": _now() - 1000 * number}
        turns = [{"role": "user", "content": f"line {n}", "ts": n} for n in range(number)]
        status = ("resolved", "abandoned", "active")[number % 3]
        desk.send("POST", "/api/conversations", save | {"messages": turns, "status": status})
    desk.send("PATCH", "/api/experiments", {"experimentId": ids[1], "isActive": False})


def _write_handoffs(desk: Caller, server: Server) -> None:
    """One that waits, one that is claimed, one that is resolved, and their webhooks: taken, and refused for
    good.
    """
    server.act = send_reply(204)
    asked = {
        "reason": "user_requested",
        "reasonDetail": "Wants to speak with the front desk.",
        "priority": "high",
        "channel": "voice-webrtc",
        "transcript": [{"role": "user", "content": "Can I talk to somebody?", "ts": _now()}],
        "aiSummary": "Asks about a bill.",
        "customerData": {"name": "Maria Garcia"},
    }
    ids = []
    for number, session in enumerate(("waits", "claimed", "given-back", "tried-0")):
        desk.send("POST", "/api/conversations", {"sessionId": session, "status": "active"})
        body = asked | {"sessionId": session}
        if number == 0:
            body["transcript"] = _long_transcript()
        ids.append(desk.send("POST", "/api/handoffs", body)["id"])
    for handoff in ids[1:]:
        claim = {"handoffId": handoff, "status": "claimed", "assignedAgent": "ada"}
        desk.send("PATCH", "/api/handoffs", claim)
    judged = {"necessityScore": 0.8, "resolutionQuality": "good", "agentFeedback": "Well asked."}
    for handoff, back in ((ids[2], True), (ids[3], False)):
        resolved = {"handoffId": handoff, "status": "resolved", "returnToAgent": back}
        desk.send("PATCH", "/api/handoffs", resolved | judged)
    _wait_for_deliveries(desk)


def _write_due(service: Served) -> None:
    """A handoff that expires: it is due in a service that starts after twelve days."""
    _run(service, "app", "create", LATE, *_CREATED, APP_SECRET=SECRET)
    _run(service, "app", "update", LATE, "--handoff-expiration-seconds", str(LATE_S))
    with Caller(service.address, LATE) as desk:
        desk.send("POST", "/api/conversations", {"sessionId": "waits", "status": "active"})
        body = {"sessionId": "waits", "reason": "user_requested", "transcript": []}
        desk.send("POST", "/api/handoffs", body)


def _write_qa(desk: Caller, gemini: Gemini) -> None:
    scenario = {
        "name": "Cancels a booking",
        "description": "Nobody is talked out of it.",
        "turns": [{"role": "user", "content": "Please cancel my booking."}],
        "expectations": {"shouldContain": ["cancelled"], "shouldCallTool": "cancel", "shouldHandoff": False},
        "tags": ["smoke"],
        "evaluatorType": "hybrid",
        "llmJudgeCriteria": [{"name": "polite", "description": "Is it polite?"}],
    }
    plain = {"evaluatorType": "string_match", "llmJudgeCriteria": [], "name": "Knows the hours"}
    judged, matched = (
        desk.send("POST", "/api/qa/scenarios", each)["id"] for each in (scenario, scenario | plain)
    )
    answer = {"responseText": "It is cancelled.", "calledTools": ["cancel"], "handoffTriggered": False}
    for _ in range(3):
        gemini.answer_next(
            models.make_json_answer([{"criterion": "polite", "passed": True, "reasoning": "It is."}])
        )
    run = answer | {"useLlmJudge": True, "judgeRuns": 3, "scenarioId": judged, "executionMode": "ci"}
    desk.send("POST", "/api/qa/runs", run)
    desk.send("POST", "/api/qa/runs", answer | {"scenarioId": matched, "sessionId": "resolved"})
    desk.send("POST", "/api/qa/runs", answer | {"scenarioId": matched, "responseText": "No."})
    taken = {"scenarioId": matched, "fromConversation": True, "sessionId": "resolved"}
    desk.send("POST", "/api/qa/runs", taken)
    suite = {"tag": "smoke", "responses": {judged: "It is cancelled.", matched: "Never."}}
    desk.send("POST", "/api/qa/suites/run", suite)
    desk.send("POST", "/api/qa/scenarios", scenario | plain | {"name": "Is asleep", "isActive": False})


def _operate(service: Served, desk: Caller, server: Server) -> None:
    """What operators do, and an address that is gone."""
    desk.send("POST", "/api/conversations", {"sessionId": "filled", "status": "active"})
    message = {"participantIdentity": "user", "role": "user", "isFinal": True, "createdAt": _now()}
    said = [message | {"sessionId": "filled", "content": "I am still here."}]
    desk.send("POST", "/api/messages", {"messages": said})
    _run(service, "conversations", "backfill", "--app", DESK)
    for command in ("disable", "enable"):
        _run(service, "app", command, DESK)
    time.sleep(1)
    server.act = send_reply(410)
    desk.send("POST", "/api/conversations", {"sessionId": "ended", "status": "active"})
    desk.send("POST", "/api/conversations", {"sessionId": "ended", "status": "resolved"})
    desk.send("POST", "/api/conversations", {"sessionId": "ended-too", "status": "resolved"})
    _wait_for_deliveries(desk)
    _run(service, "webhooks", "enable", DESK)
    server.act = send_reply(204)
    failed = desk.list_items("/api/webhooks/deliveries", "deliveries", status="failed")
    desk.send("POST", "/api/webhooks/deliveries/replay", {"deliveryId": failed[0]["_id"]})
    _wait_for_deliveries(desk)
    server.act = send_reply(410)
    desk.send("POST", "/api/conversations", {"sessionId": "ended-last", "status": "resolved"})
    _wait_for_deliveries(desk)


def _write_agent(caller: Caller) -> str:
    new = {"runtime": "pi", "provider": "google", "model": "gemini-2.5-pro", "cwd": "a-folder"}
    session = str(caller.send("POST", "/api/agents/session", new)["sessionId"])
    caller.send("POST", "/api/agents/prompt", {"sessionId": session, "text": "Run the tests."})
    run = {"provider": "google", "model": "gemini-2.5-pro", "startedAt": _now(), "durationMs": 3500}
    for run_id, status, more in (
        ("run-1", "success", {"promptChars": 12, "metadata": {"files": 2}}),
        ("run-2", "error", {"failureReason": "timeout", "errorMessage": "It took too long."}),
    ):
        body = {"sessionId": session, "run": run | more | {"runId": run_id, "status": status}}
        caller.send("POST", "/api/agents/session/run", body)
    return session


# -- tools of the trade ------------------------------------------------------------------------------------


def _wait_for_deliveries(caller: Caller) -> None:
    """Wait until each delivery has ended: a service that starts would send what is pending."""
    deadline = time.monotonic() + 60
    while pending := caller.list_items("/api/webhooks/deliveries", "deliveries", status="pending"):
        assert time.monotonic() < deadline, pending
        time.sleep(0.2)


def _now() -> int:
    return int(time.time() * 1000)


def _long_transcript() -> list[dict[str, Any]]:
    """A transcript that is stored in parts, but does not make the recorded file large: its text repeats
    farther apart than deflate looks back, and in whole blocks of deflate, so that its compressed form repeats
    too, which xz sees.
    """
    rng, text, before, last_seen = random.Random(6), list[str](), "  ", dict[str, int]()  # noqa: S311
    while len(text) < 3 * _BLOCK - 12:
        following = rng.choice(_ALPHABET)
        three = before + following
        if len(text) - last_seen.get(three, -_WINDOW) >= _WINDOW:
            last_seen[three] = len(text)
            text.append(following)
            before = three[1:]
    item = {"role": "user", "content": "".join(text), "ts": 1796000000000}
    return [item] * 9
