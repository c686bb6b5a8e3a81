"""The brake on wrong secrets: who is blocked and who is not, what a guess costs, and what it tells."""

import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.keys import make_key
from genai_voice.tenancy.resolver import forget_callers

from tests.support.service import (
    Reply,
    call,
    create_app,
    note_that_apps_are_split,
    read_partition,
    record_calls,
)
from tests.support.wire import Cut, act_before_call, cut

WRONG = "a wrong guess"
HERE = "198.51.100.1"
ELSEWHERE = "198.51.100.2"
NOBODY = "nobody-has-this-slug"
TENTH = 10


@pytest.fixture(autouse=True)
def _all_apps_are_split() -> None:
    """As in every deployment some minutes after it has begun."""
    note_that_apps_are_split()


@pytest.fixture
def stopped() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        yield clock


def ask(slug: str, secret: str = WRONG, source: str = HERE) -> Reply:
    headers = {"authorization": f"Bearer {secret}", "x-app-slug": slug}
    return call("GET", "/api/tools", headers=headers, source=source)


def guess(slug: str, secret: str = WRONG, source: str = HERE) -> int:
    """The status that a process answers that knows nobody."""
    forget_callers()
    return ask(slug, secret, source).status


# -- who is blocked ----------------------------------------------------------------------------------------


def test_ten_wrong_secrets_in_a_minute_block_that_address_for_30_s_and_no_other(
    stopped: time_machine.Traveller,
) -> None:
    app, other = create_app(), create_app()
    assert [guess(app.slug) for _ in range(10)] == [401] * 10
    assert guess(app.slug) == 429
    assert guess(app.slug, app.secret) == 429
    assert guess(app.slug, app.secret, ELSEWHERE) == 200
    assert guess(other.slug, app.secret) == 401
    stopped.shift(29)
    assert guess(app.slug) == 429
    stopped.shift(1)
    assert guess(app.slug, app.secret) == 200
    assert [guess(app.slug) for _ in range(11)] == [401] * 10 + [429]


def test_wrong_secrets_spread_over_minutes_block_nobody(stopped: time_machine.Traveller) -> None:
    app = create_app()
    for _ in range(5):
        assert [guess(app.slug) for _ in range(9)] == [401] * 9
        stopped.shift(61)


def test_wrong_secrets_in_a_body_and_for_a_session_count_too() -> None:
    app = create_app()
    wrong = {"appSlug": app.slug, "appSecret": WRONG}
    for _ in range(5):
        call("POST", "/api/auth/session", body=wrong)
        call("GET", "/api/tools", query=wrong)
    refused = call("POST", "/api/auth/session", body=wrong | {"appSecret": app.secret})
    assert (refused.status, list(refused.json)) == (429, ["error"])
    assert "30 seconds" in refused.json["error"]


def test_who_is_known_and_tokens_are_not_braked() -> None:
    app = create_app()
    token = {"authorization": f"Bearer {app.open_session()}"}
    assert ask(app.slug, app.secret).status == 200
    assert [ask(app.slug).status for _ in range(11)] == [401] * 10 + [429]
    assert ask(app.slug, app.secret).status == 200
    assert call("GET", "/api/tools", headers=token, source=HERE).status == 200
    with record_calls() as calls:
        assert call("GET", "/api/tools", headers={"authorization": "Bearer gvs_unknown"}).status == 401
    assert calls.written == []


@pytest.mark.parametrize(
    ("guessing", "braked", "free"),
    [
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2:ffff:0:0:9", "2001:db8:1:3::1", id="a network of IPv6"),
        pytest.param("::ffff:198.51.100.77", "198.51.100.77", "::ffff:198.51.100.78", id="IPv4 within IPv6"),
    ],
)
def test_what_one_customer_may_send_from_is_braked_together(guessing: str, braked: str, free: str) -> None:
    app = create_app()
    for _ in range(10):
        guess(app.slug, source=guessing)
    assert guess(app.slug, app.secret, guessing) == 429
    assert guess(app.slug, app.secret, braked) == 429
    assert guess(app.slug, app.secret, free) == 200


# -- what a guess tells ------------------------------------------------------------------------------------


