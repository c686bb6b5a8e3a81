"""Play a scripted conversation with each demo app of the running service, and tell what happens (`make
demo`).

    python -m local.demo

The service is the one that `make run` has started with the same DATA_DIR, or the one at URL. Webhooks are
received from the first alone, since nobody else reaches this machine. Exits 0 only if every step did what it
should.
"""

import os
import sys
import time
from collections.abc import Mapping

from local.demo import script
from local.demo.account import Account
from local.demo.clients import CallFailed, ServiceClient, VoiceAgent, make_session_id
from local.demo.play import play
from local.demo.receiver import Receiver
from local.demo.webhooks import receive_webhooks
from local.errors import LocalError
from local.project import Project
from local.serve import connection
from local.serve.greeting import DEMO_APPS


def main(environ: Mapping[str, str] = os.environ) -> int:
    try:
        address, secret = _find_service(environ)
        service = ServiceClient(address, local=not environ.get("URL"))
        _check_service(service, secret)
    except LocalError as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    try:
        if environ.get("URL"):
            return _play_all(service, secret)
        with receive_webhooks(Project.read(environ).data) as receiver:
            return _play_all(service, secret, receiver)
    except LocalError as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        service.close()


def _find_service(environ: Mapping[str, str]) -> tuple[str, str]:
    """Find the service's address and the demo apps' secret. Raises LocalError when either is missing."""
    project = Project.read(environ)
    address = environ.get("URL")
    if not address:
        try:
            address = connection.find_running(project.data).address
        except LocalError:
            raise LocalError(
                f"No local service is running on {project.data}: start it with `make run` in another "
                "terminal, or set URL and DEMO_SECRET for one that runs elsewhere."
            ) from None
    secret = environ.get("DEMO_SECRET")
    if not secret:
        file = project.data / "demo-secret"
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise LocalError(
                f"The secret of the demo apps is not in {file}: set DEMO_SECRET to the one that the service "
                "was started with."
            ) from None
    return address, secret


def _check_service(service: ServiceClient, secret: str) -> None:
    """Raise LocalError when nothing can be played there with this secret."""
    try:
        service.call("GET", "/api/health")
    except CallFailed as failed:
        raise LocalError(
            f"There is no service to play with. {service.address}/api/health: {failed}"
        ) from None
    try:
        VoiceAgent(service, DEMO_APPS[0], secret, make_session_id(), "").post("/api/auth/session", ttlMs=1000)
    except CallFailed as failed:
        raise LocalError(
            f"{service.address} refuses the secret of {DEMO_APPS[0]}: set DEMO_SECRET to the one that the "
            f"service was started with. POST /api/auth/session {failed}"
        ) from None


def _play_all(service: ServiceClient, secret: str, receiver: Receiver | None = None) -> int:
    """Play the conversations of all demo apps. Returns the exit code."""
    account, began = Account(), time.monotonic()
    for app in DEMO_APPS:
        play(script.read(app), service, secret, account, receiver)
    account.end(len(DEMO_APPS), service.requests, time.monotonic() - began)
    return 1 if account.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
