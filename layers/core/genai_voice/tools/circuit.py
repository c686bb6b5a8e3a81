"""Leave an endpoint alone that does not answer: calls that hang hold what others wait for.

    called ── five calls running have no answer ──> left alone for 30 s ──> one call probes, no other is made
      ^                                                    ^                    │
      │                                                    └──── no answer ─────┤
      └─────────────────────────────── an answer ───────────────────────────────┘

The row of the tool, which each call reads, says how many calls had no answer since the last one that had. It
is written only where that changes, so an endpoint that answers costs nothing. What it says is of one address:
an endpoint that is registered elsewhere begins anew.

Any HTTP status is an answer. None are: a look-up, a connection, a handshake or a certificate that fails, a
connection that breaks off, something else than HTTP, and 10 s.
"""

from genai_voice.foundation.keys import digest
from genai_voice.foundation.table import Action, Condition
from genai_voice.foundation.transactions import Change
from genai_voice.tools.rows import ToolRow

LIMIT = 5
"""Calls running without an answer, after which the endpoint is left alone."""
REST_MS = 30_000


def is_open(tool: ToolRow, now: int) -> bool:
    """Whether the tool's endpoint is to be left alone at this moment (epoch ms): it does not answer, or one
    call is finding out whether it does again.
    """
    return _count(tool) >= LIMIT and now < (tool.rests_until or 0)


def probe_changes(tool: ToolRow, now: int) -> Change | None:
    """Have one call alone find out whether an endpoint that was left alone answers again. Its condition fails
    when another call does. None where any call may be made.
    """
    if _count(tool) < LIMIT:
        return None
    is_as_read = (ToolRow.rests_until == tool.rests_until) & (ToolRow.endpoint == tool.endpoint)
    return Change(tool, [ToolRow.rests_until.set(now + REST_MS)], is_as_read)


def answer_changes(tool: ToolRow, *, is_answered: bool, now: int) -> Change | None:
    """Count a call that had no answer, or forget those before it that had none. The condition fails when the
    tool was moved or removed since it was read. None where nothing changes: the endpoint answers as before,
    or is left alone already.
    """
    actions: list[Action]
    condition: Condition = ToolRow.endpoint == tool.endpoint
    if is_answered:
        if tool.unanswered is None:
            return None
        actions = [each.remove() for each in (ToolRow.unanswered, ToolRow.unanswered_at, ToolRow.rests_until)]
        return Change(tool, actions, condition)
    if is_open(tool, now):
        return None
    place = digest(str(tool.endpoint))
    if tool.unanswered_at in (None, place):  # calls at the same time are all counted
        condition &= ToolRow.unanswered_at.does_not_exist() | (ToolRow.unanswered_at == place)
        actions = [ToolRow.unanswered.add(1)]
    else:
        condition &= ToolRow.unanswered_at == tool.unanswered_at
        actions = [ToolRow.unanswered.set(1)]
    actions += [ToolRow.unanswered_at.set(place), ToolRow.rests_until.set(now + REST_MS)]
    return Change(tool, actions, condition)


def _count(tool: ToolRow) -> int:
    """Count the calls running that the endpoint of now has not answered."""
    return int(tool.unanswered or 0) if tool.unanswered_at == digest(str(tool.endpoint)) else 0
