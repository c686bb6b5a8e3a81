"""How scenarios, their runs and the last results of each are stored."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic_core import from_json, to_json

from genai_voice.foundation.keys import digest, make_key
from genai_voice.foundation.table import (
    BooleanAttribute,
    CompressedText,
    Condition,
    Item,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from genai_voice.qa.flakiness import RecentResult

_LAST_MOMENT = 10**16 - 1  # of a time-ordered id


class ScenarioRow(Item, discriminator="qa_scenario"):
    scenario_id = UnicodeAttribute()
    name = UnicodeAttribute()
    description = UnicodeAttribute(null=True)
    turns = CompressedText()  # JSON
    expectations = CompressedText()  # JSON
    criteria = CompressedText()  # JSON
    tags: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)
    evaluator_type = UnicodeAttribute()
    is_active = BooleanAttribute()
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, app: str, scenario_id: str) -> Self:
        return cls(make_key("APP", app), make_key("QA_SCENARIO", scenario_id), scenario_id=scenario_id)

    @classmethod
    def from_name(cls, app: str, name: str) -> Self:
        """Make the row of a scenario. Its id is made of its name: saving it again is the same row."""
        return cls.of(app, digest(app, "qa_scenario", name))

    @staticmethod
    def make_list_key(app: str, active: bool | None = None) -> str:
        """Make the key of the partition that lists an app's scenarios: all, the active or the inactive."""
        if active is None:
            return make_key("APP", app, "QA_SCENARIOS")
        return make_key("APP", app, "QA_SCENARIOS", "active" if active else "inactive")

    @classmethod
    def count_in_app(cls, app: str) -> int:
        """Count an app's scenarios, as they are now."""
        return cls.count(make_key("APP", app), cls.sk.startswith("QA_SCENARIO#"), consistent_read=True)

    @classmethod
    def list_newest(cls, app: str, active: bool | None, before: str | None, limit: int) -> list[Self]:
        """List what the index knows of them, newest created first, beginning after position `before`."""
        return cls.list_latest(
            "gsi1" if active is None else "gsi2", cls.make_list_key(app, active), before, limit
        )

    @property
    def fingerprint(self) -> str:
        """A digest of all of it that decides how an answer is graded."""
        return digest(self.turns, self.expectations, self.criteria, self.evaluator_type)


class RunRow(Item, discriminator="qa_run"):
    run_id = UnicodeAttribute()
    scenario_id = UnicodeAttribute()
    scenario_name = UnicodeAttribute()  # as it was then
    session_id = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    checks = CompressedText()  # JSON: all but those of the judge
    input = CompressedText()  # JSON
    execution_mode = UnicodeAttribute()
    judge_scores = CompressedText(null=True)  # JSON
    judge_runs = NumberAttribute(null=True)
    agreement = NumberAttribute(null=True)

    @classmethod
    def of(cls, app: str, run_id: str) -> Self:
        return cls(make_key("APP", app, "QA_RUN"), make_key("ID", run_id), run_id=run_id)

    def set_scenario(self, app: str, scenario: ScenarioRow) -> None:
        self.scenario_id, self.scenario_name = scenario.scenario_id, scenario.name
        self.gsi1pk, self.gsi1sk = self._make_scenario_key(app, scenario.scenario_id), self.sk

    @staticmethod
    def _make_scenario_key(app: str, scenario_id: str) -> str:
        return make_key("APP", app, "QA_SCENARIO", scenario_id, "RUNS")

    @classmethod
    def list_newest(cls, app: str, since_ms: float, before: str | None, limit: int) -> Iterator[Self]:
        """List those from `since_ms` on (epoch ms), newest first, beginning after position `before`."""
        wanted = cls.sk.between(*_find_bounds(since_ms, before))
        partition = make_key("APP", app, "QA_RUN")
        return cls.query(partition, wanted, consistent_read=True, scan_index_forward=False, limit=limit)

    @classmethod
    def list_newest_of_scenario(
        cls, app: str, scenario_id: str, since_ms: float, before: str | None, limit: int
    ) -> list[Self]:
        """List the same of one scenario, as the index knows them."""
        wanted = cls.gsi1sk.between(*_find_bounds(since_ms, before))
        partition = cls._make_scenario_key(app, scenario_id)
        found = cls.query(partition, wanted, index_name="gsi1", scan_index_forward=False, limit=limit)
        return list(found)


class RecentRow(Item, discriminator="qa_recent"):
    """The last results of a scenario, changed together with each run that is stored."""

    packed = CompressedText()  # JSON

    @classmethod
    def of(cls, app: str, scenario_id: str) -> Self:
        return cls(make_key("APP", app, "QA_RECENT"), make_key("ID", scenario_id))

    @property
    def results(self) -> list[RecentResult]:
        """Newest first."""
        return [RecentResult(*each) for each in from_json(self.packed)]

    @staticmethod
    def pack(results: list[RecentResult]) -> str:
        return to_json(results).decode()

    @classmethod
    def is_unchanged(cls, stored: Self | None) -> Condition:
        """Hold where no run was stored since `stored` was read."""
        return cls.version == stored.version if stored else cls.pk.does_not_exist()


def _find_bounds(since_ms: float, before: str | None) -> tuple[str, str]:
    """Find the sort keys between which the ids from a moment on lie, up to before a position. The position is
    a key, which ends with its separator.
    """
    first = f"ID#{int(min(since_ms * 1000, _LAST_MOMENT)):016d}"
    return first, before.removesuffix("#") if before else "ID#~"
