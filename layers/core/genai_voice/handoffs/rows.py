"""Rows of handoffs, and of who has claimed them."""

from collections.abc import Iterator
from typing import Self, TypeVar

from genai_voice.conversations.rows import make_session_pk
from genai_voice.conversations.segment_rows import Shelf
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BinaryAttribute, Condition, Item, NumberAttribute, UnicodeAttribute

R = TypeVar("R", bound=Item)


class HandoffRow(Item, discriminator="handoff"):
    """A handoff without its transcript, which lies in the partition of its session, so that claims do not
    read it. While it is pending in an app where handoffs expire, it falls due.
    """

    handoff_id = UnicodeAttribute()
    app = UnicodeAttribute()
    session_id = UnicodeAttribute()
    channel = UnicodeAttribute()
    reason = UnicodeAttribute()
    reason_detail = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    priority = UnicodeAttribute()
    ai_summary = UnicodeAttribute(null=True)
    customer_data = UnicodeAttribute(null=True)  # JSON
    assigned_agent = UnicodeAttribute(null=True)
    necessity_score = NumberAttribute(null=True)
    resolution_quality = UnicodeAttribute(null=True)
    agent_feedback = UnicodeAttribute(null=True)
    claimed_at = NumberAttribute(null=True)  # epoch ms
    resolved_at = NumberAttribute(null=True)  # epoch ms
    sealed = BinaryAttribute(legacy_encoding=False, null=True)  # the segment of its transcript, if any
    transcript_revision = UnicodeAttribute(null=True)  # of before: the transcript in parts beside the row
    transcript_bytes = NumberAttribute()  # in a reply

    @classmethod
    def of(cls, app: str, handoff_id: str) -> Self:
        return cls(
            make_key("APP", app, "HANDOFF"), make_key("ID", handoff_id), app=app, handoff_id=handoff_id
        )

    @property
    def shelf(self) -> Shelf:
        """Where its transcript is."""
        return Shelf(make_session_pk(self.app, self.session_id), self.handoff_id)

    @staticmethod
    def make_list_key(app: str, status: str) -> str:
        """Partition of the list of an app's handoffs of one status."""
        return make_key("APP", app, "HANDOFFS", status)

    @staticmethod
    def make_session_key(app: str, session: str) -> str:
        """Partition of the list of a session's handoffs."""
        return make_key("APP", app, "SESSION", session, "HANDOFFS")

    @classmethod
    def list_newest(cls, app: str, before: str | None, limit: int) -> list[Self]:
        """List handoffs newest first, beginning after position `before` (a sort key)."""
        return list(_query_before(cls, make_key("APP", app, "HANDOFF"), before, limit))

    @classmethod
    def list_in_session(cls, app: str, session: str) -> Iterator[Self]:
        """List the handoffs of a session, oldest first."""
        wanted = cls.gsi1sk.startswith("ID#")
        key = cls.make_session_key(app, session)
        return cls.load_full(cls.query(key, wanted, index_name="gsi1", page_size=100))

    def is_unchanged(self) -> Condition:
        """Whether the handoff has still the status, the holder and the time to expire that were read."""
        row, holder = type(self), type(self).assigned_agent
        same_holder = holder == self.assigned_agent if self.assigned_agent else holder.does_not_exist()
        due = row.due_at.does_not_exist() if self.due_at is None else row.due_at == self.due_at
        same: Condition = (row.status == self.status) & same_holder & due
        return same


class AssignmentRow(Item, discriminator="assignment"):
    """The claim of a handoff by a person. A person's handoffs are found by these rows."""

    @classmethod
    def of(cls, app: str, agent: str, handoff_id: str) -> Self:
        return cls(make_key("APP", app, "ASSIGNED", agent), make_key("ID", handoff_id))

    @classmethod
    def list_newest(cls, app: str, agent: str, before: str | None, limit: int) -> list[HandoffRow]:
        """List where the handoffs of a person are, newest first, beginning after the position `before`."""
        found = _query_before(cls, make_key("APP", app, "ASSIGNED", agent), before, limit)
        return [HandoffRow(make_key("APP", app, "HANDOFF"), row.sk) for row in found]


def _query_before(kind: type[R], partition: str, before: str | None, limit: int) -> Iterator[R]:
    wanted = kind.sk < before if before else kind.sk.startswith("ID#")
    return kind.query(partition, wanted, consistent_read=True, scan_index_forward=False, limit=limit)
