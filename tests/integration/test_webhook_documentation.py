"""docs/webhooks.md: what it tells receivers to do works."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from genai_voice.tenancy import webhook_settings
from genai_voice.tenancy.model import WebhookEvent
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.https import Names, Received, Server
from tests.support.missing import skip_unless
from tests.support.service import ROOT, create_app
from tests.support.webhooks import announce, deliver

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECOND = 1_000


def code(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(found)


def in_python(secret: str, request: Received) -> bool:
    scope: dict[str, Any] = {}
    exec(code("python"), scope)  # noqa: S102 - the page's own
    try:
        return bool(scope["received"](secret, request.headers, request.body)["handoffId"] == "é")
    except WebhookVerificationError:
        return False


def in_javascript(secret: str, request: Received) -> bool:
    node = str(shutil.which("node"))
    arguments = f"{json.dumps(secret)}, {json.dumps(request.headers)}"
    body = f'Buffer.from("{request.body.hex()}", "hex")'
    script = f"{code('javascript')}\nconsole.log(isFromUs({arguments}, {body}));"
    run = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)  # noqa: S603
    return run.stdout == "true\n"


@pytest.fixture
def sent(server: Server, names: Names) -> tuple[list[str], Received]:
    """A webhook within a rotation, and the secrets that sign it."""
    names.resolve("tools.example", ["127.0.0.1"])
    app = create_app(handoff_webhook_url=server.make_url("tools.example"))
    secrets = [webhook_settings.rotate_secret(app.slug, 60 * SECOND) for _ in range(2)]
    deliver(announce(app, handoffId="é"))
    return secrets, server.requests[0]


NODE = skip_unless(shutil.which("node") is not None, "there is no node here")


@pytest.mark.parametrize("verified", [in_python, pytest.param(in_javascript, marks=NODE)])
def test_what_the_page_shows_verifies_a_webhook_and_nothing_else(
    sent: tuple[list[str], Received], verified: Callable[[str, Received], bool]
) -> None:
    secrets, request = sent
    assert [verified(secret, request) for secret in secrets] == [True, True]
    assert not verified(webhook_settings.PREFIX + "AAAA" * 8, request)
    now = datetime.now(UTC)
    for age_s in (-240, 240, -360, 360):
        at = now - timedelta(seconds=age_s)
        signature = Webhook(secrets[0]).sign(request.headers["webhook-id"], at, request.body.decode())
        signed = {"webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
        of_then = Received(**vars(request) | {"headers": request.headers | signed})
        assert verified(secrets[0], of_then) is (abs(age_s) < 300)
    for changed in (
        vars(request) | {"body": request.body.replace(b"handoff", b"handofF", 1)},
        vars(request) | {"headers": request.headers | {"webhook-id": "another"}},
        vars(request) | {"headers": request.headers | {"webhook-timestamp": str(int(now.timestamp()) + 9)}},
    ):
        assert not verified(secrets[0], Received(**changed))


def test_the_page_tells_of_every_event_and_every_wait() -> None:
    assert re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.M) == list(get_args(WebhookEvent))
    assert "5 s, 30 s, 2 min, 10 min, 1 h, 4 h and 12 h" in PAGE
