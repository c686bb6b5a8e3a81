"""The errors that a caller is told about.

    Refused(status, message)
    ├── BadRequest        400
    ├── Unauthorized      401
    ├── NotFound          404
    ├── Conflict          409
    ├── TooLarge          413
    ├── TooManyRequests   429
    ├── FailedWithDetails 500
    ├── UpstreamFailed    502
    └── Busy              503

They are raised where the reason is known, and become `{"error": message}` in one place (`foundation.http`).
Any other exception is a bug: the caller sees 500 `Internal server error`, and the log has the rest.
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class Refused(Exception):
    """The request cannot be served. `message` is shown to the caller word for word."""

    status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def reply(self) -> dict[str, Any]:
        """The body that tells the caller."""
        return {"error": self.message}


class BadRequest(Refused):
    """The input is wrong; the message names the field. Where required fields are missing, whose text the
    contract fixes, `missing` names them.
    """

    status = 400

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = missing

    def reply(self) -> dict[str, Any]:
        return {"error": self.message, "missing": self.missing} if self.missing else super().reply()


class Unauthorized(Refused):
    """Any credential problem. Always the contract's word, for whoever guesses. A caller that has proven who
    it is may be told why.
    """

    status = 401

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Unauthorized")
        self.reason = reason

    def reply(self) -> dict[str, Any]:
        return {"error": self.message, "reason": self.reason} if self.reason else super().reply()


class NotFound(Refused):
    """No such row in this app."""

    status = 404


class Conflict(Refused):
    """Another writer won a race that only one may win."""

    status = 409


class TooLarge(Refused):
    """Over a stated size limit."""

    status = 413


class TooManyRequests(Refused):
    """Slow down."""

    status = 429


class FailedWithDetails(Refused):
    """The answer of one endpoint where others answer 502 (contract 3.1): the contract's text, and in
    `details` a sentence of ours that says why.
    """

    status = 500

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details

    def reply(self) -> dict[str, Any]:
        return {"error": self.message, "details": self.details}


class UpstreamFailed(Refused):
    """An outside service gave no usable answer. The message is ours: of its words nothing is told."""

    status = 502


class Busy(Refused):
    """Too many writers at once; trying again helps."""

    status = 503
