"""The steps of a demo: each is taken, checked and counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local.demo.account import Account
from local.demo.clients import CallFailed
from local.demo.compare import find_differences


class Stop(Exception):
    """What failed has been told, and the rest of this conversation makes no sense without it."""


@dataclass
class Steps:
    account: Account

    def take_step(self, what: str, act: Callable[[], Any]) -> Any:
        """What `act` answers. Raises Stop when it fails."""
        try:
            return act()
        except CallFailed as failed:
            self.account.check(what, [str(failed)])
            raise Stop from None

    def check_refused(self, what: str, error: str, act: Callable[[], Any]) -> bool:
        """Whether `act` is refused with this error, as it should be."""
        try:
            answer = act()
        except CallFailed as failed:
            return self.check(what, [] if error in str(failed) else [str(failed)])
        return self.check(what, [f"should be refused with {error!r}, and is answered {answer}"])

    def check_same(self, what: str, expected: Any, got: Any, *, exact: bool = False) -> bool:
        return self.check(what, find_differences(expected, got, exact=exact))

    def check(self, what: str, wrong: Iterable[str]) -> bool:
        return self.account.check(what, wrong)
