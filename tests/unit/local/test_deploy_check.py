"""`make deploy-check`: the template that the emulator takes, and an action that is taken from a policy."""

from pathlib import Path
from typing import Any

import pytest

from local.deploy_check.emulation import emulate_template, list_left_out
from local.deploy_check.stack import remove_action
from local.deploy_check.taken_actions import SAMPLE
from local.serve.cloudformation import load_template
from local.serve.template_reader import read_template
from tests.support.policies import read_grants

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


@pytest.fixture
def template() -> dict[str, Any]:
    return dict(load_template(TEMPLATE))


@pytest.fixture
def emulated(template: dict[str, Any]) -> dict[str, Any]:
    return emulate_template(template, Path("/an/authority.pem"))


def test_nothing_is_left_out_but_what_computes_and_shows_metrics(
    template: dict[str, Any], emulated: dict[str, Any]
) -> None:
    left_out = set(list_left_out(template))
    assert left_out == template["Resources"].keys() - emulated["Resources"].keys()
    for id_ in left_out:
        resource = template["Resources"][id_]
        assert resource["Type"] == "AWS::CloudWatch::Dashboard" or "Metrics" in resource["Properties"]
    assert "Table" in emulated["Resources"]


def test_every_route_is_there(emulated: dict[str, Any]) -> None:
    declared = read_template(TEMPLATE)
    made = [
        each["Properties"]["RouteKey"]
        for each in emulated["Resources"].values()
        if each["Type"] == "AWS::ApiGatewayV2::Route"
    ]
    assert sorted(made) == sorted(["$default", *(f"{each.method} {each.path}" for each in declared.routes)])


def test_functions_are_called_by_their_alias(emulated: dict[str, Any]) -> None:
    targets = {
        each["Properties"]["IntegrationUri"]["Ref"]
        for each in emulated["Resources"].values()
        if each["Type"] == "AWS::ApiGatewayV2::Integration"
    }
    assert all(target.endswith("Function.Alias") for target in targets)


def test_nothing_else_is_granted_than_what_the_emulator_asks_for(
    template: dict[str, Any], emulated: dict[str, Any]
) -> None:
    def list_statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            statement
            for each in resources.values()
            if each["Type"] == "AWS::Serverless::Function"
            for policy in each["Properties"].get("Policies", ())
            for statement in policy.get("Statement", ())
        ]

    before, after = (list_statements(each["Resources"]) for each in (template, emulated))
    for ours, theirs in zip(before, after, strict=True):
        if ours["Action"] == "sqs:SendMessage":
            assert theirs["Action"] == ["sqs:SendMessage", "sqs:SendMessageBatch"]
        else:
            assert theirs["Action"] == ours["Action"]


def test_an_action_is_taken_from_every_statement_of_a_policy() -> None:
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": "a"},
            {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "b"},
            {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:SendMessageBatch"], "Resource": "c"},
        ]
    }
    left = remove_action(policy, "dynamodb:PutItem")["Statement"]
    assert [each["Action"] for each in left] == [
        ["dynamodb:GetItem"],
        ["sqs:SendMessage", "sqs:SendMessageBatch"],
    ]
    assert len(remove_action(policy, "sqs:SendMessage")["Statement"]) == 2


def test_the_sample_takes_what_the_template_grants() -> None:
    for taken in SAMPLE:
        assert taken.action in {grant.action for grant in read_grants()[taken.function]}
