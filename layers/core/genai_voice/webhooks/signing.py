"""The signatures of webhooks, made by the library of Standard Webhooks, with which receivers check them."""

from collections.abc import Iterable
from datetime import UTC, datetime


def sign_headers(secrets: Iterable[str], delivery_id: str, at_ms: float, body: str) -> dict[str, str]:
    """Sign one request. Answers its headers: id, time in epoch seconds, and a signature by each of the
    secrets (`whsec_...`), with a space between; none where there is no secret.
    """
    from standardwebhooks import Webhook

    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    signatures = " ".join(Webhook(secret).sign(delivery_id, at, body) for secret in secrets)
    headers = {"webhook-id": delivery_id, "webhook-timestamp": str(int(at.timestamp()))}
    return headers | ({"webhook-signature": signatures} if signatures else {})
