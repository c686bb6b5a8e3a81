"""Handoffs: the desk, the conversation that goes with each of them, and who wins (contract 3.5, 5.1, 5.2)."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.work import WorkFailed
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tools import registry
from pynamodb.expressions.operand import Path

from tests.integration.test_retries import PLAIN_CONFLICT, cancelled
from tests.support.https import Names
from tests.support.service import (
    Client,
    Reply,
    create_app,
    read_pages,
    read_partition,
    record_calls,
    sweep,
    to_plain,
)
from tests.support.webhooks import Queue
from tests.support.wire import Cut, act_before_call, answer_calls, cut, lose_answer

NOW = 1_800_000_000
SAID = [{"role": "user", "content": "Can I talk to somebody?", "ts": 1}]
HOOK = "https://hooks.example.com/handoffs"


def hand_over(app: Client, session: str = "s", **fields: Any) -> str:
    body = {"sessionId": session, "reason": "user_requested", "transcript": SAID, **fields}
    reply = app.post("/api/handoffs", body)
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def patch(app: Client, handoff_id: str, status: str, **fields: Any) -> Reply:
    return app.patch("/api/handoffs", {"handoffId": handoff_id, "status": status, **fields})


def save(app: Client, session: str = "s", **fields: Any) -> None:
    assert app.post("/api/conversations", {"sessionId": session, **fields}).status == 200


def conversation(app: Client, session: str = "s") -> dict[str, Any]:
    listed = app.get("/api/conversations").json["conversations"]
    return next(each for each in listed if each["sessionId"] == session)


def one(app: Client, handoff_id: str) -> dict[str, Any]:
    listed = app.get("/api/handoffs").json["handoffs"]
    return next(each for each in listed if each["_id"] == handoff_id)


def ids(app: Client, **query: str) -> list[str]:
    reply = app.get("/api/handoffs", **query)
    assert reply.status == 200, reply.text
    return [each["_id"] for each in reply.json["handoffs"]]


def announced(app: Client) -> list[dict[str, Any]]:
    """The bodies that wait for the app's address, oldest first."""
    rows = read_partition(make_key("APP", app.slug, "DELIVERY"))
    return [json.loads(to_plain(row["payload"])) for row in rows]


# -- a handoff is requested --------------------------------------------------------------------------------


def test_all_that_is_said_of_a_handoff_is_kept() -> None:
    app = create_app()
    save(app, messages=SAID)
    with time_machine.travel(NOW, tick=False):
        made = hand_over(
            app,
            channel="voice-pstn",
            reasonDetail="Twice.",
            priority="urgent",
            aiSummary="About a bill.",
            customerData={"name": "Ada", "vip": True},
        )
    assert one(app, made) == {
        "_id": made,
        "_creationTime": NOW * 1000,
        "appSlug": app.slug,
        "sessionId": "s",
        "channel": "voice-pstn",
        "reason": "user_requested",
        "reasonDetail": "Twice.",
        "status": "pending",
        "priority": "urgent",
        "transcript": json.dumps(SAID, separators=(",", ":")),
        "aiSummary": "About a bill.",
        "customerData": '{"name":"Ada","vip":true}',
        "createdAt": NOW * 1000,
    }


def test_what_is_not_said_has_its_default() -> None:
    app = create_app()
    made = one(app, hand_over(app, transcript=[], priority=None, channel=None))
    assert (made["channel"], made["priority"], made["transcript"]) == ("web", "normal", "[]")
    assert made.keys().isdisjoint({"reasonDetail", "aiSummary", "customerData", "assignedAgent"})


@pytest.mark.parametrize(
    "fields",
    [
        {"sessionId": ""},
        {"reason": ""},
        {"transcript": None},
        {"transcript": "said"},
        {"transcript": {"role": "user"}},
    ],
    ids=str,
)
def test_what_is_missing_is_told(fields: dict[str, Any]) -> None:
    body = {"sessionId": "s", "reason": "r", "transcript": [], **fields}
    reply = create_app().post("/api/handoffs", body)
    assert (reply.status, reply.json["error"]) == (400, "Missing required fields")


def test_what_is_told_of_the_customer_has_a_limit() -> None:
    body = {"sessionId": "s", "reason": "r", "transcript": [], "customerData": {"x": "y" * 50_000}}
    reply = create_app().post("/api/handoffs", body)
    assert (reply.status, reply.json["error"]) == (400, "Invalid field: customerData (over 50,000 bytes)")


