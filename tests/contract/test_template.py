"""What template.yaml promises of a deployed stack, beside its routes and policies: see docs/operations.md."""

import json
import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml
from genai_voice.foundation.queue import MAX_DELAY_S
from genai_voice.webhooks.sender import SECONDS

from local.serve.cloudformation import CloudFormationLoader, name_variable
from local.serve.intrinsics import Intrinsics
from tests.support.policies import read_grants
from tests.support.service import ROOT, create_app, sweep


@cache
def document() -> dict[str, Any]:
    text = (ROOT / "template.yaml").read_text()
    return dict(yaml.load(text, CloudFormationLoader))  # noqa: S506 - a SafeLoader


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {id_: each for id_, each in document()["Resources"].items() if each["Type"] == kind}


def resolve(value: Any, **given: str) -> str | None:
    """A value of the template with these parameters, and the defaults of the others; None where it is left
    out.
    """
    defaults = {name: str(each.get("Default", "")) for name, each in document()["Parameters"].items()}
    known = Intrinsics(defaults | given, frozenset(), document()["Conditions"])
    return known.resolve(value, "the template")


def settle(value: Any, **given: str) -> Any:
    """The same of a whole property, and of what differs by stage."""
    match value:
        case {"Fn::If": [condition, then, otherwise]}:
            holds = resolve({"Fn::If": [condition, "yes", "no"]}, **given) == "yes"
            return settle(then if holds else otherwise, **given)
        case {"Fn::FindInMap": [name, first, second]}:
            rows = document()["Mappings"][name]
            return rows[resolve(first, **given)][resolve(second, **given)]
        case {"Ref": _} | {"Fn::Sub": _} | str() | int():
            return resolve(value, **given)
        case dict():
            settled = {name: settle(each, **given) for name, each in value.items()}
            return {name: each for name, each in settled.items() if each is not None}
    return value


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
    """Unless the stack never came to be: a first deployment that fails leaves nothing behind."""
    kept = {**of_type("AWS::DynamoDB::Table"), **of_type("AWS::SecretsManager::Secret")}
    assert len(kept) == 2
    for resource in kept.values():
        policies = resource["DeletionPolicy"], resource["UpdateReplacePolicy"]
        assert policies == ("RetainExceptOnCreate", "Retain")
    for table in of_type("AWS::DynamoDB::Table").values():
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


# -- the table -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "protected"), [("dev", False), ("prod", True)])
def test_nobody_deletes_the_table_of_production_by_mistake(stage: str, protected: bool) -> None:
    table = document()["Resources"]["Table"]["Properties"]
    assert settle(table["DeletionProtectionEnabled"], Stage=stage) == str(protected).lower()


@pytest.mark.parametrize(
    ("given", "declared"),
    [
        ({}, {}),
        (
            {"TableReadCap": "4000", "TableWriteCap": "2000"},
            {"OnDemandThroughput": {"MaxReadRequestUnits": "4000", "MaxWriteRequestUnits": "2000"}},
        ),
        ({"TableWriteCap": "2000"}, {"OnDemandThroughput": {"MaxWriteRequestUnits": "2000"}}),
        (
            {"TableWarmReads": "20000", "TableWarmWrites": "8000"},
            {"WarmThroughput": {"ReadUnitsPerSecond": "20000", "WriteUnitsPerSecond": "8000"}},
        ),
        (
            {"TableWarmWrites": "8000"},
            {"WarmThroughput": {"ReadUnitsPerSecond": "12000", "WriteUnitsPerSecond": "8000"}},
        ),
    ],
    ids=["nothing", "both caps", "a cap of writes", "both warm", "warm writes"],
)
def test_the_table_and_its_indexes_are_capped_and_warmed_alike(
    given: dict[str, str], declared: dict[str, Any]
) -> None:
    """An index that turns writes away turns those of the table away."""
    table = document()["Resources"]["Table"]["Properties"]
    for each in (table, *table["GlobalSecondaryIndexes"]):
        settled = {name: settle(each[name], **given) for name in ("OnDemandThroughput", "WarmThroughput")}
        assert {name: value for name, value in settled.items() if value is not None} == declared


@pytest.mark.parametrize(
    ("parameter", "given", "accepted"),
    [
        ("TableReadCap", "1", True),
        ("TableWriteCap", "0", False),
        ("TableWriteCap", "-1", False),
        ("TableWarmReads", "12000", True),
        ("TableWarmReads", "9999", False),
        ("TableWarmWrites", "4000", True),
        ("TableWarmWrites", "999", False),
    ],
)
def test_what_is_no_throughput_is_refused(parameter: str, given: str, accepted: bool) -> None:
    declared = document()["Parameters"][parameter]
    assert declared["Default"] == ""
    for text, fits in (("", True), (given, accepted)):
        assert bool(re.fullmatch(declared["AllowedPattern"], text)) == fits


