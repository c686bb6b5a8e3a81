"""Webhooks as tests see them: events of an app, the queue that tells of them, a receiver."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from genai_voice.delivery.outbox import to_message
from genai_voice.foundation.settings import get_settings
from genai_voice.foundation.transactions import write_together
from genai_voice.tenancy.model import WebhookEvent
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow

from tests.support.service import Client, work

SENDER = "webhooks_sender"


def announce(app: Client, event: WebhookEvent = "handoff.created", **ids: Any) -> WebhookRow:
    """The delivery of an event that has just happened to the app, which asks for it. Nobody was told yet."""
    return announce_many(app, 1, event, **ids)[0]


def announce_many(
    app: Client, number: int, event: WebhookEvent = "handoff.created", **ids: Any
) -> list[WebhookRow]:
    """The same of so many such events, at most a hundred."""
    known = AppRow.of(app.slug).find_stored().as_app()
    rows = [row for _ in range(number) for row in outbox.make_deliveries(known, event, **ids)]
    assert write_together([], inserts=rows)
    return rows


def make_message(row: WebhookRow) -> str:
    return to_message(row.app, row.delivery_id)


def find_stored(row: WebhookRow) -> WebhookRow:
    found = row.find_stored()
    assert found
    return found


def deliver(*rows: WebhookRow) -> list[str]:
    """Have the sender told of them. Answers the messages that failed."""
    return work(SENDER, [make_message(row) for row in rows])


@dataclass(frozen=True)
class Queue:
    """A queue of moto's, from which the sender is given what is there."""

    url: str

    def work(self) -> int:
        """Give the sender the messages that are visible now, batch by batch; those that fail stay. Answers
        how many there were.
        """
        given = 0
        while batch := self._receive(5):
            failed = work(SENDER, [each["Body"] for each in batch])
            given += len(batch)
            self._remove([each for each in batch if each["Body"] not in failed])
        return given

    def take_bodies(self) -> list[Any]:
        """The messages that are visible now, which are gone then."""
        found = []
        while batch := self._receive(10):
            found += [json.loads(each["Body"]) for each in batch]
            self._remove(batch)
        return found

    def _remove(self, messages: list[Any]) -> None:
        for each in messages:
            self._client.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])

    def _receive(self, most: int) -> list[Any]:
        found = self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most)
        return list(found.get("Messages", ()))

    @cached_property
    def _client(self) -> Any:
        return boto3.client("sqs", region_name=get_settings().region)
