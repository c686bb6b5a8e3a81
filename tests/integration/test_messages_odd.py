"""Messages of other shapes than they should have: what is usable is stored, the rest counted."""

from typing import Any

import pytest

from tests.integration.test_messages import message, read
from tests.support.service import Client, create_app, record_calls

MS = 1_767_225_600_000
USABLE = message("usable", MS)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in message("odd", MS + 1).items() if name not in names}


def post(app: Client, *items: Any) -> dict[str, Any]:
    reply = app.post("/api/messages", {"messages": list(items)})
    assert reply.status == 200, reply.text
    return dict(reply.json)


@pytest.mark.parametrize(
    ("odd", "stored"),
    [
        ({"content": ["Guten", "Tag"]}, {"content": "Guten Tag"}),
        ({"content": [{"type": "input_text", "text": "Guten"}, {"text": "Tag"}]}, {"content": "Guten Tag"}),
        ({"content": {"parts": [{"text": "Hallo"}]}}, {"content": "Hallo"}),
        ({"content": None}, {"content": ""}),
        ({"createdAt": "2026-01-01T00:00:02Z"}, {"createdAt": MS + 2_000}),
        ({"createdAt": f"{MS + 3}"}, {"createdAt": MS + 3}),
        ({"createdAt": (MS + 3) * 1_000}, {"createdAt": MS + 3}),
        ({"createdAt": (MS + 3) * 1_000_000}, {"createdAt": MS + 3}),
        ({"createdAt": 1_767_225_600.5, "content": ["x"]}, {"createdAt": 1_767_225_600.5}),
        ({"isFinal": "false"}, {"isFinal": False}),
        ({"isFinal": "True"}, {"isFinal": True}),
        ({"isFinal": 0}, {"isFinal": False}),
        ({"isFinal": 1}, {"isFinal": True}),
        ({"content": ["x" * 65_537]}, {"content": "x" * 65_536, "truncated": True}),
    ],
    ids=lambda each: str(each)[:60],
)
def test_an_item_of_another_shape_is_stored_by_what_it_means(
    odd: dict[str, Any], stored: dict[str, Any]
) -> None:
    app = create_app()
    for _ in range(2):
        assert post(app, message("odd", MS) | odd) == {"ok": True, "count": 1}
    (found,) = read(app)
    assert found | stored == found


def test_gemini_parts_are_content() -> None:
    app = create_app()
    post(app, without("content") | {"parts": [{"text": "Hallo"}]})
    assert [each["content"] for each in read(app)] == ["Hallo"]


@pytest.mark.parametrize("odd", [5, [], {}, "x" * 1_001], ids=lambda each: str(each)[:9])
def test_an_odd_room_or_language_is_left_out_and_the_message_is_stored(odd: Any) -> None:
    app = create_app()
    sent = [message("a", 1, roomName=odd, language="de"), message("b", 2, roomName="r", language=odd)]
    assert post(app, *sent) == {"ok": True, "count": 2}
    stored = [(each.get("roomName"), each.get("language")) for each in read(app)]
    assert stored == [(None, "de"), ("r", None)]


ODD: list[Any] = [None, 5, [], {}]
UNUSABLE: list[Any] = [
    *(without(name) for name in ("sessionId", "participantIdentity", "role", "content")),
    *(without() | {name: ""} for name in ("sessionId", "participantIdentity", "role")),
    *(without() | {name: "x" * 1_001} for name in ("sessionId", "participantIdentity", "role")),
    *(without() | {"role": odd} for odd in ODD),
    *(without() | {"content": odd} for odd in [*ODD[1:], [{"type": "image"}]]),
    {"type": "function_call", "name": "get_weather", "arguments": "{}"} | without("content"),
    *(None, 5, "x", [], {}),
]


@pytest.mark.parametrize("unusable", UNUSABLE, ids=lambda each: str(each)[:60])
def test_an_unusable_item_is_left_out_and_counted_and_holds_up_nothing(unusable: Any) -> None:
    app = create_app()
    reply = post(app, unusable, USABLE, unusable, message("more", MS + 2))
    assert reply == {"ok": True, "count": 2, "ignored": 2}
    assert [each["content"] for each in read(app)] == ["usable", "more"]


@pytest.mark.parametrize("unusable", UNUSABLE, ids=lambda each: str(each)[:60])
def test_a_batch_without_a_usable_item_is_refused_and_says_why(unusable: Any) -> None:
    app = create_app()
    app.get("/api/messages", sessionId="s")
    with record_calls() as calls:
        reply = app.post("/api/messages", {"messages": [unusable, unusable]})
    assert reply.status == 400
    assert reply.json["error"].startswith("Invalid field: messages[0]")
    assert not calls.written


@pytest.mark.parametrize(
    "field", ["sessionId", "participantIdentity", "role", "content", "isFinal", "createdAt"]
)
def test_a_field_that_no_item_has_is_named(field: str) -> None:
    item = message() | {"content": ["read", "before"], "createdAt": "2026-01-01T00:00:00Z"}
    del item[field]
    reply = create_app().post("/api/messages", {"messages": [item, item]})
    assert (reply.status, reply.json) == (400, {"error": f"Invalid field: messages[0].{field}"})


@pytest.mark.parametrize("odd", ["absent", None, "", "soon", -1, True, [], 10**21], ids=str)
def test_an_item_that_does_not_tell_its_time_stays_where_it_was_sent(odd: Any) -> None:
    app = create_app()
    timeless = without("createdAt") | ({} if odd == "absent" else {"createdAt": odd})
    a, c, e = (timeless | {"content": each} for each in "ace")
    batch = [a, message("b", MS + 5), c, message("d", MS + 9), e]
    for _ in range(2):
        assert post(app, *batch) == {"ok": True, "count": 5}
    times = {each["content"]: each["createdAt"] for each in read(app)}
    assert times == {"a": MS + 5, "b": MS + 5, "c": MS + 5, "d": MS + 9, "e": MS + 9}


@pytest.mark.parametrize("odd", ["absent", None, "", "maybe", {}, 7], ids=str)
def test_an_item_that_does_not_tell_whether_it_is_final_counts_as_final(odd: Any) -> None:
    app = create_app()
    item = without("isFinal") | ({} if odd == "absent" else {"isFinal": odd})
    assert post(app, item, message("whole", MS, isFinal=False)) == {"ok": True, "count": 2}
    assert [(each["content"], each["isFinal"]) for each in read(app)] == [("whole", False), ("odd", True)]


def test_one_odd_item_among_many_costs_no_more_calls() -> None:
    app = create_app()
    batch = [message(f"{number}", MS + number) for number in range(49)]
    post(app, USABLE)
    with record_calls() as calls:
        reply = post(app, *batch, {"role": "user"}, message("odd", MS + 100) | {"content": ["odd"]})
    assert reply == {"ok": True, "count": 50, "ignored": 1}
    assert calls.operations == ["BatchWriteItem"] * 2