def test_asked_again_there_is_another_handoff() -> None:
    app = create_app()
    first, second = hand_over(app), hand_over(app)
    assert ids(app) == [second, first]


def test_a_request_is_one_transaction() -> None:
    app = create_app(handoff_webhook_url=HOOK)
    save(app, messages=SAID)
    with record_calls() as calls:
        made = hand_over(app)
    assert calls.operations == ["TransactWriteItems"]
    assert [sk.partition("#")[0] for sk in calls.written] == ["ID", "HANDOFF", "ID", "CONVERSATION"]
    assert calls.written[0] == f"ID#{made}#"


# -- the conversation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["active", "resolved", "abandoned", "handed_off"])
def test_a_handoff_hands_over_whatever_there_was_and_no_save_undoes_it(before: str) -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False):
        save(app, messages=SAID, status=before, channel="web")
    with time_machine.travel(NOW + 60, tick=False):
        hand_over(app, transcript=[], channel="sms")
    found = conversation(app)
    assert (found["status"], found["endedAt"], found["channel"]) == ("handed_off", NOW * 1000, "web")
    assert json.loads(found["transcript"]) == SAID
    assert app.get("/api/conversations", status=before).json["conversations"] == (
        [found] if before == "handed_off" else []
    )
    for status in ("active", "resolved"):
        save(app, status=status, resolution="completed", messages=[])
    assert conversation(app)["status"] == "handed_off"
    assert conversation(app)["resolution"] == "completed"
    save(app, status="abandoned")
    assert conversation(app)["status"] == "abandoned"


def test_a_handoff_of_what_was_never_saved_begins_the_conversation() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False):
        hand_over(app, channel="voice-pstn")
    found = conversation(app)
    assert found == {
        "_id": found["_id"],
        "_creationTime": NOW * 1000,
        "appSlug": app.slug,
        "sessionId": "s",
        "status": "handed_off",
        "startedAt": NOW * 1000,
        "endedAt": NOW * 1000,
        "messageCount": 1,
        "channel": "voice-pstn",
        "personaVersion": "own@1",
        "transcript": json.dumps(SAID, separators=(",", ":")),
    }
    save(app, status="resolved", startedAt=5, messages=[*SAID, *SAID])
    found = conversation(app)
    assert (found["status"], found["startedAt"], found["messageCount"]) == ("handed_off", NOW * 1000, 2)


def long_transcript(kilobytes: int) -> list[dict[str, Any]]:
    """What compresses badly."""
    chance = random.Random(7)  # noqa: S311 - the same each time
    return [{"role": "user", "content": chance.randbytes(500).hex(), "ts": ts} for ts in range(kilobytes)]


@pytest.mark.parametrize("saved_before", [True, False])
def test_a_long_transcript_is_kept_whole(saved_before: bool) -> None:
    app, said = create_app(), long_transcript(2_000)
    if saved_before:
        save(app, messages=SAID)
    made = hand_over(app, transcript=said)
    assert json.loads(one(app, made)["transcript"]) == said
    assert json.loads(conversation(app)["transcript"]) == (SAID if saved_before else said)


def test_a_transcript_that_no_reply_can_hold_is_left_out() -> None:
    app = create_app()
    said = [{"role": "user", "content": '"' * 1000, "ts": 1}] * 2_400
    made = one(app, hand_over(app, transcript=said))
    assert made["transcriptOmitted"] is True
    assert "transcript" not in made


def test_a_list_of_long_transcripts_comes_in_pages_that_fit() -> None:
    app = create_app()
    made = [hand_over(app, session=f"s{at}", transcript=long_transcript(1_900)) for at in range(4)]
    found = list(read_pages(app, "/api/handoffs", "handoffs"))
    assert len(found) > 1
    assert [each["_id"] for page in found for each in page] == made[::-1]
    assert all("transcript" in each for page in found for each in page)


