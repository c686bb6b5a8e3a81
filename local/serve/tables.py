"""The tables of the template in the local engine: created once, compared at every start, freed of expired
items.
"""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from local.errors import LocalError
from local.serve.template import Table

if TYPE_CHECKING:
    from local.serve.connection import Connection

SWEEP_INTERVAL_S = 60
Client: TypeAlias = Any  # boto3 makes its clients at run time


def open_client(connection: "Connection") -> Client:
    """Open a client of the connection's DynamoDB. The import takes a second: call this beside other work."""
    return open_aws_client("dynamodb", connection.endpoint, connection.region)


def open_aws_client(service: str, endpoint: str, region: str, read_timeout_s: int = 10) -> Client:
    """Open a client of an AWS service that runs on this machine."""
    from botocore.config import Config
    from botocore.session import Session

    # A profile of the person at this machine has no say here, nor may it be missing.
    own = Session(
        session_vars={"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    )
    return own.create_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - nobody checks it
        config=Config(connect_timeout=2, read_timeout=read_timeout_s, retries={"total_max_attempts": 2}),
    )


def prepare(client: Client, tables: Sequence[Table]) -> bool:
    """Create the tables that are missing. Answers whether any was.

    Raises LocalError when the engine refuses, or has a table that was made otherwise.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    created = False
    try:
        for table in tables:
            try:
                existing = client.describe_table(TableName=table.name)["Table"]
                _compare(existing, table)
                _end_stream(client, existing)
            except client.exceptions.ResourceNotFoundException:
                _create(client, table)
                created = True
        return created
    except (BotoCoreError, ClientError) as reason:
        raise LocalError(f"The DynamoDB at {client.meta.endpoint_url} refuses: {reason}") from None


def _create(client: Client, table: Table) -> None:
    client.create_table(**table.definition)
    client.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    if table.ttl:
        client.update_time_to_live(
            TableName=table.name, TimeToLiveSpecification={"AttributeName": table.ttl, "Enabled": True}
        )


def _compare(existing: Any, table: Table) -> None:
    """Raise LocalError when a table that exists has other keys or indexes than the template's."""
    if _describe_shape(existing) != _describe_shape(table.definition):
        raise LocalError(
            f"The table {table.name} was made from another template.yaml: "
            "delete the data folder to start anew, or set another DATA_DIR."
        )


def _end_stream(client: Client, existing: Any) -> None:
    """End the stream that tables of version 0.1 have: nobody reads it, and dynoxide looks through all of it
    at every write.
    """
    if existing.get("StreamSpecification", {}).get("StreamEnabled"):
        client.update_table(TableName=existing["TableName"], StreamSpecification={"StreamEnabled": False})


def _describe_shape(definition: Any) -> dict[str, Any]:
    """Describe keys and indexes, which cannot be changed in passing."""
    indexes = {
        index["IndexName"]: (
            _list_keys(index["KeySchema"]),
            index["Projection"]["ProjectionType"],
            frozenset(index["Projection"].get("NonKeyAttributes", ())),
        )
        for index in definition.get("GlobalSecondaryIndexes") or ()
    }
    return {"": _list_keys(definition["KeySchema"]), **indexes}


def _list_keys(schema: Any) -> frozenset[tuple[str, str]]:
    return frozenset((key["AttributeName"], key["KeyType"]) for key in schema)


def delete_expired(client: Client, tables: Sequence[Table]) -> None:
    """Delete the items whose time has passed. DynamoDB does it by itself, local engines do not."""
    from botocore.exceptions import BotoCoreError, ClientError

    for table in tables:
        if table.ttl:
            try:
                _delete_expired_items(client, table, table.ttl)
            except (BotoCoreError, ClientError):
                return  # the next sweep comes in a minute


def _delete_expired_items(client: Client, table: Table, ttl: str) -> None:
    keys = [key["AttributeName"] for key in table.definition["KeySchema"]]
    names = {f"#k{index}": key for index, key in enumerate(keys)}
    expired: dict[str, Any] = {
        "FilterExpression": "#ttl < :now",
        "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
    }
    pages = client.get_paginator("scan").paginate(
        TableName=table.name,
        ProjectionExpression=",".join(names),
        ExpressionAttributeNames={**names, "#ttl": ttl},
        **expired,
    )
    for page in pages:
        for item in page["Items"]:
            try:  # it may have been prolonged since
                client.delete_item(
                    TableName=table.name,
                    Key={key: item[key] for key in keys},
                    ConditionExpression=expired["FilterExpression"],
                    ExpressionAttributeNames={"#ttl": ttl},
                    ExpressionAttributeValues=expired["ExpressionAttributeValues"],
                )
            except client.exceptions.ConditionalCheckFailedException:
                continue
