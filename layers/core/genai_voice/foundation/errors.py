"""The errors a caller can be told about.

    Refused(status, message)
    ├── BadRequest        400   the input is wrong; the message names the field
    ├── Unauthorized      401   any credential problem
    ├── NotFound          404   no such row in this app
    ├── Conflict          409   another writer won a race that only one may win
    ├── TooLarge          413   over a stated size limit
    ├── TooManyRequests   429   slow down
    └── Busy              503   too many writers at once; trying again helps

Raised where the reason is known, turned into `{"error": message}` in one place (`foundation.http`). Anything
else that escapes is a bug: the caller sees 500 `Internal server error`, the log sees the rest.
"""

from typing import ClassVar


class Refused(Exception):
    """The request cannot be served. `message` is shown to the caller word for word."""

    status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def reply(self) -> dict[str, str]:
        """The body that tells the caller."""
        return {"error": self.message}


class BadRequest(Refused):
    status = 400


class Unauthorized(Refused):
    """Always the contract's word, for whoever guesses. A caller that has proven who it is may be told why."""

    status = 401

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Unauthorized")
        self.reason = reason

    def reply(self) -> dict[str, str]:
        return {"error": self.message, "reason": self.reason} if self.reason else super().reply()


class NotFound(Refused):
    status = 404


class Conflict(Refused):
    status = 409


class TooLarge(Refused):
    status = 413


class TooManyRequests(Refused):
    status = 429


class Busy(Refused):
    status = 503
