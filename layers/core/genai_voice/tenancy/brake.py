"""The brake on wrong secrets, which are counted for each slug and sender.

The tenth of a window of a minute blocks its sender for 30 s; then a new window begins. The count of a sender
is read with the credentials of the app, before anything is compared. So each wrong secret is one write, under
the condition that nobody has counted meanwhile; else the count is read again. A slug that no app has is
treated as one that some app has.
"""

from functools import partial

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import TooManyRequests
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Condition
from genai_voice.tenancy.credential_rows import WrongSecretsRow

_WRONG_PER_WINDOW = 10
_WINDOW_MS = 60_000
_BLOCKED_MS = 30_000
_KEPT_S = 3600


def check_not_blocked(counted: WrongSecretsRow | None) -> None:
    """Raise TooManyRequests while the sender is blocked."""
    if counted and (counted.blocked_until or 0) > get_now_ms():
        raise TooManyRequests("Too many wrong secrets from this address: try again in 30 seconds")


def count_wrong_secret(row: WrongSecretsRow, counted: WrongSecretsRow | None) -> None:
    """Count one more wrong secret than was read (None: no row). Raises TooManyRequests where others have
    counted up to the limit meanwhile, Busy when they win every time.
    """

    def try_again() -> bool | None:
        return _try_count(row, row.find_stored())

    busy = "Too many wrong secrets at once: try again"
    retry_lost_races(partial(_try_count, row, counted), busy=busy, after_loss=try_again)


def _try_count(row: WrongSecretsRow, counted: WrongSecretsRow | None) -> bool | None:
    """Count one more than was read, or answer None where others have counted since. Raises
    TooManyRequests.
    """
    check_not_blocked(counted)
    now = get_now_ms()
    wrong = 1 + (int(counted.wrong or 0) if counted and _has_open_window(counted, now) else 0)
    changes = [WrongSecretsRow.wrong.set(wrong), WrongSecretsRow.expires_at.set(now // 1000 + _KEPT_S)]
    if wrong == 1:
        changes += [WrongSecretsRow.window_started.set(now), WrongSecretsRow.blocked_until.remove()]
    if wrong == _WRONG_PER_WINDOW:
        changes.append(WrongSecretsRow.blocked_until.set(now + _BLOCKED_MS))
    return row.change(changes, _has_same_count(counted)) or None


def _has_open_window(counted: WrongSecretsRow, now: int) -> bool:
    """Whether what was counted still counts. A window ends with the block that it has led to."""
    return counted.blocked_until is None and (counted.window_started or 0) > now - _WINDOW_MS


def _has_same_count(counted: WrongSecretsRow | None) -> Condition:
    """Whether nobody has counted since the row was read: a condition."""
    if counted is None:
        return WrongSecretsRow.pk.does_not_exist()
    started: Condition = WrongSecretsRow.window_started == counted.window_started
    as_read: Condition = started & (WrongSecretsRow.wrong == counted.wrong)
    return as_read