# -- races and accidents -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("part", range(8))
def test_saves_that_race_with_a_handoff_leave_it_handed_off(part: int) -> None:
    """200 interleavings, in eight parts: an agent saves as it goes and at its shutdown, while the handoff is
    made; for half of them nothing was saved before.
    """
    app = create_app(handoff_webhook_url=HOOK)
    chance = random.Random(part)  # noqa: S311 - the same each time
    sessions = [f"{part}-{number}" for number in range(25)]
    for session in sessions[::2]:
        save(app, session, messages=[])

    def agent(session: str) -> None:
        lines: list[dict[str, Any]] = []
        for ts in range(chance.randint(1, 4)):
            lines.append({"role": "user", "content": "x", "ts": ts})
            save(app, session, messages=lines, status="active")
        save(app, session, messages=lines, status="resolved", resolution="shutdown")

    with ThreadPoolExecutor(8) as pool:
        work = [
            pool.submit(act, session) for session in sessions for act in (agent, lambda s: hand_over(app, s))
        ]
        for each in work:
            each.result()
    for session in sessions:
        row = ConversationRow.of(app.slug, session).find_stored()
        assert (row.status, row.resolution) == ("handed_off", "shutdown")
        assert len(ids(app, sessionId=session)) == 1
    assert len(announced(app)) == len(sessions)


@pytest.mark.usefixtures("strict")
def test_of_many_who_claim_at_once_one_wins() -> None:
    app = create_app(handoff_webhook_url=HOOK, webhook_events=["handoff.claimed"])
    for _ in range(5):
        made = hand_over(app)
        people = [f"person-{number}" for number in range(12)]
        with ThreadPoolExecutor(12) as pool:
            claiming = [pool.submit(patch, app, made, "claimed", assignedAgent=who) for who in people]
        replies = [each.result() for each in claiming]
        won = [who for who, reply in zip(people, replies, strict=True) if reply.status == 200]
        assert len(won) == 1
        lost = {reply.text for reply in replies if reply.status != 200}
        assert lost == {'{"error":"Handoff already claimed"}'}
        assert one(app, made)["assignedAgent"] == won[0]
        told = [each for each in announced(app) if each["handoffId"] == made]
        assert [each.get("assignedAgent") for each in told] == [None, won[0]]


def test_a_handoff_that_meets_other_transactions_is_made_all_the_same() -> None:
    app = create_app()
    save(app)
    with answer_calls(*[cancelled("None", "None", "TransactionConflict")] * 4) as sent:
        hand_over(app)
    assert len(sent) == 5
    assert len({each["ClientRequestToken"] for each in sent}) == 1
    assert conversation(app)["status"] == "handed_off"


def test_a_save_that_meets_a_handoff_is_sent_again() -> None:
    app = create_app()
    save(app)
    with answer_calls(PLAIN_CONFLICT, PLAIN_CONFLICT) as sent:
        save(app, messages=SAID)
    assert len(sent) == 3


def test_a_conversation_that_begins_just_before_its_handoff_is_not_made_twice() -> None:
    app = create_app()
    with act_before_call("TransactWriteItems", lambda _: save(app, messages=[], channel="web"), at=(2,)):
        hand_over(app, transcript=long_transcript(700))
    found = conversation(app)
    assert (found["status"], found["channel"], found["messageCount"]) == ("handed_off", "web", 0)


def outcomes(app: Client) -> tuple[str | None, int, int]:
    """The conversation's status, its handoffs, what is announced."""
    row = ConversationRow.of(app.slug, "s").find_stored()
    return (row.status if row else None), len(ids(app)), len(announced(app))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_a_request_that_dies_anywhere_leaves_all_of_it_or_nothing(saved: bool, after: bool) -> None:
    for number in range(1, 4):
        app = create_app(handoff_webhook_url=HOOK)
        if saved:
            save(app, messages=[])
        before = outcomes(app)
        try:
            with cut(number, after=after):
                hand_over(app)
        except Cut:
            pass
        found = outcomes(app)
        assert found in (before, ("handed_off", 1, 1))
        hand_over(app)
        assert outcomes(app) == ("handed_off", found[1] + 1, found[2] + 1)


@pytest.mark.parametrize("status", ["claimed", "resolved"])
@pytest.mark.parametrize("after", [False, True])
def test_a_step_that_dies_anywhere_is_taken_once(status: str, after: bool) -> None:
    fields = {"assignedAgent": "ada"} if status == "claimed" else {"returnToAgent": True}
    for number in range(1, 5):
        app = create_app(handoff_webhook_url=HOOK, webhook_events=["handoff.claimed", "handoff.resolved"])
        made = hand_over(app)
        try:
            with cut(number, after=after):
                patch(app, made, status, **fields)
        except Cut:
            pass
        assert patch(app, made, status, **fields).status == 200
        assert one(app, made)["status"] == status
        assert [each["event"] for each in announced(app)] == ["handoff.created", f"handoff.{status}"]
        assert conversation(app)["status"] == ("handed_off" if status == "claimed" else "active")


