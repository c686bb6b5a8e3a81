"""A small project of its own, and the real `python -m local.serve.run` that serves it as a process."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.support.missing import skip_unless

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  AllowedOrigins: {Type: String, Default: ""}
Globals:
  Function:
    Handler: app.handler
    Timeout: 29
    Environment:
      Variables:
        TABLE_NAME: !Ref Table
        ALLOWED_ORIGINS: !Ref AllowedOrigins
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/core}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  EchoFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/echo
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /echo}}
        Head: {Type: HttpApi, Properties: {Method: HEAD, Path: /echo}}
        Post: {Type: HttpApi, Properties: {Method: POST, Path: /echo}}
  TroubleFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/trouble
      Events:
        Any: {Type: HttpApi, Properties: {Method: GET, Path: /trouble}}
        Default: {Type: HttpApi}
  StoreFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/store
      Events:
        Put: {Type: HttpApi, Properties: {Method: POST, Path: /store}}
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /store}}
"""
ECHO = """
import json
import os
import time

from genai_voice.words import GREETING

running = []

def handler(event, context):
    running.append(event)
    try:
        return answer(event, context)
    finally:
        running.pop()

def answer(event, context):
    query = event.get("queryStringParameters") or {}
    time.sleep(float(query.get("sleep", 0)))
    if "grow" in query:
        return {"statusCode": 200, "body": "x" * int(query["grow"])}
    seen = {"event": event, "greeting": GREETING, "pid": os.getpid(), "table": os.environ["TABLE_NAME"],
            "at_once": len(running),
            "remaining": context.get_remaining_time_in_millis(), "function": context.function_name}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(seen)}
"""
TROUBLE = """
import os
import sys

def handler(event, context):
    kind = (event.get("queryStringParameters") or {}).get("kind")
    if kind == "raise":
        raise ValueError("something only the log may say")
    if kind == "exit":
        sys.exit(3)
    if kind == "crash":
        os._exit(3)
    if kind == "set":
        return {"statusCode": 200, "body": {1, 2}}
    if kind == "nothing":
        return {"statusCode": 204, "body": ""}
    if kind == "shape":
        return {"statusCode": "many"}
    return {"statusCode": 404, "body": "nothing at " + event["rawPath"] + " for " + event["routeKey"]}
"""
STORE = """
import json
import os
from functools import cache

@cache
def client():
    import boto3
    return boto3.client("dynamodb", endpoint_url=os.environ["DYNAMODB_ENDPOINT"])

def handler(event, context):
    table = os.environ["TABLE_NAME"]
    key = event["queryStringParameters"]["key"]
    if event["requestContext"]["http"]["method"] == "POST":
        client().put_item(TableName=table, Item={"pk": {"S": key}})
        return {"stored": key}
    return {"found": "Item" in client().get_item(TableName=table, Key={"pk": {"S": key}})}
"""
SEEDING = """
def seed_demos(secret):
    yield f"seeded with a secret of {len(secret)} characters"
"""
needs_dynoxide = skip_unless(
    shutil.which("npm") is not None and platform.machine() == "x86_64" and sys.platform.startswith("linux"),
    reason="dynoxide runs on Linux on x86-64 and is installed by npm, which is not here",
)


_OURS = (
    "AWS_",
    "DYNAMODB_",
    "TABLE_NAME",
    "DEPLOYMENT_",
    "ALLOWED_",
    "POWERTOOLS_",
    "DATA_DIR",
    "DEMO_SECRET",
    "GEMINI_",
    "GOOGLE_",
    "PROVIDER_",
)


class Project:
    """The folder of a small project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / ".local"
        self.write("template.yaml", TEMPLATE)
        self.write("functions/echo/app.py", ECHO)
        self.write("functions/trouble/app.py", TROUBLE)
        self.write("functions/store/app.py", STORE)
        self.write("layers/core/genai_voice/__init__.py", "")
        self.write("layers/core/genai_voice/words.py", 'GREETING = "hello"\n')
        self.write("layers/core/genai_voice/seeding/__init__.py", "")
        self.write("layers/core/genai_voice/seeding/service.py", SEEDING)

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file


class Service:
    """`python -m local.serve.run` in a session, and so a process group, of its own."""

    def __init__(self, project: Project, *command: str, **variables: str) -> None:
        self.project = project
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self._output = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by close
            "w+", dir=project.root, prefix="output-", delete=False
        )
        self.process = subprocess.Popen(  # noqa: S603 - what is under test
            [sys.executable, *(command or ("-m", "local.serve.run"))],
            cwd=ROOT,
            env={
                **kept,
                "PYTHONPATH": str(ROOT),
                "GENAI_VOICE_ROOT": str(project.root),
                "PORT": "0",
                **variables,
            },
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        return Path(self._output.name).read_text()

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """The output, once it has the text."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, f"no {text!r} in: {self.output}"
            time.sleep(0.02)
        return self.output

    def wait_until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"it did not come: {self.output}"
            time.sleep(0.05)

    @property
    def address(self) -> str:
        found = re.search(r"answers at (\S+)", self.wait_for("Ctrl-C to stop"))
        assert found is not None
        return found[1]

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.address + path, timeout=60, **options)  # type: ignore[arg-type]

    def post(self, path: str, **options: object) -> httpx.Response:
        return httpx.post(self.address + path, timeout=60, **options)  # type: ignore[arg-type]

    def curl(self, path: str) -> subprocess.Popen[bytes]:
        """A client that does not wait here for its answer."""
        return subprocess.Popen(  # noqa: S603 - our own address
            [str(shutil.which("curl")), "-s", self.address + path], stdout=subprocess.PIPE
        )

    def end(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(20)

    def end_after(self, text: str) -> int:
        """The exit code, having told the text."""
        self.wait_for(text)
        self.wait_for("Ctrl-C to stop")
        return self.end()

    def processes(self) -> list[int]:
        """All that belong to this run: each has the project's path in its environment."""
        return processes_with(f"GENAI_VOICE_ROOT={self.project.root}")

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._output.close()


def body_of(response: httpx.Response) -> dict[str, object]:
    assert response.status_code == 200, response.text
    return dict(json.loads(response.text))


def processes_with(variable: str) -> list[int]:
    """Those that have this `NAME=value` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found
