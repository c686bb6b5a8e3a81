"""kill -9 while clients write and insist: what was acknowledged is there after the restart, once."""

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import (
    SECRET,
    Client,
    Served,
    event,
    events_of,
    execution,
    incompressible,
    insist,
    said,
    serving,
    written,
)

pytestmark = needs_dynoxide

ROUNDS = 4
APPOINTMENTS = ("APT-10041", "APT-10042", "APT-10043")


class Insistent:
    """A client that sends a thing again until it is acknowledged, and notes what was."""

    def __init__(self, address: str, number: int) -> None:
        self.session = f"session-{number}"
        self.appointment = APPOINTMENTS[number]
        self.lines: list[str] = []
        self.rounds = 0
        self.attempts = 0
        self._client = Client(address, "demo-dentist", SECRET)

    def write_until(self, stop: threading.Event) -> None:
        with self._client:
            while not stop.is_set():
                self._round()

    def _round(self) -> None:
        first, self.rounds = len(self.lines) + 1, self.rounds + 1
        self.lines += [f"{self.session} {self.rounds} {part}" for part in range(30)]
        batch = [said(self.session, line, at) for at, line in enumerate(self.lines[first - 1 :], first)]
        self._post("/api/messages", {"messages": batch})
        self._post("/api/events", {"sessionId": self.session, "events": [event("round", self.rounds)]})
        self._post("/api/conversations", {"sessionId": self.session, "messages": self.transcript()})
        move = {"appointmentId": self.appointment, "newDate": f"day {self.rounds}", "newTime": self.session}
        self._post("/api/tools/execute", execution(self.session, "reschedule_appointment", **move))

    def transcript(self) -> list[dict[str, Any]]:
        """Every third is too long for the conversation's row."""
        lines = self.lines if self.rounds % 3 else [incompressible(800_000, self.rounds), *self.lines]
        return [written(line, at) for at, line in enumerate(lines, 1)]

    def _post(self, path: str, body: dict[str, Any]) -> None:
        _, failures = insist(lambda: self._client.call("POST", path, body))
        self.attempts += 1 + len(failures)

    def check(self, service: Served) -> None:
        with service.client() as client:
            assert client.messages(self.session) == self.lines
            conversation = client.conversation(self.session)
            executed = client.executions(self.session)
            state = client.get("/api/scenario-state")["state"]["appointments"]
        assert conversation["transcript"] == self.transcript()
        assert conversation["messageCount"] == len(self.transcript())
        stored = events_of(service.rows("APP", "demo-dentist", "SESSION", self.session))
        assert sorted(each["ts"] for each in stored) == list(range(1, self.rounds + 1))
        moves = [f'"newDate":"day {each}"' for each in range(1, self.rounds + 1)]
        assert [any(move in each["parameters"] for each in executed) for move in moves] == [
            True
        ] * self.rounds
        assert len({each["_id"] for each in executed}) == len(executed) <= self.attempts
        (mine,) = [each for each in state if each["id"] == self.appointment]
        assert (mine["date"], mine["time"]) == (f"day {self.rounds}", self.session)


@pytest.fixture
def port() -> int:
    """The same for all runs, so that clients find the next one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_what_was_acknowledged_survives_kill_9_at_any_moment_and_is_there_once(
    tmp_path: Path, port: int
) -> None:
    chance = random.Random()  # noqa: S311 - any moment will do
    stop = threading.Event()
    clients = [Insistent(f"http://127.0.0.1:{port}", number) for number in range(len(APPOINTMENTS))]
    with ThreadPoolExecutor(len(clients)) as pool:
        try:
            with serving(tmp_path, PORT=str(port)) as service:
                running = [pool.submit(client.write_until, stop) for client in clients]
                end(service, chance.uniform(0.3, 1.5), whole=True)
            for round_ in range(ROUNDS):
                with serving(tmp_path, PORT=str(port)) as service:
                    end(service, chance.uniform(0.05, 1.5), whole=bool(round_ % 2))
            with serving(tmp_path, PORT=str(port)) as service:
                goals = [client.rounds + 2 for client in clients]
                service.wait_until(
                    lambda: all(client.rounds >= goal for client, goal in zip(clients, goals, strict=True)),
                    60,
                )
                stop.set()
                for each in running:
                    each.result(60)
                service.kill()
        finally:
            stop.set()
    with serving(tmp_path, PORT=str(port)) as service:
        for client in clients:
            client.check(service)


def end(service: Served, seconds: float, *, whole: bool) -> None:
    """-9 after so long, to all processes at once or to the group of the first alone."""
    time.sleep(seconds)
    service.kill() if whole else service.kill_group()
