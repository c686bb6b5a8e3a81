from email.utils import format_datetime

import pytest
from genai_voice.delivery.model import NextStep
from genai_voice.webhooks.retries import GONE, SCHEDULE, plan_after_answer, plan_after_error
from hypothesis import given
from hypothesis import strategies as st

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z, Thursday


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_an_answer_of_2xx_means_delivered(status: int) -> None:
    assert plan_after_answer(SCHEDULE.max_attempts, status, "60", NOON) == NextStep("delivered")


@pytest.mark.parametrize(
    "status", [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, GONE, 413, 422, 451]
)
def test_what_asking_again_would_not_change_fails_at_once(status: int) -> None:
    assert plan_after_answer(1, status, "60", NOON) == NextStep("failed")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 600])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert plan_after_answer(1, status, None, NOON) == NextStep("pending", 5)


def test_there_are_eight_attempts_over_seventeen_hours_and_then_none() -> None:
    minute, hour = 60, 3_600
    planned = [plan_after_answer(attempt, 500, None, NOON) for attempt in range(1, 9)]
    waits = (5, 30, 2 * minute, 10 * minute, 1 * hour, 4 * hour, 12 * hour)
    assert planned == [*(NextStep("pending", wait) for wait in waits), NextStep("failed")]
    assert [plan_after_error(attempt, for_good=False) for attempt in range(1, 9)] == planned
    assert plan_after_answer(SCHEDULE.max_attempts + 1, 500, None, NOON) == NextStep("failed")


def test_a_request_that_policy_keeps_in_fails_at_once() -> None:
    assert plan_after_error(1, for_good=True) == NextStep("failed")


@pytest.mark.parametrize(
    ("asked", "attempt", "wait"),
    [
        pytest.param("60", 1, 60, id="longer than planned"),
        pytest.param(" 60 ", 1, 60, id="with blanks"),
        pytest.param("1", 1, 5, id="shorter than planned"),
        pytest.param("60", 4, 600, id="shorter than a later plan"),
        pytest.param("3600", 1, 3_600, id="an hour"),
        pytest.param("3601", 1, 3_600, id="longer than an hour"),
        pytest.param("9" * 5_000, 1, 3_600, id="for ever"),
        pytest.param("86400", 6, 14_400, id="longer than an hour, where more is planned"),
        pytest.param("Thu, 01 Jan 2026 12:01:00 GMT", 1, 60, id="a date"),
        pytest.param("Thu, 01 Jan 2026 12:01:00 -0000", 1, 60, id="a date without a zone"),
        pytest.param("Thu, 01 Jan 2026 11:00:00 GMT", 1, 5, id="a date that has passed"),
        pytest.param("Sun, 01 Jan 2090 12:00:00 GMT", 1, 3_600, id="a date far away"),
        pytest.param(f"Thu, 01 Jan 2026 12:01:00 +{'9' * 20}", 1, 5, id="a date of a zone that is nowhere"),
        pytest.param(f"Thu, 01 Jan {'9' * 20} 12:01:00 GMT", 1, 5, id="a year that no clock will show"),
        *(pytest.param(text, 1, 5, id=text or "empty") for text in ("", "-60", "1.5", "soon", "٣", "6e1")),
        pytest.param(None, 1, 5, id="absent"),
    ],
)
def test_what_a_receiver_asks_for_is_obeyed_within_an_hour(
    asked: str | None, attempt: int, wait: int
) -> None:
    assert plan_after_answer(attempt, 503, asked, NOON) == NextStep("pending", wait)


@given(
    st.one_of(
        st.text(), st.datetimes().map(format_datetime), st.from_regex(r"\w+, \d+ \w+ \d+ [\d:]+ [-+]\d+")
    ),
    st.integers(1, SCHEDULE.max_attempts - 1),
)
def test_whatever_a_receiver_says_the_wait_is_as_planned_or_up_to_an_hour(asked: str, attempt: int) -> None:
    status, wait_s = plan_after_answer(attempt, 503, asked, NOON)
    planned = SCHEDULE.waits_s[attempt - 1]
    assert status == "pending"
    assert planned <= wait_s <= max(planned, SCHEDULE.longest_asked_s)