# -- releases ------------------------------------------------------------------------------------------------


def test_every_function_is_called_by_an_alias_that_leads_to_the_release() -> None:
    """SAM publishes a version where a variable has another value in the template; a Ref never has."""
    functions = document()["Globals"]["Function"]
    assert functions["AutoPublishAlias"] == "live"
    assert isinstance(functions["Environment"]["Variables"]["RELEASE"], str)
    for function in of_type("AWS::Serverless::Function").values():
        assert "AutoPublishAlias" not in function["Properties"]


@pytest.mark.parametrize(
    ("stage", "rollout", "gradual"),
    [
        ("dev", "gradual", "false"),
        ("dev", "immediate", "false"),
        ("prod", "gradual", "true"),
        ("prod", "immediate", "false"),
    ],
)
def test_only_production_takes_a_release_gradually(stage: str, rollout: str, gradual: str) -> None:
    """Unless it is to mend what an alarm rings at: CodeDeploy begins nothing meanwhile."""
    enabled = document()["Globals"]["Function"]["DeploymentPreference"]["Enabled"]
    assert document()["Parameters"]["Rollout"]["Default"] == "gradual"
    assert settle(enabled, Stage=stage, Rollout=rollout) == gradual


def test_a_release_that_fails_is_taken_back() -> None:
    """The alarm has the time to ring while few calls get the new version. It is named: a reference would go
    round in a circle, from the alias to the alarm, to the API and back to the alias.
    """
    preference = document()["Globals"]["Function"]["DeploymentPreference"]
    alarm = document()["Resources"]["FaultsAlarm"]["Properties"]
    assert preference["Alarms"] == [alarm["AlarmName"]]
    few, minutes = re.fullmatch(r"Canary(\d+)Percent(\d+)Minutes", preference["Type"]).groups()
    period = alarm["Metrics"][1]["MetricStat"]["Period"]
    assert int(minutes) * 60 >= period * (alarm["DatapointsToAlarm"] + 1)
    assert int(few) > alarm["Threshold"], "a tenth of the calls failing is a higher rate than what rings"


# -- names, tags, logs ---------------------------------------------------------------------------------------


def test_every_stage_has_tags_of_its_own() -> None:
    """CloudFormation puts the tags of a stack on all of it that can have tags."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for stage in config.keys() - {"version", "default"}:
        parameters = config[stage]["deploy"]["parameters"]
        assert parameters["tags"] == ["project=genai-voice", f"stage={stage}"]


def test_stages_share_no_name() -> None:
    """What is retained or made twice in an account has the name that CloudFormation gives it, or the
    stack's.
    """
    for id_, resource in document()["Resources"].items():
        properties = resource.get("Properties", {})
        fixed = {key: value for key, value in properties.items() if re.fullmatch(r"(\w+)?Name", key)}
        for what_it_looks_at in ("MetricName", "LogGroupName"):
            fixed.pop(what_it_looks_at, None)
        for value in fixed.values():
            of_stack = str(value.get("Fn::Sub", "")).startswith("${AWS::StackName}-")
            assert of_stack or value == {"Ref": "AWS::StackName"}, (id_, fixed)


def test_every_function_logs_where_lines_are_deleted_in_time() -> None:
    assert document()["Globals"]["Function"]["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetention"}
    own = [id_ for id_, each in of_type("AWS::Serverless::Function").items() if "LoggingConfig" in str(each)]
    assert own == []


def test_a_schedule_has_the_name_that_cloudformation_gives_it() -> None:
    """SAM would make one of the names in the template, the same in every stage."""
    events = [
        event
        for function in of_type("AWS::Serverless::Function").values()
        for event in function["Properties"].get("Events", {}).values()
    ]
    schedules = [each["Properties"] for each in events if each["Type"] == "ScheduleV2"]
    assert schedules
    assert all(each["OmitName"] is True for each in schedules)


def test_a_message_outlives_what_handles_it() -> None:
    """Else another worker gets it meanwhile; six times is AWS's advice."""
    resources = document()["Resources"]
    for function in of_type("AWS::Serverless::Function").values():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] != "SQS":
                continue
            queue = resources[event["Properties"]["Queue"]["Fn::GetAtt"][0]]["Properties"]
            assert queue["VisibilityTimeout"] >= 6 * function["Properties"]["Timeout"]
            assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert event["Properties"]["BatchSize"] * SECONDS <= function["Properties"]["Timeout"] - 15


ACCESS_LOGGED = {
    *("routeKey", "status", "integrationStatus", "error.responseType", "responseLatency", "requestId"),
}
"""What the gateway logs of a request: nothing that its sender has chosen, but for the route that it met."""


