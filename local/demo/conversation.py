"""The conversation of a demo while it is held: lines, tool calls and handoffs, each sent as a client does."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.demo.clients import Browser, Json, VoiceAgent, get_now_ms
from local.demo.compare import find_changes, find_differences, identify_row
from local.demo.receiver import Receiver
from local.demo.script import Call, Script
from local.demo.steps import Steps

_SHARED = "An app's state is shared: was somebody else using this demo just now?"


@dataclass
class DemoConversation(Steps):
    """One conversation while it is held: what was said, called and sent so far."""

    script: Script
    agent: VoiceAgent
    receiver: Receiver | None
    state: Json | None = None
    """As last seen."""
    name: str = "Agent"
    transcript: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    """All that were sent, as they were."""
    executed: list[Json] = field(default_factory=list)
    """What the audit must tell of the tool calls."""
    handoff: str | None = None
    variant: str = ""
    """Of the experiment."""
    browser: Browser = field(init=False)
    """Set when its session token is opened."""

    def check_line(self, expected: Sequence[Json] = ()) -> str | None:
        """Have the last line checked by guardrails. Returns what to say in its place, where it is blocked."""
        line, what = self.messages[-1], "POST /api/guardrails/check"
        direction = "input" if line["role"] == "user" else "output"
        checked = self.take_step(
            what,
            lambda: self.agent.post(
                "/api/guardrails/check",
                sessionId=self.agent.session,
                content=line["content"],
                direction=direction,
            ),
        )
        blocking = [each for each in checked["violations"] if each["action"] == "block"]
        self.check_same(what, {"allowed": not blocking, "violations": list(expected)}, checked)
        for each in checked["violations"]:
            self.account.tell_violation(each["action"], each["type"])
        return str(blocking[0]["userMessage"]) if blocking else None

    def hand_over(self, reason: str, priority: str) -> None:
        """Open a handoff, as a tool's answer has asked for."""
        what = "POST /api/handoffs"
        made = self.take_step(
            what,
            lambda: self.browser.post(
                "/api/handoffs",
                sessionId=self.agent.session,
                reason=reason,
                priority=priority,
                channel=self.script.channel,
                transcript=self.transcript,
            ),
        )
        self.check_same(what, {"id": re.compile(".+")}, made)
        self.handoff = str(made["id"])
        self.account.tell_saved(f"handed over: {reason}, priority {priority}")

    def say(self, role: str, text: str) -> None:
        at = max(get_now_ms(), self.messages[-1]["createdAt"] + 1 if self.messages else 0)
        by_user = role == "user"
        self.account.tell_line(
            self.script.caller if by_user else self.name, text, "cyan" if by_user else "magenta"
        )
        self.transcript.append({"role": role, "content": text, "ts": at})
        self.messages.append(
            {
                "sessionId": self.agent.session,
                "roomName": f"{self.script.app}-{self.agent.session}",
                "participantIdentity": role,
                "role": role,
                "content": text,
                "isFinal": True,
                "createdAt": at,
            }
        )

    def call(self, call: Call) -> None:
        span_id = secrets.token_hex(4)
        answer = self.take_step(
            f"Tool {call.tool}", lambda: self.agent.execute(call.tool, call.parameters, span_id)
        )
        self.account.tell_call(call.tool, call.parameters, _format_brief(call.brief, answer))
        self.check_same(f"Tool {call.tool}", {"success": True, "data": call.data}, answer)
        self.executed.append(
            {
                "toolName": call.tool,
                "parameters": call.parameters,
                "result": answer,
                "status": "success",
                "traceId": self.agent.trace_id,
                "spanId": span_id,
            }
        )
        if answer.get("handoff"):
            self.hand_over(answer["reason"], answer["priority"])
        before, self.state = self.state, self.read_state()
        found = find_changes(before, self.state)
        rows = {identify_row(row): row for name in found for row in (before or {}).get(name, ())}
        for changed in found.values():
            for row, new in changed.items():
                self.account.tell_change(row, rows.get(row, {}), new)
        wrong = list(find_differences(call.changes, found, exact=True))
        self.check(f"The state after {call.tool}", [*wrong, *([_SHARED] if wrong else ())])

    def read_state(self) -> Json | None:
        """Read the state as the browser sees it that shows it."""
        seen = self.take_step("GET /api/scenario-state", lambda: self.browser.get("/api/scenario-state"))
        state: Json | None = seen["state"]
        return state

    def send_messages(self, messages: list[Json]) -> None:
        what = "POST /api/messages"
        sent = self.take_step(what, lambda: self.agent.post("/api/messages", messages=messages))
        self.check_same(what, {"ok": True, "count": len(messages)}, sent)

    def send_events(self, events: list[tuple[str, Json]]) -> None:
        sent = self.take_step("POST /api/events", lambda: self.agent.report(events))
        self.check_same("POST /api/events", {"inserted": len(events)}, sent)

    def save(self, **fields: Any) -> None:
        what = "POST /api/conversations"
        saved = self.take_step(
            what, lambda: self.agent.post("/api/conversations", sessionId=self.agent.session, **fields)
        )
        self.check_same(what, {"ok": True}, saved)

    def list_own(self, path: str, items: str, wanted: int, **query: str) -> list[Json]:
        """List this session's items of a list of the app, newest first."""
        mine: list[Json] = []
        for each in self.agent.service.find(path, items, self.agent.headers, **query):
            if each["sessionId"] == self.agent.session:
                mine.append(each)
                if len(mine) == wanted:
                    break
        return mine


def _format_brief(template: str, answer: Json) -> str:
    """Format a tool's answer in brief, or in full where the format does not fit it."""
    try:
        return template.format_map(answer["data"])
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return json.dumps(answer, ensure_ascii=False)[:300]
