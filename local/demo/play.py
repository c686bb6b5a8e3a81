"""The play of one conversation: what is read, said, called, saved, read back and reset, with each step
checked.
"""

import json
import secrets

from local.demo.account import Account
from local.demo.clients import (
    Browser,
    Json,
    ServiceClient,
    VoiceAgent,
    get_now_ms,
    make_event,
    make_session_id,
)
from local.demo.compare import find_changes
from local.demo.conversation import DemoConversation
from local.demo.quality import assign_variant, grade
from local.demo.receiver import Receiver
from local.demo.script import Script, Turn
from local.demo.steps import Stop
from local.demo.takeover import check_announced, take_over
from local.serve.greeting import DEMO_APPS

_TOKEN_MS = 600_000
_PERSONA_KEYS = {
    "systemPrompt",
    "voice",
    "personaName",
    "personaGreeting",
    "personaTone",
    "preferredTerms",
    "blockedTerms",
    "uiStrings",
}
_TOOL_KEYS = {"name", "description", "parametersSchema", "requiresConfirmation", "requiresAuth"}


def play(
    script: Script, service: ServiceClient, secret: str, account: Account, receiver: Receiver | None = None
) -> None:
    """Play a conversation, and tell the account all that happens. Never raises for what the service does. A
    `receiver` gets the webhooks of the app's events.
    """
    session = make_session_id()
    agent = VoiceAgent(service, script.app, secret, session, trace_id=secrets.token_hex(16))
    account.begin_scenario(script.app, script.title)
    try:
        _Play(account, script, agent, receiver).run()
    except Stop:
        pass
    except (LookupError, TypeError, AttributeError, ValueError) as reason:
        account.tell_failure("The shape of an answer", [f"{type(reason).__name__}: {reason}"])


