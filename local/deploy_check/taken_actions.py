"""What is refused when a role lacks an action: a sample, on the deployed stack. That it holds for each action
of each role is shown without a stack, by `tests/contract/test_policies.py`.
"""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from local.demo.clients import CallFailed
from local.deploy_check.stack import Stack
from local.deploy_check.steps import Used
from local.errors import LocalError

_REFUSED = "AccessDenied"
"""In the line of log of whoever was refused, as the code of AWS."""
_PATIENCE_S = 60


class TakenAction(NamedTuple):
    """An action of a function's role, what runs into its lack, and what works again with it."""

    function: str
    action: str
    fail: Callable[[Used], None]
    work: Callable[[Used], None]


SAMPLE = (
    TakenAction("AuthFunction", "dynamodb:PutItem", Used.play_smoke_test, Used.play_smoke_test),
    TakenAction("MessagesFunction", "dynamodb:BatchWriteItem", Used.play_smoke_test, Used.play_smoke_test),
    TakenAction("HandoffsFunction", "sqs:SendMessage", Used.request_handoff, Used.deliver),
    TakenAction("WebhookSenderFunction", "dynamodb:UpdateItem", Used.request_handoff, Used.deliver),
    TakenAction("SweeperFunction", "dynamodb:Query", Used.run_sweeper, Used.sweep),
)


def check_taken(used: Used, taken: TakenAction) -> str:
    """Take an action away from a role of the stack, and give it back. Says what came of it. Raises LocalError
    when nobody was refused without it, or something does not work with it.
    """
    before = len(used.stack.read_log())
    with used.stack.take_action(taken.function, taken.action):
        failure = _find_failure(used, taken.fail)
        line = _await_refusal(used.stack, before, taken)
    taken.work(used)
    return failure or f"its log says: {line}"


def _find_failure(used: Used, act: Callable[[Used], None]) -> str:
    try:
        act(used)
    except (LocalError, CallFailed) as failed:
        return str(failed).splitlines()[0]
    return ""


def _await_refusal(stack: Stack, before: int, taken: TakenAction) -> str:
    """Wait for the line of log that tells of a refusal. Returns what it says."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        for line in stack.read_log()[before:]:
            if line.startswith("{") and _REFUSED in line:
                said = json.loads(line)
                return f"{said['message']}, {said['code']}"
        if time.monotonic() > deadline:
            raise LocalError(f"{taken.function} was refused nothing without {taken.action}.")
        time.sleep(0.2)
