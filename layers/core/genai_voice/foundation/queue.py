"""Send messages to queues. A message only says that there is work; the work itself is a row that is due
(`Item.set_due`), so a message that is lost costs time and nothing else.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from genai_voice.foundation.aws import open_client
from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.log import report_lost_call, report_refused_messages

MAX_DELAY_S = 900
"""The longest that SQS holds a message back."""

_BATCH = 10  # messages of one SendMessageBatch, SQS's limit


class QueueMessage(NamedTuple):
    """A message to be sent."""

    body: str
    group: str
    """The app. SQS serves groups fairly: one whose work takes long does not hold back the others' (fair
    queues, which a standard queue is where its messages have a group).
    """


def send_messages(url: str | None, messages: Sequence[QueueMessage], delay_s: int = 0) -> None:
    """Send messages, to be delivered after `delay_s` seconds (at most MAX_DELAY_S). Without a queue (None)
    nothing is sent. Never raises: the sweep finds what is due all the same.
    """
    if url is None:
        return
    from botocore.exceptions import BotoCoreError, ClientError

    for start in range(0, len(messages), _BATCH):
        entries = [
            {
                "Id": str(place),
                "MessageBody": message.body,
                "MessageGroupId": message.group,
                "DelaySeconds": delay_s,
            }
            for place, message in enumerate(messages[start : start + _BATCH])
        ]
        try:
            reply = _make_client(url).send_message_batch(QueueUrl=url, Entries=entries)
        except (BotoCoreError, ClientError) as reason:
            report_lost_call(reason, len(entries))
        else:
            report_refused_messages(each["Code"] for each in reply.get("Failed", []))


@cache_results()
def _make_client(url: str) -> Any:
    """Make a client for the host of the queue's address, with little patience: somebody waits for a reply."""
    place = urlsplit(url)
    host = f"{place.scheme}://{place.netloc}"
    return open_client("sqs", endpoint=host, connect_timeout_s=0.5, read_timeout_s=1, attempts=1)
