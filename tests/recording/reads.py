"""What is read of a table: every reading endpoint with all its pages, and the commands that only read."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.e2e.served import Served
from tests.recording.caller import Caller

_LONGEST = 4_000
"""A text beyond that is kept as its hash."""

Read = dict[str, Any]


def read_pages(caller: Caller, path: str, query: dict[str, str]) -> list[Any]:
    """Read a list to its end, or the one reply of what is no list."""
    return [{"status": status, "body": shorten(page)} for status, page in caller.list_pages(path, query)]


def read_lines(service: Served, command: list[str]) -> list[Any]:
    """Read what a command prints with --json."""
    done = service.operator(*command, "--json")
    assert done.returncode == 0, done.stderr
    return [shorten(json.loads(line)) for line in done.stdout.splitlines()]


def shorten(value: Any) -> Any:
    """Replace long texts by their hashes, so that replies stay small enough to be compared by eye."""
    if isinstance(value, dict):
        return {name: shorten(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shorten(each) for each in value]
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()}"
    return value


# -- what there is to read, found by reading ---------------------------------------------------------------


def find_requests(caller: Caller) -> Iterator[tuple[str, dict[str, str]]]:
    """Find the requests that read all of an app: path and query of each."""
    # Deliveries first: a service that has started sends what is pending.
    yield "/api/webhooks/deliveries", {}
    for status in ("pending", "delivered", "failed"):
        yield "/api/webhooks/deliveries", {"status": status}
    for event in ("handoff.created", "handoff.claimed", "conversation.ended", "guardrail.blocked"):
        yield "/api/webhooks/deliveries", {"event": event, "limit": "2"}
    for path in ("/api/persona", "/api/personas", "/api/tools", "/api/tools/all", "/api/tools/executions"):
        yield path, {}
    yield "/api/agents/runtimes", {}
    yield "/api/scenario-state", {}
    yield "/api/guardrails/rules", {}
    yield "/api/personas/versions", {}
    for persona in _ids(caller, "/api/personas", "personas"):
        yield "/api/personas/versions", {"personaId": persona}
    yield "/api/experiments", {"all": "true"}
    yield "/api/experiments", {}
    for experiment in _ids(caller, "/api/experiments", "experiments", all="true"):
        yield "/api/experiments/results", {"experimentId": experiment}
    yield from _find_qa(caller)
    yield from _find_violations(caller)
    yield from _find_conversations(caller)


def _find_qa(caller: Caller) -> Iterator[tuple[str, dict[str, str]]]:
    yield "/api/qa/scenarios", {"stats": "true"}
    yield "/api/qa/scenarios", {"active": "true"}
    yield "/api/qa/runs", {"limit": "2"}
    for scenario in _ids(caller, "/api/qa/scenarios", "scenarios"):
        yield "/api/qa/runs", {"scenarioId": scenario}


def _find_violations(caller: Caller) -> Iterator[tuple[str, dict[str, str]]]:
    found = caller.list_items("/api/guardrails/violations", "violations")
    yield "/api/guardrails/violations", {}
    for rule in sorted({each["ruleId"] for each in found}):
        yield "/api/guardrails/violations", {"ruleId": rule}
    for session in sorted({each["sessionId"] for each in found}):
        yield "/api/guardrails/violations", {"sessionId": session}


def _find_conversations(caller: Caller) -> Iterator[tuple[str, dict[str, str]]]:
    yield "/api/conversations", {}
    for status in ("active", "handed_off", "resolved", "abandoned"):
        yield "/api/conversations", {"status": status}
    yield "/api/annotations", {}
    yield "/api/annotations", {"quality": "bad"}
    yield "/api/handoffs", {}
    for status in ("pending", "claimed", "resolved"):
        yield "/api/handoffs", {"status": status}
    yield "/api/handoffs", {"assignedAgent": "ada"}
    found = caller.list_items("/api/conversations", "conversations")
    sessions = sorted({each["sessionId"] for each in found})
    for session in sessions:
        for path in ("/api/messages", "/api/annotations", "/api/handoffs"):
            yield path, {"sessionId": session}
    executed = caller.list_items("/api/tools/executions", "executions")
    for trace in sorted({each["traceId"] for each in executed if each.get("traceId")}):
        yield "/api/traces", {"traceId": trace}
        for session in sorted({each["sessionId"] for each in executed if each.get("traceId") == trace}):
            yield "/api/traces", {"traceId": trace, "sessionId": session}


def _ids(caller: Caller, path: str, items: str, **query: str) -> list[str]:
    return [str(each["_id"]) for each in caller.list_items(path, items, **query)]


def find_commands(apps: list[str], month: str) -> Iterator[list[str]]:
    """Find the commands that read all of these apps."""
    yield ["app", "list"]
    for app in apps:
        yield ["app", "show", app]
        yield ["audit", "--app", app, "--limit", "100"]
        yield ["conversations", "dump", "--app", app]
        yield ["conversations", "stats", "--app", app]
        yield ["usage", "--app", app, "--month", month]


# -- all of it ---------------------------------------------------------------------------------------------


def record_all(service: Served, sessions: list[tuple[str, str]], month: str) -> dict[str, Any]:
    """Read everything of the apps of a service, as what later services have to answer too. `sessions` are
    the (app, id) of agent sessions, which no list names.
    """
    requests, commands = list[Read](), list[Read]()
    apps = sorted({app for app, _ in sessions})
    for app in apps:
        with Caller(service.address, app) as caller:
            asked = list(find_requests(caller))
            for _, session in (each for each in sessions if each[0] == app):
                asked.append(("/api/agents/session", {"sessionId": session}))
                asked.append(("/api/agents/session/runs", {"sessionId": session, "limit": "1"}))
            requests += [
                {"app": app, "path": path, "query": query, "pages": read_pages(caller, path, query)}
                for path, query in asked
            ]
    for command in find_commands(apps, month):
        commands.append({"command": command, "lines": read_lines(service, command)})
    return {"requests": requests, "commands": commands}
