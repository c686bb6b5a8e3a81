"""An app has two rows, what it says and what proves its callers. They agree, whatever races or dies. A
process reads an app once in 30 s. Apps of before, which have one row, are split.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Conflict
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.personas import library
from genai_voice.tenancy import apps, splitting
from genai_voice.tenancy.credential_rows import AppsSplitRow, CredentialRow, SessionRow
from genai_voice.tenancy.fields import AppFields
from genai_voice.tenancy.hashing import hash_token
from genai_voice.tenancy.resolver import forget_callers
from genai_voice.tenancy.rows import AppRow

from tests.support.service import (
    ROOT,
    Client,
    call,
    create_app,
    note_that_apps_are_split,
    read_partition,
    record_calls,
    sweep,
)
from tests.support.wire import Cut, act_before_call, answer_calls, cut, lose_answer, register_hook

NEW = "the new secret"
PROVING = ("secrets", "is_active", "browser_scope", "tokens_revoked_at")
DAY_MS = 86_400_000


def enter(headers: Mapping[str, str], source: str = "203.0.113.7") -> int:
    return call("GET", "/api/tools", headers=headers, source=source).status


def carry(app: Client, secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}", "x-app-slug": app.slug}


def bear(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def read_both(app: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both rows of an app say of its credentials."""
    (says,) = read_partition(make_key("APP", app.slug), "APP")
    (proves,) = read_partition(make_key("APP", app.slug, "CREDENTIAL"))
    return {name: says.get(name) for name in PROVING}, {name: proves.get(name) for name in PROVING}


def agree(app: Client) -> None:
    says, proves = read_both(app)
    assert says == proves


# -- the two rows agree ------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Client], object]] = {
    "rotation": lambda app: apps.rotate_secret(app.slug, NEW, DAY_MS),
    "disabling": lambda app: apps.set_active(app.slug, False),
    "revocation": lambda app: apps.revoke_tokens(app.slug),
    "scope": lambda app: apps.update_app(app.slug, AppFields.model_validate({"browserScope": "runtime"})),
    "seeding with another secret": lambda app: apps.put_app(
        app.slug, AppFields.model_validate({"name": "seeded"}), NEW
    ),
    "seeding with a scope": lambda app: apps.put_app(
        app.slug, AppFields.model_validate({"browserScope": "runtime"}), app.secret
    ),
    "clearing the scope, with a persona field": lambda app: apps.change_fields(
        app.slug, {"browser_scope": None, "persona_tone": "calm"}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_credentials_writes_both_rows_or_none(
    change: Callable[[Client], object],
) -> None:
    app = create_app(browser_scope="full", persona_tone="brisk")
    agree(app)
    before = read_both(app)
    with record_calls() as calls:
        change(app)
    assert read_both(app) != before
    agree(app)
    assert calls.operations[-1] == "TransactWriteItems"
    for number in range(1, len(calls.operations) + 1):
        for after in (False, True):
            other = create_app(browser_scope="full", persona_tone="brisk")
            with pytest.raises(Cut), cut(number, after=after):
                change(other)
            agree(other)
            change(other)
            assert read_both(other)[0].keys() == read_both(app)[0].keys()
            agree(other)


@pytest.mark.parametrize("number", [1, 2])
def test_an_app_is_created_with_both_rows_or_none(number: int) -> None:
    for after in (False, True):
        slug = f"app-{get_now_ms()}-{number}-{after}".lower()
        with pytest.raises(Cut), cut(1, after=after):
            create_app(slug)
        assert create_app(slug).get("/api/tools").status == 200
        agree(Client(slug))


def test_a_change_whose_answer_is_lost_is_made_once() -> None:
    app = create_app()
    with lose_answer(3):  # it is read twice before
        apps.rotate_secret(app.slug, NEW, DAY_MS)
    assert [enter(carry(app, secret)) for secret in (app.secret, NEW)] == [200, 200]
    agree(app)


def test_what_an_app_says_is_changed_without_its_credential_row() -> None:
    app = create_app()
    with record_calls() as calls:
        apps.update_app(app.slug, AppFields.model_validate({"temperature": 1}))
        library.link_persona(app.slug, None)
    assert calls.written == ["APP", "APP"]


def test_the_credential_row_is_under_a_kilobyte() -> None:
    app = create_app("a" * 63, browser_scope="runtime", system_prompt="x" * 100_000)
    apps.rotate_secret(app.slug, NEW, DAY_MS)
    apps.revoke_tokens(app.slug)
    (row,) = read_partition(make_key("APP", app.slug, "CREDENTIAL"))
    assert len(row["secrets"]["L"]) == 2
    assert len(str(row)) < 1024  # DynamoDB counts less than its JSON has


# -- races -------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Callable[[Client], object]] = {
    "a setting": lambda app: apps.update_app(app.slug, AppFields.model_validate({"temperature": 1})),
    "a text": lambda app: apps.change_fields(app.slug, {"persona_tone": "calm"}),
    "the scope": CHANGES["scope"],
    "a switch": CHANGES["disabling"],
}
SHOWN = {
    "a setting": ("temperature", 1),
    "a text": ("personaTone", "calm"),
    "the scope": ("browserScope", "runtime"),
    "a switch": ("isActive", False),
}


