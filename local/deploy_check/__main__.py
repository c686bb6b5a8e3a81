"""Deploy what was built, on this machine: `make deploy-check`.

ministack plays AWS. The stack is created by `sam deploy`, its demo apps are seeded, the smoke test is played
under the roles of its functions, a webhook goes through the queue, a sweep finds one whose message was lost,
five actions are taken away from roles in turn, and `sam delete` leaves what nobody can make again. Nothing of
it reaches AWS, and nothing is left on this machine.
"""

import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import TypeVar

from local.build.artifacts import build
from local.demo.clients import CallFailed
from local.demo.webhooks import receive_webhooks
from local.deploy_check import steps
from local.deploy_check.ministack import run_ministack
from local.deploy_check.stack import Stack
from local.deploy_check.taken_actions import SAMPLE, check_taken
from local.errors import LocalError
from local.serve.authority import prepare_authority

T = TypeVar("T")
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
"""Of Linux, whose machine code functions are: those for which SAM builds."""


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where Ctrl-C is ignored
    try:
        build(_find_architecture())
        with tempfile.TemporaryDirectory(prefix="genai-voice-deploy-check-") as folder:
            _check(Path(folder))
    except (LocalError, CallFailed) as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _find_architecture() -> str:
    """Find for what machine to build, which is this one. Raises LocalError where functions cannot run."""
    if sys.platform.startswith("linux") and platform.machine() in _ARCHITECTURES:
        return _ARCHITECTURES[platform.machine()]
    raise LocalError(
        "make deploy-check runs what was built for Lambda, which needs Linux on x86-64 or arm64."
    )


def _check(folder: Path) -> None:
    """Create, use and delete the stack, with all that is written in this folder."""
    authority, secret = prepare_authority(folder), token_urlsafe()
    with ExitStack() as opened:
        emulator = _tell("ministack answers", lambda: opened.enter_context(run_ministack(folder)))
        stack = _tell("sam deploy has created the stack", lambda: Stack.create(emulator, authority))
        _tell("the demo apps are seeded", lambda: steps.seed(stack, secret))
        # From here on this process is the operator of the stack, and knows nothing else.
        os.environ.clear()
        os.environ.update(stack.environment, OUTGOING_LOCAL_CA=str(authority))
        with receive_webhooks(folder) as receiver:
            _use(steps.Used(stack, receiver, secret))
        _tell("sam delete leaves the table and the secret alone", stack.delete)


def _use(used: steps.Used) -> None:
    _tell("the smoke test passes under the roles of the functions", used.play_smoke_test)
    _tell("a webhook goes through the queue to its receiver", used.deliver)
    _tell("a sweep finds the delivery whose message was lost", used.sweep)
    for each in SAMPLE:
        lacking = f"without {each.action} {each.function} is refused it, and with it works again"
        refused = _tell(lacking, partial(check_taken, used, each))
        print(f"                {refused}", flush=True)


def _tell(done: str, act: Callable[[], T]) -> T:
    """Take a step, and say what is done and how long it took."""
    started = time.monotonic()
    made = act()
    print(f"  ok  {time.monotonic() - started:5.1f} s  {done}", flush=True)
    return made


if __name__ == "__main__":
    sys.exit(main())
