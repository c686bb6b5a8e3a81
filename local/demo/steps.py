"""The steps of a demo: each is taken, checked and counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local.demo.account import Account
from local.demo.clients import Failed
from local.demo.compare import differences


class Stop(Exception):
    """What failed has been told, and the rest of this conversation makes no sense without it."""


@dataclass
class Steps:
    account: Account

    def step(self, what: str, act: Callable[[], Any]) -> Any:
        """What `act` answers. Raises Stop when it fails."""
        try:
            return act()
        except Failed as failed:
            self.account.check(what, [str(failed)])
            raise Stop from None

    def refused(self, what: str, error: str, act: Callable[[], Any]) -> bool:
        """Whether `act` is refused with this error, as it should be."""
        try:
            answer = act()
        except Failed as failed:
            return self.check(what, [] if error in str(failed) else [str(failed)])
        return self.check(what, [f"should be refused with {error!r}, and is answered {answer}"])

    def same(self, what: str, expected: Any, got: Any, *, exact: bool = False) -> bool:
        return self.check(what, differences(expected, got, exact=exact))

    def check(self, what: str, wrong: Iterable[str]) -> bool:
        return self.account.check(what, wrong)
