"""Annotations: one of each session, saved again and again, listed (contract 3.16)."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.rows import AnnotationRow
from genai_voice.foundation.transactions import put_all
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields

from tests.support.service import Client, call, create_app, read_pages, read_partition, record_calls
from tests.support.wire import Cut, act_before_call, cut, lose_answer

MEGABYTE = 1024 * 1024


def save(app: Client, session: str = "s", quality: str = "good", **fields: Any) -> str:
    reply = app.post("/api/annotations", {"sessionId": session, "qualityRating": quality, **fields})
    assert reply.status == 200, reply.text
    assert reply.json["ok"] is True
    return str(reply.json["id"])


def one(app: Client, session: str = "s", **query: str) -> Any:
    reply = app.get("/api/annotations", sessionId=session, **query)
    assert list(reply.json) == ["annotation"]
    return reply.json["annotation"]


def listed(app: Client, **query: str) -> list[str]:
    return [each["sessionId"] for each in app.get("/api/annotations", **query).json["annotations"]]


# -- one annotation ----------------------------------------------------------------------------------------


def test_the_first_save_sets_everything() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        made = save(
            app,
            quality="bad",
            conversationId="c-1",
            failureModes=["wrong_tool", "other"],
            notes="Asked twice.",
            annotatedBy="ada",
        )
    assert one(app) == {
        "_id": made,
        "_creationTime": 1_800_000_000_000,
        "appSlug": app.slug,
        "sessionId": "s",
        "conversationId": "c-1",
        "qualityRating": "bad",
        "failureModes": ["wrong_tool", "other"],
        "notes": "Asked twice.",
        "annotatedBy": "ada",
        "createdAt": 1_800_000_000_000,
        "updatedAt": 1_800_000_000_000,
    }


@pytest.mark.parametrize("absent", [{}, dict.fromkeys(["failureModes", "notes", "annotatedBy"])], ids=str)
def test_what_is_absent_has_its_default(absent: dict[str, Any]) -> None:
    app = create_app()
    save(app, **absent)
    found = one(app)
    assert (found["failureModes"], found["notes"], found["annotatedBy"]) == ([], "", "dashboard-user")
    assert "conversationId" not in found


def test_a_later_save_replaces_all_but_the_beginning() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        made = save(
            app, quality="bad", conversationId="c-1", failureModes=["other"], notes="x", annotatedBy="a"
        )
        first = one(app)
        clock.shift(5)
        assert save(app, quality="mixed", conversationId="c-2") == made
    assert one(app) == first | {
        "qualityRating": "mixed",
        "failureModes": [],
        "notes": "",
        "annotatedBy": "dashboard-user",
        "updatedAt": first["updatedAt"] + 5_000,
    }


@pytest.mark.parametrize("first", [{}, {"conversationId": None}, {"conversationId": ""}], ids=str)
def test_a_conversation_is_named_by_the_first_save_or_never(first: dict[str, Any]) -> None:
    app = create_app()
    save(app, **first)
    save(app, conversationId="c-2")
    assert "conversationId" not in one(app)


def test_a_save_is_one_write_whether_it_is_the_first_or_not() -> None:
    app = create_app()
    app.get("/api/tools")
    for _ in range(2):
        with record_calls() as calls:
            save(app)
        assert calls.operations == ["UpdateItem"]
    assert [row["sk"]["S"] for row in read_partition(f"APP#{app.slug}#SESSION#s#")] == ["ANNOTATION"]


def test_no_annotation_is_null() -> None:
    app = create_app()
    save(app, "another")
    assert one(app) is None


def test_another_apps_annotation_is_null() -> None:
    mine, theirs = create_app(), create_app()
    save(theirs)
    assert one(mine) is None
    assert one(mine, appSlug=theirs.slug, all="true") is None
    save(mine)
    assert one(mine)["appSlug"] == mine.slug
    assert one(mine, appSlug=theirs.slug) is None
    assert one(mine, appSlug=mine.slug) == one(mine)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "Missing required fields: sessionId, qualityRating"),
    "no session": ({"qualityRating": "good"}, "Missing required fields: sessionId, qualityRating"),
    "missing before unknown": (
        {"sessionId": "", "qualityRating": "great"},
        "Missing required fields: sessionId, qualityRating",
    ),
    "no rating": (
        {"sessionId": "s", "qualityRating": None},
        "Missing required fields: sessionId, qualityRating",
    ),
    "unknown rating": (
        {"sessionId": "s", "qualityRating": "Good"},
        "qualityRating must be one of: good, bad, mixed",
    ),
    "unknown before invalid": (
        {"sessionId": 5, "qualityRating": "great"},
        "qualityRating must be one of: good, bad, mixed",
    ),
    "a rating that is no text": ({"sessionId": "s", "qualityRating": 5}, "Invalid field: qualityRating"),
    "a mode that is no text": (
        {"sessionId": "s", "qualityRating": "bad", "failureModes": ["other", 5]},
        "Invalid field: failureModes[1]",
    ),
    "modes that are no list": (
        {"sessionId": "s", "qualityRating": "bad", "failureModes": "other"},
        "Invalid field: failureModes",
    ),
    "too many modes": (
        {"sessionId": "s", "qualityRating": "bad", "failureModes": ["other"] * 51},
        "Invalid field: failureModes (over 50 items)",
    ),
    "long notes": (
        {"sessionId": "s", "qualityRating": "bad", "notes": "あ" * 10_001},
        "Invalid field: notes (over 10,000 characters)",
    ),
}


@pytest.mark.parametrize(("body", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_told_and_nothing_is_stored(body: dict[str, Any], error: str) -> None:
    app = create_app()
    reply = app.post("/api/annotations", body)
    assert (reply.status, reply.json["error"]) == (400, error)
    assert listed(app) == []


def test_a_browser_of_an_app_that_limits_its_tokens_may_annotate() -> None:
    """The dashboard has session tokens alone, and an annotation changes nothing that an agent says."""
    app = create_app()
    apps.update_app(app.slug, AppFields.model_validate({"browserScope": "runtime"}))
    headers = {"authorization": f"Bearer {app.open_session()}"}
    body = {"sessionId": "s", "qualityRating": "good"}
    assert call("POST", "/api/annotations", body=body, headers=headers).status == 200
    assert call("GET", "/api/annotations", query={"sessionId": "s"}, headers=headers).status == 200


# -- lists -------------------------------------------------------------------------------------------------


def make(app: Client, count: int, *qualities: str) -> list[str]:
    """Sessions of annotations a second apart, newest first."""
    qualities = qualities or ("good",)
    sessions = [f"s-{number:03d}" for number in range(count)]
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        for number, session in enumerate(sessions):
            clock.shift(1)
            save(app, session, qualities[number % len(qualities)])
    return sessions[::-1]


def copies(app: Client, count: int, **changed: Any) -> None:
    """Annotations s-0, s-1, … in a few calls."""
    save(app, "s-0")
    saved = AnnotationRow.of(app.slug, "s-0").find_stored()
    assert saved
    rows = []
    for number in range(count):
        row = AnnotationRow(**saved.attribute_values | changed | {"session_id": f"s-{number}"})
        row.pk = AnnotationRow.of(app.slug, f"s-{number}").pk
        row.gsi1sk = row.gsi2sk = f"{saved.gsi1sk}{number:03d}"
        rows.append(row)
    put_all(rows)


def test_they_are_listed_newest_created_first_however_they_are_revised() -> None:
    app = create_app()
    sessions = make(app, 5)
    save(app, sessions[3], "bad", notes="revised")
    assert listed(app) == sessions
    assert listed(app, all="true", appSlug=app.slug) == sessions
    assert listed(app, appSlug="another") == []


def test_a_quality_is_filtered_before_the_limit() -> None:
    app = create_app()
    sessions = make(app, 9, "good", "bad", "mixed")
    assert listed(app, quality="bad", limit="2") == [sessions[1], sessions[4]]
    assert listed(app, quality="mixed") == [sessions[0], sessions[3], sessions[6]]
    assert listed(app, quality="") == sessions
    assert listed(app, quality="great") == []


def test_a_revised_rating_is_found_under_its_new_quality_alone() -> None:
    app = create_app()
    sessions = make(app, 3)
    save(app, sessions[1], "bad")
    assert listed(app, quality="good") == [sessions[0], sessions[2]]
    assert listed(app, quality="bad") == [sessions[1]]


def revise(app: Client, session: str) -> None:
    save(app, session, "bad")


def test_a_rating_that_is_revised_while_it_is_listed_is_not_shown_under_the_old_one() -> None:
    app = create_app()
    sessions = make(app, 3)
    listed(app)  # its credentials are known from here on
    with act_before_call("BatchGetItem", lambda _: revise(app, sessions[1]), at=(1,)):
        assert listed(app, quality="good") == [sessions[0], sessions[2]]


def test_a_page_that_lost_a_row_meanwhile_still_leads_on() -> None:
    app = create_app()
    sessions = make(app, 4)
    listed(app)
    with act_before_call("BatchGetItem", lambda _: revise(app, sessions[1]), at=(1,)):
        page = app.get("/api/annotations", quality="good", limit="2").json
    assert [each["sessionId"] for each in page["annotations"]] == [sessions[0]]
    assert listed(app, quality="good", limit="2", cursor=page["cursor"]) == sessions[2:]


@pytest.mark.parametrize("query", [{}, {"quality": "good"}], ids=str)
def test_pages_join_without_gap_or_repetition(query: dict[str, str]) -> None:
    app = create_app()
    sessions = make(app, 7)
    found = list(read_pages(app, "/api/annotations", "annotations", limit="3", **query))
    assert [[each["sessionId"] for each in page] for page in found] == [
        sessions[:3],
        sessions[3:6],
        sessions[6:],
    ]


def test_a_cursor_of_one_quality_opens_no_other() -> None:
    app = create_app()
    make(app, 4)
    cursor = app.get("/api/annotations", quality="good", limit="1").json["cursor"]
    for other in ({}, {"quality": "bad"}):
        assert app.get("/api/annotations", cursor=cursor, **other).status == 400


@pytest.fixture(scope="module")
def full(engine: None) -> Client:
    """An app with 201 annotations."""
    app = create_app()
    copies(app, 201)
    return app


@pytest.mark.parametrize(("limit", "shown"), [(None, 200), ("0", 200), ("2.5", 200), ("x", 200), ("3", 3)])
def test_a_limit_that_is_none_is_200(full: Client, limit: str | None, shown: int) -> None:
    assert len(listed(full, **({"limit": limit} if limit else {}))) == shown


def test_a_page_reads_what_it_shows_and_no_more(full: Client) -> None:
    listed(full)
    for limit, expected in [("50", ["Query", "BatchGetItem"]), ("200", ["Query"] + ["BatchGetItem"] * 2)]:
        with record_calls() as calls:
            assert len(listed(full, limit=limit)) == int(limit)
        assert calls.operations == expected


def test_a_list_ends_before_a_reply_is_larger_than_lambda_takes() -> None:
    app = create_app()
    copies(app, 150, notes='"\\' * 10_000)
    found = list(read_pages(app, "/api/annotations", "annotations"))
    assert len(found) > 1
    assert sorted(each["sessionId"] for page in found for each in page) == sorted(
        f"s-{n}" for n in range(150)
    )
    for page in found:
        assert len(json.dumps({"body": json.dumps({"annotations": page})})) < 6 * MEGABYTE


# -- retries and races -------------------------------------------------------------------------------------


def test_a_save_whose_answer_was_lost_is_the_same_save() -> None:
    app = create_app()
    app.get("/api/tools")
    with lose_answer(1):
        save(app, conversationId="c-1")
    assert one(app)["conversationId"] == "c-1"
    assert listed(app) == ["s"]


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_at_the_write_leaves_all_of_it_or_nothing(after: bool) -> None:
    app = create_app()
    app.get("/api/tools")
    with cut(1, after=after), pytest.raises(Cut):
        save(app, "s", "bad")
    assert listed(app, quality="bad") == (["s"] if after else [])
    save(app, "s", "bad")
    assert listed(app) == listed(app, quality="bad") == ["s"]


@pytest.mark.parametrize("again", range(5))
def test_two_first_saves_at_once_are_one_annotation_with_one_beginning(strict: None, again: int) -> None:
    app = create_app()
    save(app, "warm")
    with ThreadPoolExecutor(12) as threads:
        ids = set(threads.map(lambda n: save(app, conversationId=f"c-{n}", notes=f"{n}"), range(12)))
    assert ids == {one(app)["_id"]}
    stored = one(app)
    row = AnnotationRow.of(app.slug, "s").find_stored()
    assert row is not None
    assert str(row.gsi1sk).startswith(f"{stored['createdAt']:015d}")
    assert row.gsi1sk == row.gsi2sk
    assert stored["updatedAt"] >= stored["createdAt"]
    assert listed(app) == ["s", "warm"]
    before = stored["conversationId"]
    save(app, conversationId="late")
    assert (one(app)["conversationId"], one(app)["createdAt"]) == (before, stored["createdAt"])


def test_a_rating_that_two_people_revise_at_once_is_found_under_one_quality(strict: None) -> None:
    app = create_app()
    save(app)
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda n: save(app, quality=("good", "bad", "mixed")[n % 3]), range(30)))
    found = {quality: listed(app, quality=quality) for quality in ("good", "bad", "mixed")}
    assert found == {quality: ["s"] if quality == one(app)["qualityRating"] else [] for quality in found}
