"""What conversations come to is counted by the variants of their experiments: exactly, whatever happens."""

import random
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.operations import resolve_stale
from genai_voice.conversations.rows import ConversationRow
from genai_voice.experiments.draw import draw_variant
from genai_voice.experiments.intervals import (
    Sample,
    estimate_mean,
    estimate_mean_difference,
    estimate_rate,
    estimate_rate_difference,
)
from genai_voice.foundation.keys import make_key
from genai_voice.outcomes.model import Tally
from genai_voice.outcomes.outcome import Outcome
from genai_voice.outcomes.rows import TallyRow
from genai_voice.outcomes.tallies import read_tallies

from tests.integration.test_experiments import assign, create, exposures, save
from tests.integration.test_handoffs import long_transcript
from tests.support.service import Client, create_app, read_partition, record_calls, to_plain
from tests.support.wire import Cut, act_before_call, cut

NOW = 1_800_000_000
ONE_SIDED = [{"id": "a", "weight": 1}, {"id": "b", "weight": 0}]
HOOK = "https://hooks.example.com/x"


def lines(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "x", "ts": n} for n in range(count)]


def hand_over(app: Client, session: str = "s", messages: int = 1) -> str:
    body = {"sessionId": session, "reason": "asked", "transcript": lines(messages)}
    reply = app.post("/api/handoffs", body)
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def give_back(app: Client, handoff: str) -> None:
    body = {"handoffId": handoff, "status": "resolved", "returnToAgent": True}
    assert app.patch("/api/handoffs", body).status == 200


def counted(app: Client, experiment: str, variant: str = "a") -> Tally:
    return read_tallies(app.slug, experiment).get(variant, Tally())


def row_of(app: Client, session: str = "s") -> ConversationRow:
    row = ConversationRow.of(app.slug, session).find_stored()
    assert row
    return row


def said(app: Client, experiment: str) -> dict[str, Tally]:
    """What the rows of all sessions with an exposure say, each by itself."""
    found: defaultdict[str, list[Tally]] = defaultdict(list)
    for session, variant in exposures(app, experiment).items():
        row = row_of(app, session)
        assert [experiment, variant] in row.exposures
        found[variant].append(Tally(exposures=1, **(_outcome(row).to_sums() if row.counted else {})))
        assert bool(row.counted) == _has_come_to_something(row), row.status
    return {variant: Tally(*map(sum, zip(*each, strict=True))) for variant, each in found.items()}


def _has_come_to_something(row: ConversationRow) -> bool:
    return row.status not in (None, "active") or bool(row.with_person)


def _outcome(row: ConversationRow) -> Outcome:
    """What it came to by its row; how long it took and what was said by what was counted of it."""
    was_with_person = row.handed_off_since is not None or bool(row.with_person)
    kept = Outcome(*row.counted)
    return Outcome(
        int(row.status == "resolved"),
        int(was_with_person),
        int(row.status == "abandoned"),
        kept.duration_ms,
        kept.messages,
    )


# -- one conversation --------------------------------------------------------------------------------------


def one(resolved: int, handed_off: int, abandoned: int, seconds: int, messages: int) -> Tally:
    """The sums of one conversation."""
    outcome = Outcome(resolved, handed_off, abandoned, seconds * 1000, messages)
    return Tally(exposures=1, **outcome.to_sums())


