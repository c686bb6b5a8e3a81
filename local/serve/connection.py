"""How a process reaches the table of the local service: its environment variables, and the file that tells
other processes.
"""

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import LocalError
from local.project import Project
from local.serve.data_folder import is_claimed
from local.serve.secret_files import write_private

if TYPE_CHECKING:
    from local.serve.engines import Engine

_FILE = "connection.json"
# Nobody checks these, but the SDK wants some; real ones must not be sent to a local engine.
NO_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
REAL_CREDENTIALS = (
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
)


@dataclass(frozen=True, slots=True)
class Connection:
    """All that `foundation.settings` needs of the local service."""

    endpoint: str
    """The address of the local DynamoDB."""
    table: str
    region: str
    deployment_secret_file: str
    address: str
    """Where the service itself answers."""
    webhook_queue_url: str = ""
    outgoing_local_ca: str = ""

    def to_variables(self) -> dict[str, str]:
        """Return the environment variables that lead a process to the table."""
        optional = {
            "WEBHOOK_QUEUE_URL": self.webhook_queue_url,
            "OUTGOING_LOCAL_CA": self.outgoing_local_ca,
        }
        return {
            "TABLE_NAME": self.table,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "DYNAMODB_ENDPOINT": self.endpoint,
            "DEPLOYMENT_SECRET_FILE": self.deployment_secret_file,
            "AWS_EC2_METADATA_DISABLED": "true",
            **NO_CREDENTIALS,
            **{name: value for name, value in optional.items() if value},
        }

    def to_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ` with the variables of this connection, and without real credentials."""
        return {
            name: value for name, value in environ.items() if name not in REAL_CREDENTIALS
        } | self.to_variables()

    def name_guards(self, *engines: "Engine") -> "Connection":
        """Return the connection for others than the functions: with the addresses of these engines' guards
        for those of the engines.
        """
        named = self
        for engine in engines:
            named = replace(
                named,
                endpoint=named.endpoint.replace(engine.direct, engine.endpoint),
                webhook_queue_url=named.webhook_queue_url.replace(engine.direct, engine.endpoint),
            )
        return named

    def write(self, data: Path) -> None:
        """Write the connection into the data folder, where other processes find it."""
        write_private(data / _FILE, json.dumps(asdict(self), indent=2) + "\n")


def connect(environ: MutableMapping[str, str] = os.environ) -> None:
    """Point this process's settings at the table to work on, before they are first read.

    Where TABLE_NAME is set the table is a deployed one, and the environment stays as it is: the caller's own
    credentials lead there. Else it is the running local service's. Raises LocalError when none runs.
    """
    if environ.get("TABLE_NAME"):
        return
    connection = find_running(Project.read(environ).data)
    for name in REAL_CREDENTIALS:
        environ.pop(name, None)
    environ.update(connection.to_variables())


def find_running(data: Path) -> Connection:
    """Find the local service that has this data folder. Raises LocalError when there is none."""
    try:
        if is_claimed(data):
            return Connection(**json.loads((data / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    raise LocalError(
        f"No local service is running on {data}: start it with `make run`, "
        "or set TABLE_NAME to work on a deployed table."
    )


def forget(data: Path) -> None:
    """Remove the file that tells others, when the service has stopped."""
    (data / _FILE).unlink(missing_ok=True)
