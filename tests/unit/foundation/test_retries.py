"""Lost races: tried again, a number of times, with waits that stay short."""

from collections.abc import Callable

import pytest
from genai_voice.foundation.errors import Busy, NotFound
from genai_voice.foundation.retries import ATTEMPTS, retry_lost_races


def losing(times: int) -> tuple[list[int], Callable[[], str | None]]:
    tries: list[int] = []

    def try_once() -> str | None:
        tries.append(len(tries))
        return "written" if len(tries) > times else None

    return tries, try_once


@pytest.mark.parametrize("losses", [0, 1, 5])
def test_a_lost_race_is_run_again_until_it_is_won(losses: int) -> None:
    tries, try_once = losing(losses)
    assert retry_lost_races(try_once, busy="Too many") == "written"
    assert len(tries) == losses + 1


def test_whoever_always_loses_is_told_that_too_many_write() -> None:
    tries, try_once = losing(ATTEMPTS)
    with pytest.raises(Busy, match=r"^Too many$"):
        retry_lost_races(try_once, busy="Too many")
    assert len(tries) == ATTEMPTS


def test_what_is_answered_may_be_false() -> None:
    assert retry_lost_races(lambda: False, busy="Too many") is False


def test_what_a_try_raises_ends_it() -> None:
    def try_once() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound):
        retry_lost_races(try_once, busy="Too many")


def test_the_tries_after_the_first_may_differ_from_it() -> None:
    first, try_once = losing(9)
    later, try_again = losing(2)
    assert retry_lost_races(try_once, after_loss=try_again, busy="Too many") == "written"
    assert (len(first), len(later)) == (1, 3)


def test_who_loses_to_more_writers_may_try_more_often() -> None:
    tries, try_once = losing(3)
    with pytest.raises(Busy):
        retry_lost_races(try_once, busy="Too many", attempts=3)
    assert len(tries) == 3