def test_an_unknown_slug_is_told_from_a_known_one_by_nothing(
    stopped: time_machine.Traveller, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    compare = hmac.compare_digest

    def count_comparison(hashed: bytes, stored: bytes) -> bool:
        compared.append(len(hashed))
        return compare(hashed, stored)

    monkeypatch.setattr(hmac, "compare_digest", count_comparison)
    app = create_app()
    ask(app.slug, source=ELSEWHERE)  # what a process reads once in its life is read

    def watch(slug: str) -> list[tuple[Any, ...]]:
        """What can be seen of each guess of two windows."""
        seen = []
        for _ in range(2):
            for _ in range(12):
                compared.clear()
                capsys.readouterr()
                with record_calls() as calls:
                    reply = ask(slug)
                line = json.loads(capsys.readouterr().out)
                told = (reply.status, reply.text, {**reply.headers})
                costs = (calls.operations, calls.written, line["dynamodb_units"], tuple(compared))
                seen.append((*told, *costs))
            stopped.shift(30)
        return seen

    known, unknown = watch(app.slug), watch(NOBODY)

    assert [status for status, *_ in known] == ([401] * 10 + [429] * 2) * 2
    assert [hashes for *_, hashes in known] == ([(32,)] * 10 + [()] * 2) * 2
    assert unknown == known
    rows = [[*read_partition(make_key("APP", slug, "BRAKE", HERE))] for slug in (app.slug, NOBODY)]
    for (row,) in rows:
        del row["pk"]
    assert int(rows[1][0]["expires_at"]["N"]) - int(rows[0][0]["expires_at"]["N"]) == 60  # as late as it was
    for name in ("expires_at", "window_started", "blocked_until"):
        del rows[0][0][name], rows[1][0][name]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("place", ["query", "body"])
def test_an_unknown_slug_is_braked_wherever_it_stands(place: str) -> None:
    wrong = {place: {"appSlug": f"{NOBODY}-{place}", "appSecret": WRONG}}
    method = "POST" if place == "body" else "GET"
    path = "/api/auth/session" if place == "body" else "/api/tools"
    assert [call(method, path, **wrong).status for _ in range(11)] == [401] * 10 + [429]


# -- what a guess costs ------------------------------------------------------------------------------------


def test_every_wrong_secret_is_one_write_and_a_blocked_one_none() -> None:
    app = create_app()
    made = []
    for _ in range(12):
        with record_calls() as calls:
            ask(app.slug)
        made.append((calls.operations, calls.written))
    assert made[:10] == [(["BatchGetItem", "UpdateItem"], ["BRAKE"])] * 10
    assert made[10:] == [(["BatchGetItem"], [])] * 2


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("is_known", [True, False], ids=["a known slug", "an unknown slug"])
def test_a_wrong_secret_costs_three_units_whatever_the_app_says(
    is_known: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    slug = create_app(system_prompt="x" * 90_000).slug if is_known else "still-nobody"
    ask(slug, source=ELSEWHERE)
    capsys.readouterr()
    for _ in range(12):
        ask(slug)
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [line["dynamodb_units"] for line in lines] == [3] * 10 + [2] * 2


def test_guesses_leave_the_partitions_alone_that_others_need() -> None:
    app = create_app()
    shared = [make_key("APP", app.slug), make_key("APP", app.slug, "CREDENTIAL")]
    before = [[*read_partition(pk)] for pk in shared]
    for _ in range(12):
        ask(app.slug)
    assert [[*read_partition(pk)] for pk in shared] == before


# -- at once -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("is_known", [True, False], ids=["a known slug", "an unknown slug"])
def test_of_twenty_wrong_secrets_at_once_ten_are_tries(is_known: bool) -> None:
    slug = create_app().slug if is_known else "nobody-at-once"
    with time_machine.travel(1_800_000_000, tick=False) as clock, ThreadPoolExecutor(20) as pool:
        for source in (HERE, ELSEWHERE, HERE):
            statuses = [*pool.map(lambda _, source=source: ask(slug, source=source).status, range(20))]
            assert sorted(statuses) == [401] * 10 + [429] * 10
            assert ask(slug, source=source).status == 429
            clock.shift(31)


@pytest.mark.parametrize("counted", [0, 5, 9])
def test_who_is_overtaken_counts_on_from_there(counted: int) -> None:
    app = create_app()
    for _ in range(counted):
        ask(app.slug)

    def overtake(_: int) -> None:
        ask(app.slug)

    with act_before_call("UpdateItem", overtake, at=(1,)):
        status = ask(app.slug).status

    assert status == (429 if counted == TENTH - 1 else 401)
    left = TENTH - counted - 2
    assert [ask(app.slug).status for _ in range(max(left, 0) + 1)] == [401] * left + [429]


def test_a_count_that_is_cut_off_is_counted_or_not_and_nothing_else() -> None:
    app = create_app()
    for number, after in [(1, False), (1, True), (2, False), (2, True)]:
        with pytest.raises(Cut), cut(number, after=after):
            ask(app.slug)
    assert [ask(app.slug).status for _ in range(10)] == [401] * 9 + [429]
