"""The rules of a handoff's status (contract 5.2): one person claims it, and it can be put back."""

from typing import Final

from genai_voice.foundation.errors import Conflict

# requested -> from which statuses it is a change
_MOVES: Final = {
    "pending": {"claimed", "expired"},
    "claimed": {"pending"},
    "resolved": {"pending", "claimed", "expired"},
    "expired": {"pending"},
}


def is_move(stored: str, holder: str | None, requested: str, agent: str | None) -> bool:
    """Whether a handoff that is `stored`, and claimed by `holder`, changes when this status is requested.
    Answers False where it has that status already, for the same person.

    Raises Conflict with a sentence where somebody else was first, or it is over.
    """
    if stored in _MOVES[requested]:
        return True
    if stored == requested and (requested != "claimed" or (agent is not None and agent == holder)):
        return False
    raise Conflict(_REASONS[stored])


_REASONS: Final = {
    "pending": "Handoff is pending",
    "claimed": "Handoff already claimed",
    "resolved": "Handoff already resolved",
    "expired": "Handoff has expired: set it back to pending first",
}
