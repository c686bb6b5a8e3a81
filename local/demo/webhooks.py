"""The operator's work before and after a demo: the demo apps get the address where their webhooks go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genai_voice.audit.service import record_change
from genai_voice.tenancy import apps, webhook_settings
from genai_voice.tenancy.fields import AppFields

from local.demo import script
from local.demo.receiver import Receiver, run_receiver
from local.serve.connection import connect
from local.serve.greeting import DEMO_APPS

_WHERE = ("handoff_webhook_url", "webhook_events")


@contextmanager
def receive_webhooks(data: Path) -> Iterator[Receiver]:
    """Run a receiver that the demo apps have as their address, with new signing secrets, until the demo is
    over. Raises LocalError when no local service runs.
    """
    connect()
    with run_receiver(data) as receiver:
        before = {app: AppFields.model_validate(apps.show_app(app)) for app in DEMO_APPS}
        try:
            for app in DEMO_APPS:
                address = f"{receiver.address}/{app}"
                told = AppFields.model_validate(
                    {"handoffWebhookUrl": address, "webhookEvents": list(script.read(app).announced)}
                )
                with record_change(app, "make demo", "app update", told.model_dump(exclude_none=True)):
                    receiver.secrets[app] = webhook_settings.rotate_secret(app, 0)
                    apps.update_app(app, told)
            yield receiver
        finally:
            for app, fields in before.items():
                kept = {name: getattr(fields, name) for name in _WHERE}
                with record_change(app, "make demo", "app update", kept):
                    apps.change_fields(app, kept)
