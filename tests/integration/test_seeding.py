"""Apps and demo scenarios are put into the table, again and again without harm: contract 3.18."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from genai_voice.demos.rows import StateRow
from genai_voice.demos.scenarios import SLUGS, load_scenario
from genai_voice.foundation.keys import digest, make_key
from genai_voice.foundation.table import Item, UnicodeAttribute
from genai_voice.guardrails import rules as guardrails
from genai_voice.guardrails.model import NewRule, RuleChange
from genai_voice.guardrails.rows import RuleRow, RulesetRow
from genai_voice.seeding import service as seeding
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields, NewApp
from genai_voice.tools import registry
from genai_voice.tools.rows import ToolRow

from tests.support.service import Reply, call, read_rows

SECRET = "the demos' secret"
NEW = {"name": "An app", "modelId": "a-model", "replyAsAudio": True, "systemPrompt": "Be kind."}

Row = dict[str, Any]


def remove_demos() -> None:
    """The demos' slugs are everybody's: who needs them begins without them."""
    with Item.batch_write() as batch:
        for slug in SLUGS:
            for row in read_rows(slug):
                batch.delete(Item(row["pk"], row["sk"]))


@pytest.fixture(autouse=True)
def _no_demos(engine: None) -> None:
    remove_demos()


def seeded(secret: str = SECRET) -> list[str]:
    return list(seeding.seed_demos(secret))


def get(path: str, slug: str, secret: str = SECRET) -> Reply:
    return call("GET", path, headers={"authorization": f"Bearer {secret}", "x-app-slug": slug})


def execute(slug: str, tool: str, parameters: Mapping[str, Any]) -> Any:
    reply = call(
        "POST",
        "/api/tools/execute",
        body={"sessionId": "s1", "toolName": tool, "parameters": parameters},
        headers={"authorization": f"Bearer {SECRET}", "x-app-slug": slug},
    )
    return reply.json


def of_kind(slug: str, kind: str) -> list[Row]:
    return [row for row in read_rows(slug) if row["kind"] == kind]


def timeless(found: list[Row]) -> list[Row]:
    """Rows without what seeding again may change, which is also the place of the state."""
    passing = {"updated_at", "version"}
    rows = [row for row in found if row["kind"] != "scenario_state"]
    states = [newest_state(found)] if len(rows) < len(found) else []
    return [
        *({name: value for name, value in row.items() if name not in passing} for row in rows),
        *({"state": row["state"]} for row in states),
    ]


def newest_state(found: list[Row]) -> Row:
    states = [row for row in found if row["kind"] == "scenario_state"]
    return max(states, key=lambda row: row["version"])


# -- demos -------------------------------------------------------------------------------------------------


def test_a_demo_has_its_app_tools_rules_and_documents() -> None:
    seeded()

    for scenario in map(load_scenario, SLUGS):
        slug = scenario.slug
        [app] = of_kind(slug, "app")
        assert (app["name"], app["guardrails_enabled"]) == (scenario.app["name"], True)
        tools = get("/api/tools", slug).json["tools"]
        assert [tool["name"] for tool in tools] == [tool["name"] for tool in scenario.tools]
        rules = sorted(of_kind(slug, "rule"), key=lambda row: str(row["place"]))
        assert [row["pattern"] for row in rules] == [rule["pattern"] for rule in scenario.rules]
        assert all(row["is_active"] for row in rules)
        documents = of_kind(slug, "document")
        assert {row["title"] for row in documents} == {each["title"] for each in scenario.documents}
        assert {row["updated_by"] for row in documents} == {"seed-script"}


def test_the_shared_secret_opens_every_demo_and_each_works_at_once() -> None:
    seeded()
    quarters = {"metric": "revenue", "period1": "Q4_2025", "period2": "Q4_2024"}

    for slug in SLUGS:
        assert get("/api/persona", slug).json["systemPrompt"] == load_scenario(slug).system_prompt
        assert get("/api/persona", slug, "another secret").status == 401
    found = execute("demo-dentist", "lookup_appointment", {"patientName": "garcia"})
    compared = execute("demo-earnings", "compare_quarters", quarters)
    stocked = execute("demo-ecommerce", "check_inventory", {"productName": "candle"})

    assert found["data"]["found"] is True
    assert (compared["data"]["delta"], compared["data"]["percentChange"]) == ("+$80M", "16.0%")
    assert stocked["data"]["totalInStock"] == 3


def test_a_line_is_answered_as_each_step_is_done() -> None:
    lines = seeding.seed_demos(SECRET)

    assert next(lines) == "demo-dentist: app created"
    assert len(of_kind("demo-dentist", "app")) == 1
    assert of_kind("demo-dentist", "tool") == []
    assert next(lines) == "demo-dentist: tool check_availability created"
    assert len(of_kind("demo-dentist", "tool")) == 1


@dataclass(frozen=True)
class Twice:
    """What two seedings answered and left, an hour apart."""

    first: list[str]
    second: list[str]
    before: list[list[Row]]
    after: list[list[Row]]


@pytest.fixture(scope="module")
def twice(engine: None) -> Twice:
    remove_demos()
    with time_machine.travel("2026-04-07T12:00:00Z") as clock:
        first, before = seeded(), [read_rows(slug) for slug in SLUGS]
        clock.shift(3600)
        return Twice(first, seeded(), before, [read_rows(slug) for slug in SLUGS])


def test_there_is_a_line_for_every_step(twice: Twice) -> None:
    for scenario in map(load_scenario, SLUGS):
        parts = len(scenario.tools) + len(scenario.rules) + len(scenario.documents)
        for lines in (twice.first, twice.second):
            own = [line for line in lines if line.startswith(f"{scenario.slug}: ")]
            assert len(own) == parts + len(["the app", "the state"])


def test_the_second_time_no_step_says_that_it_made_something(twice: Twice) -> None:
    assert not [line for line in twice.second if line.endswith(("created", "added"))]


def test_seeding_again_changes_no_row_but_its_times(twice: Twice) -> None:
    assert [timeless(found) for found in twice.after] == [timeless(found) for found in twice.before]


@dataclass(frozen=True)
class Operated:
    """A demo on which operators and callers worked before it was seeded again."""

    before: list[Row]
    after: list[Row]
    lines: list[str]

    def row(self, kind: str, **fields: Any) -> Row:
        [found] = [row for row in self.after if row["kind"] == kind and row.items() >= fields.items()]
        return found


SOFTENED = load_scenario("demo-dentist").rules[0]
KEPT = {"modelId": "another", "replyAsAudio": False, "guardrailsEnabled": False, "temperature": 0.5}
REPLACED = {"name": "Changed", "systemPrompt": "Changed", "personaGreeting": "Changed", "voice": "Changed"}


@pytest.fixture(scope="module")
def operated(engine: None) -> Operated:
    slug = "demo-dentist"
    remove_demos()
    guardrails.add_if_new(slug, SOFTENED["type"], SOFTENED["pattern"], "log", None)
    seeded()
    execute(slug, "cancel_appointment", {"appointmentId": "APT-10041"})
    endpoint = UnicodeAttribute(attr_name="endpoint").set("https://clinic.example/slots")
    ToolRow.of(slug, "check_availability").change([endpoint, ToolRow.is_active.set(False)])
    registry.put_tool(slug, "mine", description="", parameters_schema="{}")
    guardrails.create(slug, NewRule.model_validate({"type": "pii", "pattern": "ssn", "action": "warn"}))
    apps.update_app(slug, AppFields.model_validate(KEPT | REPLACED))
    apps.set_active(slug, False)
    before = read_rows(slug)
    lines = seeded()
    return Operated(before, read_rows(slug), lines)


def test_seeding_again_keeps_the_fields_that_operators_changed(operated: Operated) -> None:
    app = operated.row("app")
    assert (app["model_id"], app["reply_as_audio"], app["guardrails_enabled"]) == ("another", False, False)
    assert float(app["temperature"]) == 0.5


def test_seeding_again_brings_the_scenarios_texts_back(operated: Operated) -> None:
    app, scenario = operated.row("app"), load_scenario("demo-dentist")
    assert app["system_prompt"] == scenario.system_prompt
    for stored, described in [("name", "name"), ("persona_greeting", "personaGreeting"), ("voice", "voice")]:
        assert app[stored] == scenario.app[described]


def test_seeding_again_leaves_a_disabled_demo_disabled(operated: Operated) -> None:
    assert operated.row("app")["is_active"] is False


def test_seeding_again_keeps_what_else_a_tool_has_and_makes_it_active(operated: Operated) -> None:
    tool = operated.row("tool", name="check_availability")
    assert (tool["endpoint"], tool["is_active"]) == ("https://clinic.example/slots", True)


def test_seeding_again_keeps_what_is_not_of_the_scenario(operated: Operated) -> None:
    for kind, fields in [("tool", {"name": "mine"}), ("rule", {"pattern": "ssn"}), ("execution", {})]:
        assert operated.row(kind, **fields) in operated.before
    assert len(operated.after) == len(operated.before) + 1  # what operators had made of the persona


def test_seeding_again_keeps_what_operators_had_made_of_the_persona(operated: Operated) -> None:
    row = operated.row("persona_version", number=2)
    assert b'"voice":"Changed"' in zlib.decompress(row["content"].value)


def test_seeding_what_is_there_already_makes_no_version() -> None:
    remove_demos()
    seeded()
    seeded()
    assert [row for row in read_rows("demo-dentist") if row["kind"] == "persona_version"] == []


def test_a_rule_that_an_operator_softened_is_not_doubled_and_not_hardened(operated: Operated) -> None:
    assert operated.row("rule", pattern=SOFTENED["pattern"])["action"] == "log"
    line = f"demo-dentist: rule {SOFTENED['type']} ({SOFTENED['action']}) is there already"
    assert line in operated.lines


def of_before(slug: str, pattern: str = "an old pattern") -> str:
    """A rule that an earlier version of the scenario brought. Answers its id."""
    assert guardrails.add_if_new(slug, "topic", pattern, "block", None)
    return next(row.rule_id for row in RuleRow.list_rules(slug) if row.pattern == pattern)


def test_what_an_earlier_version_of_the_scenario_brought_goes_when_it_is_seeded_again() -> None:
    slug = "demo-dentist"
    seeded()
    of_before(slug)
    row = RuleRow(
        make_key("APP", slug), make_key("RULE", digest(slug, "blocked_topic", "older")), type="blocked_topic"
    )
    row.pattern, row.action, row.is_active, row.place = "older", "block", True, "0"
    row.save()  # by a service that counted no rules

    lines = seeded()

    assert [row.pattern for row in RuleRow.list_rules(slug)] == [
        rule["pattern"] for rule in load_scenario(slug).rules
    ]
    assert f"{slug}: rule topic of an earlier version removed" in lines
    assert f"{slug}: rule blocked_topic of an earlier version removed" in lines


def test_what_operators_have_made_of_an_earlier_version_stays() -> None:
    slug = "demo-dentist"
    seeded()
    theirs = of_before(slug)
    guardrails.update(slug, RuleChange.model_validate({"ruleId": theirs, "pattern": "a better pattern"}))
    mine = guardrails.create(
        slug, NewRule.model_validate({"type": "topic", "pattern": "mine", "action": "log"})
    )["id"]

    seeded()

    stored = {row.rule_id: row.pattern for row in RuleRow.list_rules(slug)}
    assert (stored[theirs], stored[mine]) == ("a better pattern", "mine")


def test_a_rule_that_an_operator_gave_another_pattern_is_not_brought_beside_it() -> None:
    slug = "demo-dentist"
    seeded()
    first = RuleRow.list_rules(slug)[0].rule_id
    guardrails.update(slug, RuleChange.model_validate({"ruleId": first, "pattern": "a better pattern"}))

    lines = seeded()

    assert len(RuleRow.list_rules(slug)) == len(load_scenario(slug).rules)
    assert not [line for line in lines if line.endswith(("added", "removed"))]


def test_seeded_rules_are_counted() -> None:
    seeded()
    for slug in SLUGS:
        stored = RulesetRow.of(slug).find_stored()
        assert stored
        assert stored.items == len(load_scenario(slug).rules)


def test_seeding_again_resets_the_state(operated: Operated) -> None:
    assert first_appointment(operated.before)["status"] == "cancelled"
    assert first_appointment(operated.after)["status"] == "confirmed"


def first_appointment(found: list[Row]) -> Row:
    state = StateRow(state=newest_state(found)["state"].value).read_state()
    assert state
    first: Row = state["appointments"][0]
    return first


def test_seeding_with_another_secret_replaces_the_present_one() -> None:
    seeded()

    seeded("another secret")

    assert get("/api/persona", "demo-dentist", "another secret").status == 200
    assert get("/api/persona", "demo-dentist", SECRET).status == 401


def test_a_secret_that_may_not_be_one_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ValueError, match="8 to 500"):
        seeded("short")

    assert [row for slug in SLUGS for row in read_rows(slug)] == []


def test_seeding_that_broke_off_can_be_done_again() -> None:
    lines = seeding.seed_demos(SECRET)
    for _ in range(4):
        next(lines)

    seeded()

    scenario = load_scenario("demo-dentist")
    assert len(of_kind("demo-dentist", "tool")) == len(scenario.tools)
    assert len(of_kind("demo-dentist", "rule")) == len(scenario.rules)


# -- one app -----------------------------------------------------------------------------------------------


@pytest.fixture
def slug() -> str:
    return f"app-{uuid4().hex[:12]}"


def new(**fields: Any) -> NewApp:
    return NewApp.model_validate({**NEW, **fields})


def test_an_app_is_seeded_active_and_without_guardrails(slug: str) -> None:
    assert seeding.seed_app(slug, new(tokenExpireMinutes=30), "its first secret") == f"{slug}: app created"

    shown = apps.show_app(slug)
    assert shown.items() >= {**NEW, "isActive": True, "tokenExpireMinutes": 30}.items()
    assert "guardrailsEnabled" not in shown
    assert get("/api/persona", slug, "its first secret").status == 200


def test_an_app_that_exists_gets_the_given_fields_and_keeps_the_others(slug: str) -> None:
    seeding.seed_app(slug, new(voice="Puck"), "its first secret")
    apps.update_app(slug, AppFields.model_validate({"maxActionsPerTurn": 7}))
    apps.set_active(slug, False)
    before = apps.show_app(slug)

    line = seeding.seed_app(slug, new(name="Another", modelId="another"), "its first secret")

    assert line == f"{slug}: app updated"
    expected = before | {"name": "Another", "modelId": "another"}
    assert apps.show_app(slug) | {"updatedAt": 0} == expected | {"updatedAt": 0}


def test_an_app_seeded_twice_keeps_its_stored_hash(slug: str) -> None:
    hashes = []
    for _ in range(2):
        seeding.seed_app(slug, new(), "its first secret")
        hashes.append(read_rows(slug)[0]["secrets"])

    assert hashes[0] == hashes[1]


def test_an_app_seeded_with_another_secret_has_that_one(slug: str) -> None:
    seeding.seed_app(slug, new(), "its first secret")
    assert get("/api/persona", slug, "its first secret").status == 200

    seeding.seed_app(slug, new(), "its second secret")

    assert get("/api/persona", slug, "its second secret").status == 200
    assert get("/api/persona", slug, "its first secret").status == 401
