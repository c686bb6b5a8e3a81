"""How the number of live tokens that an app has asked for in a minute is stored."""

from typing import Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Item, NumberAttribute

_MINUTE_MS = 60_000
_RETENTION_S = 3600


class TokenMinuteRow(Item, discriminator="token_minute"):
    """The tokens of one minute of the clock, kept only where the app sets a limit."""

    tokens = NumberAttribute()

    @classmethod
    def of_minute(cls, app: str, now_ms: int) -> Self:
        """The row of the minute of this moment (epoch ms)."""
        return cls(make_key("APP", app), make_key("TOKENS", str(now_ms // _MINUTE_MS)))

    def count_one_more(self, limit: int, now_ms: int) -> bool:
        """Count one token more. Answers False when there are so many already."""
        has_room = TokenMinuteRow.tokens.does_not_exist() | (TokenMinuteRow.tokens < limit)
        expiry = TokenMinuteRow.expires_at.set(now_ms // 1000 + _RETENTION_S)
        return self.change([TokenMinuteRow.tokens.add(1), expiry], has_room)
