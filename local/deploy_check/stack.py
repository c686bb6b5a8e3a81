"""The deployed stack: its resources and outputs, its functions and their roles."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from local.build.artifacts import BUILT, ROOT, SAM
from local.deploy_check.emulation import make_api_address, write_emulated
from local.deploy_check.ministack import REGION, Emulator
from local.errors import LocalError

Json = dict[str, Any]
STAGE = "dev"
NAME = "genai-voice-dev"
ALIAS = "live"
_QUIETLY = ("--no-confirm-changeset", "--no-progressbar")


class Stack:
    """A stack of what was built, as `sam deploy` has created it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    @classmethod
    def create(cls, emulator: Emulator, authority: Path) -> "Stack":
        """Have SAM deploy what was built. Raises LocalError with what it said when it fails."""
        template = str(write_emulated(BUILT, authority))
        config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", STAGE]
        _run_sam(emulator, ["deploy", "--template-file", template, *config, *_QUIETLY])
        return cls(emulator)

    def delete(self) -> None:
        """Have SAM delete the stack. Raises LocalError when it fails, when the table or the deployment secret
        goes with it, or when anything else stays.
        """
        _run_sam(self.emulator, ["delete", "--stack-name", NAME, "--region", REGION, "--no-prompts"])
        self.emulator.open_client("dynamodb").describe_table(TableName=self.environment["TABLE_NAME"])
        secrets = self.emulator.open_client("secretsmanager")
        secrets.get_secret_value(SecretId=self.environment["DEPLOYMENT_SECRET_ARN"])
        if left := [kind for kind, has_left in _list_left(self.emulator) if has_left]:
            raise LocalError(f"sam delete has left {', '.join(left)}.")

    @cached_property
    def resources(self) -> Json:
        """The names that CloudFormation has given, by those of the template."""
        client = self.emulator.open_client("cloudformation")
        pages = client.get_paginator("list_stack_resources").paginate(StackName=NAME)
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    @cached_property
    def environment(self) -> dict[str, str]:
        """Of an operator: what leads to the stack."""
        (stack,) = self.emulator.open_client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        return {
            **self.emulator.environment,
            "TABLE_NAME": outputs["TableName"],
            "DEPLOYMENT_SECRET_ARN": outputs["DeploymentSecretArn"],
        }

    @property
    def address(self) -> str:
        """Where the API answers."""
        return make_api_address(self.emulator.endpoint, self.resources["Api"])

    def invoke(self, function: str, event: Json) -> None:
        """Invoke a function by its alias, as those do who call it. Raises LocalError when it fails."""
        reply = self.emulator.open_client("lambda").invoke(
            FunctionName=self.resources[function], Qualifier=ALIAS, Payload=json.dumps(event).encode()
        )
        if "FunctionError" in reply:
            raise LocalError(f"{function} has failed: {reply['Payload'].read().decode()[:300]}")

    def read_log(self) -> list[str]:
        """Read what functions have logged, in the order in which it was."""
        client = self.emulator.open_client("logs")
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=self.resources["Logs"])
        return [event["message"] for page in pages for event in page["events"]]

    @contextmanager
    def take_action(self, function: str, action: str) -> Iterator[None]:
        """Take an action away from the role of a function, and give it back when the block ends."""
        client = self.emulator.open_client("iam")
        role = self.resources[f"{function}Role"]
        names = client.list_role_policies(RoleName=role)["PolicyNames"]
        policies = {name: client.get_role_policy(RoleName=role, PolicyName=name) for name in names}
        granted = {name: each["PolicyDocument"] for name, each in policies.items()}
        without = {name: remove_action(each, action) for name, each in granted.items()}
        if without == granted:
            raise LocalError(f"The role of {function} does not allow {action}.")
        try:
            _put_policies(client, role, without)
            yield
        finally:
            _put_policies(client, role, granted)


def _list_left(emulator: Emulator) -> Iterator[tuple[str, bool]]:
    """Say of kinds of resources whether there are any."""
    roles = emulator.open_client("iam").list_roles()["Roles"]
    yield "functions", bool(emulator.open_client("lambda").list_functions()["Functions"])
    yield "queues", bool(emulator.open_client("sqs").list_queues().get("QueueUrls"))
    yield "APIs", bool(emulator.open_client("apigatewayv2").get_apis()["Items"])
    yield "schedules", bool(emulator.open_client("scheduler").list_schedules()["Schedules"])
    yield "alarms", bool(emulator.open_client("cloudwatch").describe_alarms()["MetricAlarms"])
    yield "logs", bool(emulator.open_client("logs").describe_log_groups()["logGroups"])
    yield "roles", any(each["RoleName"].startswith(NAME) for each in roles)


def remove_action(policy: Json, action: str) -> Json:
    """Return the policy without this action. A statement that allows nothing else is left out."""
    statements = []
    for statement in policy["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if left := [each for each in actions if not each.startswith(action)]:
            statements.append({**statement, "Action": left})
    return {**policy, "Statement": statements}


def _put_policies(client: Any, role: str, policies: Json) -> None:
    for name, document in policies.items():
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _run_sam(emulator: Emulator, command: Sequence[str]) -> None:
    done = subprocess.run(
        [SAM, *command],
        cwd=ROOT,
        env=emulator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise LocalError(f"{done.stdout[-4000:]}\nsam {command[0]} failed; what it said is above.")
