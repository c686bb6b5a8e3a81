"""Deliveries as plain values: status, schedule of retries, results of attempts and how they are shown."""

from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple, NotRequired

from typing_extensions import TypedDict

DeliveryStatus = Literal["pending", "delivered", "failed"]


class NextStep(NamedTuple):
    """What follows an attempt."""

    status: DeliveryStatus
    wait_s: int = 0
    """Until the next attempt, while it is pending."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The waits between the attempts of one round. A replay begins a new round."""

    waits_s: tuple[int, ...]
    """Before the second attempt, the third, and so on."""
    longest_asked_s: int
    """The longest that a receiver may have us wait."""

    @property
    def max_attempts(self) -> int:
        return len(self.waits_s) + 1

    def plan_retry(self, attempt: int, asked_s: float = 0) -> NextStep:
        """Plan what follows the n-th attempt (from 1) where trying again may help: the next attempt after the
        planned wait, or after the `asked_s` seconds of the receiver where these are more. After the last
        attempt the delivery has failed.
        """
        if attempt >= self.max_attempts:
            return NextStep("failed")
        return NextStep("pending", max(self.waits_s[attempt - 1], ceil(min(asked_s, self.longest_asked_s))))


class AttemptResult(NamedTuple):
    """What came of one attempt, and what follows from it."""

    next_step: NextStep
    answer_status: int | None = None
    """Of the answer, where there was one."""
    error: str | None = None
    """A sentence that says why there was none, or why it was given up."""


class Postponed(NamedTuple):
    """Nothing was sent, and the reason lies on our side: the attempt does not count, and nothing of it is
    recorded.
    """

    wait_s: int
    """Until the next attempt."""


class Undeliverable(NamedTuple):
    """Nothing can be sent as things are: the delivery is given up without an attempt."""

    reason: str
    """What an operator may change, and then redrive."""


class AttemptView(TypedDict):
    at: float
    """Epoch ms."""
    durationMs: float
    status: NotRequired[int]
    """Of the answer, where there was one."""
    error: NotRequired[str]
    """Why there was none."""