Step = Callable[[Client], Any]
NOTHING = Tally(exposures=1)
HISTORIES: dict[str, list[tuple[Step, Tally]]] = {
    "it goes on": [
        (lambda app: save(app, messages=lines(3), status="active"), NOTHING),
        (lambda app: save(app, messages=lines(4)), NOTHING),
    ],
    "it is resolved": [
        (lambda app: save(app, messages=lines(3)), NOTHING),
        (lambda app: save(app, messages=lines(5), status="resolved"), one(1, 0, 0, 20, 5)),
    ],
    "it is resolved without a transcript": [
        (lambda app: save(app, messages=lines(3)), NOTHING),
        (lambda app: save(app, status="resolved"), one(1, 0, 0, 20, 3)),
    ],
    "its first save is its last": [
        (
            lambda app: save(app, messages=lines(2), status="resolved", startedAt=NOW * 1000 - 20_000),
            one(1, 0, 0, 20, 2),
        ),
    ],
    "it is resolved, then left, then resolved": [
        (lambda app: save(app, messages=lines(3), status="resolved"), one(1, 0, 0, 0, 3)),
        (lambda app: save(app, status="abandoned"), one(0, 0, 1, 20, 3)),
        (lambda app: save(app, status="active", messages=lines(9)), one(0, 0, 1, 20, 3)),
        (lambda app: save(app, status="resolved"), one(1, 0, 0, 60, 9)),
    ],
    "it is handed over, and resolved in vain": [
        (lambda app: save(app, messages=lines(3)), NOTHING),
        (hand_over, one(0, 1, 0, 0, 3)),
        (lambda app: save(app, messages=lines(4), status="active"), one(0, 1, 0, 0, 3)),
        (lambda app: save(app, messages=lines(5), status="resolved"), one(0, 1, 0, 60, 5)),
    ],
    "it is saved as handed off, then left": [
        (lambda app: save(app, messages=lines(3), status="handed_off"), one(0, 1, 0, 0, 3)),
        (lambda app: save(app, status="abandoned"), one(0, 1, 1, 20, 3)),
    ],
    "it begins with a handoff": [
        (lambda app: hand_over(app, messages=2), one(0, 1, 0, 0, 2)),
        (lambda app: save(app, messages=lines(4), status="abandoned"), one(0, 1, 1, 20, 4)),
    ],
    "it is resolved, then handed over": [
        (lambda app: save(app, messages=lines(3), status="resolved"), one(1, 0, 0, 0, 3)),
        (hand_over, one(0, 1, 0, 0, 3)),
    ],
    "it is given back and resolved": [
        (lambda app: save(app, messages=lines(3)), NOTHING),
        (lambda app: give_back(app, hand_over(app)), one(0, 1, 0, 0, 3)),
        (lambda app: save(app, messages=lines(6), status="active"), one(0, 1, 0, 0, 3)),
        (lambda app: save(app, messages=lines(7), status="resolved"), one(1, 1, 0, 60, 7)),
    ],
    "it is left active": [
        (lambda app: save(app, messages=lines(3)), NOTHING),
        (lambda app: save(app, messages=lines(4)), NOTHING),
        (lambda app: list(resolve_stale(app.slug, stale_after_ms=0)), one(1, 0, 0, 20, 4)),
        (lambda app: save(app, status="resolved"), one(1, 0, 0, 60, 4)),
    ],
    "it has a long transcript": [
        (lambda app: save(app, messages=long_transcript(700)), NOTHING),
        (lambda app: save(app, messages=long_transcript(800), status="resolved"), one(1, 0, 0, 20, 800)),
        (lambda app: save(app, messages=lines(4), status="resolved"), one(1, 0, 0, 40, 801)),
    ],
}