def shows(app: Client, *settings: str) -> bool:
    """Whether the app is as these have left it."""
    shown = apps.show_app(app.slug)
    return all(shown.get(SHOWN[setting][0]) == SHOWN[setting][1] for setting in settings)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_rotation_that_a_change_overtakes_loses_neither(setting: str) -> None:
    app = create_app()
    app.get("/api/tools")  # its secret is known from here on

    def overtake(_: int) -> None:
        SETTINGS[setting](app)

    with act_before_call("TransactWriteItems", overtake, at=(1,)):
        apps.rotate_secret(app.slug, NEW, 0)

    agree(app)
    assert shows(app, setting)
    apps.set_active(app.slug, True)
    assert [enter(carry(app, secret)) for secret in (app.secret, NEW)] == [401, 200]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_change_that_a_rotation_overtakes_loses_neither(setting: str) -> None:
    app = create_app()
    app.get("/api/tools")  # its secret is known from here on

    def rotate(_: int) -> None:
        apps.rotate_secret(app.slug, NEW, DAY_MS)

    written = "UpdateItem" if setting == "a setting" else "TransactWriteItems"
    with act_before_call(written, rotate, at=(1,)):
        SETTINGS[setting](app)

    agree(app)
    assert shows(app, setting)
    assert len(apps.show_app(app.slug)["secrets"]) == 2
    apps.set_active(app.slug, True)
    assert [enter(carry(app, secret)) for secret in (app.secret, NEW)] == [200, 200]


def test_of_two_rotations_at_once_one_is_told() -> None:
    app = create_app()

    def rotate(_: int) -> None:
        apps.rotate_secret(app.slug, "the one that was first", DAY_MS)

    with act_before_call("TransactWriteItems", rotate, at=(1,)), pytest.raises(Conflict):
        apps.rotate_secret(app.slug, NEW, DAY_MS)

    agree(app)
    secrets = (app.secret, "the one that was first", NEW)
    assert [enter(carry(app, secret)) for secret in secrets] == [200, 200, 401]


def test_a_rotation_that_meets_another_transaction_is_tried_again() -> None:
    app = create_app()
    conflict = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
    }
    with answer_calls(None, None, *[(400, conflict)] * 8):
        apps.rotate_secret(app.slug, NEW, 0)
    agree(app)
    assert [enter(carry(app, secret)) for secret in (app.secret, NEW)] == [401, 200]


@pytest.mark.usefixtures("strict")
def test_whoever_changes_an_app_at_the_same_time_its_rows_agree() -> None:
    app = create_app()

    def rotate(secret: str) -> str | None:
        try:
            apps.rotate_secret(app.slug, secret, DAY_MS)
        except Conflict:
            return None
        return secret

    with ThreadPoolExecutor(16) as pool:
        tasks = [pool.submit(each, app) for each in SETTINGS.values() for _ in range(3)]
        rotations = [pool.submit(rotate, f"secret number {number}") for number in range(4)]
        for task in tasks:
            task.result()
        rotated = [secret for task in rotations if (secret := task.result())]

    agree(app)
    assert shows(app, *SETTINGS)
    apps.set_active(app.slug, True)
    statuses = [enter(carry(app, secret)) for secret in (app.secret, *rotated)]
    assert statuses.count(200) == 2  # the last two: one replaces the other for a day


# -- what a process knows ----------------------------------------------------------------------------------


@contextmanager
def count_looks(app: Client) -> Iterator[list[str]]:
    """The reads meanwhile of what the app says."""
    looks: list[str] = []

    def note(model: Any, params: dict[str, Any], **_: object) -> None:
        asked = json.loads(params["body"])
        wanted = [asked] if "Key" in asked else asked.get("RequestItems", {}).values()
        keys = [key for each in wanted for key in each.get("Keys", [each.get("Key")])]
        if {"pk": {"S": f"APP#{app.slug}#"}, "sk": {"S": "APP"}} in keys:
            looks.append(model.name)

    with register_hook("before-call.dynamodb", note):
        yield looks


def change_elsewhere(app: Client, given: Mapping[str, Any]) -> None:
    """As another process does, whose caches are its own."""
    row = AppRow.find_by_slug(app.slug)
    assert row
    change = Change(AppRow.of(app.slug), AppRow.field_changes(given))
    assert write_together([change], [CredentialRow.of_app(row, given)])


