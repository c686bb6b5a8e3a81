"""`make demo` on the real service: it ends well when all is well, and says what is not."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serve.greeting import DEMO_APPS
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Client, Ended, Served, demo

pytestmark = needs_dynoxide

Json = dict[str, Any]


def test_it_ends_well_on_a_fresh_service_and_again(served: Served) -> None:
    check(served.demo())
    with served.client("demo-dentist") as client:
        assert statuses(client) == ["confirmed"] * 4
        client.execute("others", "cancel_appointment", appointmentId="APT-10041")  # is no obstacle
        check(served.demo())
        assert statuses(client) == ["confirmed"] * 4


def check(played: Ended) -> None:
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stderr == ""
    assert "WRONG" not in played.stdout
    assert "\x1b" not in played.stdout
    for shown in (
        "APT-10041: date 2026-04-07 -> 2026-04-09, time 9:00 AM -> 2:30 PM, status confirmed -> rescheduled",
        "$500M -> $580M: +$80M, 16.0%",
        "authorized: $72.00 for CB-LINEN-SAND-M",
        "handed_off, which a save as resolved did not undo",
        "block, by a rule of type topic",
        "warn, by a rule of type financial",
        "Robin has claimed the handoff, Kim could not any more; it is resolved",
        "webhooks received, their signatures verified: guardrail.blocked, handoff.created, handoff.claimed,",
        'QA of this conversation, "Hands a damaged item over": 4 of 4 checks passed',
        '"How to greet": this session has the variant',
        "All as it should be: 3 conversations, ",
    ):
        assert shown in played.stdout


def statuses(client: Client) -> list[str]:
    return [each["status"] for each in client.get("/api/scenario-state")["state"]["appointments"]]


def test_colours_are_for_terminals(served: Served) -> None:
    assert "\x1b[" in served.demo(FORCE_COLOR="1", TERM="xterm").stdout


def test_a_wrong_secret_is_one_sentence(served: Served) -> None:
    played = served.demo(DEMO_SECRET="not the secret of anything")
    assert (played.returncode, played.stdout) == (1, "")
    assert "refuses the secret of demo-dentist: set DEMO_SECRET" in played.stderr
    assert played.stderr.count("\n") == 1


def test_without_a_running_service_it_is_one_sentence(tmp_path: Path) -> None:
    played = demo(DATA_DIR=str(tmp_path))
    assert (played.returncode, played.stdout) == (1, "")
    assert played.stderr.startswith(f"No local service is running on {tmp_path}: start it with `make run`")
    assert played.stderr.count("\n") == 1


def test_something_else_at_the_address_is_one_sentence(served: Served) -> None:
    with wrongly(served, {"/api/health": lambda reply: (404, {"error": "Not found"})}) as address:
        played = served.demo(URL=address)
    assert (played.returncode, played.stdout) == (1, "")
    assert played.stderr.startswith(
        f"There is no service to play with. {address}/api/health: should be answered"
    )


def test_a_persona_that_the_operator_changed_is_told_and_the_other_conversations_go_on(
    served: Served,
) -> None:
    served.operator("app", "update", "demo-dentist", "--voice", "Puck")
    try:
        played = served.demo()
    finally:
        served.operator("app", "update", "demo-dentist", "--voice", "Aoede")
    assert played.returncode == 1
    assert "voice should be 'Aoede', and is 'Puck'" in played.stdout
    assert "1 wrong: 3 conversations" in played.stdout


Change = Callable[[Json], Any]


def changed(**fields: Any) -> Change:
    return lambda reply: {name: fields.get(name, value) for name, value in reply.items()}


def without_last(name: str) -> Change:
    return lambda reply: {**reply, name: reply[name][:-1]} if name in reply else reply


def with_first_twice(name: str) -> Change:
    return lambda reply: {**reply, name: [*reply[name][:1], *reply[name]]} if name in reply else reply


def rewritten(words: dict[str, str]) -> Change:
    def change(reply: Json) -> Any:
        text = json.dumps(reply)
        for old, new in words.items():
            text = text.replace(old, new)
        return json.loads(text)

    return change


def nothing(reply: Json) -> Any:
    return {}


LIES: dict[str, tuple[dict[str, Change], list[str]]] = {
    "wrong values": (
        {
            "/api/persona": rewritten({"Aoede": "Puck"}),
            "/api/tools": rewritten({"requiresAuth": "_id"}),
            "/api/auth/session": changed(expiresAt=0),
            "/api/messages": changed(count=0),
            "/api/events": changed(inserted=0),
            "/api/conversations": changed(ok=False),
            "/api/tools/execute": rewritten(
                {"10:30 AM": "10:31 AM", "580M": "581M", "72.00": "73.00", "RET-": "TER-"}
            ),
            "/api/tools/executions": rewritten({"lookup_order": "somewhere"}),
            "/api/scenario-state": rewritten({"cancelled": "confirmed", "2026-04-14": "2026-04-15"}),
            "/api/scenario-state/reset": changed(ok=False),
        },
        [
            "voice should be 'Aoede', and is 'Puck'",
            "The keys of check_availability",
            "expiresAt is ",
            "count should be 2, and is 0",
            "inserted should be 3, and is 0",
            "ok should be True, and is False",
            "data.slots[0].time should be '10:30 AM', and is '10:31 AM'",
            "data.value should be '$580M', and is '$581M'",
            "data.refundAmount should be '$72.00', and is '$73.00'",
            "data.returnId should be text like 'RET-[0-9A-Z]+', and is 'TER-",
            "[0].toolName should be 'lookup_order', and is 'somewhere'",
            "The state after cancel_appointment",
            "appointments should be {'APT-10044': {'status': 'cancelled'}}, and is absent",
            "appointments[2].date should be '2026-04-14', and is '2026-04-15'",
            "POST /api/scenario-state/reset",
        ],
    ),
    "lost things": (
        {
            "/api/tools": without_last("tools"),
            "/api/messages": without_last("messages"),
            "/api/conversations": changed(conversations=[]),
            "/api/tools/executions": changed(executions=[]),
        },
        ["GET /api/tools", "GET /api/messages", "GET /api/conversations", "GET /api/tools/executions"],
    ),
    "doubled things": (
        {
            "/api/messages": with_first_twice("messages"),
            "/api/conversations": rewritten({"half past": "about", "580 million": "590 million"}),
            "/api/tools/executions": with_first_twice("executions"),
        },
        ["GET /api/messages", "[0].transcript[4].content should be ", "GET /api/tools/executions"],
    ),
    "answers of another shape": (
        {"/api/tools": nothing, "/api/scenario-state": changed(state=[5])},
        ["The shape of an answer"],
    ),
    "no JSON": ({"/api/events": lambda reply: None}, ["should be answered with a JSON object, and is: null"]),
}


@pytest.mark.parametrize("lies", LIES)
def test_wrong_answers_are_told_in_red_and_the_exit_code_says_so(served: Served, lies: str) -> None:
    changes, told = LIES[lies]
    with wrongly(served, changes) as address:
        played = served.demo(URL=address, FORCE_COLOR="1", TERM="xterm", COLUMNS="400")
    red = re.findall(r"\x1b\[(?:1;)?31m([^\x1b]*)", played.stdout)
    assert played.returncode == 1
    assert played.stderr == ""
    assert [each for each in told if not any(each in text for text in red)] == [], "\n".join(red)
    assert all(app in played.stdout for app in DEMO_APPS), "the other conversations are played all the same"


def test_a_failing_endpoint_ends_its_conversation_and_not_the_others(served: Served) -> None:
    failing = {"/api/tools/execute": lambda reply: (500, {"error": "Internal server error"})}
    with wrongly(served, failing) as address:
        played = served.demo(URL=address)
    assert played.returncode == 1
    assert played.stdout.count('should be answered 200, and is 500: {"error": "Internal server error"}') == 3
    assert "3 wrong: 3 conversations" in played.stdout


@contextmanager
def wrongly(served: Served, changes: Mapping[str, Change]) -> Iterator[str]:
    """A server that passes everything on to the service, and changes the answers of some paths: to another
    value, or to a status with one.
    """

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            reply = passed.request(self.command, self.path, content=body, headers=given)
            status, answer = reply.status_code, reply.json()
            change = changes.get(self.path.partition("?")[0])
            if change is not None and status == 200:
                lie = change(answer)
                status, answer = lie if isinstance(lie, tuple) else (status, lie)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with (
        httpx.Client(base_url=served.address, timeout=60, trust_env=False) as passed,
        ThreadingHTTPServer(("127.0.0.1", 0), Passing) as server,
    ):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
