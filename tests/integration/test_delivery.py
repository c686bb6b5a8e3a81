"""The machine of deliveries serves any sender: here one of postcards, which brings its rows, its queue and
the way a postcard is sent, and nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import time_machine
from genai_voice.delivery import replays
from genai_voice.delivery.attempts import make_attempt
from genai_voice.delivery.listing import list_deliveries, view_attempts
from genai_voice.delivery.model import (
    AttemptResult,
    AttemptView,
    DeliveryStatus,
    NextStep,
    Postponed,
    RetrySchedule,
    Undeliverable,
)
from genai_voice.delivery.outbox import Outbox
from genai_voice.delivery.rows import DeliveryRow
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import BadRequest, Busy, NotFound
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.model import Listing
from genai_voice.foundation.settings import get_settings
from genai_voice.foundation.table import UnicodeAttribute
from genai_voice.foundation.transactions import write_together
from typing_extensions import TypedDict

from tests.support.service import Client, create_app
from tests.support.webhooks import Queue

NOON = 1_767_268_800.0
MINUTE, DAY = 60, 86_400
SCHEDULE = RetrySchedule(waits_s=(10, 1_000), longest_asked_s=MINUTE)

Clock = time_machine.Traveller


class PostcardRow(DeliveryRow, discriminator="test_postcard"):
    COLLECTION = "POSTCARD"
    TOPICS = ("holiday", "birthday")

    occasion = UnicodeAttribute()
    text = UnicodeAttribute()

    @property
    def topic(self) -> str:
        return self.occasion

    @staticmethod
    def make_list_key(app: str, status: str, topic: str) -> str:
        return make_key("APP", app, "POSTCARDS", status, "OCCASION", topic)


POSTCARDS = Outbox(PostcardRow, lambda: get_settings().webhook_queue_url)


class PostcardView(TypedDict):
    text: str
    attempts: list[AttemptView]


@dataclass
class Postman:
    """What comes of the attempts, one after the other; the last stays."""

    results: Sequence[AttemptResult | Postponed | Exception]
    road: str | Undeliverable | Exception = "by sea"
    sent: list[tuple[str, str]] = field(default_factory=list)

    def deliver(self, row: DeliveryRow) -> str:
        return make_attempt(
            POSTCARDS,
            *row.app_and_id,
            max_attempts=SCHEDULE.max_attempts,
            prepare=self._find_road,
            send=self._send,
        )

    def _find_road(self, app: str) -> str | Undeliverable:
        if isinstance(self.road, Exception):
            raise self.road
        return self.road

    def _send(self, row: PostcardRow, road: str) -> AttemptResult | Postponed:
        result, *others = self.results
        self.results = others or self.results
        if isinstance(result, Exception):
            raise result
        if isinstance(result, AttemptResult):
            self.sent.append((row.text, road))
        return result


ARRIVED = AttemptResult(NextStep("delivered"), answer_status=200)


def try_later(attempt: int) -> AttemptResult:
    return AttemptResult(SCHEDULE.plan_retry(attempt), error="Nobody was at home.")


@pytest.fixture
def app() -> Client:
    return create_app()


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def posted(app: Client, occasion: str = "holiday", due_at: float | None = None) -> PostcardRow:
    row = PostcardRow.of(app.slug, make_time_ordered_id(get_now_ms()))
    row.occasion, row.text = occasion, f"Happy {occasion}"
    row.set_pending(get_now_ms(), due_at)
    assert write_together([], inserts=[row])
    return row


def stored(row: PostcardRow) -> PostcardRow:
    found = row.find_stored()
    assert found
    return found


def errors(row: PostcardRow) -> list[str | None]:
    return [each.error for each in stored(row).attempts or ()]


def due_ids(at_s: float) -> set[str]:
    """What the sweep would hand on at this moment."""
    return {each.app_and_id[1] for each in PostcardRow.list_due(at_s * 1000)}


def test_a_delivery_is_sent_once_and_kept_for_thirty_days(app: Client) -> None:
    postman, row = Postman([ARRIVED]), posted(app)
    assert [postman.deliver(row), postman.deliver(row)] == ["delivered", "not due"]
    assert postman.sent == [("Happy holiday", "by sea")]
    done = stored(row)
    assert (done.status, done.expires_at) == ("delivered", NOON + 30 * DAY)
    assert row.delivery_id not in due_ids(NOON + 30 * DAY)


def test_a_delivery_for_later_waits_until_then(app: Client, clock: Clock) -> None:
    postman, row = Postman([ARRIVED]), posted(app, due_at=(NOON + DAY) * 1000)
    assert postman.deliver(row) == "not due"
    assert row.delivery_id not in due_ids(NOON + DAY - 1)
    assert row.delivery_id in due_ids(NOON + DAY)
    clock.shift(DAY)
    assert postman.deliver(row) == "delivered"


def test_what_may_pass_is_tried_again_by_its_schedule_and_given_up_after_it(
    app: Client, clock: Clock, queue: Queue
) -> None:
    postman, row = Postman([try_later(1), try_later(2), try_later(3)]), posted(app)
    assert postman.deliver(row) == "pending"
    assert stored(row).due_at == (NOON + 10) * 1000
    clock.shift(10)
    assert queue.take_bodies() == [{"app": app.slug, "deliveryId": row.delivery_id}]
    assert postman.deliver(row) == "pending"
    clock.shift(1_000)
    assert queue.take_bodies() == [], "the queue holds no message for so long: the sweep finds it"
    assert row.delivery_id in due_ids(NOON + 1_010)
    assert postman.deliver(row) == "failed"
    assert errors(row) == ["Nobody was at home."] * 3


def test_what_a_receiver_asks_for_is_obeyed_within_a_limit() -> None:
    asked = [0, 10, 30, 1e9]
    assert [SCHEDULE.plan_retry(1, seconds).wait_s for seconds in asked] == [10, 10, 30, MINUTE]


def test_what_our_side_postpones_uses_up_no_attempt(app: Client, clock: Clock, queue: Queue) -> None:
    postman, row = Postman([Postponed(30)] * 5 + [try_later(1), ARRIVED]), posted(app)
    for _ in range(5):
        assert postman.deliver(row) == "postponed"
        clock.shift(30)
        assert queue.take_bodies() == [{"app": app.slug, "deliveryId": row.delivery_id}]
    assert (postman.sent, errors(row), stored(row).claims) == ([], [], 0)
    assert postman.deliver(row) == "pending"
    assert stored(row).claims == 1
    clock.shift(10)
    assert postman.deliver(row) == "delivered"


def test_what_cannot_be_prepared_now_uses_up_no_attempt(app: Client) -> None:
    postman, row = Postman([ARRIVED], road=Busy("The table is busy: try again")), posted(app)
    for _ in range(SCHEDULE.max_attempts + 1):
        with pytest.raises(Busy):
            postman.deliver(row)
    assert stored(row).claims is None
    postman.road = "by air"
    assert postman.deliver(row) == "delivered"


def test_what_is_undeliverable_fails_with_its_reason_and_is_not_sent(app: Client) -> None:
    postman, row = Postman([ARRIVED], road=Undeliverable("There is no road.")), posted(app)
    assert postman.deliver(row) == "failed"
    assert (postman.sent, errors(row)) == ([], ["There is no road."])


def test_a_worker_that_dies_leaves_a_lease_and_at_last_it_is_given_up(app: Client, clock: Clock) -> None:
    postman, row = Postman([KeyError("a bug")]), posted(app)
    for _ in range(SCHEDULE.max_attempts):
        with pytest.raises(KeyError):
            postman.deliver(row)
        assert postman.deliver(row) == "not due"
        clock.shift(MINUTE)
        assert row.delivery_id in due_ids(get_now_ms() / 1000)
    assert postman.deliver(row) == "failed"


def test_a_postponement_by_a_worker_that_has_lost_its_lease_changes_nothing(
    app: Client, clock: Clock
) -> None:
    row, other = posted(app), Postman([ARRIVED])

    def stand_still(_: PostcardRow, road: str) -> Postponed:
        clock.shift(MINUTE)
        assert other.deliver(row) == "delivered"
        return Postponed(30)

    told = make_attempt(
        POSTCARDS, *row.app_and_id, max_attempts=3, prepare=lambda app: "by sea", send=stand_still
    )
    assert told == "overtaken"
    assert stored(row).status == "delivered"
    assert stored(row).due_at is None


def test_what_has_ended_is_replayed_with_all_its_attempts(app: Client, queue: Queue) -> None:
    refused = AttemptResult(NextStep("failed"), error="The address is a lighthouse.")
    postman, row = Postman([refused, ARRIVED]), posted(app)
    assert postman.deliver(row) == "failed"
    replays.replay(POSTCARDS, app.slug, row.delivery_id)
    assert stored(row).status == "pending"
    assert stored(row).claims is None
    assert queue.take_bodies() == [{"app": app.slug, "deliveryId": row.delivery_id}]
    assert postman.deliver(row) == "delivered"
    assert errors(row) == ["The address is a lighthouse.", None]
    with pytest.raises(NotFound):
        replays.replay(POSTCARDS, app.slug, "unknown")


def test_a_redrive_has_all_that_failed_sent_again_and_nothing_else(app: Client) -> None:
    postman = Postman([AttemptResult(NextStep("failed"), error="It rained.")])
    failed = [posted(app, occasion) for occasion in ("holiday", "birthday") * 6]
    for row in failed:
        postman.deliver(row)
    delivered = posted(app)
    Postman([ARRIVED]).deliver(delivered)
    ids = {row.delivery_id for row in failed}
    assert {*replays.redrive(POSTCARDS, app.slug, dry_run=True)} == ids
    assert {*replays.redrive(POSTCARDS, app.slug)} == ids
    assert {stored(row).status for row in failed} == {"pending"}
    assert stored(delivered).status == "delivered"
    assert [*replays.redrive(POSTCARDS, app.slug)] == []


def listed(
    app: Client, status: DeliveryStatus | None = None, topic: str | None = None, cursor: str | None = None
) -> tuple[list[PostcardView], str | None]:
    return list_deliveries(
        POSTCARDS,
        app.slug,
        Listing(cursor=cursor),
        lambda row: PostcardView(text=row.text, attempts=view_attempts(row)),
        name="postcards",
        status=status,
        topic=topic,
        limit=2,
    )


def test_deliveries_are_listed_by_status_and_topic_page_by_page(app: Client, clock: Clock) -> None:
    for occasion in ("holiday", "birthday", "holiday"):
        posted(app, occasion)
        clock.shift(1)
    Postman([try_later(3)]).deliver(posted(app, "birthday"))
    first, cursor = listed(app)
    second, end = listed(app, cursor=cursor)
    assert [each["text"] for each in first + second] == [
        "Happy birthday",
        "Happy holiday",
        "Happy birthday",
        "Happy holiday",
    ]
    assert (cursor is None, end) == (False, None)
    failed, _ = listed(app, status="failed")
    assert [each["text"] for each in failed] == ["Happy birthday"]
    [tried] = failed[0]["attempts"]
    assert (tried["at"], tried["error"]) == ((NOON + 3) * 1000, "Nobody was at home.")
    assert len(listed(app, status="pending")[0]) == 2
    assert len(listed(app, topic="birthday")[0]) == 2
    with pytest.raises(BadRequest):
        listed(app, topic="holiday", cursor=cursor)


def test_two_senders_do_not_see_each_other(app: Client) -> None:
    posted(app)
    reply = app.get("/api/webhooks/deliveries")
    assert (reply.status, reply.json) == (200, {"deliveries": []})
