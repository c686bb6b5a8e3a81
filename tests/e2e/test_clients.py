"""Many clients at once: nothing fails, nothing is mixed, a race has one outcome."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.serve.greeting import DEMO_APPS
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Client, Served, event, incompressible, said, written

pytestmark = needs_dynoxide

CLIENTS = 8
TURNS = 8
CALLS = {
    "demo-dentist": ("lookup_appointment", {"patientName": "Kim"}),
    "demo-earnings": ("lookup_metric", {"metric": "eps", "period": "FY2025"}),
    "demo-ecommerce": ("check_inventory", {"productName": "hoodie"}),
}


def converse(service: Served, number: int) -> None:
    """A whole conversation in each app. Its session has the same name in all of them: apps keep it apart."""
    session = f"session-{number}"
    for app in DEMO_APPS[number % 3 :] + DEMO_APPS[: number % 3]:
        with service.client(app) as client:
            if number % 2:
                client.open_session()
            play(client, session, f"{app} {number}")


def play(client: Client, session: str, name: str) -> None:
    tool, parameters = CALLS[client.slug]
    lines: list[str] = []
    client.post("/api/conversations", {"sessionId": session, "messages": [], "channel": name})
    for turn in range(TURNS):
        lines += [f"{name} asks {turn}", f"{name} hears {turn}"]
        batch = [said(session, lines[at], at + 1) for at in (-2 + len(lines), -1 + len(lines))]
        assert client.post("/api/messages", {"messages": batch}) == {"ok": True, "count": 2}
        client.post("/api/events", {"sessionId": session, "events": [event(f"{name} {turn}", turn)]})
        client.execute(session, tool, **parameters, turn=f"{name} {turn}")
        save = {"sessionId": session, "messages": transcript(lines), "status": "active"}
        assert client.post("/api/conversations", save) == {"ok": True}
    client.post("/api/conversations", {"sessionId": session, "status": "resolved", "resolution": name})


def transcript(lines: list[str]) -> list[dict[str, Any]]:
    return [written(line, at + 1) for at, line in enumerate(lines)]


def test_eight_clients_at_once_each_read_back_exactly_their_own(served: Served) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(converse, served, number) for number in range(CLIENTS)]:
            done.result()
    for app in DEMO_APPS:
        with served.client(app) as client:
            for number in range(CLIENTS):
                check(client, f"session-{number}", f"{app} {number}")
            assert len(client.get("/api/conversations")["conversations"]) == CLIENTS
            assert len({each["_id"] for each in client.get("/api/tools/executions")["executions"]}) == (
                CLIENTS * TURNS
            )


def check(client: Client, session: str, name: str) -> None:
    lines = [f"{name} {verb} {turn}" for turn in range(TURNS) for verb in ("asks", "hears")]
    assert client.messages(session) == lines
    conversation = client.conversation(session)
    assert conversation["transcript"] == transcript(lines)
    assert (conversation["status"], conversation["channel"], conversation["resolution"]) == (
        "resolved",
        name,
        name,
    )
    executed = client.executions(session)
    assert [f'"{name} {turn}"' in each["parameters"] for turn, each in enumerate(executed)] == [True] * TURNS


def test_forty_racing_saves_leave_the_lines_of_all_and_the_handoff(served: Served) -> None:
    """Short transcripts and such as do not fit the conversation's row, with every status a handoff wins
    over. A line of one time is one line, whatever it says; those without a time are known by their wording.
    """
    chance = random.Random(40)  # noqa: S311 - an order that can be had again
    saves = [
        {
            "messages": [written(f"{number} {at}", at) for at in range(number + 1)],
            "status": ("active", "resolved", "handed_off", "active")[number % 4],
        }
        for number in range(40)
    ]
    for number in range(0, 40, 10):
        saves[number]["messages"] = [written(incompressible(900_000, number), 1)]
    chance.shuffle(saves)
    with served.client() as client, ThreadPoolExecutor(40) as pool:
        for _ in pool.map(
            lambda save: client.post("/api/conversations", {"sessionId": "race", **save}), saves
        ):
            pass
        conversation = client.conversation("race")
    assert conversation["status"] == "handed_off"
    lines = conversation["transcript"]
    assert conversation["messageCount"] == len(lines)
    untimed = {save["messages"][0]["content"] for save in saves if save["messages"][0]["ts"] == 0}
    assert sorted(line["content"] for line in lines if line["ts"] == 0) == sorted(untimed)
    assert sorted(line["ts"] for line in lines if line["ts"]) == list(range(1, 40))


def test_a_slot_that_many_book_at_once_is_booked_once(served: Served) -> None:
    """Two patients of one dentist want the same hour, each through four clients."""
    for round_ in range(5):
        slot = {"newDate": "2026-05-04", "newTime": ("9:00 AM", "09:00")[round_ % 2]}
        with served.client() as client, ThreadPoolExecutor(CLIENTS) as pool:
            client.post("/api/scenario-state/reset", {})
            booked = [
                pool.submit(
                    client.execute, f"booking-{round_}", "reschedule_appointment", appointmentId=who, **slot
                )
                for _ in range(CLIENTS // 2)
                for who in ("APT-10041", "APT-10044")
            ]
            results = [each.result() for each in booked]
            winners = {each["appointmentId"] for each in results if "error" not in each}
            state = client.get("/api/scenario-state")["state"]["appointments"]
            assert len(winners) == 1, results
            assert {each["id"] for each in state if each["date"] == "2026-05-04"} == winners
            assert sum("already booked" in each.get("error", "") for each in results) == CLIENTS // 2
            assert len(client.executions(f"booking-{round_}")) == CLIENTS
