"""The steps of a demo: each is taken, checked and counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local.demo.account import Account
from local.demo.clients import CallFailed
from local.demo.compare import find_differences


class Stop(Exception):
    """A step has failed, which was told, and the rest of this conversation makes no sense without it."""


@dataclass
class Steps:
    """Takes and checks steps, and tells the account of them."""

    account: Account

    def take_step(self, what: str, act: Callable[[], Any]) -> Any:
        """Return what `act` answers. Raises Stop when it fails."""
        try:
            return act()
        except CallFailed as failed:
            self.account.check(what, [str(failed)])
            raise Stop from None

    def check_refused(self, what: str, error: str, act: Callable[[], Any]) -> bool:
        """Check that `act` is refused with this error."""
        try:
            answer = act()
        except CallFailed as failed:
            return self.check(what, [] if error in str(failed) else [str(failed)])
        return self.check(what, [f"should be refused with {error!r}, and is answered {answer}"])

    def check_same(self, what: str, expected: Any, got: Any, *, exact: bool = False) -> bool:
        """Check that what came is as expected."""
        return self.check(what, find_differences(expected, got, exact=exact))

    def check(self, what: str, wrong: Iterable[str]) -> bool:
        """Count a step, and tell what is wrong with it. Returns whether all is right."""
        return self.account.check(what, wrong)
