"""Two processes agree on an endpoint that does not answer: both know it from the row of the tool."""

import shutil
import time
from pathlib import Path
from typing import Any

from genai_voice.foundation.keys import make_key
from genai_voice.tools.circuit import LIMIT

from local.serve import connection, tables
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Client, serving
from tests.support.https import Authority, send_raw, send_reply, serve_https

pytestmark = needs_dynoxide

SHARED = ("deployment-secret", "authority.pem", "authority.key")
LEFT_ALONE = {"success": False, "error": 'The endpoint of "open_door" is not answering'}
OPENED = {"success": True, "data": {}}


def test_what_one_process_has_found_out_another_knows(tmp_path: Path) -> None:
    """Two services on one table: what differs between two processes of one function is less."""
    data, other = tmp_path / "one", tmp_path / "other"
    with serving(data) as first:
        here = connection.find_running(data)
        other.mkdir()
        for name in SHARED:
            shutil.copy(data / name, other / name)
        with (
            serving(other, DYNAMODB_ENDPOINT=here.endpoint) as second,
            serve_https(Authority(data)) as server,
            first.client() as one,
            second.client() as two,
        ):
            tool = {"name": "open_door", "description": "x", "parametersSchema": "{}"}
            one.post("/api/tools", tool | {"endpoint": server.make_url("127.0.0.1")})
            server.act = send_raw(b"")

            for client in (one, two, one, two, one)[:LIMIT]:
                assert call(client)["error"] == "The host did not answer with valid HTTP."
            server.act = send_reply(200, b"{}")
            assert [call(one), call(two)] == [LEFT_ALONE, LEFT_ALONE]
            assert len(server.requests) == LIMIT

            end_rest(here)
            assert [call(two), call(one)] == [OPENED, OPENED]


def call(client: Client) -> dict[str, Any]:
    return client.post("/api/tools/execute", {"sessionId": "s", "toolName": "open_door"})


def end_rest(here: connection.Connection) -> None:
    """The 30 s are over."""
    client = tables.open_client(here)
    client.update_item(
        TableName=here.table,
        Key={"pk": {"S": make_key("APP", "demo-dentist")}, "sk": {"S": make_key("TOOL", "open_door")}},
        UpdateExpression="SET rests_until = :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time() * 1000) - 1)}},
    )
    client.close()
