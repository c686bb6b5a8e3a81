"""Read template.yaml as the local service needs it.

template = read_template(Path("template.yaml"), os.environ)
template.routes          [Route(method="GET", path="/api/health", function="EdgeFunction"), ...]
template.functions       {"EdgeFunction": Function(...), ...}
template.tables          [Table(...)]: `client.create_table(**table.definition)`
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.serve.cloudformation import load_template, name_variable
from local.serve.intrinsics import Intrinsics, UnknownName
from local.serve.template import (
    DEFAULT_ROUTE,
    EventSource,
    Function,
    Queue,
    Route,
    Schedule,
    Table,
    Template,
    TemplateError,
)
from local.serve.template_checks import TemplateChecks

_LAMBDA_TIMEOUT_S = 3
_LAMBDA_MEMORY_MB = 128
_BATCH_SIZE = 10  # Lambda's for SQS
_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_RATE = re.compile(r"rate\(([1-9][0-9]*) (minute|hour|day)s?\)")
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86400}
_SCHEDULES = {"Schedule": "Schedule", "ScheduleV2": "ScheduleExpression"}
"""Where each kind of schedule has its expression."""
_TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "LocalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
)
_INDEX_PROPERTIES = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")
"""Of a global index. What an engine takes for granted, such as a cap, is left out, here and above."""


def read_template(
    path: Path, environ: Mapping[str, str] | None = None, queues_at: str | None = None
) -> Template:
    """Read a template. Raises TemplateError when it cannot be served.

    In `environ`, TABLE_NAME names the table, and a variable named as a parameter (ALLOWED_ORIGINS for
    AllowedOrigins) replaces its default. A queue has the address `queues_at`/<its name>; without that,
    variables that refer to queues are left out.
    """
    try:
        return _TemplateReader(path, environ or {}, queues_at).read()
    except UnknownName as unknown:
        raise TemplateError(f"{path.name}: {unknown}.") from None


class _TemplateReader(TemplateChecks):
    """Reads one template file. Each method reads one kind of its parts, and raises TemplateError."""

    def __init__(self, path: Path, environ: Mapping[str, str], queues_at: str | None) -> None:
        super().__init__(path.name)
        self.root = path.parent
        document = self.check_mapping(load_template(path), "the file")
        self.resources = self.check_mapping(document.get("Resources"), "Resources")
        self.globals = self.read_optional(self.read_optional(document, "Globals"), "Function", "Globals")
        self.table_name = environ.get("TABLE_NAME") or "genai-voice"
        self.queue_names = {
            id_: self.check_text(properties.get("QueueName", id_), f"{id_}.QueueName")
            for id_, properties in self._find_resources("AWS::SQS::Queue").items()
        }
        addresses = {id_: f"{queues_at}/{name}" for id_, name in self.queue_names.items() if queues_at}
        self.intrinsics = Intrinsics(
            values={
                **self._read_parameters(self.read_optional(document, "Parameters"), environ),
                **self._name_tables(),
                **addresses,
                "AWS::StackName": "genai-voice",
            },
            names=frozenset(self.resources),
            conditions=self.read_optional(document, "Conditions"),
        )

    def read(self) -> Template:
        functions = self._find_resources("AWS::Serverless::Function")
        if not functions:
            raise self.make_error("Resources", "has no AWS::Serverless::Function")
        routes, default = self._read_routes(functions)
        return Template(
            functions={id_: self._read_function(id_, properties) for id_, properties in functions.items()},
            routes=routes,
            default=default,
            variables=self._read_variables(functions),
            tables=[
                self._read_table(id_, properties)
                for id_, properties in self._find_resources("AWS::DynamoDB::Table").items()
            ],
            queues=[
                self._read_queue(id_, properties)
                for id_, properties in self._find_resources("AWS::SQS::Queue").items()
            ],
            sources=[
                self._read_source(id_, event, where)
                for id_, _, event, where in self._find_events(functions, "SQS")
            ],
            schedules=[
                self._read_schedule(id_, name, event.get(_SCHEDULES[kind]), where)
                for kind in _SCHEDULES
                for id_, name, event, where in self._find_events(functions, kind)
            ],
            layers=[
                self.root / self.check_text(properties.get("ContentUri"), f"{id_}.ContentUri")
                for id_, properties in self._find_resources("AWS::Serverless::LayerVersion").items()
            ],
        )

    # -- the document ------------------------------------------------------------------------------------

    def _find_resources(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            id_: self.read_optional(self.check_mapping(resource, id_), "Properties", id_)
            for id_, resource in self.resources.items()
            if self.check_mapping(resource, id_).get("Type") == kind
        }

    def _read_parameters(self, declared: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
        parameters = {
            name: self.check_mapping(parameter, f"Parameters.{name}") for name, parameter in declared.items()
        }
        return {
            name: environ.get(name_variable(name)) or str(each.get("Default", ""))
            for name, each in parameters.items()
        }

    # -- functions ---------------------------------------------------------------------------------------

    def _read_function(self, id_: str, properties: dict[str, Any]) -> Function:
        given = {**self.globals, **properties}
        handler = self.check_text(given.get("Handler"), f"{id_}.Handler")
        if "." not in handler:
            raise self.make_error(f"{id_}.Handler", 'must be "module.name"')
        return Function(
            id=id_,
            folder=self.root / self.check_text(given.get("CodeUri"), f"{id_}.CodeUri"),
            handler=handler,
            timeout_s=self.check_number(given.get("Timeout", _LAMBDA_TIMEOUT_S), f"{id_}.Timeout"),
            memory_mb=self.check_number(given.get("MemorySize", _LAMBDA_MEMORY_MB), f"{id_}.MemorySize"),
        )

    def _read_routes(self, functions: dict[str, dict[str, Any]]) -> tuple[list[Route], str | None]:
        routes: dict[tuple[str, str], Route] = {}
        default: str | None = None
        for id_, _, event, where in self._find_events(functions, "HttpApi"):
            method, path = self._read_route(event, where)
            if path != DEFAULT_ROUTE:
                self._add_route(routes, Route(method, path, id_))
            elif default is None:
                default = id_
            else:
                raise self.make_error(where, f"is a second $default route beside {default}'s")
        return list(routes.values()), default

    def _find_events(
        self, functions: dict[str, dict[str, Any]], kind: str
    ) -> Iterator[tuple[str, str, dict[str, Any], str]]:
        """Find the events of a type: function, event's name, properties, and its place for messages."""
        for id_, properties in functions.items():
            for name, event in self.read_optional(properties, "Events", id_).items():
                where = f"{id_}.Events.{name}"
                if self.check_mapping(event, where).get("Type") == kind:
                    yield id_, name, self.read_optional(event, "Properties", where), where

    def _read_route(self, event: dict[str, Any], where: str) -> tuple[str, str]:
        path, method = event.get("Path", DEFAULT_ROUTE), event.get("Method", "ANY")
        if path == DEFAULT_ROUTE:
            return "ANY", DEFAULT_ROUTE
        if not isinstance(path, str) or not path.startswith("/"):
            raise self.make_error(where, "must have a Path that starts with /")
        if "{" in path:
            raise self.make_error(where, f"has path parameters ({path}), which are not served locally")
        method = str(method).upper()
        return ("ANY" if method in ("ANY", "*", "X-AMAZON-APIGATEWAY-ANY-METHOD") else method), path

    def _add_route(self, routes: dict[tuple[str, str], Route], route: Route) -> None:
        taken = routes.setdefault((route.method, route.path), route)
        if taken is not route:
            raise self.make_error(
                route.function, f"has the route {route.method} {route.path}, which {taken.function} has too"
            )

    def _read_variables(self, functions: dict[str, dict[str, Any]]) -> dict[str, str]:
        variables: dict[str, str] = {}
        owners: dict[str, str] = {}
        for id_, properties in functions.items():
            declared = {
                **self._read_environment(self.globals, "Globals.Function"),
                **self._read_environment(properties, id_),
            }
            for name, value in declared.items():
                resolved = self.intrinsics.resolve(value, f"{id_}'s variable {name}")
                if resolved is None:
                    continue
                if variables.setdefault(name, resolved) != resolved:
                    raise self.make_error(
                        id_,
                        f"disagrees with {owners[name]} on the variable {name}, and one process serves both",
                    )
                owners.setdefault(name, id_)
        return variables

    def _read_environment(self, properties: dict[str, Any], where: str) -> dict[str, Any]:
        return self.read_optional(self.read_optional(properties, "Environment", where), "Variables", where)

    # -- tables ------------------------------------------------------------------------------------------

    def _name_tables(self) -> dict[str, str]:
        """Name the tables by their ids. The service has one; the names of more would follow from its name."""
        ids = self._find_resources("AWS::DynamoDB::Table")
        return {id_: self.table_name if len(ids) == 1 else f"{self.table_name}-{id_}" for id_ in ids}

    def _read_table(self, id_: str, properties: dict[str, Any]) -> Table:
        for needed in ("AttributeDefinitions", "KeySchema"):
            if not isinstance(properties.get(needed), list):
                raise self.make_error(id_, f"must have a list of {needed}")
        definition = {name: properties[name] for name in _TABLE_PROPERTIES if name in properties}
        if "GlobalSecondaryIndexes" in properties:
            definition["GlobalSecondaryIndexes"] = [
                {name: index[name] for name in _INDEX_PROPERTIES if name in index}
                for index in properties["GlobalSecondaryIndexes"]
            ]
        if "ProvisionedThroughput" not in definition:
            definition.setdefault("BillingMode", "PAY_PER_REQUEST")
        ttl = self.read_optional(properties, "TimeToLiveSpecification", id_)
        return Table(
            definition={"TableName": self.intrinsics.values[id_], **definition},
            ttl=str(ttl["AttributeName"]) if ttl.get("Enabled") and "AttributeName" in ttl else None,
        )

    # -- queues and schedules ----------------------------------------------------------------------------

    def _read_queue(self, id_: str, properties: dict[str, Any]) -> Queue:
        if properties.get("FifoQueue"):
            raise self.make_error(id_, "is a FIFO queue, which is not served locally")
        redrive = self.read_optional(properties, "RedrivePolicy", id_)
        where = f"{id_}.RedrivePolicy"
        return Queue(
            name=self.queue_names[id_],
            attributes={
                name: str(self.check_number(properties[name], f"{id_}.{name}"))
                for name in _QUEUE_ATTRIBUTES
                if name in properties
            },
            dead_letters=self._find_queue(redrive.get("deadLetterTargetArn"), where) if redrive else None,
            max_receives=self.check_number(redrive.get("maxReceiveCount"), where) if redrive else 0,
        )

    def _read_source(self, function: str, event: dict[str, Any], where: str) -> EventSource:
        reported = event.get("FunctionResponseTypes") or []
        return EventSource(
            function=function,
            queue=self._find_queue(event.get("Queue"), where),
            batch_size=self.check_number(event.get("BatchSize", _BATCH_SIZE), f"{where}.BatchSize"),
            window_s=self.check_number(
                event.get("MaximumBatchingWindowInSeconds", 0), f"{where}.MaximumBatchingWindowInSeconds"
            ),
            reports_failures="ReportBatchItemFailures" in reported,
        )

    def _find_queue(self, arn: Any, where: str) -> str:
        match arn:
            case {"Fn::GetAtt": [str() as id_, "Arn"]} if id_ in self.queue_names:
                return self.queue_names[id_]
        raise self.make_error(where, "must name a queue of this template, as in !GetAtt Queue.Arn")

    def _read_schedule(self, function: str, name: str, expression: Any, where: str) -> Schedule:
        found = _RATE.fullmatch(self.intrinsics.resolve(expression, where) or "")
        if found is None:
            raise self.make_error(
                where, f"has the schedule {expression}; only rate(5 minutes) is driven locally"
            )
        return Schedule(function, name, every_s=int(found[1]) * _UNIT_S[found[2]])
