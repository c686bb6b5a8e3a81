"""Rows of the sums of outcomes."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Item, NumberAttribute, UnicodeAttribute
from genai_voice.foundation.transactions import Change


class TallyRow(Item, discriminator="tally"):
    """A share of the sums of one variant. A variant has SHARDS rows, in as many partitions, since every call
    of an app may add to it. What was stored before that is in one partition more.
    """

    variant_id = UnicodeAttribute()
    exposures = NumberAttribute(null=True)
    conversations = NumberAttribute(null=True)
    resolved = NumberAttribute(null=True)
    handed_off = NumberAttribute(null=True)
    abandoned = NumberAttribute(null=True)
    duration_ms = NumberAttribute(null=True)
    duration_ms_squared = NumberAttribute(null=True)
    messages = NumberAttribute(null=True)
    messages_squared = NumberAttribute(null=True)

    SHARDS: ClassVar = 8

    @classmethod
    def of(cls, app: str, experiment_id: str, variant_id: str, shard: int) -> Self:
        pk, part = cls.list_partitions(app, experiment_id)[shard % cls.SHARDS], str(shard % cls.SHARDS)
        return cls(pk, make_key("TALLY", variant_id, "SHARD", part), variant_id=variant_id)

    @classmethod
    def list_partitions(cls, app: str, experiment_id: str) -> list[str]:
        """List where the sums of an experiment are: by their shards, and at last those of before."""
        experiment = ("APP", app, "EXPERIMENT", experiment_id)
        spread = (make_key(*experiment, "SHARD", str(shard)) for shard in range(cls.SHARDS))
        return [*spread, make_key(*experiment)]

    def add_changes(self, additions: Mapping[str, int]) -> Change:
        """Add to the sums, by their names."""
        variant = type(self).variant_id.set(self.variant_id)
        return Change(self, [variant, *(getattr(type(self), name).add(n) for name, n in additions.items())])

    @classmethod
    def list_in_experiment(cls, app: str, experiment_id: str) -> Iterator[Self]:
        """List all shares of all variants of an experiment."""
        for pk in cls.list_partitions(app, experiment_id):
            yield from cls.query(pk, cls.sk.startswith("TALLY#"), consistent_read=True)
