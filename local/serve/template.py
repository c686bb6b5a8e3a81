"""The parts of template.yaml that the local service drives: functions, what calls them, tables and queues."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from local.errors import LocalError

DEFAULT_ROUTE = "$default"


class TemplateError(LocalError):
    """The template cannot be served. The message names the file, the place and the reason."""


class Route(NamedTuple):
    """A method and a path that a function answers. `method` may be ANY; `Template.default` is no Route."""

    method: str
    path: str
    function: str


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function."""

    id: str
    """Its logical id."""
    folder: Path
    handler: str
    """`module.name`, as Lambda wants it."""
    timeout_s: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table."""

    definition: dict[str, Any]
    """The arguments of boto3's `create_table`."""
    ttl: str | None
    """The attribute with the time, in epoch seconds, at which an item goes."""

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.definition["TableName"])


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue."""

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
    """A rate at which a function is called."""

    function: str
    name: str
    """Of the event, within the function."""
    every_s: float


@dataclass(frozen=True)
class Template:
    """The parts of template.yaml that are served on one machine."""

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

    def find(self, method: str, path: str) -> tuple[str, str] | None:
        """Find the route key, as API Gateway names it, and the function that answers. Paths match exactly."""
        for candidate in (method, "ANY"):
            function = self._index.get((candidate, path))
            if function is not None:
                return f"{candidate} {path}", function
        return (DEFAULT_ROUTE, self.default) if self.default is not None else None

    @cached_property
    def _index(self) -> dict[tuple[str, str], str]:
        return {(route.method, route.path): route.function for route in self.routes}