@pytest.mark.usefixtures("strict")
def test_a_claim_without_a_name_whose_answer_is_lost_is_still_won() -> None:
    """The SDK sends the transaction again with its token."""
    app = create_app(handoff_webhook_url=HOOK, webhook_events=["handoff.claimed"])
    made = hand_over(app)
    with lose_answer(2):
        assert patch(app, made, "claimed").status == 200


# -- claimed, resolved, put back ---------------------------------------------------------------------------


def test_whoever_claims_has_it_until_it_is_resolved() -> None:
    app = create_app()
    made = hand_over(app)
    with time_machine.travel(NOW, tick=False):
        assert patch(app, made, "claimed", assignedAgent="ada").json == {"ok": True}
    with time_machine.travel(NOW + 60, tick=False):
        assert patch(app, made, "claimed", assignedAgent="ada").json == {"ok": True}
    found = one(app, made)
    assert (found["status"], found["assignedAgent"], found["claimedAt"]) == ("claimed", "ada", NOW * 1000)
    other = patch(app, made, "claimed", assignedAgent="bob")
    assert (other.status, other.json) == (409, {"error": "Handoff already claimed"})
    with time_machine.travel(NOW + 120, tick=False):
        assert patch(app, made, "resolved", assignedAgent="bob").status == 200
    found = one(app, made)
    assert (found["status"], found["assignedAgent"]) == ("resolved", "ada")
    assert found["resolvedAt"] == (NOW + 120) * 1000
    late = patch(app, made, "claimed", assignedAgent="ada")
    assert (late.status, late.json) == (409, {"error": "Handoff already resolved"})
    assert conversation(app)["status"] == "handed_off", "the conversation is not touched"


def test_what_people_think_of_it_is_kept_whatever_the_status() -> None:
    app = create_app()
    made = hand_over(app)
    patch(app, made, "claimed", assignedAgent="ada", necessityScore=0, agentFeedback="Good summary.")
    patch(app, made, "resolved", resolutionQuality="poor", agentFeedback="")
    with time_machine.travel(NOW, tick=False):
        patch(app, made, "resolved", resolutionQuality="", necessityScore=0.75)
    found = one(app, made)
    assert (found["necessityScore"], found["resolutionQuality"]) == (0.75, "poor")
    assert found["agentFeedback"] == "Good summary."
    assert found["resolvedAt"] != NOW * 1000, "it was resolved before"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": "assigned"}, "Invalid status"),
        ({"status": ""}, "Missing required fields"),
        ({"handoffId": None}, "Missing required fields"),
        ({"necessityScore": 1.1}, "Invalid field: necessityScore"),
        ({"necessityScore": -0.1}, "Invalid field: necessityScore"),
        ({"resolutionQuality": "fine"}, "Invalid field: resolutionQuality"),
        ({"returnToAgent": "yes"}, "Invalid field: returnToAgent"),
        ({"returnToAgent": True}, "returnToAgent goes with the status resolved"),
    ],
    ids=str,
)
def test_a_step_that_makes_no_sense_is_refused(fields: dict[str, Any], error: str) -> None:
    app = create_app()
    body = {"handoffId": hand_over(app), "status": "claimed", **fields}
    reply = app.patch("/api/handoffs", body)
    assert (reply.status, reply.json["error"]) == (400, error)


def test_a_handoff_of_another_app_is_none() -> None:
    app, other = create_app(), create_app()
    made = hand_over(app)
    for reply in (patch(other, made, "claimed", assignedAgent="eve"), patch(app, "unknown", "claimed")):
        assert (reply.status, reply.json) == (404, {"error": "Handoff not found"})
    assert one(app, made)["status"] == "pending"


def test_a_claim_can_be_put_back_for_somebody_else() -> None:
    app = create_app()
    made = hand_over(app)
    patch(app, made, "claimed", assignedAgent="ada")
    assert patch(app, made, "pending").status == 200
    found = one(app, made)
    assert found.keys().isdisjoint({"assignedAgent", "claimedAt"})
    assert ids(app, assignedAgent="ada") == []
    assert patch(app, made, "claimed", assignedAgent="bob").status == 200
    assert ids(app, assignedAgent="bob") == [made]


# -- given back --------------------------------------------------------------------------------------------


