"""template.yaml as the local service needs it: functions, what calls them, variables, tables, queues, layers.

template = Template.read(Path("template.yaml"), os.environ)
template.routes          [Route(method="GET", path="/api/health", function="EdgeFunction"), ...]
template.functions       {"EdgeFunction": Function(...), ...}
template.tables          [Table(...)]: `client.create_table(**table.definition)`
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local.errors import LocalError
from local.serve.intrinsics import Intrinsics, UnknownName

DEFAULT_ROUTE = "$default"
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
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
)


class TemplateError(LocalError):
    """The template cannot be served. The message names the file, the place and the reason."""


class Route(NamedTuple):
    """`method` may be ANY. The catch-all route is not one of these: see `Template.default`."""

    method: str
    path: str
    function: str


@dataclass(frozen=True, slots=True)
class Function:
    id: str
    """Its logical id."""
    folder: Path
    handler: str
    """`module.name`, as Lambda wants it."""
    timeout_s: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Table:
    definition: dict[str, Any]
    """The arguments of boto3's `create_table`."""
    ttl: str | None
    """The attribute with the time, in epoch seconds, at which an item goes."""

    @property
    def name(self) -> str:
        return str(self.definition["TableName"])


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    attributes: dict[str, str]
    """As boto3's `create_queue` takes them, without the redrive policy."""
    dead_letters: str | None
    """The name of the queue that takes what was received `max_receives` times."""
    max_receives: int


@dataclass(frozen=True, slots=True)
class EventSource:
    """A queue whose messages call a function."""

    function: str
    queue: str
    """Its name."""
    batch_size: int
    window_s: int
    """How long to gather messages for a batch."""
    reports_failures: bool
    """Whether the reply says which messages of the batch have failed."""


@dataclass(frozen=True, slots=True)
class Schedule:
    function: str
    name: str
    """Of the event, within the function."""
    every_s: float


@dataclass(frozen=True)
class Template:
    functions: dict[str, Function]
    routes: list[Route]
    default: str | None
    """The function of the `$default` route, which answers whatever no other route does."""
    variables: dict[str, str]
    """The environment of all functions, without what only AWS can resolve."""
    tables: list[Table]
    queues: list[Queue]
    sources: list[EventSource]
    schedules: list[Schedule]
    layers: list[Path]

    @classmethod
    def read(
        cls, path: Path, environ: Mapping[str, str] | None = None, queues_at: str | None = None
    ) -> "Template":
        """Reads the file. Raises TemplateError.

        In `environ`, TABLE_NAME names the table, and a variable named as a parameter (ALLOWED_ORIGINS for
        AllowedOrigins) replaces its default. A queue has the address `queues_at`/<its name>; without that,
        variables that refer to queues are left out.
        """
        try:
            return _Reader(path, environ or {}, queues_at).template()
        except UnknownName as unknown:
            raise TemplateError(f"{path.name}: {unknown}.") from None

    def find(self, method: str, path: str) -> tuple[str, str] | None:
        """The route key as API Gateway names it, and the function that answers. Paths match exactly."""
        for candidate in (method, "ANY"):
            function = self._index.get((candidate, path))
            if function is not None:
                return f"{candidate} {path}", function
        return (DEFAULT_ROUTE, self.default) if self.default is not None else None

    @cached_property
    def _index(self) -> dict[tuple[str, str], str]:
        return {(route.method, route.path): route.function for route in self.routes}