def access_log() -> dict[str, str]:
    settings = document()["Resources"]["Api"]["Properties"]["AccessLogSettings"]
    assert settings["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    return dict(json.loads(settings["Format"]))


def test_the_gateway_logs_neither_address_nor_header_nor_query_string() -> None:
    variables = {
        each for value in access_log().values() for each in re.findall(r"\$context\.([\w.]+)", value)
    }
    assert variables == ACCESS_LOGGED
    assert "$" not in re.sub(r"\$context\.[\w.]+", "", "".join(access_log().values()))


def test_requests_that_the_gateway_turned_away_are_counted_and_watched() -> None:
    """And not those that a function has answered 429."""
    (counted,) = [
        each["Properties"]
        for each in of_type("AWS::Logs::MetricFilter").values()
        if each["Properties"]["LogGroupName"] == {"Ref": "AccessLogs"}
    ]
    asked = dict(re.findall(r'\$\.(\w+) = "([^"]+)"', counted["FilterPattern"]))
    assert {access_log()[name]: value for name, value in asked.items()} == {
        "$context.status": "429",
        "$context.integrationStatus": "-",
    }
    (metric,) = counted["MetricTransformations"]
    alarm = document()["Resources"]["GatewayThrottlesAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])
    assert (alarm["Statistic"], metric["MetricValue"]) == ("Sum", "1")


def _written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The line of a save."""
    create_app().post("/api/conversations", {"sessionId": "s"}, **{"x-trace-id": "t"})
    return dict(json.loads(capsys.readouterr().out))


def test_the_metric_of_saves_is_made_of_their_lines_and_watched(capsys: pytest.CaptureFixture[str]) -> None:
    line = _written(capsys)
    filtered = document()["Resources"]["SaveDuration"]["Properties"]
    (metric,) = filtered["MetricTransformations"]
    asked = dict(re.findall(r'\$\.(\w+) = "([^"]+)"', filtered["FilterPattern"]))
    assert filtered["LogGroupName"] == {"Ref": "Logs"}
    assert asked == {name: line[name] for name in asked} == {"message": "request", "route": line["route"]}
    assert line[metric["MetricValue"].removeprefix("$.")] > 0
    alarm = document()["Resources"]["DurationAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])
    assert "Dimensions" not in alarm


def test_queries_ask_for_what_lines_have(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the dashboard and of docs/operations.md. What queries themselves name is no field."""
    body = document()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    queries = [each["properties"].get("query", "") for each in json.loads(body)["widgets"]]
    documented = (ROOT / "docs" / "operations.md").read_text()
    queries += re.findall(r'^filter (?!message = "fault").*', documented, re.M)
    assert len([each for each in queries if each]) > 1
    words = {"SOURCE", "filter", "fields", "stats", "sort", "by", "as", "and", "asc", "desc"}
    sweep()
    work, *_ = map(json.loads, capsys.readouterr().out.splitlines())
    known = _written(capsys).keys() | work.keys() | access_log().keys()
    for query in queries:
        named = set(re.findall(r"\bas (\w+)", query))
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|\b\w+(?=\()", "", query)
        assert set(re.findall(r"\b[a-zA-Z]\w+", bare)) <= named | words | known, query


def test_errors_of_every_operation_that_a_function_may_use_are_watched() -> None:
    metrics = document()["Resources"]["TableErrorsAlarm"]["Properties"]["Metrics"]
    assert len(metrics) <= 10, "an alarm has at most ten"
    watched = {
        dimension["Value"]
        for each in metrics
        for dimension in each.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
        if dimension["Name"] == "Operation"
    }
    allowed = {grant.action for grants in read_grants().values() for grant in grants}
    allowed.discard("dynamodb:ConditionCheckItem")  # counted as the transaction that it is a part of
    assert {each.removeprefix("dynamodb:") for each in allowed if each.startswith("dynamodb:")} <= watched


def alarms() -> dict[str, dict[str, Any]]:
    return {id_: each["Properties"] for id_, each in of_type("AWS::CloudWatch::Alarm").items()}


def test_silence_of_the_sweeper_for_a_quarter_of_an_hour_rings() -> None:
    alarm = alarms()["SweeperSilenceAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == (
        "AWS/Lambda",
        "Invocations",
        "Sum",
    )
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "SweeperFunction"}}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 15 * 60
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"], "one sweep is enough to be alive"
    assert alarm["TreatMissingData"] == "breaching"
    schedule = document()["Resources"]["SweeperFunction"]["Properties"]["Events"]["Schedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"


def test_no_other_alarm_rings_without_traffic() -> None:
    others = {id_: each for id_, each in alarms().items() if id_ != "SweeperSilenceAlarm"}
    assert {each["TreatMissingData"] for each in others.values()} == {"notBreaching"}


def test_what_waits_in_a_queue_is_watched() -> None:
    """Longer than any message is meant to wait, and before it is deleted."""
    watched = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]: alarm["Threshold"]
        for alarm in alarms().values()
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }
    queues = of_type("AWS::SQS::Queue")
    assert watched.keys() == queues.keys()
    for name, seconds in watched.items():
        kept = queues[name]["Properties"].get("MessageRetentionPeriod", 4 * 86_400)
        assert MAX_DELAY_S < seconds < kept