def test_a_conversation_that_is_given_back_goes_on_and_ends_as_others_do() -> None:
    app = create_app()
    save(app, messages=SAID)
    made = hand_over(app)
    assert patch(app, made, "resolved", returnToAgent=True).status == 200
    assert conversation(app)["status"] == "active"
    assert [each["sessionId"] for each in listed(app, "active")] == ["s"]
    save(app, status="resolved")
    assert conversation(app)["status"] == "resolved"


def listed(app: Client, status: str) -> list[dict[str, Any]]:
    return list(app.get("/api/conversations", status=status).json["conversations"])


def test_what_is_with_nobody_is_given_back_to_nobody() -> None:
    app = create_app()
    made = hand_over(app)
    save(app, status="abandoned")
    assert patch(app, made, "resolved", returnToAgent=True).status == 200
    assert (one(app, made)["status"], conversation(app)["status"]) == ("resolved", "abandoned")


def test_what_is_resolved_can_be_given_back_later() -> None:
    app = create_app()
    made = hand_over(app)
    patch(app, made, "resolved")
    assert conversation(app)["status"] == "handed_off"
    assert patch(app, made, "resolved", returnToAgent=True).status == 200
    assert conversation(app)["status"] == "active"


def test_what_somebody_else_has_claimed_is_not_given_back() -> None:
    app = create_app()
    hers, other = hand_over(app), hand_over(app)
    patch(app, hers, "claimed", assignedAgent="ada")
    refused = patch(app, other, "resolved", returnToAgent=True)
    assert (refused.status, refused.json["error"]) == (
        *(409, "Another handoff of this conversation is claimed: resolve without returnToAgent"),
    )
    assert [one(app, other)["status"], conversation(app)["status"]] == ["pending", "handed_off"]
    assert patch(app, other, "resolved").status == 200


def test_a_step_that_was_taken_before_gives_back_nothing_again() -> None:
    """A reply that was lost is asked for again: by then the conversation may be with another person."""
    app = create_app()
    first = hand_over(app)
    patch(app, first, "resolved", returnToAgent=True)
    hand_over(app)
    assert patch(app, first, "resolved", returnToAgent=True).status == 200
    assert conversation(app)["status"] == "handed_off"


def test_a_save_between_reading_and_giving_back_is_not_lost() -> None:
    app = create_app()
    made = hand_over(app)
    with act_before_call(
        "TransactWriteItems", lambda _: save(app, status="abandoned", channel="phone"), at=(1,)
    ):
        assert patch(app, made, "resolved", returnToAgent=True).status == 200
    found = conversation(app)
    assert (found["status"], found["channel"]) == ("abandoned", "phone")


# -- lists -------------------------------------------------------------------------------------------------


def test_filters_leave_what_they_name() -> None:
    app = create_app()
    one_, two, three = hand_over(app, "a"), hand_over(app, "b"), hand_over(app, "a")
    patch(app, one_, "claimed", assignedAgent="ada")
    patch(app, two, "claimed", assignedAgent="ada")
    patch(app, two, "resolved")
    assert ids(app) == [three, two, one_]
    assert ids(app, status="pending") == [three]
    assert ids(app, status="claimed") == [one_]
    assert ids(app, sessionId="a") == [three, one_]
    assert ids(app, assignedAgent="ada") == [two, one_]
    assert ids(app, assignedAgent="ada", status="claimed") == [one_]
    assert ids(app, sessionId="a", status="pending") == [three]
    assert ids(app, sessionId="b", assignedAgent="ada", status="resolved") == [two]
    assert ids(app, sessionId="a", assignedAgent="bob") == []
    assert ids(app, status="unheard-of") == []
    assert ids(app, status="", sessionId="", assignedAgent="") == [three, two, one_]
    assert ids(create_app()) == []


@pytest.mark.parametrize("query", [{}, {"status": "pending"}, {"sessionId": "s"}], ids=str)
def test_a_list_comes_in_pages_of_fifty(query: dict[str, str]) -> None:
    app = create_app()
    made = [hand_over(app, transcript=[]) for _ in range(53)]
    found = [[each["_id"] for each in page] for page in read_pages(app, "/api/handoffs", "handoffs", **query)]
    assert [len(page) for page in found] == [50, 3]
    assert [each for page in found for each in page] == made[::-1]


