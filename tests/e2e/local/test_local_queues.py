"""Queues and schedules of `make run`: which messages a function is given, which come again, what is left."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.serve import schedules, tables
from local.serve.engines import ACCOUNT, make_moto
from local.serve.queues import Queues
from local.serve.template import Schedule, Template
from local.serve.template_reader import read_template
from local.serve.worker_pool import WorkerPool
from tests.e2e.local.service import ROOT, TEMPLATE, Project, Service, body_of

Start = Callable[..., Service]

VISIBILITY_S = 2
DRIVEN = f"""
  Tasks:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: {VISIBILITY_S}
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 2}}
  DeadLetters: {{Type: AWS::SQS::Queue}}
  Plain: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: {VISIBILITY_S}}}}}
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/work
      Timeout: 3
      Environment: {{Variables: {{TASKS_URL: !Ref Tasks, PLAIN_URL: !Ref Plain}}}}
      Events:
        Send: {{Type: HttpApi, Properties: {{Method: GET, Path: /queues}}}}
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Tasks.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
        More: {{Type: SQS, Properties: {{Queue: !GetAtt Plain.Arn, MaximumBatchingWindowInSeconds: 1}}}}
  SweeperFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/sweeper
      Events:
        Sweep: {{Type: ScheduleV2, Properties: {{ScheduleExpression: rate(5 minutes)}}}}
"""
# What a function is called with is a line of a file, and the body of a message says what is to become of it.
SEEN = """
import json
import os
import time
from pathlib import Path

def seen(event):
    with Path(os.environ["GENAI_VOICE_ROOT"], "seen").open("a") as file:
        file.write(json.dumps({**event, "at": int(time.time() * 1000)}) + "\\n")
"""
WORK = """
import json
import os
import time

from genai_voice.seen import seen

def handler(event, context):
    if "Records" not in event:
        return {name: os.environ[name] for name in ("TASKS_URL", "PLAIN_URL")}
    seen({**event, "remaining": context.get_remaining_time_in_millis()})
    bodies = [record["body"] for record in event["Records"]]
    if "raise" in bodies:
        raise ValueError("something only the log may say")
    if "die once" in bodies and event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
        os._exit(3)
    if "sleep" in bodies:
        time.sleep(60)
    if "slow" in bodies:
        time.sleep(1.6)
    if "nonsense" in bodies:
        return {"batchItemFailures": [{"id": 1}]}
    failed = [record["messageId"] for record in event["Records"] if record["body"].startswith("fail")]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""
SWEEPER = """
from genai_voice.seen import seen

def handler(event, context):
    seen(event)
"""


def write_driven(project: Project) -> Project:
    project.write("template.yaml", TEMPLATE + DRIVEN)
    project.write("layers/core/genai_voice/seen.py", SEEN)
    project.write("functions/work/app.py", WORK)
    project.write("functions/sweeper/app.py", SWEEPER)
    return project


def seen_by(project: Project) -> list[dict[str, Any]]:
    """What functions were called with, in that order."""
    file = project.root / "seen"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Driven:
    """A run with queues, and what its functions have seen."""

    def __init__(self, service: Service) -> None:
        self.service = service
        service.wait_until(lambda: bool(self.schedules()))  # queues are there before
        self.addresses = body_of(service.get("/queues"))
        endpoint = re.sub(r"(?<=\d)/.*", "", str(self.addresses["TASKS_URL"]))
        self.client = tables.open_aws_client("sqs", endpoint, "us-east-1")

    def send(self, *bodies: str, to: str = "TASKS_URL", **more: Any) -> None:
        entries = [{"Id": str(place), "MessageBody": body, **more} for place, body in enumerate(bodies)]
        sent = self.client.send_message_batch(QueueUrl=self.addresses[to], Entries=entries)
        assert not sent.get("Failed")

    def events(self) -> list[dict[str, Any]]:
        return seen_by(self.service.project)

    def schedules(self) -> list[dict[str, Any]]:
        return [each for each in self.events() if "detail-type" in each]

    def batches(self, body: str) -> list[list[str]]:
        """The bodies of each batch in which this one was."""
        batches = [[record["body"] for record in each.get("Records", ())] for each in self.events()]
        return [each for each in batches if body in each]

    def received(self, body: str, times: int, seconds: float = 30) -> None:
        self.service.wait_until(lambda: len(self.batches(body)) >= times, seconds)
        assert len(self.batches(body)) == times

    def left(self, queue: str) -> tuple[int, int]:
        """How many messages it has: those that wait, and those that somebody has received."""
        url = str(self.addresses["TASKS_URL"]).replace("/Tasks", f"/{queue}")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def empties(self, *queues: str) -> None:
        self.service.wait_until(lambda: all(self.left(queue) == (0, 0) for queue in queues))


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    project = write_driven(Project(tmp_path_factory.mktemp("driven")))
    project.data.mkdir()
    service = Service(project)
    try:
        yield Driven(service)
    finally:
        service.close()