def given_parameters(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the template for which there is a variable, as ALLOWED_ORIGINS for AllowedOrigins."""
    declared = yaml.load(path.read_text(encoding="utf-8"), CloudFormationLoader)["Parameters"]  # noqa: S506 - a SafeLoader
    given = {name: environ.get(_variable(name), "") for name in declared}
    return {name: value for name, value in given.items() if value}


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, as the long form: `!Ref X` reads {"Ref": "X"}."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]  # the third kind of node
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", _tagged)


class _Reader:
    """One reading of one file."""

    def __init__(self, path: Path, environ: Mapping[str, str], queues_at: str | None) -> None:
        self.name = path.name
        self.root = path.parent
        document = self._mapping(self._document(path), "the file")
        self.resources = self._mapping(document.get("Resources"), "Resources")
        self.globals = self._optional(self._optional(document, "Globals"), "Function", "Globals")
        self.table_name = environ.get("TABLE_NAME") or "genai-voice"
        self.queue_names = {
            id_: self._text(properties.get("QueueName", id_), f"{id_}.QueueName")
            for id_, properties in self._of_type("AWS::SQS::Queue").items()
        }
        addresses = {id_: f"{queues_at}/{name}" for id_, name in self.queue_names.items() if queues_at}
        self.intrinsics = Intrinsics(
            values={
                **self._parameters(self._optional(document, "Parameters"), environ),
                **self._tables_by_id(),
                **addresses,
                "AWS::StackName": "genai-voice",
            },
            names=frozenset(self.resources),
            conditions=self._optional(document, "Conditions"),
        )

    def template(self) -> Template:
        functions = self._of_type("AWS::Serverless::Function")
        if not functions:
            raise self._error("Resources", "has no AWS::Serverless::Function")
        routes, default = self._routes(functions)
        return Template(
            functions={id_: self._function(id_, properties) for id_, properties in functions.items()},
            routes=routes,
            default=default,
            variables=self._variables(functions),
            tables=[
                self._table(id_, properties)
                for id_, properties in self._of_type("AWS::DynamoDB::Table").items()
            ],
            queues=[
                self._queue(id_, properties) for id_, properties in self._of_type("AWS::SQS::Queue").items()
            ],
            sources=[
                self._source(id_, event, where) for id_, _, event, where in self._events(functions, "SQS")
            ],
            schedules=[
                self._schedule(id_, name, event.get(_SCHEDULES[kind]), where)
                for kind in _SCHEDULES
                for id_, name, event, where in self._events(functions, kind)
            ],
            layers=[
                self.root / self._text(properties.get("ContentUri"), f"{id_}.ContentUri")
                for id_, properties in self._of_type("AWS::Serverless::LayerVersion").items()
            ],
        )

    # -- the document ------------------------------------------------------------------------------------

    def _document(self, path: Path) -> Any:
        try:
            return yaml.load(path.read_text(encoding="utf-8"), CloudFormationLoader)  # noqa: S506 - a SafeLoader
        except OSError as reason:
            raise TemplateError(f"{self.name} cannot be read: {reason.strerror}.") from None
        except UnicodeDecodeError:
            raise TemplateError(f"{self.name} is no UTF-8 text.") from None
        except yaml.MarkedYAMLError as wrong:
            line = f", line {wrong.problem_mark.line + 1}" if wrong.problem_mark else ""
            raise TemplateError(
                f"{self.name}{line} is no valid YAML: {wrong.problem or wrong.context}."
            ) from None
        except (yaml.YAMLError, ValueError, TypeError) as wrong:
            raise TemplateError(f"{self.name} is no valid YAML: {' '.join(str(wrong).split())}.") from None

    def _of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            id_: self._optional(self._mapping(resource, id_), "Properties", id_)
            for id_, resource in self.resources.items()
            if self._mapping(resource, id_).get("Type") == kind
        }

    def _parameters(self, declared: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
        parameters = {
            name: self._mapping(parameter, f"Parameters.{name}") for name, parameter in declared.items()
        }
        return {
            name: environ.get(_variable(name)) or str(each.get("Default", ""))
            for name, each in parameters.items()
        }

    # -- functions ---------------------------------------------------------------------------------------

    def _function(self, id_: str, properties: dict[str, Any]) -> Function:
        given = {**self.globals, **properties}
        handler = self._text(given.get("Handler"), f"{id_}.Handler")
        if "." not in handler:
            raise self._error(f"{id_}.Handler", 'must be "module.name"')
        return Function(
            id=id_,
            folder=self.root / self._text(given.get("CodeUri"), f"{id_}.CodeUri"),
            handler=handler,
            timeout_s=self._number(given.get("Timeout", _LAMBDA_TIMEOUT_S), f"{id_}.Timeout"),
            memory_mb=self._number(given.get("MemorySize", _LAMBDA_MEMORY_MB), f"{id_}.MemorySize"),
        )

    def _routes(self, functions: dict[str, dict[str, Any]]) -> tuple[list[Route], str | None]:
        routes: dict[tuple[str, str], Route] = {}
        default: str | None = None
        for id_, _, event, where in self._events(functions, "HttpApi"):
            method, path = self._route(event, where)
            if path != DEFAULT_ROUTE:
                self._claim(routes, Route(method, path, id_))
            elif default is None:
                default = id_
            else:
                raise self._error(where, f"is a second $default route beside {default}'s")
        return list(routes.values()), default

    def _events(
        self, functions: dict[str, dict[str, Any]], kind: str
    ) -> Iterator[tuple[str, str, dict[str, Any], str]]:
        """The function, the event's name, its properties, and its place for messages."""
        for id_, properties in functions.items():
            for name, event in self._optional(properties, "Events", id_).items():
                where = f"{id_}.Events.{name}"
                if self._mapping(event, where).get("Type") == kind:
                    yield id_, name, self._optional(event, "Properties", where), where

    def _route(self, event: dict[str, Any], where: str) -> tuple[str, str]:
        path, method = event.get("Path", DEFAULT_ROUTE), event.get("Method", "ANY")
        if path == DEFAULT_ROUTE:
            return "ANY", DEFAULT_ROUTE
        if not isinstance(path, str) or not path.startswith("/"):
            raise self._error(where, "must have a Path that starts with /")
        if "{" in path:
            raise self._error(where, f"has path parameters ({path}), which are not served locally")
        method = str(method).upper()
        return ("ANY" if method in ("ANY", "*", "X-AMAZON-APIGATEWAY-ANY-METHOD") else method), path

    def _claim(self, routes: dict[tuple[str, str], Route], route: Route) -> None:
        taken = routes.setdefault((route.method, route.path), route)
        if taken is not route:
            raise self._error(
                route.function, f"has the route {route.method} {route.path}, which {taken.function} has too"
            )

    def _variables(self, functions: dict[str, dict[str, Any]]) -> dict[str, str]:
        variables: dict[str, str] = {}
        owners: dict[str, str] = {}
        for id_, properties in functions.items():
            declared = {
                **self._environment(self.globals, "Globals.Function"),
                **self._environment(properties, id_),
            }
            for name, value in declared.items():
                resolved = self.intrinsics.resolve(value, f"{id_}'s variable {name}")
                if resolved is None:
                    continue
                if variables.setdefault(name, resolved) != resolved:
                    raise self._error(
                        id_,
                        f"disagrees with {owners[name]} on the variable {name}, and one process serves both",
                    )
                owners.setdefault(name, id_)
        return variables

    def _environment(self, properties: dict[str, Any], where: str) -> dict[str, Any]:
        return self._optional(self._optional(properties, "Environment", where), "Variables", where)

    # -- tables ------------------------------------------------------------------------------------------

    def _tables_by_id(self) -> dict[str, str]:
        """The service has one table. Were there more, their names would follow from its name."""
        ids = self._of_type("AWS::DynamoDB::Table")
        return {id_: self.table_name if len(ids) == 1 else f"{self.table_name}-{id_}" for id_ in ids}

    def _table(self, id_: str, properties: dict[str, Any]) -> Table:
        for needed in ("AttributeDefinitions", "KeySchema"):
            if not isinstance(properties.get(needed), list):
                raise self._error(id_, f"must have a list of {needed}")
        definition = {name: properties[name] for name in _TABLE_PROPERTIES if name in properties}
        if "ProvisionedThroughput" not in definition:
            definition.setdefault("BillingMode", "PAY_PER_REQUEST")
        ttl = self._optional(properties, "TimeToLiveSpecification", id_)
        return Table(
            definition={"TableName": self.intrinsics.values[id_], **definition},
            ttl=str(ttl["AttributeName"]) if ttl.get("Enabled") and "AttributeName" in ttl else None,
        )

    # -- queues and schedules ----------------------------------------------------------------------------

    def _queue(self, id_: str, properties: dict[str, Any]) -> Queue:
        if properties.get("FifoQueue"):
            raise self._error(id_, "is a FIFO queue, which is not served locally")
        redrive = self._optional(properties, "RedrivePolicy", id_)
        where = f"{id_}.RedrivePolicy"
        return Queue(
            name=self.queue_names[id_],
            attributes={
                name: str(self._number(properties[name], f"{id_}.{name}"))
                for name in _QUEUE_ATTRIBUTES
                if name in properties
            },
            dead_letters=self._queue_of(redrive.get("deadLetterTargetArn"), where) if redrive else None,
            max_receives=self._number(redrive.get("maxReceiveCount"), where) if redrive else 0,
        )

    def _source(self, function: str, event: dict[str, Any], where: str) -> EventSource:
        reported = event.get("FunctionResponseTypes") or []
        return EventSource(
            function=function,
            queue=self._queue_of(event.get("Queue"), where),
            batch_size=self._number(event.get("BatchSize", _BATCH_SIZE), f"{where}.BatchSize"),
            window_s=self._number(
                event.get("MaximumBatchingWindowInSeconds", 0), f"{where}.MaximumBatchingWindowInSeconds"
            ),
            reports_failures="ReportBatchItemFailures" in reported,
        )

    def _queue_of(self, arn: Any, where: str) -> str:
        match arn:
            case {"Fn::GetAtt": [str() as id_, "Arn"]} if id_ in self.queue_names:
                return self.queue_names[id_]
        raise self._error(where, "must name a queue of this template, as in !GetAtt Queue.Arn")

    def _schedule(self, function: str, name: str, expression: Any, where: str) -> Schedule:
        found = _RATE.fullmatch(self.intrinsics.resolve(expression, where) or "")
        if found is None:
            raise self._error(where, f"has the schedule {expression}; only rate(5 minutes) is driven locally")
        return Schedule(function, name, every_s=int(found[1]) * _UNIT_S[found[2]])

    # -- checks ------------------------------------------------------------------------------------------

    def _error(self, where: str, what: str) -> TemplateError:
        return TemplateError(f"{self.name}: {where} {what}.")

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(where, "must be a mapping")
        return value

    def _optional(self, parent: dict[str, Any], name: str, where: str = "") -> dict[str, Any]:
        value = parent.get(name)
        return {} if value is None else self._mapping(value, f"{where}.{name}" if where else name)

    def _text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value:
            raise self._error(where, "must be text")
        return value

    def _number(self, value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error(where, "must be a whole number")
        return value


def _variable(parameter: str) -> str:
    """AllowedOrigins is ALLOWED_ORIGINS in the environment, SESFrom is SES_FROM."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", parameter).upper()
