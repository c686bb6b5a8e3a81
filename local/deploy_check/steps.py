"""What is done with the deployed stack, each by a function that raises LocalError or CallFailed when it does
not work.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from local.build.artifacts import ROOT
from local.demo.clients import ServiceClient, VoiceAgent, make_session_id
from local.demo.receiver import Receiver
from local.deploy_check.stack import Stack
from local.errors import LocalError

APP = "demo-ecommerce"
"""Its script says which webhooks it is sent."""
_EVENT = "handoff.created"
_PATIENCE_S = 60  # functions start meanwhile, and other work may keep the machine busy


@dataclass(frozen=True)
class Used:
    """The stack as it is used: by an operator, a voice agent, and an app that is sent webhooks."""

    stack: Stack
    receiver: Receiver
    secret: str
    """Of the demo apps."""

    def play_smoke_test(self) -> None:
        """Play the short conversation of `make smoke`."""
        given = {"URL": self.stack.address, "SLUG": APP, "APP_SECRET": self.secret}
        run_python(["-m", "local.demo.smoke"], self.stack.environment | given)

    def deliver(self) -> None:
        """Have the app told of a handoff: by a row, a message in the queue, the sender, and the row again."""
        with self._converse() as agent:
            _request_handoff(agent)
            self._await_delivery(agent)

    def request_handoff(self) -> None:
        """Do the same, and wait for nothing."""
        with self._converse() as agent:
            _request_handoff(agent)

    def sweep(self) -> None:
        """Have the sweep find a delivery whose message was lost, since nobody could tell its sender."""
        with self._converse() as agent:
            with self.stack.take_action("HandoffsFunction", "sqs:SendMessage"):
                _request_handoff(agent)
            self.run_sweeper()
            self._await_delivery(agent)

    def run_sweeper(self) -> None:
        """Call what the schedule calls."""
        self.stack.invoke("SweeperFunction", {})

    @contextmanager
    def _converse(self) -> Iterator[VoiceAgent]:
        service = ServiceClient(self.stack.address, local=True)
        try:
            yield VoiceAgent(service, APP, self.secret, make_session_id(), f"check-{uuid4().hex}")
        finally:
            service.close()

    def _await_delivery(self, agent: VoiceAgent) -> None:
        """Wait until the receiver has the event, and its outcome is recorded."""
        if not self.receiver.await_events(agent.session, 1, _PATIENCE_S):
            raise LocalError(f"No webhook has come: {self.receiver.refused or 'nothing was sent'}.")
        deadline = time.monotonic() + _PATIENCE_S
        while (status := _read_status(agent)) != "delivered":
            if time.monotonic() > deadline:
                raise LocalError(f"A webhook has come, and its delivery is {status}.")
            time.sleep(0.1)


def _request_handoff(agent: VoiceAgent) -> None:
    agent.post("/api/conversations", sessionId=agent.session, status="active")
    asked = {"sessionId": agent.session, "reason": "user_requested", "transcript": []}
    agent.post("/api/handoffs", **asked)


def _read_status(agent: VoiceAgent) -> str:
    listed = agent.get("/api/webhooks/deliveries", event=_EVENT)["deliveries"]
    return next(
        (str(each["status"]) for each in listed if each["payload"]["sessionId"] == agent.session), "unknown"
    )


def seed(stack: Stack, secret: str) -> None:
    """Put the demo apps into the table, as an operator does."""
    command = Path(sys.executable).with_name("genai-voice")
    _run([str(command), "seed", "demos"], stack.environment | {"DEMO_SECRET": secret})


def run_python(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a module of ours. Raises LocalError with what it said when it fails."""
    _run([sys.executable, *arguments], environ)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environ), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise LocalError(done.stderr.strip() or done.stdout.strip() or f"{command[0]} has failed.")
