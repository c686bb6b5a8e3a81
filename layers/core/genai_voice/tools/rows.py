"""How tools, their executions, the calls that may be repeated and the rate windows of sessions are stored."""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Self
from urllib.parse import urlsplit

from genai_voice.foundation.keys import choose_shard, digest, make_key
from genai_voice.foundation.table import (
    BinaryAttribute,
    BooleanAttribute,
    CompressedText,
    Condition,
    Item,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

MAX_MS = 10**13 - 1
"""The latest moment that a time-ordered id can hold."""

EXECUTION_SHARDS = 8
_MERGED_PAGE = 16  # executions of one partition in a call: of a page of 100 hardly one has more


class ToolRow(Item, discriminator="tool"):
    name = UnicodeAttribute()
    description = UnicodeAttribute()
    parameters_schema = UnicodeAttribute()  # JSON text
    requires_confirmation = BooleanAttribute()
    requires_auth = BooleanAttribute()
    is_active = BooleanAttribute()
    endpoint = UnicodeAttribute(null=True)
    http_method = UnicodeAttribute(null=True)
    sealed_headers = BinaryAttribute(null=True, legacy_encoding=False)  # JSON text, for (app, name)
    shown_headers = UnicodeAttribute(null=True)  # the same with masked values: a list needs no key
    unanswered = NumberAttribute(null=True)  # calls running that had no answer: see circuit.py
    unanswered_at = UnicodeAttribute(null=True)  # digest of the endpoint that has not answered them
    rests_until = NumberAttribute(null=True)  # epoch ms: the endpoint is left alone, once they are too many
    place = UnicodeAttribute()  # sorts by creation
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, app: str, name: str) -> Self:
        return cls(make_key("APP", app), make_key("TOOL", name))

    def may_move_to(self, endpoint: str) -> bool:
        """Whether this address is at the host that gets the stored headers already, or there are none: who
        may change where a tool is must not learn what lists mask.
        """
        url = urlsplit(endpoint)
        host = f"{url.scheme}://{url.netloc}"
        is_there = self.endpoint == host or (self.endpoint or "").startswith((f"{host}/", f"{host}?"))
        return self.sealed_headers is None or is_there

    def is_unchanged(self) -> Condition:
        """Hold where nobody has changed, removed or made it anew since it was read. What calls note in the
        row is no change.
        """
        row = type(self)
        is_same = row.version == self.version if self.version else row.version.does_not_exist()
        as_read: Condition = is_same & (row.place == self.place)
        return as_read

    @classmethod
    def count_in_app(cls, app: str) -> int:
        return cls.count(make_key("APP", app), cls.sk.startswith("TOOL#"))

    @classmethod
    def list_in_app(cls, app: str, after: str | None = None) -> Iterator[Self]:
        """List them by name, beginning after position `after` (a sort key)."""
        wanted = cls.sk.startswith("TOOL#") if after is None else cls.sk.between(after + "!", "TOOL$")
        return cls.query(make_key("APP", app), wanted, consistent_read=True)


