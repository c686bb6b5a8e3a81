"""What ministack, the emulator of `make deploy-check`, does otherwise than AWS, and the template that it
takes in place of the one that was built.

| ministack 1.5 | what is done here |
|---|---|
| refuses alarms on more than one metric | they are left out, and the dashboard, which names them |
| does not import the body of an HTTP API | its routes and integrations are resources |
| `!Ref` of a secret is its name | `!GetAtt` gives its ARN |
| asks for `sqs:SendMessageBatch` where AWS asks for `sqs:SendMessage` | it is granted beside that |
| the address of an API has its id and stage in the path | `make_api_address` |
| functions are processes on a machine without an internet | they are told that they are not deployed, and \
trust an authority of this run, so that they may call a receiver of webhooks here |

It also does less. What follows is held by `tests/contract/test_template.py` alone, and first seen in AWS:

- CodeDeploy: only stage `dev` is created, which takes a release at once. No bad release is taken back here.
- Alarms: those that are created never ring. Nobody writes the access log, its metric or the dashboard.
- Throttles of routes, reserved concurrency, memory, and caps and warmth of the table are taken, and not held.
- Roles of functions are checked at every call (`AUTH=true`). Those by which API Gateway, the queue and the
  schedule call functions are created, and not checked.
- A function finds the libraries of ministack's own environment behind those of its layer and its folder. That
  it has all it needs is shown by `tests/contract/test_built_layer.py` and by `make sam`.
- Nobody waits five minutes for the schedule: what it calls is called in its place.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.serve.cloudformation import load_template

Json = dict[str, Any]
_BATCH = {"sqs:SendMessage": ["sqs:SendMessage", "sqs:SendMessageBatch"]}


def write_emulated(built: Path, authority: Path) -> Path:
    """Write the template that ministack takes beside the one that was built. Functions trust the certificate
    authority. Returns the file.
    """
    template = emulate_template(load_template(built / "template.yaml"), authority)
    file = built / "emulated.json"
    file.write_text(json.dumps(template, indent=1), encoding="utf-8")
    return file


def emulate_template(template: Json, authority: Path) -> Json:
    """Return the template as ministack takes it."""
    emulated: Json = _replace(template, set(_find_secrets(template)))
    resources = emulated["Resources"]
    for id_ in list(_find_left_out(resources)):
        del resources[id_]
    emulated["Outputs"] = {
        name: each for name, each in emulated["Outputs"].items() if "Dashboard" not in json.dumps(each)
    }
    for id_, function in list(resources.items()):
        if function["Type"] == "AWS::Serverless::Function":
            resources.update(_make_routes(id_, function["Properties"]))
    emulated["Globals"]["Function"]["Environment"]["Variables"]["OUTGOING_LOCAL_CA"] = str(authority)
    return emulated


def list_left_out(template: Json) -> list[str]:
    """List what ministack cannot create, by its names in the template."""
    return sorted(_find_left_out(template["Resources"]))


def make_api_address(endpoint: str, api: str) -> str:
    """Make the address at which an emulator answers for its API of this id."""
    return f"{endpoint}/_aws/execute-api/{api}/$default"


def _find_left_out(resources: Json) -> Iterator[str]:
    for id_, each in resources.items():
        is_computed = each["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in each["Properties"]
        if is_computed or each["Type"] == "AWS::CloudWatch::Dashboard":
            yield id_


def _find_secrets(template: Json) -> Iterator[str]:
    for id_, each in template["Resources"].items():
        if each["Type"] == "AWS::SecretsManager::Secret":
            yield id_


def _replace(value: Any, secrets: set[str]) -> Any:
    """Return the value with ARNs of secrets, and with what sending a batch asks for."""
    match value:
        case {"Ref": str() as id_} if id_ in secrets:
            return {"Fn::GetAtt": [id_, "Id"]}
        case {"Action": str() as action} if action in _BATCH:
            return {
                **{name: _replace(each, secrets) for name, each in value.items()},
                "Action": _BATCH[action],
            }
        case dict():
            return {name: _replace(each, secrets) for name, each in value.items()}
        case list():
            return [_replace(each, secrets) for each in value]
    return value


def _make_routes(function: str, properties: Json) -> Json:
    """Make the integration of a function, and a route for each of its HTTP events."""
    events = {
        name: each.get("Properties", {})
        for name, each in properties.get("Events", {}).items()
        if each["Type"] == "HttpApi"
    }
    if not events:
        return {}
    integration = {
        "ApiId": {"Ref": "Api"},
        "IntegrationType": "AWS_PROXY",
        "PayloadFormatVersion": "2.0",
        "IntegrationUri": {"Ref": f"{function}.Alias"},
    }
    made: Json = {
        f"{function}Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": integration}
    }
    for name, event in events.items():
        key = f"{event['Method']} {event['Path']}" if "Path" in event else "$default"
        target = {"Fn::Sub": f"integrations/${{{function}Integration}}"}
        route = {"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target}
        made[f"{function}{name}Route"] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": route}
    return made