def test_two_filters_look_on_until_they_have_found() -> None:
    app = create_app()
    wanted = hand_over(app, transcript=[])
    patch(app, wanted, "claimed", assignedAgent="ada")
    for number in range(60):
        done = hand_over(app, session=str(number), transcript=[])
        patch(app, done, "claimed", assignedAgent="ada")
        patch(app, done, "resolved")
    assert ids(app, assignedAgent="ada", status="claimed") == [wanted]


# -- expiry ------------------------------------------------------------------------------------------------


def sweep_at(at_s: float) -> None:
    with time_machine.travel(at_s, tick=False):
        sweep()


def test_a_handoff_that_nobody_claims_in_time_expires() -> None:
    app = create_app(
        handoff_expiration_seconds=600, handoff_webhook_url=HOOK, webhook_events=["handoff.expired"]
    )
    with time_machine.travel(NOW, tick=False):
        made, claimed, resolved = hand_over(app, "a"), hand_over(app, "b"), hand_over(app, "c")
    patch(app, claimed, "claimed", assignedAgent="ada")
    patch(app, resolved, "resolved")
    sweep_at(NOW + 599)
    assert one(app, made)["status"] == "pending"
    for _ in range(2):
        sweep_at(NOW + 600)
    assert [one(app, each)["status"] for each in (made, claimed, resolved)] == [
        *("expired", "claimed", "resolved")
    ]
    *_, last = announced(app)
    assert [each["event"] for each in announced(app)].count("handoff.expired") == 1
    assert (last["event"], last["handoffId"], last["sessionId"]) == ("handoff.expired", made, "a")
    assert conversation(app, "a")["status"] == "handed_off"


def test_a_claim_that_comes_just_before_wins_over_the_expiry() -> None:
    app = create_app(handoff_expiration_seconds=600)
    with time_machine.travel(NOW, tick=False):
        made = hand_over(app)

    def claim(_: int) -> None:
        patch(app, made, "claimed", assignedAgent="ada")

    with act_before_call("UpdateItem", claim, at=(1,)):
        sweep_at(NOW + 600)
    assert one(app, made)["status"] == "claimed"


def test_what_is_claimed_and_put_back_meanwhile_does_not_expire() -> None:
    app = create_app(handoff_expiration_seconds=600)
    with time_machine.travel(NOW, tick=False):
        made = hand_over(app)

    def claim_and_put_back(_: int) -> None:
        patch(app, made, "claimed", assignedAgent="ada")
        patch(app, made, "pending")

    with act_before_call("UpdateItem", claim_and_put_back, at=(1,)):
        sweep_at(NOW + 600)
    assert one(app, made)["status"] == "pending"


def test_one_that_cannot_expire_keeps_no_other_from_it() -> None:
    app = create_app(handoff_expiration_seconds=600)
    with time_machine.travel(NOW, tick=False):
        made = [hand_over(app, str(number)) for number in range(4)]
    broken = HandoffRow.of(app.slug, made[0])
    broken.change([Path("session_id").set(5)])  # no text where one must be
    with pytest.raises(WorkFailed):
        sweep_at(NOW + 600)
    found = [HandoffRow.of(app.slug, each).find_stored() for each in made[1:]]
    assert [each.status for each in found] == ["expired"] * 3
    broken.remove()


def test_what_is_put_back_has_its_time_again() -> None:
    app = create_app(handoff_expiration_seconds=600)
    with time_machine.travel(NOW, tick=False):
        made = hand_over(app)
        patch(app, made, "claimed", assignedAgent="ada")
    with time_machine.travel(NOW + 1000, tick=False):
        patch(app, made, "pending")
    sweep_at(NOW + 1599)
    assert one(app, made)["status"] == "pending"
    sweep_at(NOW + 1600)
    assert patch(app, made, "claimed", assignedAgent="ada").status == 409
    assert patch(app, made, "resolved").status == 200


@pytest.mark.parametrize("seconds", [None, 0])
def test_without_a_time_nothing_expires(seconds: int | None) -> None:
    app = create_app(handoff_expiration_seconds=seconds)
    made = hand_over(app)
    sweep_at(NOW * 2)
    assert one(app, made)["status"] == "pending"


# -- an agent that is muted --------------------------------------------------------------------------------


def execute(app: Client, **fields: Any) -> Any:
    body = {
        "sessionId": "s",
        "toolName": "lookup_metric",
        "parameters": {"metric": "arr", "period": "Q4_2025"},
    }
    return app.post("/api/tools/execute", body | fields).json


WITH_PERSON = {"success": False, "error": "Conversation is with a person"}


