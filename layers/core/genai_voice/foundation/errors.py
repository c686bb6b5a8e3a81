"""The errors a caller can be told about.

    Refused(status, message)
    ├── BadRequest        400   the input is wrong; the message names the field
    ├── Unauthorized      401   any credential problem
    ├── NotFound          404   no such row in this app
    ├── Conflict          409   another writer won a race that only one may win
    ├── TooLarge          413   over a stated size limit
    ├── TooManyRequests   429   slow down
    ├── UpstreamFailed    502   a provider failed; a worker should try again
    └── Busy              503   too many writers at once; trying again helps

Raised where the reason is known, turned into `{"error": message}` in one place (`foundation.http`). Anything
else that escapes is a bug: the caller sees 500 `Internal server error`, the log sees the rest.
"""

from typing import ClassVar


class Refused(Exception):
    """The request cannot be served. `message` is shown to the caller word for word."""

    status: ClassVar[int]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(Refused):
    status = 400


class Unauthorized(Refused):
    status = 401

    def __init__(self, message: str = "Unauthorized") -> None:
        super().__init__(message)


class NotFound(Refused):
    status = 404


class Conflict(Refused):
    status = 409


class TooLarge(Refused):
    status = 413


class TooManyRequests(Refused):
    status = 429
    retryable = True


class UpstreamFailed(Refused):
    status = 502
    retryable = True


class Busy(Refused):
    status = 503
    retryable = True