class _Play(DemoConversation):
    """Plays a script: prepares, holds and reads back the conversation."""

    def run(self) -> None:
        began = get_now_ms()
        self._prepare()
        self._begin(began)
        for turn in self.script.turns:
            self._play_turn(turn)
        self._finish(began)
        self._read_back(began)
        grade(self, self.agent, self.script.scenario)
        if self.handoff:
            take_over(self, self.agent, self.handoff)
        if self.receiver:
            check_announced(self, self.receiver, self.agent, self.script.announced)
        self._reset("reset", "the state is what it was")

    # -- before ----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        persona = self.take_step("GET /api/persona", lambda: self.agent.get("/api/persona"))
        missing = sorted(_PERSONA_KEYS - set(persona))
        self.check("GET /api/persona", [f"{key} is absent" for key in missing])
        self.check_same("GET /api/persona", self.script.persona, persona)
        self.name = persona.get("personaName") or self.name
        self.account.tell_fact(
            "persona", f"{self.name}, voice {persona.get('voice')}: {persona.get('personaTone')}"
        )
        self._open_session(persona)
        self.variant = assign_variant(self, self.agent)
        tools = self.take_step("GET /api/tools", lambda: self.agent.get("/api/tools"))["tools"]
        self.check_same("GET /api/tools", self.script.tools, [tool["name"] for tool in tools])
        for tool in tools:
            self.check_same(f"The keys of {tool['name']}", sorted(_TOOL_KEYS), sorted(tool))
            self.check_same("Its parametersSchema", {"type": "object"}, json.loads(tool["parametersSchema"]))
        self.account.tell_fact("tools", ", ".join(tool["name"] for tool in tools))
        self._reset("state", "begins anew; it belongs to the app, and whoever plays this demo shares it")
        self.check_same("The initial state", self.script.state, self.state)

    def _open_session(self, persona: Json) -> None:
        what = "POST /api/auth/session"
        opened = self.take_step(what, lambda: self.agent.post("/api/auth/session", ttlMs=_TOKEN_MS))
        self.browser = Browser(self.agent.service, str(opened.get("sessionToken") or ""))
        lasts = opened.get("expiresAt", 0) - get_now_ms()
        self.check(
            what,
            [] if 0 < lasts <= _TOKEN_MS + 60_000 else [f"expiresAt is {lasts} ms away, not {_TOKEN_MS}"],
        )
        seen = self.take_step(
            "GET /api/persona with the session token", lambda: self.browser.get("/api/persona")
        )
        self.check_same("The persona that a browser sees", persona, seen)
        self.account.tell_fact("session", f"{self.agent.session}, a token for the browser for 10 minutes")

    def _begin(self, began: int) -> None:
        self.save(startedAt=began, messages=[], status="active", channel=self.script.channel)
        started = make_event(self.agent.trace_id, "session_started", {"channel": self.script.channel})
        sent = self.take_step(
            "POST /api/events with the session token",
            lambda: self.browser.post("/api/events", sessionId=self.agent.session, events=[started]),
        )
        self.check_same("POST /api/events with the session token", {"inserted": 1}, sent)
        greeting = self.take_step("GET /api/persona", lambda: self.browser.get("/api/persona"))[
            "personaGreeting"
        ]
        self.account.leave_gap()
        self.say("agent", str(greeting))
        self.check_line()
        self.send_messages(self.messages[-1:])

    # -- meanwhile -------------------------------------------------------------------------------------

    def _play_turn(self, turn: Turn) -> None:
        first = len(self.messages)
        self.say("user", turn.user)
        spoken = self.check_line(turn.violations) or turn.agent
        events: list[tuple[str, Json]] = [
            ("user_state_changed", {"state": "listening", "oldState": "speaking"}),
            ("agent_state_changed", {"state": "thinking", "oldState": "listening"}),
        ]
        for call in turn.calls:
            self.call(call)
        if turn.calls:
            names = ",".join(call.tool for call in turn.calls)
            counts = {"toolNames": names, "toolCallCount": len(turn.calls), "toolErrorCount": 0}
            events.append(("function_tools_executed", counts))
        self.say("agent", spoken)
        self.check_line()
        events.append(("agent_state_changed", {"state": "speaking", "oldState": "thinking"}))
        self.send_messages(self.messages[first:])
        self.send_events(events)
        self.save(messages=self.transcript, status="active")
        self.account.tell_saved(
            f"saved: {len(self.messages) - first} messages, {len(events)} events, "
            f"transcript of {len(self.transcript)}"
        )

    # -- after -----------------------------------------------------------------------------------------

    def _finish(self, began: int) -> None:
        self.send_messages(self.messages[-2:])
        ended = {
            "reason": "completed",
            "totalMessages": len(self.messages),
            "durationMs": get_now_ms() - began,
        }
        self.send_events([("session_ended", ended)])
        self.save(messages=self.transcript, status="resolved", resolution="completed")
        self.account.tell_saved(
            "saved: the last two messages once more, as after a lost connection; 1 event; resolved, completed"
        )
        self.account.leave_gap()

    def _read_back(self, began: int) -> None:
        session = self.agent.session
        page = self.take_step(
            "GET /api/messages", lambda: self.browser.get("/api/messages", sessionId=session)
        )
        expected = [{**each, "traceId": self.agent.trace_id} for each in self.messages]
        if self.check_same("GET /api/messages", expected, page["messages"]):
            self.account.tell_success(
                f"{len(expected)} messages are there, in their order, each once although two were sent twice"
            )
        self._read_conversation(began)
        self._read_executions()
        other = next(app for app in DEMO_APPS if app != self.script.app)
        stranger = VoiceAgent(self.agent.service, other, self.agent.secret, session, self.agent.trace_id)
        seen = self.take_step(
            f"GET /api/messages of {other}", lambda: stranger.get("/api/messages", sessionId=session)
        )
        if self.check_same(f"GET /api/messages of {other}", [], seen["messages"]):
            self.account.tell_success(f"{other} sees nothing of it")

    def _read_conversation(self, began: int) -> None:
        what = "GET /api/conversations"
        listed = self.take_step(
            what,
            lambda: self.list_own("/api/conversations", "conversations", 1, status=self.script.ends),
        )
        for each in listed:
            each["transcript"] = json.loads(each.get("transcript") or "null")
        expected = {
            "appSlug": self.script.app,
            "sessionId": self.agent.session,
            "status": self.script.ends,
            "startedAt": began,
            "messageCount": len(self.transcript),
            "channel": self.script.channel,
            "resolution": "completed",
            "experimentVariant": self.variant,
            "transcript": self.transcript,
        }
        if self.check_same(what, [expected], listed):
            kept = ", which a save as resolved did not undo" if self.script.ends == "handed_off" else ""
            self.account.tell_success(f"the conversation is {self.script.ends}{kept}, its transcript whole")

    def _read_executions(self) -> None:
        what = "GET /api/tools/executions"
        wanted = len(self.executed)
        listed = self.take_step(what, lambda: self.list_own("/api/tools/executions", "executions", wanted))
        for each in listed:
            each.update({key: json.loads(each[key]) for key in ("parameters", "result")})
        if self.check_same(what, self.executed, listed[::-1]):
            self.account.tell_success(
                f"{wanted} tool calls are in the audit, with what they were asked and answered"
            )

    def _reset(self, label: str, text: str) -> None:
        what = "POST /api/scenario-state/reset"
        reset = self.take_step(what, lambda: self.agent.post("/api/scenario-state/reset"))
        self.check_same(what, {"ok": True}, reset)
        before, self.state = self.state, self.read_state()
        self.check_same("The state after the reset", reset.get("state"), self.state, exact=True)
        self.check_same("The state after the reset", self.script.state, self.state)
        if self.script.state is None:
            text = "this app has none"
        elif before is not None:
            count = sum(len(rows) for rows in find_changes(before, self.state).values())
            text = f"{count} row{'s' if count != 1 else ''} changed back, {text}"
        self.account.tell_fact(label, text)