class ExecutionRow(Item, discriminator="execution"):
    """An execution. Since a call writes several, those of an app are spread over EXECUTION_SHARDS partitions
    by their ids. What was stored before that is in one partition more.
    """

    execution_id = UnicodeAttribute()
    session_id = UnicodeAttribute()
    tool_name = UnicodeAttribute()
    parameters = CompressedText()  # JSON
    result = CompressedText(null=True)  # JSON
    status = UnicodeAttribute()
    duration_ms = NumberAttribute()
    source = UnicodeAttribute()
    trace_id = UnicodeAttribute(null=True)
    span_id = UnicodeAttribute(null=True)
    text_bytes = NumberAttribute(null=True, attr_name="transcript_bytes")
    """About what its texts take, uncompressed. The name of the attribute is one that indexes know, so that
    who lists a session's executions knows how much there is to read. Absent in rows of before.
    """

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Serialize the execution as it is stored: with its size."""
        self.text_bytes = self.count_text_bytes()
        return super().serialize(null_check)

    @classmethod
    def of(cls, app: str, execution_id: str) -> Self:
        pk = cls._make_partition(app, choose_shard(EXECUTION_SHARDS, execution_id))
        return cls(pk, make_key("ID", execution_id), execution_id=execution_id)

    @classmethod
    def find_by_id(cls, app: str, execution_id: str) -> Self | None:
        """Find an execution as it is now, wherever it is."""
        row = cls.of(app, execution_id)
        found = cls.find_all([(row.pk, row.sk), (cls._make_partition_of_before(app), row.sk)])
        return next(iter(found.values()), None)

    @staticmethod
    def _make_partition(app: str, shard: int) -> str:
        return make_key("APP", app, "SHARD", str(shard), "EXECUTION")

    @staticmethod
    def _make_partition_of_before(app: str) -> str:
        return make_key("APP", app, "EXECUTION")

    @classmethod
    def list_partitions(cls, app: str) -> list[str]:
        """List where the executions of an app are."""
        spread = (cls._make_partition(app, shard) for shard in range(EXECUTION_SHARDS))
        return [*spread, cls._make_partition_of_before(app)]

    @classmethod
    def of_new(cls, app: str, session: str, execution_id: str) -> Self:
        row = cls.of(app, execution_id)
        row.session_id = session
        row.gsi1pk, row.gsi1sk = cls.make_session_key(app, session), row.sk
        return row

    @staticmethod
    def make_session_key(app: str, session: str) -> str:
        """Partition of the list of a session's executions."""
        return make_key("APP", app, "SESSION", session, "EXECUTIONS")

    @classmethod
    def list_tool_names(cls, app: str, session: str, status: str, limit: int) -> list[str]:
        """List the tools of a session's executions with this status, among its last `limit`, last first."""
        listed = cls.list_latest("gsi1", cls.make_session_key(app, session), None, limit)
        places = [(each.pk, each.sk) for each in listed if each.status == status]
        found = cls.batch_get(places, consistent_read=True, attributes_to_get=["sk", "kind", "tool_name"])
        by_place = {each.sk: str(each.tool_name) for each in found}
        return [by_place[sk] for _, sk in places if sk in by_place]

    @classmethod
    def list_newest(cls, app: str, before: str | None, limit: int) -> Iterator[Self]:
        """List them newest first, beginning after position `before` (a sort key). Each partition is read as
        far as it is needed: for 100 executions one call, or two for a few of them.
        """
        wanted = cls.sk < before if before else cls.sk.startswith("ID#")
        lists = (
            cls.query(pk, wanted, consistent_read=True, scan_index_forward=False, page_size=_MERGED_PAGE)
            for pk in cls.list_partitions(app)
        )
        by_place = attrgetter("sk")  # one that was logged again since lists are spread is in two of them
        merged = groupby(merge(*lists, key=by_place, reverse=True), by_place)
        return islice((next(same) for _, same in merged), limit)

    @classmethod
    def count_between(cls, app: str, since_ms: int, until_ms: int) -> int:
        """Count those that began from `since_ms` until before `until_ms`. All are read, and none is
        transferred.
        """
        moment = [make_key("ID", f"{ms * 1000:016d}").removesuffix("#") for ms in (since_ms, until_ms)]
        return sum(cls.count(pk, cls.sk.between(*moment)) for pk in cls.list_partitions(app))


class CallRow(Item, discriminator="tool_call"):
    """A tool call that the client has named, and the execution that carries it out."""

    fingerprint = UnicodeAttribute()  # of tool and parameters
    execution_id = UnicodeAttribute()
    leased_until = NumberAttribute(null=True)  # epoch ms, until it is done; later its process has died

    @classmethod
    def of(cls, app: str, session: str, call_id: str) -> Self:
        return cls(make_key("APP", app, "SESSION", session), make_key("CALL", call_id))

    def has_expired(self, now: int) -> bool:
        """Whether it is forgotten: DynamoDB may take days to delete it."""
        return (self.expires_at or 0) < now // 1000

    @classmethod
    def is_open_to(cls, execution_id: str, now: int) -> Condition:
        """Hold where this execution may carry the call out: nobody has begun, or it has begun itself, or the
        lease of who has begun is over, or the call has expired.
        """
        begun = cls.pk.does_not_exist() | (cls.execution_id == execution_id)
        is_over = (cls.leased_until < now) | (cls.expires_at < now // 1000)
        is_open: Condition = begun | is_over
        return is_open


class RateRow(Item, discriminator="rate"):
    """The recent tool calls of a session, kept only where the app sets a limit."""

    hits: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)

    @classmethod
    def of(cls, app: str, session: str) -> Self:
        return cls(make_key("APP", app, "SESSION", session), make_key("RATE"))

    @classmethod
    def is_unchanged(cls, stored: Self | None) -> Condition:
        return cls.version == stored.version if stored else cls.pk.does_not_exist()


def make_tool_id(app: str, name: str) -> str:
    """Make the id of a tool, which is the same for the same name."""
    return digest(app, name)