def test_an_agent_that_is_muted_runs_no_tools_until_the_conversation_is_its_own_again() -> None:
    app = create_app(mute_agent_after_handoff=True)
    registry.put_tool(app.slug, "lookup_metric", description="", parameters_schema="{}")
    save(app)
    assert execute(app)["success"] is True
    made = hand_over(app)
    assert execute(app, toolCallId="c") == WITH_PERSON
    assert execute(app, sessionId="another")["success"] is True
    audit = app.get("/api/tools/executions").json["executions"][1]
    assert (audit["status"], json.loads(audit["result"])) == ("error", WITH_PERSON)
    patch(app, made, "resolved", returnToAgent=True)
    assert execute(app, toolCallId="c")["success"] is True


def test_a_call_that_is_refused_counts_in_the_rate() -> None:
    app = create_app(mute_agent_after_handoff=True, max_actions_per_turn=2)
    hand_over(app)
    body = {"sessionId": "s", "toolName": "lookup_metric"}
    replies = [app.post("/api/tools/execute", body).status for _ in range(3)]
    assert replies == [200, 200, 429]


def test_a_conversation_that_was_saved_as_handed_off_mutes_too() -> None:
    app = create_app(mute_agent_after_handoff=True)
    save(app, status="handed_off")
    assert execute(app) == WITH_PERSON


def test_an_agent_that_is_not_muted_goes_on() -> None:
    app = create_app()
    registry.put_tool(app.slug, "lookup_metric", description="", parameters_schema="{}")
    hand_over(app)
    assert execute(app)["success"] is True


def say(app: Client, role: str, at_s: float) -> None:
    line = {"sessionId": "s", "participantIdentity": role, "isFinal": True, "role": role}
    sent = app.post("/api/messages", {"messages": [line | {"content": "x", "createdAt": at_s * 1000}]})
    assert sent.status == 200


def muted(app: Client) -> list[tuple[str, float]]:
    found = app.get("/api/messages", sessionId="s").json["messages"]
    assert all(each.get("muted", True) is True for each in found)
    return [(each["role"], each["createdAt"] / 1000 - NOW) for each in found if "muted" in each]


def test_what_the_agent_says_while_a_person_has_the_conversation_is_marked_when_it_is_read() -> None:
    app = create_app(mute_agent_after_handoff=True)
    for handed_over, given_back in ((10, 20), (30, 40)):
        with time_machine.travel(NOW + handed_over, tick=False):
            made = hand_over(app)
        with time_machine.travel(NOW + handed_over + 5, tick=False):
            hand_over(app)  # another one does not begin the span anew
        with time_machine.travel(NOW + given_back, tick=False):
            patch(app, made, "resolved", returnToAgent=True)
    with time_machine.travel(NOW + 50, tick=False):
        save(app, status="handed_off")
    for at in (9, 10, 19, 20, 35, 45, 50, 999):
        say(app, "agent", NOW + at)
    for at, role in enumerate(("user", "Assistant ", "model", "human")):
        say(app, role, NOW + 15 + at)
    assert muted(app) == [
        *[("agent", 10), ("Assistant ", 16), ("model", 17), ("agent", 19)],
        *[("agent", 35), ("agent", 50), ("agent", 999)],
    ]
    apps.update_app(app.slug, AppFields.model_validate({"muteAgentAfterHandoff": False}))
    assert muted(app) == []


def test_a_demo_transfer_tells_the_agent_to_announce_a_handoff() -> None:
    app = create_app()
    registry.put_tool(app.slug, "transfer_to_human", description="", parameters_schema="{}")
    given = {"reason": "damaged_item", "summary": "A hole."}
    answer = execute(app, toolName="transfer_to_human", parameters=given)
    assert {name: answer[name] for name in ("success", "handoff", "reason", "priority")} == {
        "success": True,
        "handoff": True,
        "reason": "damaged_item",
        "priority": "normal",
    }
    assert answer["data"]["reason"] == "damaged_item"
    assert ids(app) == [], "the words alone: no handoff is made"
    assert "handoff" not in execute(app)


# -- announcements -----------------------------------------------------------------------------------------

EVERYTHING = ["handoff.claimed", "handoff.resolved", "handoff.expired", "conversation.ended"]


