"""A conversation as a voice agent's process sends it (contract 6.1 and 6.2).

It reads persona and tools, a server opens a session token for the browser, and then it sends every 2 s what
was said and what happened since, and every 5 s the transcript so far: in five minutes 60 saves, 40 messages,
100 events and 6 tool calls. In a longer one talk goes on, and no tool is called any more.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import yaml

from bench.composing import compose_turns

Json = dict[str, Any]
T = TypeVar("T")

_PAIR_S = 15.0  # one of the caller's turns and one of the agent's
_CALLER_S, _TOOL_S, _ANSWERING_S, _AGENT_S = 5.0, 6.0, 7.0, 13.0  # within a pair
_FLUSH_S = 2
_SAVE_S = 5


@dataclass(frozen=True, slots=True)
class Request:
    at_s: float
    method: str
    path: str
    body: Json | None
    headers: dict[str, str]


@dataclass(frozen=True)
class Conversation:
    """One session of an app that has the tools of the dentist's demo."""

    app: str
    secret: str
    session: str
    started_ms: int
    minutes: int = 5
    trace: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trace", f"trace-{self.session}")

    @property
    def turns(self) -> list[Json]:
        recorded = read_turns()
        return [*recorded, *compose_turns(round(60 * self.minutes / _PAIR_S) - len(recorded))]

    def list_requests(self) -> list[Request]:
        """In the order of time."""
        found = [
            *self._open(),
            *self._post_messages(),
            *self._post_events(),
            *self._execute_tools(),
            *self._save(),
        ]
        return sorted(found, key=lambda request: request.at_s)

    def _open(self) -> Iterator[Request]:
        for path in ("/api/persona", "/api/tools"):
            yield Request(0, "GET", path, None, self._headers)
        yield Request(0, "POST", "/api/auth/session", {"ttlMs": 600_000}, self._headers)

    def _post_messages(self) -> Iterator[Request]:
        for at_s, batch in _group_by_flush(_list_said(self.turns)):
            messages = [
                {
                    "sessionId": self.session,
                    "roomName": f"{self.app}-{self.session}",
                    "participantIdentity": role,
                    "role": role,
                    "content": content,
                    "isFinal": True,
                    "createdAt": self._to_ms(said_s),
                }
                for said_s, (role, content) in batch
            ]
            yield self._post(at_s, "/api/messages", messages=messages)

    def _post_events(self) -> Iterator[Request]:
        for at_s, batch in _group_by_flush(_list_events(self.turns)):
            events = [
                {
                    "eventType": kind,
                    "ts": self._to_ms(event_s),
                    "data": json.dumps({**data, "traceId": self.trace}),
                }
                for event_s, (kind, data) in batch
            ]
            yield self._post(at_s, "/api/events", sessionId=self.session, events=events)

    def _execute_tools(self) -> Iterator[Request]:
        for place, turn in enumerate(self.turns):
            if "tool" in turn:
                yield self._post(
                    place * _PAIR_S + _TOOL_S,
                    "/api/tools/execute",
                    sessionId=self.session,
                    toolName=turn["tool"]["name"],
                    parameters=turn["tool"]["parameters"],
                    traceId=self.trace,
                    spanId=f"{place:08x}",
                )

    def _save(self) -> Iterator[Request]:
        length_s = len(self.turns) * _PAIR_S
        moments = [at * _SAVE_S for at in range(int(length_s) // _SAVE_S - 1)]
        lines = [
            (said_s, {"role": role, "content": content, "ts": self._to_ms(said_s)})
            for said_s, (role, content) in _list_said(self.turns)
        ]
        for at_s in (*moments, length_s):
            transcript = [line for said_s, line in lines if said_s <= at_s]
            ended = {"status": "resolved", "resolution": "completed"} if at_s == length_s else {}
            facts = {"status": "active", "channel": "voice-pstn", "startedAt": self.started_ms, **ended}
            yield self._post(at_s, "/api/conversations", sessionId=self.session, messages=transcript, **facts)

    @property
    def _headers(self) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.secret}",
            "x-app-slug": self.app,
            "x-trace-id": self.trace,
        }

    def _post(self, at_s: float, path: str, **body: Any) -> Request:
        credentials = {"appSlug": self.app, "appSecret": self.secret}
        return Request(at_s, "POST", path, {**credentials, **body}, {"x-trace-id": self.trace})

    def _to_ms(self, at_s: float) -> int:
        return self.started_ms + int(at_s * 1000)


@cache
def read_turns() -> list[Json]:
    text = Path(__file__).with_name("conversation.yaml").read_text(encoding="utf-8")
    found: list[Json] = yaml.safe_load(text)
    return found


def _list_said(turns: list[Json]) -> Iterator[tuple[float, tuple[str, str]]]:
    """(when it is final, (role, content))."""
    for place, turn in enumerate(turns):
        yield place * _PAIR_S + _CALLER_S, ("user", turn["caller"])
        yield place * _PAIR_S + _AGENT_S, ("agent", turn["agent"])


def _list_events(turns: list[Json]) -> Iterator[tuple[float, tuple[str, Json]]]:
    """(when, (type, data)), in the order of time."""
    last = len(turns) - 1
    for place, turn in enumerate(turns):
        began = place * _PAIR_S
        yield began + 1, ("user_state_changed", {"oldState": "listening", "state": "speaking"})
        yield began + _CALLER_S, ("user_state_changed", {"oldState": "speaking", "state": "listening"})
        yield began + _CALLER_S, ("agent_state_changed", {"oldState": "listening", "state": "thinking"})
        if "tool" in turn:
            ran = {"toolNames": [turn["tool"]["name"]], "toolCallCount": 1, "toolErrorCount": 0}
            yield began + _TOOL_S, ("function_tools_executed", ran)
        yield began + _ANSWERING_S, ("agent_state_changed", {"oldState": "thinking", "state": "speaking"})
        if place == last:
            length_ms = int(len(turns) * _PAIR_S * 1000)
            ended = {"reason": "completed", "totalMessages": 2 * len(turns), "durationMs": length_ms}
            yield began + _AGENT_S, ("session_ended", ended)
        elif "tool" not in turn:
            yield began + _AGENT_S, ("metrics_collected", {"metrics": _make_metrics(place)})


def _make_metrics(place: int) -> Json:
    return {
        "type": "realtime_model_metrics",
        "requestId": f"req_{place:012x}",
        "ttft": 0.31 + place / 100,
        "duration": 5.9 + place / 10,
        "inputTokens": 1200 + 83 * place,
        "outputTokens": 140 + 3 * place,
        "tokensPerSecond": 23.7,
        "cancelled": False,
    }


def _group_by_flush(timed: Iterator[tuple[float, T]]) -> Iterator[tuple[float, list[tuple[float, T]]]]:
    """What was said or happened since the last flush, whenever there is something."""
    for tick, batch in groupby(timed, key=lambda each: ceil(each[0] / _FLUSH_S)):
        yield tick * _FLUSH_S, list(batch)