@pytest.fixture
def begin(start: Start, project: Project) -> Callable[[], Driven]:
    """A run of its own."""
    write_driven(project)
    return lambda: Driven(start())


# -- messages ----------------------------------------------------------------------------------------------


def test_a_message_is_given_to_its_function_as_lambda_does(driven: Driven) -> None:
    color = {"color": {"DataType": "String", "StringValue": "red"}}
    driven.send("plain ä", MessageAttributes=color)
    driven.received("plain ä", times=1)
    (event,) = (each for each in driven.events() if "plain ä" in str(each))
    (record,) = event["Records"]
    assert 2000 < event["remaining"] <= 3000
    assert record.pop("attributes").items() >= {"ApproximateReceiveCount": "1"}.items()
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    assert record == {
        "body": "plain ä",
        "md5OfBody": "d8e2112f9e2da976efd0c22c87f68ce1",
        "messageAttributes": {
            "color": {
                "dataType": "String",
                "stringValue": "red",
                "stringListValues": [],
                "binaryListValues": [],
            }
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Tasks",
        "awsRegion": "us-east-1",
    }
    driven.empties("Tasks")


def test_a_batch_has_the_size_that_the_template_says(driven: Driven) -> None:
    driven.send(*(f"many {number}" for number in range(10)))
    driven.service.wait_until(lambda: all(driven.batches(f"many {number}") for number in range(10)))
    assert max(len(driven.batches(f"many {number}")[0]) for number in range(10)) <= 5
    driven.empties("Tasks")


def test_a_window_gathers_what_comes_within_it(driven: Driven) -> None:
    for body in ("first", "second"):
        driven.send(body, to="PLAIN_URL")
    driven.received("first", times=1)
    assert driven.batches("first") == [["first", "second"]]
    driven.empties("Plain")


def test_a_message_that_is_delayed_comes_then(driven: Driven) -> None:
    began = time.monotonic()
    driven.send("later", DelaySeconds=2)
    driven.received("later", times=1)
    assert 2 <= time.monotonic() - began < 6


def test_only_the_failed_message_comes_again_and_ends_among_the_dead(driven: Driven) -> None:
    dead, _ = driven.left("DeadLetters")
    driven.send("fail this", "do this", "and that")
    driven.received("fail this", times=2)
    driven.service.wait_until(lambda: driven.left("DeadLetters") == (dead + 1, 0))
    assert len(driven.batches("fail this")) == 2
    assert (len(driven.batches("do this")), len(driven.batches("and that"))) == (1, 1)
    driven.empties("Tasks")
    assert "WorkFunction has failed 1 of 1 messages" in driven.service.output


@pytest.mark.parametrize("body", ["raise", "nonsense", "sleep"])
def test_a_batch_that_failed_as_a_whole_comes_again_after_its_visibility_timeout(
    driven: Driven, body: str
) -> None:
    driven.send(body)
    driven.received(body, times=1)
    began = time.monotonic()
    driven.received(body, times=2)
    assert VISIBILITY_S - 0.5 < time.monotonic() - began < VISIBILITY_S + 4
    driven.empties("Tasks")


def test_failures_are_told_in_one_line_and_the_log_says_why(driven: Driven) -> None:
    driven.send("raise", to="PLAIN_URL")
    log = driven.service.project.data / "handlers.log"
    driven.service.wait_for(
        f"WorkFunction has failed on 1 of Plain's messages: it raised an error. See {log}.\n"
    )
    assert "something only the log may say" in log.read_text()
    assert "something only the log may say" not in driven.service.output


def test_without_reports_a_call_that_returns_has_done_all(driven: Driven) -> None:
    driven.send("fail but nobody asks", to="PLAIN_URL")
    driven.received("fail but nobody asks", times=1)
    time.sleep(VISIBILITY_S + 1)
    assert len(driven.batches("fail but nobody asks")) == 1


# -- crashes -----------------------------------------------------------------------------------------------


def test_a_worker_that_dies_with_a_batch_loses_no_message(begin: Callable[[], Driven]) -> None:
    driven = begin()
    driven.send("die once")
    driven.received("die once", times=2)
    driven.empties("Tasks", "DeadLetters")
    assert "WorkFunction has failed on 1 of Tasks's messages: its process has ended." in driven.service.output


def test_a_batch_has_its_functions_time_also_while_code_changes(start: Start, project: Project) -> None:
    write_driven(project)
    driven = Driven(
        start("-c", "import sys; from local.serve import run; sys.exit(run.main(time_limit_s=1.0))")
    )
    driven.send("slow")
    driven.received("slow", times=1)
    project.write("functions/work/app.py", WORK + "\n")
    driven.service.wait_for("Reloaded")
    driven.empties("Tasks", "DeadLetters")
    assert len(driven.batches("slow")) == 1


def test_edited_code_is_given_the_next_message(begin: Callable[[], Driven], project: Project) -> None:
    driven = begin()
    project.write("functions/work/app.py", WORK.replace("seen({**event,", 'seen({**event, "edited": True,'))
    driven.service.wait_for("Reloaded")
    driven.send("after the edit")
    driven.received("after the edit", times=1)
    assert driven.events()[-1]["edited"] is True


def test_other_queues_and_schedules_ask_for_a_restart(begin: Callable[[], Driven], project: Project) -> None:
    driven = begin()
    project.write("template.yaml", TEMPLATE + DRIVEN.replace("rate(5 minutes)", "rate(6 minutes)"))
    driven.service.wait_for("The queues or schedules of template.yaml have changed: restart to use them.")
    project.write("template.yaml", TEMPLATE + DRIVEN.replace("rate(5 minutes)", '"cron(0 0 * * ? *)"'))
    driven.service.wait_for(
        "Not reloaded, the last working code stays: template.yaml: SweeperFunction.Events"
    )


def test_the_end_of_the_queues_is_told_and_the_service_goes_on(begin: Callable[[], Driven]) -> None:
    driven = begin()
    os.kill(moto_of(driven.service), signal.SIGKILL)
    driven.service.wait_for("Queues are not served until a restart: moto has ended with exit code -9.")
    assert driven.service.get("/queues").status_code == 200
    assert driven.service.end() == 0
    assert driven.service.processes() == []


def test_queues_that_do_not_start_are_told_and_schedules_go_on(start: Start, project: Project) -> None:
    write_driven(project)
    wrong = DRIVEN.replace("DeadLetters: {", "DeadLetters: {Properties: {QueueName: no name}, ")
    project.write("template.yaml", TEMPLATE + wrong)
    driven = Driven(start())
    assert "Queues are not served until a restart: moto refuses: " in driven.service.output


# -- the end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_queues_too_and_at_once(begin: Callable[[], Driven], sign: signal.Signals) -> None:
    driven = begin()
    driven.send("sleep")
    driven.received("sleep", times=1)
    began = time.monotonic()
    assert driven.service.end(sign) == 0
    assert time.monotonic() - began < 3
    assert driven.service.processes() == []
    assert "Traceback" not in driven.service.output


def test_kill_9_leaves_no_queue_and_the_next_run_sweeps(begin: Callable[[], Driven]) -> None:
    driven = begin()
    moto = moto_of(driven.service)
    driven.service.process.kill()
    driven.service.process.wait(20)
    driven.service.wait_until(lambda: moto not in driven.service.processes())
    begin()
    driven.service.wait_until(lambda: len(driven.schedules()) == 2)


def moto_of(service: Service) -> int:
    """The process that has the queues."""
    (found,) = (
        each
        for each in service.processes()
        if b"moto.server" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
    )
    return found


# -- schedules ---------------------------------------------------------------------------------------------


def test_a_schedule_calls_its_function_at_the_start(driven: Driven) -> None:
    (event,) = driven.schedules()
    assert event.pop("id")
    assert event.pop("at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("time"))
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "region": "us-east-1",
        "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/SweeperFunctionSweep"],
        "detail": "{}",
    }


