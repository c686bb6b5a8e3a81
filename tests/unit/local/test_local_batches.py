"""What a function is given of a queue, and which messages its reply says have failed: as Lambda has it."""

from typing import Any

import pytest

from local.serve.queues import MalformedReply, build_event, read_failures

SENT = {"a", "b"}


@pytest.mark.parametrize(
    ("reply", "failed"),
    [
        pytest.param(None, set(), id="nothing"),
        pytest.param({}, set(), id="an empty reply"),
        pytest.param({"batchItemFailures": []}, set(), id="an empty list"),
        pytest.param({"batchItemFailures": None}, set(), id="a list that is null"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}, id="one"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": each} for each in "ab"]}, SENT, id="all"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "a"}] * 2}, {"a"}, id="one twice"),
    ],
)
def test_a_reply_names_the_messages_that_have_failed(reply: Any, failed: set[str]) -> None:
    assert read_failures(reply, SENT) == failed


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param("done", id="text"),
        pytest.param([{"itemIdentifier": "a"}], id="a list"),
        pytest.param({"batchItemFailures": "a"}, id="text for the list"),
        pytest.param({"batchItemFailures": 1}, id="a number for the list"),
        pytest.param({"batchItemFailures": ["a"]}, id="ids alone"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": ""}]}, id="an empty id"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": None}]}, id="an id that is null"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": []}]}, id="an id that is no text"),
        pytest.param({"batchItemFailures": [{"messageId": "a"}]}, id="another key"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "c"}]}, id="a message of another batch"),
    ],
)
def test_a_reply_that_says_something_else_is_malformed(reply: Any) -> None:
    with pytest.raises(MalformedReply):
        read_failures(reply, SENT)


def test_an_attribute_of_bytes_comes_as_base64() -> None:
    message = {
        "MessageId": "a",
        "ReceiptHandle": "r",
        "Body": "b",
        "MD5OfBody": "m",
        "Attributes": {},
        "MessageAttributes": {"bytes": {"DataType": "Binary", "BinaryValue": b"\xff\x00"}},
    }
    (record,) = build_event("Queue", [message], "eu-west-1")["Records"]
    assert record["messageAttributes"] == {
        "bytes": {"dataType": "Binary", "binaryValue": "/wA=", "stringListValues": [], "binaryListValues": []}
    }
    assert record["eventSourceARN"] == "arn:aws:sqs:eu-west-1:123456789012:Queue"
