"""Work that is no request: queues, schedules, and what is logged of them."""

import json
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.table import Item
from genai_voice.foundation.work import WorkFailed, make_queue_handler, make_schedule_handler

from tests.support.service import make_queue_event


@dataclass
class Worker:
    """What a worker has been given; each text that it is told to fail on fails."""

    fails_on: dict[str, Exception] = field(default_factory=dict)
    given: list[tuple[str, str]] = field(default_factory=list)

    def do(self, app: str, call_id: str, *, patience_s: float = 1) -> str:
        if call_id in self.fails_on:
            raise self.fails_on[call_id]
        self.given.append((app, call_id))
        Item.find("nothing", "here")
        return "done"

    def handle(self, *bodies: str) -> list[int]:
        """The places of the messages that failed."""
        event = make_queue_event(bodies)
        places = [each["messageId"] for each in event["Records"]]
        failures = make_queue_handler("a_worker", self.do)(event, None)["batchItemFailures"]
        return [places.index(each["itemIdentifier"]) for each in failures]


def body(call_id: str, **more: Any) -> str:
    return json.dumps({"app": "an-app", "callId": call_id} | more)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- queues ------------------------------------------------------------------------------------------------


def test_each_message_is_a_piece_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    worker = Worker()
    assert worker.handle(body("1"), body("2", patienceS=9, unknown=1)) == []
    assert worker.given == [("an-app", "1"), ("an-app", "2")]
    first, second = written(capsys)
    assert first.pop("timestamp") <= second["timestamp"]
    assert first.pop("duration_ms") > 0
    assert first.pop("dynamodb_units") > 0
    assert first == {
        "message": "work",
        "worker": "a_worker",
        "app": "an-app",
        "call_id": "1",
        "outcome": "done",
        "dynamodb_calls": 1,
    }
    assert second["dynamodb_calls"] == 1


@pytest.mark.parametrize(
    "unreadable",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"app": "a"}',
        '{"app": "a", "callId": 5}',
        '{"app": "", "callId": "1"}',
    ],
)
def test_a_body_that_is_no_message_is_consumed_and_said(
    unreadable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker()
    assert worker.handle(unreadable, body("1")) == []
    assert worker.given == [("an-app", "1")]
    assert [line["outcome"] for line in written(capsys)] == ["unreadable", "done"]


def test_a_message_that_fails_fails_alone_and_its_reason_is_not_quoted(
    capsys: pytest.CaptureFixture[str], log: StringIO
) -> None:
    worker = Worker({"2": ValueError("said-by-a-caller"), "3": Busy("The table is busy")})
    assert worker.handle(body("1"), body("2"), body("3"), body("4")) == [1, 2]
    assert [call for _, call in worker.given] == ["1", "4"]
    told = capsys.readouterr().out
    assert [json.loads(line)["outcome"] for line in told.splitlines()] == ["done", "fault", "busy", "done"]
    [fault] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (fault["message"], fault["route"], fault["error"]) == ("fault", "a_worker", "ValueError")
    assert "said-by-a-caller" not in told + log.getvalue()


def test_where_all_fail_the_invocation_fails_and_says_nothing_of_why() -> None:
    """Lambda counts such invocations, and logs what they raise."""
    worker = Worker({"1": ValueError("said-by-a-caller")})
    with pytest.raises(WorkFailed) as raised:
        worker.handle(body("1"), body("1"))
    assert str(raised.value) == "a_worker: all 2 messages failed"
    assert raised.value.__cause__ is raised.value.__context__ is None


# -- schedules ---------------------------------------------------------------------------------------------


@dataclass
class Invocation:
    left_ms: int

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def test_each_piece_of_a_schedule_has_its_share_of_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Each goes on while it may; each of its steps takes a second, and five are kept back."""
    context = Invocation(65_000)
    taken = {"a": 0, "b": 0, "c": 0}

    def do(piece: str, time_is_left: Any) -> int:
        while time_is_left() and not (piece == "a" and taken["a"] == 5):  # it has no more to do
            context.left_ms -= 1_000
            taken[piece] += 1
        return taken[piece]

    make_schedule_handler("a_worker", do, taken)({}, context)
    assert taken == {"a": 5, "b": 28, "c": 27}
    assert context.left_ms == 5_000
    lines = written(capsys)
    assert [(line["piece"], line["items"], line["outcome"]) for line in lines] == [
        (piece, items, "done") for piece, items in taken.items()
    ]


def test_without_time_nothing_is_begun() -> None:
    def do(piece: str, time_is_left: Any) -> int:
        assert not time_is_left()
        return 0

    make_schedule_handler("a_worker", do, ["a", "b"])({}, Invocation(4_000))


def test_a_piece_that_fails_keeps_no_other_from_its_turn(
    capsys: pytest.CaptureFixture[str], log: StringIO
) -> None:
    def do(piece: str, time_is_left: Any) -> int:
        if piece == "a":
            raise ValueError("said-by-a-caller")
        return 7

    with pytest.raises(WorkFailed) as raised:
        make_schedule_handler("a_worker", do, ["a", "b"])({}, Invocation(60_000))
    assert str(raised.value) == "a_worker: a failed"
    assert raised.value.__cause__ is raised.value.__context__ is None
    told = capsys.readouterr().out
    assert [json.loads(line)["outcome"] for line in told.splitlines()] == ["fault", "done"]
    assert "said-by-a-caller" not in told + log.getvalue()
