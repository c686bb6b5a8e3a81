"""What template.yaml allows each function to do in AWS, and what tests have seen it do: every session of
botocore that is opened in this process tells of its calls, `hold_to_policy` says on whose behalf they are
made. `take_away` has AWS refuse what a policy allows, as if it did not.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import botocore
import yaml
from botocore.exceptions import ClientError
from botocore.session import Session

from local.serve.cloudformation import CloudFormationLoader

_TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


class Grant(NamedTuple):
    """`dynamodb:Query` on `Table/index/gsi1`: resources by their names in the template."""

    action: str
    resource: str


used: defaultdict[str, set[Grant]] = defaultdict(set)
"""By function: what tests of this process have seen."""


class _Asking(NamedTuple):
    """Who asks, and what was asked so far."""

    function: str
    asked: set[Grant]


_asking: ContextVar[_Asking | None] = ContextVar("asking", default=None)
_taken: ContextVar[tuple[str, Grant] | None] = ContextVar("taken", default=None)


@contextmanager
def hold_to_policy(function: str) -> Iterator[None]:
    """What is asked of AWS meanwhile, this function asks: its policy must allow it."""
    asking = _Asking(function, set())
    outer = _asking.set(asking)
    try:
        yield
    finally:
        _asking.reset(outer)
        used[function] |= asking.asked
    refused = asking.asked - read_grants()[function]
    assert not refused, f"template.yaml does not allow {function}: {sorted(refused)}"


@contextmanager
def take_away(function: str, grant: Grant) -> Iterator[None]:
    """AWS refuses this function meanwhile what its policy allows."""
    outer = _taken.set((function, grant))
    try:
        yield
    finally:
        _taken.reset(outer)


# -- what is allowed ---------------------------------------------------------------------------------------


@cache
def read_grants() -> dict[str, frozenset[Grant]]:
    """By function. Raises where a policy is anything but statements that allow actions on resources."""
    document = yaml.load(_TEMPLATE.read_text(), CloudFormationLoader)  # noqa: S506 - a SafeLoader
    resources = document["Resources"]
    return {
        id_: frozenset(_list_grants(resource["Properties"].get("Policies", ()), resources))
        for id_, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _list_grants(policies: list[dict[str, Any]], resources: dict[str, Any]) -> Iterator[Grant]:
    for policy in policies:
        for statement in _list_statements(policy, resources):
            assert statement.keys() == {"Effect", "Action", "Resource"}, statement
            assert statement["Effect"] == "Allow"
            for action in _to_list(statement["Action"]):
                yield from (Grant(action, _find_name(each)) for each in _to_list(statement["Resource"]))


def _list_statements(policy: dict[str, Any], resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a policy that stands there, or of a managed one of the template, which may be there on a
    condition.
    """
    match policy:
        case {"Fn::If": [str(), {"Ref": str() as name}, {"Ref": "AWS::NoValue"}]}:
            return list(resources[name]["Properties"]["PolicyDocument"]["Statement"])
    return list(policy["Statement"])


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _find_name(resource: dict[str, Any]) -> str:
    match resource:
        case {"Ref": str() as name} | {"Fn::GetAtt": [str() as name, "Arn"]}:
            return name
        case {"Fn::Sub": str() as text}:
            return text.replace("${", "").replace(".Arn}", "")
    raise AssertionError(f"a policy names {resource}, which is no resource of the template")


# -- what is asked -----------------------------------------------------------------------------------------


def _note(**call: Any) -> None:
    """Before each call: `model` of the operation, and its arguments as `params`."""
    asking = _asking.get()
    if asking is None:
        return
    model, params = call["model"], call["params"]
    service = model.service_model.service_name
    needs = {"dynamodb": _list_dynamodb_needs, "sqs": _list_sqs_needs}.get(service, _list_other_needs)
    grants = {Grant(f"{service}:{action}", resource) for action, resource in needs(model.name, params)}
    asking.asked.update(grants)
    if _taken.get() in {(asking.function, grant) for grant in grants}:
        refusal = {"Code": "AccessDeniedException", "Message": "a test has taken this action away"}
        raise ClientError({"Error": refusal}, model.name)  # type: ignore[typeddict-item]


def _list_dynamodb_needs(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A transaction needs what its parts need."""
    match operation:
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                for kind, part in item.items():
                    yield {"ConditionCheck": "ConditionCheckItem"}.get(kind, f"{kind}Item"), _name_table(part)
        case "TransactGetItems":
            yield from (("GetItem", _name_table(item["Get"])) for item in params["TransactItems"])
        case "BatchGetItem" | "BatchWriteItem":
            yield from ((operation, _name_table({"TableName": name})) for name in params["RequestItems"])
        case _:
            yield operation, _name_table(params)


def _name_table(params: dict[str, Any]) -> str:
    index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
    return ("Table" if params["TableName"] == os.environ["TABLE_NAME"] else params["TableName"]) + index


def _list_sqs_needs(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A batch needs what one message needs."""
    queue = params["QueueUrl"]
    name = "WebhookQueue" if queue == os.environ.get("WEBHOOK_QUEUE_URL") else str(queue)
    yield operation.removesuffix("Batch"), name


def _list_other_needs(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    secret = params.get("SecretId")
    known = {
        os.environ.get("DEPLOYMENT_SECRET_ARN"): "DeploymentSecret",
        os.environ.get("PROVIDER_SECRET_ARN"): "ProviderSecretArn",
    }
    yield operation, known.get(secret, str(secret))


def _listen(session: Session) -> None:
    session.register("provide-client-params", _note)


botocore.register_initializer(_listen)