def test_the_body_of_a_new_handoff_is_exactly_the_contracts() -> None:
    app = create_app(handoff_webhook_url=HOOK)
    with time_machine.travel(NOW, tick=False):
        made = hand_over(app, priority="high", reasonDetail="private", aiSummary="private")
    assert announced(app) == [
        {
            "event": "handoff.created",
            "handoffId": made,
            "appSlug": app.slug,
            "sessionId": "s",
            "reason": "user_requested",
            "priority": "high",
            "timestamp": "2027-01-15T08:00:00.000Z",
        }
    ]


def test_an_app_without_an_address_is_told_nothing() -> None:
    app = create_app(webhook_events=EVERYTHING)
    patch(app, hand_over(app), "resolved")
    assert announced(app) == []


def test_an_app_is_told_of_no_more_than_it_asks_for() -> None:
    app = create_app(handoff_webhook_url=HOOK)
    made = hand_over(app)
    patch(app, made, "claimed", assignedAgent="ada")
    patch(app, made, "resolved", returnToAgent=True)
    save(app, status="resolved")
    assert [each["event"] for each in announced(app)] == ["handoff.created"]


def test_each_step_is_announced_once_to_an_app_that_asks_for_it() -> None:
    app = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
    made = hand_over(app)
    for _ in range(2):
        patch(app, made, "claimed", assignedAgent="ada")
    for _ in range(2):
        patch(app, made, "resolved")
    found = announced(app)
    assert [each["event"] for each in found] == ["handoff.created", "handoff.claimed", "handoff.resolved"]
    assert {(each["handoffId"], each["sessionId"]) for each in found} == {(made, "s")}
    assert [each.get("assignedAgent") for each in found] == [None, "ada", "ada"]


def test_whoever_announces_tells_the_sender(queue: Queue, names: Names) -> None:
    app = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
    save(app, "ends", status="resolved")
    patch(app, hand_over(app), "claimed", assignedAgent="ada")
    assert queue.work() == 3
    assert len(names.asked) == 3, "each was tried at once"


def test_an_expiry_tells_the_sender(queue: Queue, names: Names) -> None:
    app = create_app(
        handoff_expiration_seconds=600, handoff_webhook_url=HOOK, webhook_events=["handoff.expired"]
    )
    hand_over(app)
    queue.work()
    sweep_at(time.time() + 601)
    assert "handoff.expired" in [each["event"] for each in announced(app)]
    assert queue.work() >= 1


@pytest.mark.parametrize("status", ["resolved", "abandoned"])
@pytest.mark.parametrize("before", [None, "active", "handed_off"])
def test_the_end_of_a_conversation_is_announced_once(before: str | None, status: str) -> None:
    app = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
    if before:
        save(app, status=before)
    for _ in range(2):
        save(app, status=status, messages=long_transcript(700))
    save(app, messages=[])
    ended = before != "handed_off" or status == "abandoned"
    found = announced(app)
    assert [(each["event"], each["sessionId"], each["status"]) for each in found] == (
        [("conversation.ended", "s", status)] if ended else []
    )
    assert conversation(app)["status"] == (status if ended else "handed_off")


def test_an_end_that_another_writer_was_first_with_is_announced_by_that_one() -> None:
    app = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
    save(app)
    with act_before_call("TransactWriteItems", lambda _: save(app, status="abandoned"), at=(1,)):
        save(app, status="resolved")
    assert [each["status"] for each in announced(app)] == ["abandoned"]
    assert conversation(app)["status"] == "resolved"


@pytest.mark.parametrize("after", [False, True])
def test_an_end_that_dies_anywhere_is_announced_once_it_is_saved_again(after: bool) -> None:
    for number in range(1, 4):
        app = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
        save(app, messages=SAID)
        try:
            with cut(number, after=after):
                save(app, status="resolved", messages=SAID)
        except Cut:
            pass
        save(app, status="resolved", messages=SAID)
        assert [each["event"] for each in announced(app)] == ["conversation.ended"]


def test_a_save_costs_an_app_that_is_not_told_of_ends_no_more_than_before() -> None:
    app = create_app(handoff_webhook_url=HOOK)
    save(app)
    with record_calls() as calls:
        save(app, status="resolved", messages=SAID)
    assert calls.operations == ["UpdateItem"]
    told = create_app(handoff_webhook_url=HOOK, webhook_events=EVERYTHING)
    save(told)
    with record_calls() as calls:
        save(told, status="active", messages=SAID)
        save(told, status="resolved", messages=SAID)
    assert calls.operations == ["UpdateItem", "GetItem", "TransactWriteItems"]