def test_an_app_is_read_once_in_30_s_whatever_credentials_it_is_asked_with() -> None:
    app = create_app()
    tokens = [app.open_session() for _ in range(20)]
    with time_machine.travel(get_now_ms() / 1000, tick=False) as clock, count_looks(app) as looks:
        for turn in range(3):
            for number, token in enumerate(tokens):
                assert enter(bear(token)) == 200
                assert enter(app.headers, f"198.51.100.{number}") == 200
                assert enter(carry(app, "a wrong guess"), f"198.51.{100 + turn}.{number}") == 401
            assert looks == ["GetItem"] * (turn + 1)
            clock.shift(30)


@pytest.mark.usefixtures("strict")
def test_of_many_who_ask_at_once_one_reads_the_app() -> None:
    app = create_app()
    everybody = [bear(app.open_session()) for _ in range(15)] + [app.headers]
    forget_callers()
    ready = Barrier(16)

    def enter_with(headers: dict[str, str]) -> int:
        ready.wait()
        return enter(headers)

    with ThreadPoolExecutor(16) as pool, count_looks(app) as looks:
        assert [*pool.map(enter_with, everybody)] == [200] * 16
    assert looks == ["GetItem"]


def test_a_read_that_fails_is_no_answer_for_the_next() -> None:
    app = create_app()
    token = bear(app.open_session())
    fault = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "gone"})
    with answer_calls(None, fault):
        assert enter(token) == 500
    assert enter(token) == 200


def test_nothing_that_a_process_knows_is_older_than_30_s_whenever_it_was_put_together() -> None:
    app = create_app()
    tokens = [bear(app.open_session()) for _ in range(4)]

    def manage(headers: Mapping[str, str]) -> int:
        return call("PATCH", "/api/persona", body={"personaTone": "x"}, headers=headers).status

    with time_machine.travel(get_now_ms() / 1000, tick=False) as clock:
        assert enter(tokens[0]) == 200  # the app is known from here on
        clock.shift(1)
        change_elsewhere(app, {"browser_scope": "runtime"})
        clock.shift(28)
        for token in tokens[1:]:  # known from here on, with an app that is 29 s old
            assert enter(token) == 200
        clock.shift(1)
        assert [manage(token) for token in tokens] == [401] * 4
        change_elsewhere(app, {"browser_scope": None})
        clock.shift(30)
        assert [manage(token) for token in tokens] == [200] * 4


@pytest.mark.parametrize("whom", ["token", "secret"])
def test_the_30_s_begin_before_what_is_known_was_read(whom: str) -> None:
    app = create_app()
    token = app.open_session()
    headers = bear(token) if whom == "token" else app.headers
    end: dict[str, Callable[[], object]] = {
        "token": lambda: SessionRow.of(hash_token(token)).change([SessionRow.expires_ms.set(0)]),
        "secret": lambda: change_elsewhere(app, {"secrets": []}),
    }
    forget_callers()
    with time_machine.travel(get_now_ms() / 1000, tick=False) as clock:
        read = "GetItem" if whom == "token" else "BatchGetItem"
        delays = [20]

        def delay_once(**_: object) -> None:
            while delays:
                clock.shift(delays.pop())
                end[whom]()

        with register_hook(f"after-call.dynamodb.{read}", delay_once):
            assert enter(headers) == 200
        clock.shift(10)
        assert enter(headers) == 200
        clock.shift(0.001)
        assert enter(headers) == 401


STOPS: dict[str, tuple[Mapping[str, Any], str]] = {
    "disabling": ({"is_active": False}, "both"),
    "revocation": ({"tokens_revoked_at": 10**14}, "token"),
    "rotation": ({"secrets": []}, "secret"),
}


@pytest.mark.parametrize(("given", "whom"), STOPS.values(), ids=STOPS.keys())
def test_what_another_process_stops_is_stopped_here_within_30_s(given: Mapping[str, Any], whom: str) -> None:
    app = create_app()
    token = bear(app.open_session())
    with time_machine.travel(get_now_ms() / 1000, tick=False) as clock:
        assert (enter(token), enter(app.headers)) == (200, 200)
        clock.shift(0.001)
        change_elsewhere(app, given)
        clock.shift(29)
        assert (enter(token), enter(app.headers)) == (200, 200)
        clock.shift(1)
        assert enter(token) == (200 if whom == "secret" else 401)
        assert enter(app.headers) == (200 if whom == "token" else 401)


