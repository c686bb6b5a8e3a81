"""The sums of the outcomes of a variant's conversations."""

from typing import NamedTuple


class Tally(NamedTuple):
    """The sums of one variant of an experiment."""

    exposures: int = 0
    """Sessions that were assigned the variant."""
    conversations: int = 0
    """Conversations of these sessions that have an outcome. All sums below are of them."""
    resolved: int = 0
    handed_off: int = 0
    abandoned: int = 0
    duration_ms: int = 0
    duration_ms_squared: int = 0
    messages: int = 0
    messages_squared: int = 0
