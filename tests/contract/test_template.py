"""What template.yaml promises of a deployed stack, beside its routes and policies: see docs/operations.md."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from local.intrinsics import Intrinsics
from local.template import CloudFormationLoader
from tests.support.policies import granted
from tests.support.service import ROOT, endpoints, new_app
from tests.support.valid import name


@cache
def document() -> dict[str, Any]:
    text = (ROOT / "template.yaml").read_text()
    return dict(yaml.load(text, CloudFormationLoader))  # noqa: S506 - a SafeLoader


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {id_: each for id_, each in document()["Resources"].items() if each["Type"] == kind}


@pytest.mark.parametrize(
    ("stage", "origins", "deployed"),
    [("dev", "", True), ("prod", "", False), ("prod", "https://app.example.com", True)],
)
def test_production_is_refused_without_its_origins(stage: str, origins: str, deployed: bool) -> None:
    """Contract, section 7, row 41."""
    (rule,) = document()["Rules"].values()
    (assertion,) = rule["Assertions"]
    applies, holds = rule["RuleCondition"], assertion["Assert"]
    refused = {"Fn::And": [applies, {"Fn::Not": [holds]}]}
    known = Intrinsics({"Stage": stage, "AllowedOrigins": origins}, frozenset(), {"Refused": refused})
    assert known.resolve({"Fn::If": ["Refused", "refused", "deployed"]}, "the rule") == (
        "deployed" if deployed else "refused"
    )


@pytest.mark.parametrize(
    ("origins", "accepted"),
    [
        ("", True),
        ("https://app.example.com", True),
        ("https://app.example.com, http://localhost:5173", True),
        ("*", False),
        ("app.example.com", False),
        ("https://app.example.com/", False),
    ],
)
def test_what_is_no_list_of_origins_is_refused(origins: str, accepted: bool) -> None:
    pattern = document()["Parameters"]["AllowedOrigins"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, origins)) == accepted


def test_what_nobody_can_make_again_outlives_the_stack() -> None:
    kept = {**of_type("AWS::DynamoDB::Table"), **of_type("AWS::SecretsManager::Secret")}
    assert len(kept) == 2
    for resource in kept.values():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    for table in of_type("AWS::DynamoDB::Table").values():
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_stages_share_no_name() -> None:
    """What is retained or made twice in an account has the name that CloudFormation gives it, or the
    stack's.
    """
    for id_, resource in document()["Resources"].items():
        properties = resource.get("Properties", {})
        fixed = {key: value for key, value in properties.items() if re.fullmatch(r"(\w+)?Name", key)}
        fixed.pop("MetricName", None)
        assert all(value == {"Ref": "AWS::StackName"} for value in fixed.values()), (id_, fixed)


def test_every_function_logs_where_lines_are_deleted_in_time() -> None:
    assert document()["Globals"]["Function"]["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    assert document()["Resources"]["Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetention"}
    own = [id_ for id_, each in of_type("AWS::Serverless::Function").items() if "LoggingConfig" in str(each)]
    assert own == []


def _own_metrics() -> Iterator[tuple[str, frozenset[str]]]:
    """The metrics of ours that alarms and dashboard look at, with their dimensions."""
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        if properties.get("Namespace") == "GenaiVoice":
            yield properties["MetricName"], frozenset(each["Name"] for each in properties["Dimensions"])
    body = document()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for dimensions, metric in re.findall(r'\{GenaiVoice,([\w,]+)\} MetricName=\\"(\w+)\\"', body):
        yield metric, frozenset(dimensions.split(","))


def test_alarms_and_dashboard_look_at_metrics_that_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    new_app().post("/api/conversations", {"sessionId": "s"})
    (written,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    dimensions = {frozenset(each) for each in written["Dimensions"]}
    metrics = {each["Name"] for each in written["Metrics"]}
    looked_at = list(_own_metrics())
    assert {metric for metric, _ in looked_at} == metrics
    assert {each for _, each in looked_at} <= dimensions
    assert written["Namespace"] == "GenaiVoice"


def test_the_route_whose_duration_is_watched_exists() -> None:
    dimensions = document()["Resources"]["DurationAlarm"]["Properties"]["Dimensions"]
    (route,) = [each["Value"] for each in dimensions if each["Name"] == "route"]
    assert route in {name(endpoint) for endpoint in endpoints()}


def test_errors_of_every_operation_that_a_function_may_use_are_watched() -> None:
    metrics = document()["Resources"]["TableErrorsAlarm"]["Properties"]["Metrics"]
    assert len(metrics) <= 10, "an alarm has at most ten"
    watched = {
        dimension["Value"]
        for each in metrics
        for dimension in each.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
        if dimension["Name"] == "Operation"
    }
    allowed = {grant.action for grants in granted().values() for grant in grants}
    allowed.discard("dynamodb:ConditionCheckItem")  # counted as the transaction that it is a part of
    assert {each.removeprefix("dynamodb:") for each in allowed if each.startswith("dynamodb:")} <= watched


def test_the_dashboard_is_json_and_shows_every_alarm() -> None:
    body = document()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    (alarms,) = [each["properties"] for each in json.loads(body)["widgets"] if each["type"] == "alarm"]
    assert set(alarms["alarms"]) == {f"${{{id_}.Arn}}" for id_ in of_type("AWS::CloudWatch::Alarm")}


def test_every_alarm_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+Alarm)` \|", (ROOT / "docs" / "operations.md").read_text(), re.M)
    assert explained == list(of_type("AWS::CloudWatch::Alarm"))
