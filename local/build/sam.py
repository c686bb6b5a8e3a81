"""Serve the API by `sam local start-api` (`make sam`), as close to AWS as one machine comes: what `make
build` makes runs in Lambda's containers.

The table is the local engine's, where containers reach it; the deployment secret is kept by moto, which
stands in for Secrets Manager. It is configured by PORT, DATA_DIR and DEMO_SECRET as `make run` is, and by
SAM_LOCAL_FLAGS (more options for `sam local`) and SAM_LOCAL_HOST_ADDRESS (this machine, as containers see
it).
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from local.build.artifacts import BUILT, SAM, build
from local.errors import LocalError
from local.project import Project
from local.serve import connection, data_folder, engines, seeding, tables
from local.serve.cloudformation import load_template
from local.serve.connection import NO_CREDENTIALS, REAL_CREDENTIALS, Connection
from local.serve.greeting import describe_gemini, format_greeting
from local.serve.guard import find_free_port
from local.serve.processes import start_leashed, stop
from local.serve.run import build_functions_environment
from local.serve.secret_files import prepare_deployment_secret, read_demo_secret
from local.serve.template_reader import read_template

TEMPLATE = BUILT / "local.json"
"""What was built, with the variables of this machine: `sam local` passes no others on."""
_START_S = 180
_GIVEN = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_BASE_URL")
"""Declared for `sam local`, which takes their values from the environment: keys get into no file."""
_STOP_S = 30.0  # SAM removes its containers first


class _Host(NamedTuple):
    """Where engines listen for containers, and how containers reach that."""

    listen: str
    reach: str


def main(environ: Mapping[str, str] = os.environ) -> int:
    try:
        project = Project.read(environ)
        host = _find_host(environ)
        build()
        asyncio.run(_serve(project, host, environ, data_folder.claim(project.data)))
    except LocalError as reason:
        print(reason, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _find_host(environ: Mapping[str, str]) -> _Host:
    """Find this machine's address for containers. Raises LocalError where no Docker runs."""
    asked = ["docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"]
    try:
        bridge = subprocess.run(asked, env=dict(environ), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise LocalError("make sam needs Docker, and none is running here: start it.") from None
    if address := environ.get("SAM_LOCAL_HOST_ADDRESS"):
        return _Host(address, address)
    if sys.platform.startswith("linux"):
        return _Host(bridge.stdout.strip(), bridge.stdout.strip())
    return _Host("127.0.0.1", "host.docker.internal")


async def _serve(project: Project, host: _Host, environ: Mapping[str, str], lock: int) -> None:
    """Serve until SAM ends, or a signal comes."""
    task = asyncio.current_task()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel if task else lambda: None)
    with contextlib.suppress(asyncio.CancelledError):
        async with AsyncExitStack() as opened:
            sam, words = await _start(project, host, environ, lock, opened)
            print(words, flush=True)
            raise LocalError(f"sam local has ended with exit code {await sam.wait()}.")


async def _start(
    project: Project, host: _Host, environ: Mapping[str, str], lock: int, opened: AsyncExitStack
) -> tuple[Process, str]:
    """Start `sam local start-api` and wait until it answers. Returns its process and the start message."""
    template = read_template(project.template, environ)
    port = project.port or int(find_free_port("127.0.0.1"))
    engine = await engines.choose(project, environ, host)
    aws = engines.make_moto(host)
    table = Connection(
        endpoint=engine.endpoint,
        table=project.table,
        region=project.region,
        deployment_secret_file=str(prepare_deployment_secret(project.data)),
        address=f"http://127.0.0.1:{port}",
    )
    secret = read_demo_secret(project.data, environ)
    data_folder.start_log(project.log)
    for each in (engine, aws):
        opened.push_async_callback(each.stop)
        await each.start(project.log, table.to_environment(environ), lock)
    client = await asyncio.to_thread(tables.open_client, table)
    created = await asyncio.to_thread(tables.prepare, client, template.tables)
    variables = build_functions_environment(template, table, environ)
    lines = await seeding.seed(secret, project.data, project.root, variables, new_table=created)
    arn = await asyncio.to_thread(_store_secret, aws, table)
    _write_template(
        {
            "TABLE_NAME": table.table,
            "DYNAMODB_ENDPOINT": engine.endpoint.replace(host.listen, host.reach),
            "DEPLOYMENT_SECRET_ARN": arn,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws.endpoint.replace(host.listen, host.reach),
            **dict.fromkeys(_GIVEN, ""),
        }
    )
    served = ["--port", str(port), "--warm-containers", "LAZY", "--no-watch"]
    sam = await start_leashed(
        build_command("start-api", *served), build_environment(environ), sys.stdout.buffer
    )
    opened.push_async_callback(stop, sam, _STOP_S)
    await _await_answer(sam, port)
    table.write(project.data)
    opened.callback(connection.forget, project.data)
    words = format_greeting(
        *(table.address, secret, project.log, engine.note),
        gemini=describe_gemini(environ),
        code="Edited code needs another start.",
    )
    return sam, "\n".join([*lines, words])


def build_command(*arguments: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Build a command of `sam local` on what was built and written by `make sam`."""
    more = shlex.split(environ.get("SAM_LOCAL_FLAGS", ""))
    return [str(SAM), "local", *arguments, "--template", str(TEMPLATE), *more]


def build_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Build the environment of `sam local`, without the variables that it would put in the place of the
    template's.
    """
    ours = {"TABLE_NAME", "DYNAMODB_ENDPOINT", "DEPLOYMENT_SECRET_ARN", "WEBHOOK_QUEUE_URL"}
    kept = {name: value for name, value in environ.items() if name not in ours | {*REAL_CREDENTIALS}}
    nobody = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}  # it asks who we are
    return {**kept, **NO_CREDENTIALS, **nobody, "SAM_CLI_TELEMETRY": "0"}


def _write_template(variables: Mapping[str, str]) -> None:
    """Write the template with these variables: `sam local` gives a function only those that a template
    declares.
    """
    built = load_template(BUILT / "template.yaml")
    TEMPLATE.write_text(json.dumps(localize_template(built, variables)), encoding="utf-8")


def localize_template(template: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Put these variables into the template and remove the addresses of queues: `sam local` drives no queue,
    and would give the queue's name for its address.
    """
    given = template["Globals"]["Function"]["Environment"]["Variables"]
    kinds = {id_: resource["Type"] for id_, resource in template["Resources"].items()}
    for name, value in given.items():
        if isinstance(value, dict) and kinds.get(value.get("Ref", "")) == "AWS::SQS::Queue":
            given[name] = ""
    given.update(variables)
    return template


def _store_secret(aws: engines.Engine, table: Connection) -> str:
    """Store the deployment secret where functions look for it in AWS. Returns its ARN."""
    client = tables.open_aws_client("secretsmanager", aws.endpoint, table.region)
    document = Path(table.deployment_secret_file).read_text(encoding="utf-8")
    return str(client.create_secret(Name="deployment-secret", SecretString=document)["ARN"])


async def _await_answer(sam: Process, port: int) -> None:
    """Wait until SAM answers, which it does when it has made an image of the layer. Raises LocalError when it
    ends, or is not healthy within three minutes.
    """
    try:
        async with asyncio.timeout(_START_S):
            while sam.returncode is None:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(b"GET /api/health HTTP/1.0\r\n\r\n")
                    if b" 200 " in await reader.readline():
                        writer.close()
                        return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise LocalError(f"sam local does not answer on port {port}.") from None
    raise LocalError(f"sam local has ended with exit code {sam.returncode} before it answered.")


if __name__ == "__main__":
    sys.exit(main())