@pytest.mark.parametrize("told", [False, True], ids=["", "told of its end"])
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_conversation_counts_as_what_it_is(history: list[tuple[Step, Tally]], told: bool) -> None:
    """Twenty seconds lie between steps."""
    events: dict[str, Any] = {"webhook_events": ["conversation.ended"], "handoff_webhook_url": HOOK}
    app = create_app(**(events if told else {}))
    experiments = [create(app, ONE_SIDED) for _ in range(2)]
    for experiment in experiments:
        assign(app, experiment)
    for place, (step, expected) in enumerate(history):
        with time_machine.travel(NOW + 20 * place, tick=False):
            step(app)
        for experiment in experiments:
            assert counted(app, experiment) == expected, place
            assert said(app, experiment) == {"a": expected}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_session_that_is_assigned_late_counts_from_then_on_as_one_assigned_early(
    history: list[tuple[Step, Tally]],
) -> None:
    app = create_app()
    early = create(app, ONE_SIDED)
    assign(app, early)
    for place, (step, _) in enumerate(history):
        with time_machine.travel(NOW + 20 * place, tick=False):
            step(app)
        late = create(app, ONE_SIDED)
        assign(app, late)
        assert counted(app, late) == counted(app, early)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_first_experiment_of_a_conversation_that_has_ended_counts_what_its_row_says(
    history: list[tuple[Step, Tally]],
) -> None:
    app = create_app()
    for place, (step, _) in enumerate(history):
        with time_machine.travel(NOW + 20 * place, tick=False):
            step(app)
    row = row_of(app)
    late = create(app, ONE_SIDED)
    assign(app, late)
    found = counted(app, late)
    assert said(app, late) == {"a": found}
    if _has_come_to_something(row):
        assert (found.duration_ms, found.messages) == (row.ended_at - row.started_at, row.message_count)
    else:
        assert found == NOTHING


def test_the_sums_are_spread_over_rows() -> None:
    app = create_app()
    made = create(app, ONE_SIDED)
    for n in range(20):
        assign(app, made, f"s{n}")
    rows = [row for pk in TallyRow.list_partitions(app.slug, made) for row in read_partition(pk, "TALLY#")]
    assert 1 < len({to_plain(row["pk"]) for row in rows}) == len(rows) <= TallyRow.SHARDS
    assert sum(int(to_plain(row["exposures"])) for row in rows) == 20


def test_sums_of_before_are_added_to_those_of_now() -> None:
    app = create_app()
    made = create(app, ONE_SIDED)
    assign(app, made)
    *_, before = TallyRow.list_partitions(app.slug, made)
    row = TallyRow(before, make_key("TALLY", "a", "SHARD", "3"), variant_id="a")
    row.change(row.add_changes({"exposures": 4}).actions)
    assert counted(app, made) == Tally(exposures=5)


def test_a_conversation_in_no_experiment_counts_nowhere() -> None:
    app = create_app()
    made = create(app, ONE_SIDED)
    save(app, status="resolved")
    hand_over(app)
    assert counted(app, made) == Tally()
    assert row_of(app).counted is None


def test_a_handoff_costs_what_it_cost_unless_its_session_is_in_an_experiment() -> None:
    app = create_app()
    assign(app, create(app, ONE_SIDED), "in")
    for session, expected in [
        ("out", ["TransactWriteItems"]),
        ("new", ["TransactWriteItems", "GetItem", "TransactWriteItems"]),
        ("in", ["TransactWriteItems", "GetItem", "TransactWriteItems"]),
    ]:
        if session != "new":
            save(app, session)
        with record_calls() as calls:
            hand_over(app, session)
        assert calls.operations == expected


# -- what happens meanwhile --------------------------------------------------------------------------------

MEANWHILE: dict[str, Step] = {
    "it is resolved": lambda app: save(app, status="resolved", messages=lines(9)),
    "it is abandoned": lambda app: save(app, status="abandoned"),
    "it is handed over": hand_over,
    "it is handed over and given back": lambda app: give_back(app, hand_over(app)),
    "it goes on": lambda app: save(app, messages=lines(11)),
    "its session is assigned again": lambda app: assign(app, create(app, ONE_SIDED)),
}
ACTS: dict[str, Step] = {
    "resolved": lambda app: save(app, status="resolved"),
    "handed off": hand_over,
    "assigned": lambda app: assign(app, create(app, ONE_SIDED)),
    "left active": lambda app: list(resolve_stale(app.slug, stale_after_ms=0)),
}


