"""Items that belong to a trace and are found by it."""

from collections.abc import Iterator
from typing import Any, Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Item, NumberAttribute

_KEYS_IN_A_CALL = 100


class TraceItem(Item):
    """The base of rows that a trace may have many of. Each is written whole."""

    trace_bytes = NumberAttribute(null=True, attr_name="transcript_bytes")
    """About what its texts take, uncompressed. The name of the attribute is one that indexes know, so that
    who lists a trace knows how much there is to read. Absent where it belongs to none, and in rows of before.
    """

    def put_in_trace(self, app: str, trace_id: str) -> None:
        """Have the item found by the trace it belongs to."""
        self.gsi2pk, self.gsi2sk = _make_trace_key(app, trace_id), self.sk

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Serialize the item as it is stored: in a trace, with its size."""
        if self.gsi2pk:
            self.trace_bytes = self.count_bytes()
        return super().serialize(null_check)

    def count_bytes(self) -> int:
        """Count about what the item takes, its texts uncompressed."""
        return sum(len(name) + len(str(value).encode()) for name, value in self.attribute_values.items())

    @classmethod
    def list_in_trace(cls, app: str, trace_id: str, prefix: str, start: str) -> Iterator[Self]:
        """List what the index knows of the items of this kind in a trace, by their sort keys, which begin
        with `prefix`, from the key `start` on. 100 in a call, made when it is their turn.
        """
        wanted = cls.gsi2sk.between(start or prefix, prefix + "~")
        trace = _make_trace_key(app, trace_id)
        return cls.query(trace, wanted, index_name="gsi2", page_size=_KEYS_IN_A_CALL)


def _make_trace_key(app: str, trace_id: str) -> str:
    return make_key("APP", app, "TRACE", trace_id)