def test_concurrency_rings_near_the_quota_of_the_account() -> None:
    alarm = alarms()["ConcurrencyAlarm"]
    rate, taken = alarm["Metrics"]
    assert rate["Expression"] == {"Fn::Sub": "100 * taken / ${ConcurrencyQuota}"}
    assert taken["MetricStat"]["Metric"]["MetricName"] == "ClaimedAccountConcurrency"
    assert taken["MetricStat"]["Stat"] == "Maximum"
    assert alarm["Threshold"] == 80


def test_what_metrics_cost_is_counted() -> None:
    """CloudWatch bills each by the month: those that alarms look at, and those of our own."""
    looked_at = [
        metric
        for alarm in alarms().values()
        for metric in alarm.get("Metrics", ["its only one"])
        if metric == "its only one" or "MetricStat" in metric
    ]
    told = (ROOT / "docs" / "cost.md").read_text()
    assert f"$0.10 for each metric that an alarm looks at, {len(looked_at)} in all" in told
    assert len(of_type("AWS::Logs::MetricFilter")) == 2
    assert "$0.30 for each metric of one's own, of which there are two" in " ".join(told.split())


def test_the_dashboard_is_json_and_shows_every_alarm() -> None:
    body = document()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    (alarms,) = [each["properties"] for each in json.loads(body)["widgets"] if each["type"] == "alarm"]
    assert set(alarms["alarms"]) == {f"${{{id_}.Arn}}" for id_ in of_type("AWS::CloudWatch::Alarm")}


def test_every_alarm_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+Alarm)` \|", (ROOT / "docs" / "operations.md").read_text(), re.M)
    assert explained == list(of_type("AWS::CloudWatch::Alarm"))


# -- what functions that wait for others may take ------------------------------------------------------------

WAITING = {
    "ToolsFunction": ("ToolsConcurrency", "ToolsRate", ["POST /api/tools/execute"]),
    "QaFunction": ("QaConcurrency", "QaRate", ["POST /api/qa/runs", "POST /api/qa/suites/run"]),
    "TokenFunction": ("TokenConcurrency", "TokenRate", ["POST /api/token"]),
}
"""Functions that wait for a server that is not ours, with the parameters that bound them and their routes."""


@pytest.mark.parametrize("function", WAITING)
@pytest.mark.parametrize(("given", "reserved"), [("", None), ("50", "50")])
def test_concurrency_is_reserved_where_it_was_asked_for(
    function: str, given: str, reserved: str | None
) -> None:
    """By default none is: Lambda refuses it in an account that has less than 100 to spare."""
    properties = document()["Resources"][function]["Properties"]
    concurrency, _, _ = WAITING[function]
    assert resolve(properties["ReservedConcurrentExecutions"], **{concurrency: given}) == reserved


def test_other_functions_reserve_nothing() -> None:
    reserving = {
        id_
        for id_, each in of_type("AWS::Serverless::Function").items()
        if "Reserved" in str(each["Properties"])
    }
    assert reserving == set(WAITING)


@pytest.mark.parametrize(
    ("given", "accepted"), [("", True), ("1", True), ("200", True), ("0", False), ("-1", False), ("x", False)]
)
def test_what_is_no_number_of_processes_is_refused(given: str, accepted: bool) -> None:
    for concurrency, _, _ in WAITING.values():
        pattern = document()["Parameters"][concurrency]["AllowedPattern"]
        assert bool(re.fullmatch(pattern, given)) == accepted


def test_routes_that_wait_for_others_are_throttled_by_themselves() -> None:
    api = document()["Resources"]["Api"]["Properties"]
    others = [str(each) for each in api["DefaultRouteSettings"].values()]
    expected = {route: rate for _, rate, routes in WAITING.values() for route in routes}
    assert api["RouteSettings"].keys() == expected.keys()
    for route, settings in api["RouteSettings"].items():
        assert settings.keys() == api["DefaultRouteSettings"].keys()
        assert [resolve(each) for each in settings.values()] == others, "the default changes nothing"
        assert {resolve(each, **{expected[route]: "7"}) for each in settings.values()} == {"7"}


def test_how_to_bound_them_is_documented() -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    for concurrency, rate, _ in WAITING.values():
        assert name_variable(concurrency) in told
        assert name_variable(rate) in told