def every_experiment(app: Client) -> list[str]:
    return [each["_id"] for each in app.get("/api/experiments").json["experiments"]]


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("call", ["UpdateItem", "GetItem", "TransactWriteItems"])
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE.keys())
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("in_experiment", [False, True])
def test_whoever_comes_in_between_is_counted_too(
    act: Step, meanwhile: Step, call: str, in_experiment: bool
) -> None:
    app = create_app()
    save(app, messages=lines(3))
    if in_experiment:
        assign(app, create(app, ONE_SIDED))
    with act_before_call(call, lambda _: meanwhile(app), at=(1,)):
        act(app)
    assign(app, create(app, ONE_SIDED))
    for experiment in every_experiment(app):
        assert read_tallies(app.slug, experiment) == said(app, experiment)


@pytest.mark.parametrize(
    ("act", "number"),
    [(ACTS["resolved"], 1), (hand_over, 2), (ACTS["assigned"], 2)],
    ids=["resolved", "handed off", "assigned late"],
)
def test_what_is_saved_just_before_is_counted(act: Step, number: int) -> None:
    """`number`: of the transaction that would write what was read before."""
    app = create_app()
    save(app, messages=lines(3))
    if act is ACTS["assigned"]:
        save(app, status="resolved")
    else:
        assign(app, create(app, ONE_SIDED))
    with act_before_call("TransactWriteItems", lambda _: save(app, messages=lines(11)), at=(number,)):
        act(app)
    row = row_of(app)
    for experiment in every_experiment(app):
        found = counted(app, experiment)
        assert (found.messages, found.duration_ms) == (11, row.ended_at - row.started_at)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "begun"])
def test_what_dies_at_any_call_is_counted_once(act: Step, begun: bool, after: bool) -> None:
    for number in range(1, 7):
        app = create_app()
        if begun:
            save(app, messages=lines(3))
        made = create(app, ONE_SIDED)
        assign(app, made)
        try:
            with cut(number, after=after):
                act(app)
        except Cut:
            pass
        for _ in range(2):
            for experiment in every_experiment(app):
                assert read_tallies(app.slug, experiment) == said(app, experiment)
            act(app)
        assert counted(app, made).conversations <= 1


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("seed", range(6))
def test_whatever_races_the_sums_are_what_the_rows_say(seed: int) -> None:
    """Eight at once save, end, hand over, give back and assign eight sessions in three experiments."""
    events: dict[str, Any] = {"webhook_events": ["conversation.ended"], "handoff_webhook_url": HOOK}
    app = create_app(**(events if seed % 2 else {}))
    variants = [{"id": name, "weight": 1} for name in "abc"]
    experiments = [create(app, variants) for _ in range(3)]
    sessions = [f"s{n}" for n in range(8)]

    def work(worker: int) -> None:
        chance = random.Random(f"{seed}-{worker}")  # noqa: S311 - the same each time
        for _ in range(25):
            session, messages = chance.choice(sessions), lines(chance.randrange(20))
            ended = chance.choice(["resolved", "abandoned", "handed_off"])
            acts: list[Callable[[], Any]] = [
                partial(assign, app, chance.choice(experiments), session),
                partial(save, app, session, status="active", messages=messages),
                partial(save, app, session, status=ended),
                partial(save, app, session, status=ended, messages=messages),
                partial(hand_over, app, session),
                lambda session=session: give_back(app, hand_over(app, session)),  # type: ignore[misc]
            ]
            chance.choice(acts)()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, worker) for worker in range(8)]:
            done.result()
    seen = 0
    for experiment in experiments:
        found = read_tallies(app.slug, experiment)
        assert found == said(app, experiment)
        seen += sum(tally.conversations for tally in found.values())
    assert seen > 0


# -- results -----------------------------------------------------------------------------------------------


def sessions_for(experiment: str, variant: str, count: int) -> list[str]:
    """Sessions that draw this variant of two."""
    drawn = (
        f"s{n}" for n in range(1_000) if draw_variant(experiment, f"s{n}", [("a", 1), ("b", 1)]) == variant
    )
    return list(islice(drawn, count))


