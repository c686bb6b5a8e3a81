"""What an app may have: 200 tools and 1 MB of them together, 200 personas, 1,000 QA scenarios and 200
experiments, each counted exactly whatever happens at the same time or in between.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from genai_voice.experiments.rows import ExperimentRow
from genai_voice.foundation.bounds import AppCountRow
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.table import Item
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails.counts import RuleCountsRow
from genai_voice.guardrails.rows import RuleRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.qa.rows import ScenarioRow
from genai_voice.tools import registry
from genai_voice.tools.rows import ToolRow

from tests.support.samples import build_tool
from tests.support.service import Client, Reply, create_app, read_pages, record_calls
from tests.support.wire import Cut, act_before_call, cut, lose_answer

MEGABYTE = 1024 * 1024
TOO_LARGE = (
    "At most 1 MB of tools together, in descriptions, schemas, endpoints and headers: delete some, "
    "or make them shorter"
)


class Kind(NamedTuple):
    path: str
    items: str
    most: int
    refusal: str
    count_as: str
    new: Callable[[str], dict[str, Any]]
    """The body that creates one of this name."""
    stored: Callable[[str, str], Item]
    """A row of this app and name as it was stored before anything was counted."""
    name: Callable[[dict[str, Any]], dict[str, Any]]
    """The body that deletes one that was listed."""


def tool_body(name: str) -> dict[str, Any]:
    return {"name": name, "description": "x", "parametersSchema": "{}", "endpoint": "https://93.184.216.34/x"}


def stored_persona(app: str, name: str) -> PersonaRow:
    row = PersonaRow.of_new(app)
    row.name, row.system_prompt, row.is_active, row.created_at = name, "x", True, 1
    return row


def scenario_body(name: str) -> dict[str, Any]:
    return {"name": name, "turns": [{"role": "user", "content": "x"}]}


def stored_scenario(app: str, name: str) -> ScenarioRow:
    row = ScenarioRow.from_name(app, name)
    row.name, row.turns, row.expectations, row.criteria, row.tags = name, "[]", "{}", "[]", []
    row.evaluator_type, row.is_active, row.created_at, row.updated_at = "string_match", True, 1, 1
    row.gsi1pk, row.gsi1sk = row.make_list_key(app), name
    row.gsi2pk, row.gsi2sk = row.make_list_key(app, True), name
    return row


VARIANTS = [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]


def stored_experiment(app: str, name: str) -> ExperimentRow:
    row = ExperimentRow.of(app, make_time_ordered_id())
    row.name, row.is_active, row.created_at, row.variants = name, True, 1, "[]"
    return row


KINDS = {
    "tools": Kind(
        *("/api/tools", "tools", 200, "At most 200 tools: delete some", "tools"),
        *(tool_body, build_tool, lambda each: {"name": each["name"]}),
    ),
    "personas": Kind(
        *("/api/personas", "personas", 200, "At most 200 personas: delete some", "personas"),
        *(lambda name: {"name": name, "systemPrompt": "x"}, stored_persona),
        lambda each: {"personaId": each["_id"]},
    ),
    "scenarios": Kind(
        *("/api/qa/scenarios", "scenarios", 1000),
        "At most 1,000 scenarios: delete some, or save over one by its name",
        *("qa_scenarios", scenario_body, stored_scenario),
        lambda each: {"scenarioId": each["_id"]},
    ),
    "experiments": Kind(
        *("/api/experiments", "experiments", 200, "At most 200 experiments: delete some", "experiments"),
        *(lambda name: {"name": name, "variants": VARIANTS}, stored_experiment),
        lambda each: {"experimentId": each["_id"]},
    ),
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


def fill_up(app: Client, kind: Kind, count: int) -> None:
    """So many, as a service stored them that counted none."""
    put_all([kind.stored(app.slug, f"old{number:04d}") for number in range(count)])


def create(app: Client, kind: Kind, name: str = "new") -> Reply:
    return app.post(kind.path, kind.new(name))


def delete(app: Client, kind: Kind, listed: dict[str, Any]) -> Reply:
    return app.delete(kind.path, kind.name(listed))


def list_all(app: Client, kind: Kind) -> list[dict[str, Any]]:
    return [each for page in read_pages(app, kind.path, kind.items) for each in page]


def counted(app: Client, kind: Kind) -> int | None:
    stored = AppCountRow.of(app.slug, kind.count_as).find_stored()
    return None if stored is None or stored.items is None else int(stored.items)


def run_at_once(*acts: Callable[[], object]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


# -- so many of a kind -------------------------------------------------------------------------------------


def test_beyond_the_maximum_none_is_created_until_one_is_gone(kind: Kind) -> None:
    app = create_app()
    fill_up(app, kind, kind.most - 1)
    assert create(app, kind, "the last").status == 200
    reply = create(app, kind)
    assert (reply.status, reply.json["error"]) == (400, kind.refusal)
    gone, *_ = list_all(app, kind)
    assert delete(app, kind, gone).json == {"ok": True}
    assert delete(app, kind, gone).status == (200 if kind.items == "personas" else 404)
    assert create(app, kind).status == 200
    assert create(app, kind, "one more").status == 400
    assert len(list_all(app, kind)) == counted(app, kind) == kind.most


def test_an_app_that_has_more_keeps_them_and_gets_no_new_one(kind: Kind) -> None:
    app = create_app()
    fill_up(app, kind, kind.most + 3)
    assert create(app, kind).json == {"error": kind.refusal}
    before = list_all(app, kind)
    assert len(before) == counted(app, kind) == kind.most + 3
    for each in before[:3]:
        assert create(app, kind).status == 400
        assert delete(app, kind, each).status == 200
    assert create(app, kind).status == 400
    assert delete(app, kind, before[3]).status == 200
    assert create(app, kind).status == 200
    assert counted(app, kind) == kind.most


def test_an_app_that_has_more_changes_those_that_it_has() -> None:
    app = create_app()
    for kind in KINDS.values():
        fill_up(app, kind, kind.most + 1)
        assert create(app, kind).status == 400
    persona = list_all(app, KINDS["personas"])[0]["_id"]
    experiment = list_all(app, KINDS["experiments"])[0]["_id"]
    tool = {"name": "old0000", "description": "longer than it was", "isActive": False}
    for reply in (
        app.patch("/api/personas", {"personaId": persona, "systemPrompt": "y"}),
        app.patch("/api/experiments", {"experimentId": experiment, "isActive": False}),
        app.post("/api/qa/scenarios", scenario_body("old0000") | {"isActive": False}),
        app.patch("/api/tools", tool),
        app.post("/api/tools", tool_body("old0001")),
    ):
        assert reply.status == 200, reply.text
    for kind in KINDS.values():
        assert counted(app, kind) == kind.most + 1


def test_another_apps_are_not_counted(kind: Kind) -> None:
    other, app = create_app(), create_app()
    fill_up(other, kind, 3)
    assert create(other, kind).status == create(app, kind).status == 200
    assert (counted(other, kind), counted(app, kind)) == (4, 1)


def test_deleted_personas_are_not_counted() -> None:
    app, kind = create_app(), KINDS["personas"]
    fill_up(app, kind, 3)
    for each in list_all(app, kind)[:2]:  # as they were deleted before there was a place for them
        PersonaRow.of(app.slug, each["_id"]).change([PersonaRow.is_active.set(False)])
    assert create(app, kind).status == 200
    assert counted(app, kind) == len(list_all(app, kind)) == 2


def test_seeding_is_bounded_too() -> None:
    app = create_app()
    fill_up(app, KINDS["tools"], 200)
    with pytest.raises(BadRequest, match="At most 200 tools"):
        registry.put_tool(app.slug, "seeded", description="x", parameters_schema="{}")
    assert registry.put_tool(app.slug, "old0000", description="y", parameters_schema="{}") is False


def test_a_creation_costs_one_transaction_more_or_less(kind: Kind) -> None:
    app = create_app()
    assert create(app, kind, "first").status == 200
    with record_calls() as calls:
        assert create(app, kind, "second").status == 200
    assert calls.operations[-1] == "TransactWriteItems"
    assert len(calls.operations) <= 2


# -- at the same time --------------------------------------------------------------------------------------


def test_of_20_that_create_at_once_none_exceeds_the_maximum(kind: Kind, strict: None) -> None:
    app = create_app()
    fill_up(app, kind, kind.most - 5)
    statuses: list[int] = []

    def create_one(number: int) -> Callable[[], None]:
        return lambda: statuses.append(create(app, kind, f"new{number}").status)

    run_at_once(*map(create_one, range(20)))
    assert statuses.count(200) == 5
    assert set(statuses) == {200, 400}
    assert len(list_all(app, kind)) == counted(app, kind) == kind.most


def test_those_that_come_and_go_at_once_are_counted_right(kind: Kind, strict: None) -> None:
    app = create_app()
    fill_up(app, kind, 12)
    before = list_all(app, kind)

    def come_and_go(part: int) -> Callable[[], None]:
        def act() -> None:
            for number, each in enumerate(before[part::4]):
                assert delete(app, kind, each).status == 200
                for name in (f"{part}-{number}-a", f"{part}-{number}-b"):
                    assert create(app, kind, name).status == 200

        return act

    run_at_once(*map(come_and_go, range(4)))
    assert len(list_all(app, kind)) == counted(app, kind) == 24


def test_one_that_is_created_twice_at_once_by_its_name_is_counted_once(strict: None) -> None:
    for kind in (KINDS["tools"], KINDS["scenarios"]):
        app = create_app()
        fill_up(app, kind, kind.most - 1)
        statuses: list[int] = []
        act = lambda: statuses.append(create(app, kind).status)  # noqa: B023, E731 - run at once
        run_at_once(*[act] * 6)
        assert statuses == [200] * 6
        assert len(list_all(app, kind)) == counted(app, kind) == kind.most


# -- crashes and replays -----------------------------------------------------------------------------------


def accidents() -> Iterator[Any]:
    for number in range(1, 8):
        yield cut(number, after=False)
        yield cut(number, after=True)
        yield lose_answer(number)


def test_whatever_happens_to_a_creation_it_is_there_and_counted_or_neither(kind: Kind) -> None:
    for number, accident in enumerate(accidents()):
        app = create_app()
        fill_up(app, kind, 2)
        app.get("/api/persona")  # the caller is known from here on
        try:
            with accident:
                create(app, kind, f"new{number}")
        except Cut:
            pass
        assert counted(app, kind) in (None, len(list_all(app, kind)))
        assert create(app, kind, "then").status == 200
        assert counted(app, kind) == len(list_all(app, kind)) >= 3


def test_whatever_happens_to_a_deletion_it_is_gone_and_counted_or_neither(kind: Kind) -> None:
    for accident in accidents():
        app = create_app()
        fill_up(app, kind, 2)
        listed = list_all(app, kind)
        try:
            with accident:
                delete(app, kind, listed[0])
        except Cut:
            pass
        assert counted(app, kind) in (None, len(list_all(app, kind)))
        delete(app, kind, listed[0])
        assert counted(app, kind) == len(list_all(app, kind)) == 1


def test_what_is_deleted_while_it_is_counted_is_counted_right(kind: Kind) -> None:
    app = create_app()
    fill_up(app, kind, 3)
    listed = list_all(app, kind)

    def act(_: int) -> None:
        delete(app, kind, listed[0])

    with act_before_call("UpdateItem", act, at=(2,)):
        assert create(app, kind).status == 200
    assert counted(app, kind) == len(list_all(app, kind))


# -- 1 MB of tools -----------------------------------------------------------------------------------------


def count_bytes(app: Client) -> int:
    """What all tools of the app have, counted anew."""
    fields = ("description", "parameters_schema", "endpoint")
    texts = [getattr(row, field) or "" for row in ToolRow.list_in_app(app.slug) for field in fields]
    sealed = [row.sealed_headers or b"" for row in ToolRow.list_in_app(app.slug)]
    return sum(len(each.encode()) for each in texts) + sum(map(len, sealed))


def counted_bytes(app: Client) -> int:
    stored = AppCountRow.of(app.slug, "tools").find_stored()
    assert stored
    assert stored.items == len(list(ToolRow.list_in_app(app.slug)))
    return int(stored.bytes)


def pad(size: int) -> str:
    return '{"x":"' + "y" * (size - 8) + '"}'


def test_every_change_of_a_tool_is_counted_in_bytes() -> None:
    app = create_app()
    new = tool_body("a") | {"headers": '{"x-key": "secret"}'}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("POST", new),
        ("POST", new | {"description": "é" * 100, "name": "b"}),
        ("POST", new),
        ("POST", tool_body("a")),
        ("PATCH", {"name": "a", "headers": '{"x-key": "longer than before"}'}),
        ("PATCH", {"name": "a", "headers": "{}"}),
        ("PATCH", {"name": "b", "description": "short", "endpoint": "https://93.184.216.34/somewhere/else"}),
        ("PATCH", {"name": "b", "isActive": False, "requiresAuth": True}),
        ("PATCH", {"name": "b", "parametersSchema": pad(40_000)}),
        ("DELETE", {"name": "b"}),
        ("DELETE", {"name": "a"}),
    ]
    for method, body in steps:
        send = {"POST": app.post, "PATCH": app.patch, "DELETE": app.delete}[method]
        assert send("/api/tools", body).status == 200
        assert counted_bytes(app) == count_bytes(app)
    assert counted_bytes(app) == 0
    registry.put_tool(app.slug, "seeded", description="x" * 10, parameters_schema="{}")
    registry.put_tool(app.slug, "seeded", description="x", parameters_schema="{ }")
    assert counted_bytes(app) == 4


def fill_to(app: Client, size: int) -> None:
    """Tools of so many bytes together, which were counted."""
    for number in range(20):
        body = tool_body(f"t{number}") | {"parametersSchema": pad(50_000)}
        assert app.post("/api/tools", body).status == 200
    rest = size - counted_bytes(app) - len("x" + "https://93.184.216.34/x")
    assert app.post("/api/tools", tool_body("rest") | {"parametersSchema": pad(rest)}).status == 200


def test_beyond_1_mb_no_byte_is_added_until_some_are_gone() -> None:
    app = create_app()
    fill_to(app, MEGABYTE)
    refused = [
        app.post("/api/tools", tool_body("new")),
        app.patch("/api/tools", {"name": "t1", "description": "xx"}),
        app.post("/api/tools", tool_body("t1") | {"parametersSchema": pad(50_000), "description": "xx"}),
        app.patch("/api/tools", {"name": "t1", "headers": '{"a": "b"}'}),
    ]
    for reply in refused:
        assert (reply.status, reply.json["error"]) == (400, TOO_LARGE)
    assert counted_bytes(app) == count_bytes(app) == MEGABYTE
    assert app.patch("/api/tools", {"name": "t1", "description": "z", "isActive": False}).status == 200
    assert app.patch("/api/tools", {"name": "t1", "parametersSchema": pad(49_000)}).status == 200
    assert app.post("/api/tools", tool_body("new")).status == 200
    assert counted_bytes(app) == count_bytes(app) < MEGABYTE


def test_an_app_that_has_more_bytes_makes_them_fewer() -> None:
    app = create_app()
    put_all([build_tool(app.slug, f"t{n}", parameters_schema=pad(45_000)) for n in range(40)])
    assert app.post("/api/tools", tool_body("new")).json == {"error": TOO_LARGE}
    assert app.patch("/api/tools", {"name": "t1", "description": "longer"}).json == {"error": TOO_LARGE}
    assert app.patch("/api/tools", {"name": "t1", "isActive": False}).status == 200
    assert app.patch("/api/tools", {"name": "t1", "parametersSchema": "{}"}).status == 200
    assert counted_bytes(app) == count_bytes(app)
    for number in range(17):
        assert app.delete("/api/tools", {"name": f"t{number}"}).status == 200
    assert app.post("/api/tools", tool_body("new")).status == 200
    assert counted_bytes(app) == count_bytes(app) <= MEGABYTE


def test_tools_that_change_at_once_are_counted_in_bytes(strict: None) -> None:
    app = create_app()
    fill_to(app, MEGABYTE - 100)

    def change(number: int) -> Callable[[], None]:
        def act() -> None:
            for size in (50_000, 49_990, 50_050, 49_000):
                app.patch("/api/tools", {"name": f"t{number % 3}", "parametersSchema": pad(size)})
            app.delete("/api/tools", {"name": f"t{number}"})
            app.post("/api/tools", tool_body(f"t{number}") | {"parametersSchema": pad(30_000 + number)})

        return act

    run_at_once(*map(change, range(8)))
    assert counted_bytes(app) == count_bytes(app) <= MEGABYTE


def test_a_tool_that_is_made_anew_meanwhile_is_not_changed_by_its_old_size() -> None:
    app = create_app()
    app.post("/api/tools", tool_body("a") | {"parametersSchema": pad(100)})

    def make_anew(_: int) -> None:
        app.delete("/api/tools", {"name": "a"})
        app.post("/api/tools", tool_body("a") | {"parametersSchema": pad(3_000)})

    with act_before_call("TransactWriteItems", make_anew, at=(1,)):
        assert app.patch("/api/tools", {"name": "a", "parametersSchema": pad(50)}).status == 200
    assert counted_bytes(app) == count_bytes(app)


WORST = {"quotes": '"', "backslashes": "\\", "controls": "\x01", "lines": "\n", "four bytes": "\U0001f9d1"}


@pytest.mark.parametrize("character", WORST.values(), ids=WORST.keys())
def test_all_tools_that_an_app_may_have_are_in_one_reply(character: str) -> None:
    """Whatever they say: an agent that loads its tools knows no cursor."""
    app = create_app()
    size = {"\x01": 6, "\U0001f9d1": 4}.get(character, 1)
    text = character * ((MEGABYTE // 200 - len("{}")) // size)
    put_all([build_tool(app.slug, f"t{number}", description=text) for number in range(200)])
    assert app.post("/api/tools", tool_body("one more")).status == 400
    assert MEGABYTE * 0.99 < int(AppCountRow.of(app.slug, "tools").find_stored().bytes) <= MEGABYTE
    for path in ("/api/tools", "/api/tools/all"):
        reply = app.get(path)
        assert "cursor" not in reply.json
        assert [each["name"] for each in reply.json["tools"]] == [f"t{number}" for number in range(200)]
        assert len(reply.text) + reply.text.count('"') + reply.text.count("\\") < 5 * MEGABYTE


# -- lists -------------------------------------------------------------------------------------------------


def test_all_tools_of_an_app_that_has_more_are_listed_page_by_page() -> None:
    """They were 503 for ever: 1,500 tools of 45 KB."""
    app = create_app()
    names = [f"t{number:03d}" for number in range(300)]
    put_all([build_tool(app.slug, name, parameters_schema=pad(45_000)) for name in reversed(names)])
    for number in range(0, 300, 2):
        ToolRow.of(app.slug, names[number]).change([ToolRow.is_active.set(False)])
    for path, expected in (("/api/tools/all", names), ("/api/tools", names[1::2])):
        pages = list(read_pages(app, path, "tools"))
        assert len(pages) > 2
        assert sorted(each["name"] for page in pages for each in page) == expected
        for page in pages:
            oldest_first = [each["name"] for each in page]
            assert oldest_first == sorted(oldest_first, reverse=True)


def test_a_page_reads_no_more_than_it_shows() -> None:
    """And as little past what it leaves out: personas that were deleted before there was a place for them."""
    app, kind = create_app(), KINDS["personas"]
    rows = [stored_persona(app.slug, f"p{number:03d}") for number in range(120)]
    for number, row in enumerate(rows):
        row.system_prompt, row.is_active = "x" * 100_000, number % 40 == 39
    put_all(rows)
    pages = list(read_pages(app, kind.path, kind.items))
    assert [each["name"] for page in pages for each in page] == ["p039", "p079", "p119"]
    with record_calls() as calls:
        app.get(kind.path)
    assert len(calls.operations) <= 7  # of a megabyte each


def test_all_rules_of_an_app_that_has_more_are_listed_page_by_page_with_their_counts() -> None:
    app = create_app(guardrails_enabled=True)
    rows = []
    for number in range(450):
        row = RuleRow.of(app.slug, f"r{number:03d}")
        row.type, row.pattern, row.action = "keyword", f"word{number}", "log"
        row.is_active, row.place = True, f"{450 - number:03d}"
        rows.append(row)
    put_all(rows)
    matched = [each for id_ in ("r001", "r449") for each in RuleCountsRow.count_changes("matches", id_)]
    for shard in RuleCountsRow.choose(app.slug, 3):
        shard.change(matched)
    pages = list(read_pages(app, "/api/guardrails/rules", "rules"))
    assert [len(page) for page in pages] == [200, 200, 50]
    matches = {each["_id"]: each["matches"] for page in pages for each in page}
    assert matches == {f"r{n:03d}": 3 if n in (1, 449) else 0 for n in range(450)}
    for page in pages:
        assert [each["_id"] for each in page] == sorted((each["_id"] for each in page), reverse=True)


# -- deleting ----------------------------------------------------------------------------------------------


def test_a_deleted_experiment_is_gone_and_sessions_keep_their_variants() -> None:
    app = create_app()
    id_ = app.post("/api/experiments", KINDS["experiments"].new("x")).json["id"]
    asked = {"experimentId": id_, "sessionId": "s"}
    variant = app.post("/api/experiments/assign", asked).json["variantId"]
    assert app.delete("/api/experiments", {"experimentId": id_}).json == {"ok": True}
    assert app.get("/api/experiments").json == {"experiments": []}
    assert app.get("/api/experiments/results", experimentId=id_).status == 404
    assert app.patch("/api/experiments", {"experimentId": id_, "isActive": True}).status == 404
    assert app.post("/api/experiments/assign", asked).json == {"variantId": variant, "alreadyAssigned": True}
    assert app.post("/api/experiments/assign", asked | {"sessionId": "another"}).status == 404
    body = {"sessionId": "s", "status": "resolved", "messages": [{"role": "user", "content": "x", "ts": 1}]}
    assert app.post("/api/conversations", body).json == {"ok": True}
    assert app.delete("/api/experiments", {}).json["error"] == "experimentId required"


def test_a_deleted_scenario_is_gone_and_its_runs_stay() -> None:
    app = create_app()
    id_ = app.post("/api/qa/scenarios", scenario_body("x")).json["id"]
    run = {"scenarioId": id_, "responseText": "x"}
    assert app.post("/api/qa/runs", run).status == 200
    assert app.delete("/api/qa/scenarios", {"scenarioId": id_}).json == {"ok": True}
    assert app.get("/api/qa/scenarios").json == {"scenarios": []}
    assert app.post("/api/qa/runs", run).status == 404
    assert len(app.get("/api/qa/runs", scenarioId=id_).json["runs"]) == 1
    assert app.post("/api/qa/scenarios", scenario_body("x")).json["id"] == id_
    assert app.delete("/api/qa/scenarios", {}).json["error"] == "scenarioId is required"
