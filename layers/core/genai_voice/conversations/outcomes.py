"""What a conversation counts for in the experiments that its session takes part in."""

from collections.abc import Mapping
from typing import NamedTuple

from genai_voice.conversations.lifecycle import lasted_ms


class Outcome(NamedTuple):
    """Of one conversation: the first three are 0 or 1."""

    resolved: int
    handed_off: int
    """Whether it was with a person at any time, whatever became of it."""
    abandoned: int
    duration_ms: int
    messages: int

    def sums(self) -> dict[str, int]:
        """What it adds to the sums of its variant, with the squares of what has a mean and varies."""
        squares = {"duration_ms_squared": self.duration_ms**2, "messages_squared": self.messages**2}
        return {"conversations": 1, **self._asdict(), **squares}


def outcome(
    status: str,
    *,
    was_handed_off: bool,
    started_at: float,
    ended_at: float,
    created_at: float,
    messages: float,
) -> Outcome | None:
    """None for a conversation that goes on and never was with a person: it has come to nothing yet. Times in
    epoch ms.
    """
    if status == "active" and not was_handed_off:
        return None
    return Outcome(
        resolved=int(status == "resolved"),
        handed_off=int(was_handed_off or status == "handed_off"),
        abandoned=int(status == "abandoned"),
        duration_ms=round(lasted_ms(started_at, ended_at, created_at)),
        messages=int(messages),
    )


def difference(before: Outcome | None, after: Outcome | None) -> Mapping[str, int]:
    """What has to be added to sums that count a conversation as it was, so that they count it as it is."""
    old, new = before.sums() if before else {}, after.sums() if after else {}
    changes = {name: new.get(name, 0) - old.get(name, 0) for name in {**old, **new}}
    return {name: change for name, change in changes.items() if change}