@pytest.mark.usefixtures("strict")
def test_two_processes_agree_within_30_s() -> None:
    app = create_app()
    token = bear(app.open_session())
    later = bear(app.open_session())
    with time_machine.travel(get_now_ms() / 1000 + 1, tick=False) as clock:
        assert (enter(token), enter(later), enter(app.headers)) == (200, 200, 200)
        run_elsewhere(f"apps.revoke_tokens({app.slug!r}); apps.rotate_secret({app.slug!r}, {NEW!r}, 0)")
        assert (enter(token), enter(app.headers)) == (200, 200)
        assert enter(carry(app, NEW)) == 200
        clock.shift(30)
        assert (enter(token), enter(later), enter(app.headers)) == (401, 401, 401)
        assert enter(carry(app, NEW)) == 200
    agree(app)


def run_elsewhere(code: str) -> None:
    """Run this in a process of its own."""
    environ = os.environ | {"PYTHONPATH": str(ROOT / "layers" / "core")}
    subprocess.run(  # noqa: S603 - this interpreter, on a text of ours
        [sys.executable, "-c", f"from genai_voice.tenancy import apps; {code}"], env=environ, check=True
    )


def test_a_change_made_while_an_app_is_being_read_is_seen_at_once_where_it_was_made() -> None:
    app = create_app()
    token = bear(app.open_session())
    refused: list[int] = []

    def disable(_: int) -> None:
        apps.set_active(app.slug, False)
        refused.append(enter(token))

    with act_before_call("Query", disable, at=(1,)):  # the app has been read, and is used after this
        assert enter(token) == 200
    assert refused == [401]
    assert enter(token) == 401


# -- apps of before ----------------------------------------------------------------------------------------


@pytest.fixture
def nobody_is_split() -> Iterator[None]:
    """The table is that of a deployment that has not been swept since apps have two rows."""
    AppsSplitRow.of().delete()
    forget_all()
    yield
    note_that_apps_are_split()


def create_app_of_before() -> Client:
    app = create_app()
    assert CredentialRow.of(app.slug).remove()
    return app


def always() -> bool:
    return True


@pytest.mark.usefixtures("nobody_is_split")
def test_an_app_of_before_is_entered_and_braked_as_any_other_before_and_after_it_is_split() -> None:
    app = create_app_of_before()
    token = bear(app.open_session())
    for source in ("198.51.100.1", "198.51.100.2"):
        assert (enter(app.headers, source), enter(token, source)) == (200, 200)
        guesses = [enter(carry(app, "a wrong guess"), source) for _ in range(11)]
        assert guesses == [401] * 10 + [429]
        sweep()
        forget_callers()
        agree(app)


@pytest.mark.usefixtures("nobody_is_split")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_splits_an_app_of_before(change: Callable[[Client], object]) -> None:
    app = create_app_of_before()
    change(app)
    agree(app)


@pytest.mark.usefixtures("nobody_is_split")
@pytest.mark.parametrize("before", ["GetItem", "PutItem"])
def test_who_splits_an_app_while_its_secret_is_rotated_loses(before: str) -> None:
    app = create_app_of_before()

    def rotate(_: int) -> None:
        apps.rotate_secret(app.slug, NEW, 0)

    with act_before_call(before, rotate, at=(1,)):
        assert not splitting.insert_credentials(app.slug)

    agree(app)
    assert [enter(carry(app, secret)) for secret in (app.secret, NEW)] == [401, 200]


@pytest.mark.usefixtures("nobody_is_split")
def test_splitting_is_noted_when_all_are_split_and_goes_on_where_it_was_cut_off() -> None:
    old = [create_app_of_before() for _ in range(3)]
    assert splitting.split_apps(lambda: False) == 0
    assert AppsSplitRow.of().find_stored() is None
    with record_calls() as calls:
        splitting.split_apps(always)
    for number in range(1, len(calls.operations) + 1):
        AppsSplitRow.of().delete()
        for app in old:
            CredentialRow.of(app.slug).delete()
        with pytest.raises(Cut), cut(number, after=True):
            splitting.split_apps(always)
        splitting.split_apps(always)
        assert AppsSplitRow.of().find_stored()
        for app in old:
            agree(app)
    with record_calls() as calls:
        assert splitting.split_apps(always) == 0
    assert calls.operations == ["GetItem"]


@pytest.mark.usefixtures("nobody_is_split")
def test_the_note_is_believed_after_a_minute_and_known_for_good() -> None:
    app = create_app_of_before()
    with time_machine.travel(get_now_ms() / 1000, tick=False) as clock:
        note = AppsSplitRow.of()
        note.created_at = get_now_ms()
        note.insert()
        clock.shift(60)
        assert enter(app.headers) == 200  # may have looked before its row was there
        clock.shift(0.001)
        forget_callers()
        assert enter(app.headers) == 401
        note.delete()
        forget_callers()
        assert enter(app.headers) == 401
