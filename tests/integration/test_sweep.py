"""The sweep: what is due is handed on, also where nobody was told of it."""

import json

import pytest
import time_machine
from genai_voice.sweep import service

from tests.support.service import Client, create_app, sweep
from tests.support.webhooks import Queue, announce

NOON = 1_767_268_800.0


@pytest.fixture
def app() -> Client:
    return create_app(handoff_webhook_url="https://127.0.0.1:1/")


def told(queue: Queue, app: Client) -> list[str]:
    """The deliveries of the app that the queue tells of, in order of their ids."""
    return sorted(each["deliveryId"] for each in queue.take_bodies() if each["app"] == app.slug)


def test_what_is_due_is_handed_on_and_what_is_not_yet_waits(app: Client, queue: Queue) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        first = announce(app)
        clock.shift(60)
        second = announce(app)
        clock.shift(-60)
        sweep()
        assert told(queue, app) == [first.delivery_id]
        clock.shift(60)
        sweep()
        assert told(queue, app) == [first.delivery_id, second.delivery_id]


def test_what_has_ended_or_is_gone_is_not_handed_on(app: Client, queue: Queue) -> None:
    ended, gone = announce(app), announce(app)
    ended.change(ended.end_changes("delivered", int(NOON * 1000)))
    gone.delete()
    sweep()
    assert told(queue, app) == []


def test_a_sweep_ends_between_pages_when_time_is_up_and_the_next_goes_on(app: Client, queue: Queue) -> None:
    made = {announce(app).delivery_id for _ in range(60)}
    turns = iter([True, False])
    assert service.sweep("delivery", lambda: next(turns)) == 50
    assert service.sweep("delivery", lambda: False) == 0
    seen = set(told(queue, app))
    assert len(seen) <= 50
    sweep()
    assert seen | {*told(queue, app)} == made


def test_without_a_queue_a_sweep_says_how_much_is_due(
    app: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(app)
    capsys.readouterr()
    sweep()
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["piece"] for each in lines] == ["apps", "delivery", "handoff"]
    assert lines[1]["items"] >= 1
    assert {(each["worker"], each["outcome"]) for each in lines} == {("sweeper", "done")}
