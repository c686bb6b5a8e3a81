"""Who may call: carriers and their order, sessions, secrets, scopes (contract, section 2)."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import time_machine
from genai_voice.foundation import secret as deployment_secret
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.clock import get_now_ms
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tenancy.hashing import hash_token
from genai_voice.tenancy.resolver import forget_callers
from genai_voice.tenancy.rows import AppRow

from tests.support.service import (
    Reply,
    call,
    create_app,
    handle,
    make_event,
    read_partition,
    read_rows,
    record_calls,
    to_plain,
)

WRONG = "a wrong guess"
DAY_MS = 24 * 3_600_000


def tools(headers: dict[str, str] | None = None, source: str = "203.0.113.7", **query: str) -> Reply:
    return call("GET", "/api/tools", headers=headers, query=query, source=source)


def open_session(body: dict[str, Any] | None = None, **headers: str) -> Reply:
    return call(
        "POST",
        "/api/auth/session",
        body=body or {},
        headers={k.replace("_", "-"): v for k, v in headers.items()},
    )


# -- carriers ----------------------------------------------------------------------------------------------


def test_a_wrong_bearer_is_refused_even_beside_valid_credentials_in_the_body() -> None:
    app = create_app()
    body = {
        "sessionId": "s",
        "appSlug": app.slug,
        "appSecret": app.secret,
        "sessionToken": app.open_session(),
    }
    assert call("POST", "/api/conversations", body=body).status == 200
    reply = call("POST", "/api/conversations", body=body, headers={"authorization": "Bearer wrong"})
    assert reply.status == 401


def test_a_wrong_token_in_the_body_gives_way_to_the_right_secret() -> None:
    app = create_app()
    body = {"sessionId": "s", "appSlug": app.slug, "appSecret": app.secret, "sessionToken": "gvs_wrong"}
    assert call("POST", "/api/conversations", body=body).status == 200


def test_the_slug_of_the_header_beats_that_of_the_query_which_beats_that_of_the_body() -> None:
    app, other = create_app(), create_app()
    bearer = {"authorization": f"Bearer {app.secret}"}
    assert tools({**bearer, "x-app-slug": app.slug}, appSlug=other.slug).status == 200
    assert tools({**bearer, "x-app-slug": other.slug}, appSlug=app.slug).status == 401
    body = {"sessionId": "s", "appSlug": other.slug}
    assert (
        call("POST", "/api/conversations", body=body, query={"appSlug": app.slug}, headers=bearer).status
        == 200
    )


def test_the_query_beats_the_body() -> None:
    app = create_app()
    body = {"sessionId": "s", "appSlug": app.slug, "appSecret": app.secret}
    reply = call("POST", "/api/conversations", body=body, query={"appSecret": "wrong"})
    assert reply.status == 401


@pytest.mark.parametrize("absent", ["", None, 5, ["x"]])
def test_an_empty_or_mistyped_credential_is_absent(absent: object) -> None:
    app = create_app()
    body = {"sessionId": "s", "sessionToken": absent, "appSlug": app.slug, "appSecret": app.secret}
    assert call("POST", "/api/conversations", body=body, headers={"authorization": "Bearer"}).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    app = create_app()
    assert tools({"authorization": f"  {scheme}   {app.secret}  ", "x-app-slug": app.slug}).status == 200


def test_a_session_token_is_of_its_app_whatever_slug_comes_with_it() -> None:
    app, other = create_app(), create_app()
    app.post("/api/conversations", {"sessionId": "mine"})
    headers = {"authorization": f"Bearer {app.open_session()}", "x-app-slug": other.slug}
    listed = call("GET", "/api/conversations", headers=headers).json["conversations"]
    assert [each["sessionId"] for each in listed] == ["mine"]


# -- sessions ----------------------------------------------------------------------------------------------


def test_a_session_lives_an_hour_unless_asked_otherwise() -> None:
    app = create_app()
    before = get_now_ms()
    opened = open_session({"appSlug": app.slug, "appSecret": app.secret})
    assert opened.status == 200
    assert set(opened.json) == {"sessionToken", "expiresAt"}
    assert 3_600_000 <= opened.json["expiresAt"] - before < 3_660_000


@pytest.mark.parametrize(
    ("ttl", "lives_ms"),
    [(60_000, 60_000), (1.5, 1), (0.5, 1), (DAY_MS * 5, DAY_MS), (1e300, DAY_MS), (None, 3_600_000)],
)
def test_its_life_is_what_was_asked_for_up_to_a_day(ttl: float | None, lives_ms: int) -> None:
    app = create_app()
    before = get_now_ms()
    opened = app.post("/api/auth/session", {"ttlMs": ttl})
    assert 0 <= opened.json["expiresAt"] - before - lives_ms < 10_000


def test_an_infinite_life_is_refused() -> None:
    app = create_app()
    reply = call("POST", "/api/auth/session", raw=b'{"ttlMs": 1e999}', headers=app.headers)
    assert (reply.status, reply.json["error"]) == (400, "ttlMs must be a positive number")


@pytest.mark.parametrize("ttl", [0, -1, "60000", True, [], {}])
def test_a_life_that_is_no_positive_number_is_refused(ttl: object) -> None:
    reply = create_app().post("/api/auth/session", {"ttlMs": ttl})
    assert (reply.status, reply.json["error"]) == (400, "ttlMs must be a positive number")


def test_the_headers_beat_the_body_when_a_session_is_opened() -> None:
    app, other = create_app(), create_app()
    body = {"appSlug": other.slug, "appSecret": "wrong"}
    assert open_session(body, authorization=f"Bearer {app.secret}", x_app_slug=app.slug).status == 200
    assert open_session({"appSlug": app.slug, "appSecret": app.secret}, x_app_slug=other.slug).status == 401


def test_neither_the_query_nor_a_token_opens_a_session() -> None:
    app = create_app()
    query = {"appSlug": app.slug, "appSecret": app.secret}
    assert call("POST", "/api/auth/session", body={}, query=query).status == 400
    assert open_session({"appSlug": app.slug, "sessionToken": app.open_session()}).status == 400
    assert open_session({"appSlug": app.slug, "appSecret": app.open_session()}).status == 401


@pytest.mark.parametrize("warm", [True, False])
def test_a_token_expires_by_check_also_when_it_is_known(warm: bool) -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        headers = {"authorization": f"Bearer {app.open_session(5_000)}"}
        if warm:
            assert tools(headers).status == 200
        clock.shift(5)
        assert tools(headers).status == 200
        clock.shift(0.002)
        assert tools(headers).status == 401


def test_a_token_is_stored_hashed_and_goes_by_ttl() -> None:
    app = create_app()
    opened = app.post("/api/auth/session", {}).json
    with record_calls() as calls:
        app.post("/api/auth/session", {})
    assert calls.written == ["TOKEN"]
    stored = json.dumps([str(row) for row in read_rows(app.slug)])
    assert opened["sessionToken"] not in stored
    (row,) = read_partition(f"TOKEN#{hash_token(opened['sessionToken'])}#")
    assert opened["sessionToken"] not in str(row)
    assert to_plain(row["expires_at"]) == opened["expiresAt"] // 1000 + 1


def test_secrets_are_stored_hashed_and_salted() -> None:
    app = create_app()
    (row,) = [row for row in read_rows(app.slug) if row["kind"] == "app"]
    assert app.secret not in str(row)
    apps.update_app(app.slug, AppFields.model_validate({"name": "again"}))
    twin = create_app()
    apps.rotate_secret(twin.slug, app.secret, 0)
    (twin_row,) = [row for row in read_rows(twin.slug) if row["kind"] == "app"]
    assert bytes(twin_row["secrets"][0]["hash"]) != bytes(row["secrets"][0]["hash"])


# -- apps that change --------------------------------------------------------------------------------------


def test_disabling_an_app_takes_effect_at_once_in_this_process_and_after_30_s_elsewhere() -> None:
    app = create_app()
    token = {"authorization": f"Bearer {app.open_session()}"}
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        assert tools(app.headers).status == 200
        apps.set_active(app.slug, False)
        assert tools(app.headers).status == 401
        apps.set_active(app.slug, True)
        assert tools(app.headers).status == 200
        AppRow.of(app.slug).change([AppRow.is_active.set(False)])  # as another process would
        clock.shift(29)
        assert tools(app.headers).status == 200
        clock.shift(2)
        assert tools(app.headers).status == 401
        assert tools(token).status == 401


def test_two_secrets_are_valid_while_they_overlap() -> None:
    app = create_app()
    new = {"authorization": "Bearer the new secret", "x-app-slug": app.slug}
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        apps.rotate_secret(app.slug, "the new secret", 3_600_000)
        assert (tools(app.headers).status, tools(new).status) == (200, 200)
        clock.shift(3_601)
        assert (tools(app.headers).status, tools(new).status) == (401, 200)


def test_a_secret_that_is_known_is_forgotten_when_its_overlap_ends() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        apps.rotate_secret(app.slug, "the new secret", 10_000)
        assert tools(app.headers).status == 200
        clock.shift(11)
        assert tools(app.headers).status == 401


def test_a_third_rotation_leaves_two_secrets() -> None:
    app = create_app()
    for secret in ("the second one", "the third one"):
        apps.rotate_secret(app.slug, secret, 3_600_000)
    statuses = [
        tools({"authorization": f"Bearer {secret}", "x-app-slug": app.slug}).status
        for secret in (app.secret, "the second one", "the third one")
    ]
    assert statuses == [401, 200, 200]


def test_going_back_to_the_former_secret_keeps_the_present_one_for_the_overlap() -> None:
    app = create_app()
    apps.rotate_secret(app.slug, "the new secret", 3_600_000)
    apps.rotate_secret(app.slug, app.secret, 3_600_000)
    new = {"authorization": "Bearer the new secret", "x-app-slug": app.slug}
    assert (tools(app.headers).status, tools(new).status) == (200, 200)


def test_a_secret_that_has_ended_causes_no_look_at_the_deployment_secret() -> None:
    app = create_app()
    file = Path(os.environ["DEPLOYMENT_SECRET_FILE"])
    before = file.read_text()
    try:
        tenancy_reads_it_again()
        apps.rotate_secret(app.slug, "the new secret", 1)
        row = AppRow.find_by_slug(app.slug)
        assert row is not None
        row.secrets[1].pepper_id = "k0"
        row.save()
        with time_machine.travel(get_now_ms() / 1000 + 60):
            for _ in range(3):
                tools({"authorization": "Bearer the new secret", "x-app-slug": app.slug})
                forget_callers()
            assert not deployment_secret._refreshed
    finally:
        file.write_text(before)


def test_rotating_again_to_the_present_secret_ends_the_overlap() -> None:
    app = create_app()
    apps.rotate_secret(app.slug, "the new secret", 3_600_000)
    apps.rotate_secret(app.slug, "the new secret", 3_600_000)
    assert tools(app.headers).status == 401


def test_a_secret_hashed_with_the_previous_pepper_is_valid_until_that_is_gone() -> None:
    app = create_app()
    file = Path(os.environ["DEPLOYMENT_SECRET_FILE"])
    before = file.read_text()
    try:
        file.write_text(json.dumps({"id": "k2", "key": "a new root", "previous": json.loads(before)}))
        tenancy_reads_it_again()
        assert tools(app.headers).status == 200
        newer = create_app()
        assert tools(newer.headers).status == 200
        file.write_text(json.dumps({"id": "k2", "key": "a new root"}))
        tenancy_reads_it_again()
        assert (tools(app.headers).status, tools(newer.headers).status) == (401, 200)
    finally:
        file.write_text(before)
        tenancy_reads_it_again()


def tenancy_reads_it_again() -> None:
    forget_all()


def test_a_process_that_read_the_old_deployment_secret_learns_the_new_one() -> None:
    file = Path(os.environ["DEPLOYMENT_SECRET_FILE"])
    before = file.read_text()
    old_app = create_app()
    assert tools(old_app.headers).status == 200
    try:
        file.write_text(json.dumps({"id": "k2", "key": "a new root", "previous": json.loads(before)}))
        tenancy_reads_it_again()
        newer = create_app()
        file.write_text(before)
        tenancy_reads_it_again()
        assert tools(old_app.headers).status == 200  # this process knows k1 alone
        file.write_text(json.dumps({"id": "k2", "key": "a new root", "previous": json.loads(before)}))
        assert tools(newer.headers).status == 200
    finally:
        file.write_text(before)
        tenancy_reads_it_again()


# -- scopes ------------------------------------------------------------------------------------------------


def test_a_browser_token_of_an_app_with_runtime_scope_holds_conversations_but_manages_nothing() -> None:
    app = create_app(browser_scope="runtime")
    token = {"authorization": f"Bearer {app.open_session()}"}
    assert call("POST", "/api/conversations", body={"sessionId": "s"}, headers=token).status == 200
    refused = call("PATCH", "/api/persona", body={"personaTone": "x"}, headers=token)
    assert (refused.status, refused.json["error"]) == (401, "Unauthorized")
    assert "app secret" in refused.json["reason"]
    assert app.patch("/api/persona", {"personaTone": "x"}).status == 200


def test_without_the_switch_a_token_may_do_what_the_secret_may() -> None:
    token = {"authorization": f"Bearer {create_app().open_session()}"}
    assert call("PATCH", "/api/persona", body={"personaTone": "x"}, headers=token).status == 200


def test_the_names_of_headers_are_read_in_any_case() -> None:
    """API Gateway makes them lower case, `sam local` leaves them as they were sent."""
    app = create_app()
    asked = make_event("GET", "/api/tools")
    asked["headers"] = {"Authorization": f"Bearer {app.secret}", "X-App-Slug": app.slug}
    assert handle(asked).status == 200