SLOW = """
import runpy, sys, time
time.sleep(2)
runpy.run_module("moto.server", run_name="__main__")
"""


def test_queues_that_are_late_are_told_once_and_what_is_due_goes_out_when_they_are_there(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """As moto is on a busy machine. The sweep that finds what is due waits for them, as its messages do."""
    write_driven(project)
    moto = make_moto()
    moto.command = [moto.command[0], "-c", SLOW, *moto.command[-4:]]

    async def run() -> None:
        template = read_template(project.root / "template.yaml", queues_at=f"{moto.direct}/{ACCOUNT}")
        workers = make_workers(project, template)
        await workers.replace(template)
        queues = Queues(moto, late_s=0.5)
        with (project.root / "lock").open("w") as lock:
            driving = [
                asyncio.create_task(queues.drive(template, workers, lock.fileno())),
                asyncio.create_task(schedules.drive(template.schedules, workers, queues.ready)),
            ]
            while not queues.ready.is_set():
                assert not seen_by(project)
                await asyncio.sleep(0.05)
            while not seen_by(project):
                await asyncio.sleep(0.05)
        for each in driving:
            each.cancel()
        await asyncio.gather(*driving, return_exceptions=True)
        await moto.stop()
        await workers.close()

    asyncio.run(run())
    assert capsys.readouterr().out == (
        "The queues are late: moto has not answered for 0.5 s. Webhooks wait for it and go out then.\n"
    )


def make_workers(project: Project, template: Template) -> WorkerPool:
    environment = {
        **os.environ,
        "GENAI_VOICE_ROOT": str(project.root),
        "PYTHONPATH": os.pathsep.join([str(project.root / "layers/core"), str(ROOT)]),
        "AWS_REGION": "us-east-1",
    }
    return WorkerPool(project.root, project.root / "log", lambda _: environment, template, limit_s=30)


@pytest.fixture
def beat(project: Project) -> Callable[[float, int], list[int]]:
    """When a schedule with this rate, in seconds, has called its function so many times, in milliseconds."""
    write_driven(project)

    async def run(every_s: float, times: int) -> None:
        template = read_template(project.root / "template.yaml")
        workers = make_workers(project, template)
        await workers.replace(template)
        opened = asyncio.Event()
        schedule = Schedule("SweeperFunction", "Sweep", every_s)
        driving = asyncio.create_task(schedules.drive([schedule], workers, opened))
        await asyncio.sleep(0.2)
        assert not seen_by(project)
        opened.set()
        while len(seen_by(project)) < times:
            await asyncio.sleep(0.02)
        driving.cancel()
        await workers.close()

    def beat(every_s: float, times: int) -> list[int]:
        asyncio.run(run(every_s, times))
        return [each["at"] for each in seen_by(project)]

    return beat


def test_a_schedule_calls_its_function_again_at_its_rate(beat: Callable[[float, int], list[int]]) -> None:
    first, second, third = beat(0.5, 3)
    assert 400 < second - first < 900
    assert 900 < third - first < 1400


def test_a_schedule_goes_on_after_a_failure_that_is_told(
    beat: Callable[[float, int], list[int]], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("functions/sweeper/app.py", SWEEPER + "    raise ValueError\n")
    assert len(beat(0.1, 2)) == 2
    told = "SweeperFunction has failed on its schedule Sweep: it raised an error. See "
    assert capsys.readouterr().out.startswith(told)