def test_results_show_every_variant_with_its_intervals_and_its_difference_to_the_first() -> None:
    app = create_app()
    made = create(app, [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}])
    lasted: dict[str, list[int]] = {}
    for variant, resolved in (("a", 1), ("b", 2)):
        lasted[variant] = []
        for session in sessions_for(made, variant, 4):
            assign(app, made, session)
        for place, session in enumerate(sessions_for(made, variant, 3)):
            with time_machine.travel(NOW, tick=False):
                save(app, session)
            with time_machine.travel(NOW + place + 1, tick=False):
                status = "resolved" if place < resolved else "abandoned"
                save(app, session, status=status, messages=lines(place))
            lasted[variant].append((place + 1) * 1000)
    with record_calls() as calls:
        found = app.get("/api/experiments/results", experimentId=made).json
    assert calls.operations == ["GetItem", *["Query"] * 9]
    a, b = found.pop("variants")
    assert found == {
        "experimentId": made,
        "appSlug": app.slug,
        "name": "Greeting",
        "isActive": True,
        "createdAt": found["createdAt"],
        "srm": False,
        "srmPValue": found["srmPValue"],
    }
    samples = [Sample(3, sum(each), sum(ms**2 for ms in each)) for each in lasted.values()]
    assert a["difference"] is None
    assert [(each["exposures"], each["conversations"]) for each in (a, b)] == [(4, 3), (4, 3)]
    assert [a["resolutionRate"], b["resolutionRate"]] == [
        estimate_rate(1, 3)._asdict(),
        estimate_rate(2, 3)._asdict(),
    ]
    assert [a["abandonmentRate"], b["handoffRate"]] == [
        estimate_rate(2, 3)._asdict(),
        estimate_rate(0, 3)._asdict(),
    ]
    assert b["meanDurationMs"] == estimate_mean(samples[1])._asdict()
    assert b["meanMessages"]["value"] == 1
    assert (
        b["difference"]["resolutionRate"]
        == estimate_rate_difference(estimate_rate(1, 3), estimate_rate(2, 3))._asdict()
    )
    assert b["difference"]["meanDurationMs"] == estimate_mean_difference(*samples)._asdict()


def test_before_anybody_is_assigned_results_are_null() -> None:
    app = create_app()
    found = app.get("/api/experiments/results", experimentId=create(app)).json
    assert (found["srm"], found["srmPValue"]) == (False, None)
    for variant in found["variants"]:
        assert (variant["exposures"], variant["conversations"], variant["resolutionRate"]) == (0, 0, None)


def test_a_ratio_that_the_weights_do_not_explain_is_told_in_a_sentence() -> None:
    """Sums as something else would have left them, by mistake."""
    app = create_app()
    made = create(app, [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}])
    for variant, assigned in (("a", 5_200), ("b", 4_800)):
        row = TallyRow.of(app.slug, made, variant, 0)
        row.change(row.add_changes({"exposures": assigned}).actions)
    found = app.get("/api/experiments/results", experimentId=made).json
    assert found["srm"] is True
    assert found["srmPValue"] == pytest.approx(6.3e-5, rel=0.01)
    assert found["warning"] == (
        "Sessions were not assigned in the ratio of the weights (sample ratio mismatch, p = 6.3e-05): "
        "the results are not to be trusted until the cause is found."
    )


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({}, 400, "experimentId required"),
        ({"experimentId": ""}, 400, "experimentId required"),
        ({"experimentId": "unknown"}, 404, "Experiment not found"),
    ],
    ids=str,
)
def test_results_are_of_an_experiment(query: dict[str, str], status: int, error: str) -> None:
    reply = create_app().get("/api/experiments/results", **query)
    assert (reply.status, reply.json["error"]) == (status, error)
