"""What the local service reads from template.yaml, and how it tells what is wrong with one."""

from pathlib import Path

import pytest

from local.serve.template import EventSource, Function, Queue, Route, Schedule, Template, TemplateError
from local.serve.template_reader import read_template

ROOT = Path(__file__).resolve().parents[3]
SMALL = """
Parameters:
  AllowedOrigins: {Type: String, Default: ""}
  SESFrom: {Type: String, Default: nobody@example.com}
Conditions:
  HasSender: !Not [!Equals [!Ref SESFrom, ""]]
Globals:
  Function:
    Handler: app.handler
    Timeout: 29
    Environment:
      Variables: {SHARED: everywhere, TABLE_NAME: !Ref Table}
Resources:
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/core}}
  Secret: {Type: AWS::SecretsManager::Secret}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: gone_at, Enabled: true}
  Tasks:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 360
      SqsManagedSseEnabled: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 5}
  DeadLetters: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  One:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/one
      MemorySize: 512
      Environment:
        Variables:
          %s
      Events:
        Get: {Type: HttpApi, Properties: {Method: get, Path: /one}}
        Any: {Type: HttpApi, Properties: {Path: /any}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
        Often: {Type: Schedule, Properties: {Schedule: rate(5 minutes)}}
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Tasks.Arn
            BatchSize: 5
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
  Two:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/two
      Handler: main.run
      Timeout: 3
      Environment: {Variables: {ONLY_HERE: "2"}}
      Events:
        Default: {Type: HttpApi}
        Post: {Type: HttpApi, Properties: {Method: POST, Path: /one}}
        Dead: {Type: SQS, Properties: {Queue: !GetAtt DeadLetters.Arn}}
"""


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Template:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    return read_template(file, environ)


def variable(tmp_path: Path, value: str, environ: dict[str, str] | None = None) -> str | None:
    return read(tmp_path, SMALL % f"X: {value}", environ).variables.get("X")


def test_functions_take_from_globals_what_they_do_not_say(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL % "{}")
    assert template.functions == {
        "One": Function("One", tmp_path / "functions/one", "app.handler", timeout_s=29, memory_mb=512),
        "Two": Function("Two", tmp_path / "functions/two", "main.run", timeout_s=3, memory_mb=128),
    }
    assert template.layers == [tmp_path / "layers/core"]


def test_routes_are_the_http_events_and_the_default_is_apart(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL % "{}")
    assert template.routes == [
        Route("GET", "/one", "One"),
        Route("ANY", "/any", "One"),
        Route("POST", "/one", "Two"),
    ]
    assert template.default == "Two"


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        pytest.param("GET", "/one", ("GET /one", "One"), id="exact"),
        pytest.param("POST", "/one", ("POST /one", "Two"), id="by method"),
        pytest.param("DELETE", "/any", ("ANY /any", "One"), id="any method"),
        pytest.param("DELETE", "/one", ("$default", "Two"), id="unknown method"),
        pytest.param("HEAD", "/one", ("$default", "Two"), id="HEAD is not GET"),
        pytest.param("GET", "/one/", ("$default", "Two"), id="a slash more"),
        pytest.param("GET", "/One", ("$default", "Two"), id="another case"),
    ],
)
def test_a_request_finds_its_route_as_api_gateway_does(
    tmp_path: Path, method: str, path: str, found: tuple[str, str]
) -> None:
    assert read(tmp_path, SMALL % "{}").find(method, path) == found


def test_without_a_default_route_an_unknown_path_finds_nothing(tmp_path: Path) -> None:
    text = (SMALL % "{}").replace("Default: {Type: HttpApi}", "Other: {Type: S3}")
    assert read(tmp_path, text).find("GET", "/nowhere") is None


def test_a_table_is_ready_for_create_table(tmp_path: Path) -> None:
    (table,) = read(tmp_path, SMALL % "{}").tables
    assert table.definition == {
        "TableName": "genai-voice",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    assert table.ttl == "gone_at"


def test_queues_are_read_with_what_becomes_of_their_messages(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL % "{}")
    assert template.queues == [
        Queue("Tasks", {"VisibilityTimeout": "360"}, dead_letters="dead", max_receives=5),
        Queue("dead", {}, dead_letters=None, max_receives=0),
    ]
    assert template.sources == [
        EventSource("One", "Tasks", batch_size=5, window_s=2, reports_failures=True),
        EventSource("Two", "dead", batch_size=10, window_s=0, reports_failures=False),
    ]


@pytest.mark.parametrize(
    ("rate", "every_s"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200), ("rate(1 day)", 86400)],
)
def test_schedules_are_read_with_their_rate(tmp_path: Path, rate: str, every_s: int) -> None:
    template = read(tmp_path, (SMALL % "{}").replace("rate(1 day)", rate))
    assert template.schedules == [Schedule("One", "Often", 300), Schedule("One", "Nightly", every_s)]


def test_a_queues_address_is_known_where_queues_are(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(SMALL % "{TASKS: !Ref Tasks, DEAD: !Ref DeadLetters}")
    here = read_template(file, {}, "http://127.0.0.1:1/123").variables
    assert (here["TASKS"], here["DEAD"]) == ("http://127.0.0.1:1/123/Tasks", "http://127.0.0.1:1/123/dead")
    assert not {"TASKS", "DEAD"} & read_template(file).variables.keys()


def test_the_environment_names_the_table(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL % "{}", {"TABLE_NAME": "mine"})
    assert template.tables[0].name == "mine"
    assert template.variables["TABLE_NAME"] == "mine"


def test_variables_of_all_functions_come_together(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL % "MINE: 1").variables == {
        "SHARED": "everywhere",
        "TABLE_NAME": "genai-voice",
        "MINE": "1",
        "ONLY_HERE": "2",
    }


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param("1.5", "1.5", id="number"),
        pytest.param("true", "true", id="truth"),
        pytest.param("", "", id="nothing"),
        pytest.param("!Ref AllowedOrigins", "", id="parameter"),
        pytest.param("{Ref: SESFrom}", "nobody@example.com", id="long form"),
        pytest.param("!Ref Secret", None, id="a resource that is not here"),
        pytest.param("!GetAtt Table.Arn", None, id="an attribute"),
        pytest.param("!Ref AWS::Region", None, id="pseudo parameter"),
        pytest.param('!Sub "${Table}-x-${!kept}"', "genai-voice-x-${kept}", id="Sub"),
        pytest.param('!Sub "${Table.Arn}/index"', None, id="Sub of an attribute"),
        pytest.param('!Sub ["${A}!", {A: !Ref SESFrom}]', "nobody@example.com!", id="Sub with its own names"),
        pytest.param('!Join ["-", [a, !Ref Table]]', "a-genai-voice", id="Join"),
        pytest.param('!Join ["-", [a, !Ref Secret]]', None, id="Join of an unknown"),
        pytest.param("!If [HasSender, !Ref SESFrom, none]", "nobody@example.com", id="If"),
        pytest.param('!ImportValue "elsewhere"', None, id="only AWS knows"),
    ],
)
def test_a_variable_resolves_as_far_as_one_machine_can(
    tmp_path: Path, value: str, resolved: str | None
) -> None:
    assert variable(tmp_path, value) == resolved


def test_a_parameter_takes_the_variable_of_its_name(tmp_path: Path) -> None:
    assert (
        variable(tmp_path, "!Ref AllowedOrigins", {"ALLOWED_ORIGINS": "https://a.example"})
        == "https://a.example"
    )
    assert variable(tmp_path, "!Ref SESFrom", {"SES_FROM": "me@example.com"}) == "me@example.com"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(("MINE: 1", "X: !Ref Tabel"), "refers to Tabel, which is neither", id="unknown name"),
        pytest.param(("MINE: 1", "X: [1, 2]"), "One's variable X is neither text", id="a list"),
        pytest.param(
            ("MINE: 1", "X: !If [Nope, a, b]"), "condition Nope, which does not exist", id="unknown condition"
        ),
        pytest.param(
            ("MINE: 1", "ONLY_HERE: 3"), "Two disagrees with One on the variable ONLY_HERE", id="disagreement"
        ),
        pytest.param(("CodeUri: functions/two", "Memory: 1"), "Two.CodeUri must be text", id="no code"),
        pytest.param(
            ("Handler: main.run", "Handler: run"), 'Two.Handler must be "module.name"', id="bad handler"
        ),
        pytest.param(("Timeout: 3", "Timeout: long"), "Two.Timeout must be a whole number", id="bad timeout"),
        pytest.param(
            ("Method: POST", "Method: GET"), "Two has the route GET /one, which One has too", id="twice"
        ),
        pytest.param(("Path: /any", "Path: any"), "must have a Path that starts with /", id="bad path"),
        pytest.param(("Path: /any", 'Path: "/a/{id}"'), "has path parameters", id="path parameters"),
        pytest.param(("{Path: /any}", "{}"), "is a second $default route beside One's", id="two defaults"),
        pytest.param(
            ("rate(1 day)", "'cron(0 3 * * ? *)'"),
            "One.Events.Nightly has the schedule cron(0 3 * * ? *); only rate(5 minutes) is driven locally",
            id="cron",
        ),
        pytest.param(("rate(1 day)", "rate(0 days)"), "has the schedule rate(0 days)", id="never"),
        pytest.param(("{ScheduleExpression: rate(1 day)}", "{}"), "has the schedule None", id="no schedule"),
        pytest.param(
            ("Queue: !GetAtt Tasks.Arn", "Queue: !GetAtt Table.Arn"),
            "One.Events.Work must name a queue of this template",
            id="no queue",
        ),
        pytest.param(
            ("deadLetterTargetArn: !GetAtt DeadLetters.Arn", "deadLetterTargetArn: an-arn"),
            "Tasks.RedrivePolicy must name a queue of this template",
            id="dead letters elsewhere",
        ),
        pytest.param(("BatchSize: 5", "BatchSize: many"), "Work.BatchSize must be a whole", id="bad size"),
        pytest.param(
            ("VisibilityTimeout: 360", "FifoQueue: true"), "Tasks is a FIFO queue", id="a queue in order"
        ),
        pytest.param(("KeySchema", "Keys"), "Table must have a list of KeySchema", id="no keys"),
        pytest.param(("Resources:", "Things:"), "Resources must be a mapping", id="no resources"),
        pytest.param(
            ("AWS::Serverless::Function", "AWS::Other"), "has no AWS::Serverless::Function", id="no function"
        ),
        pytest.param(
            ("Globals:\n  Function:", "Globals:\n  Function: 1\n  X:"), "must be a mapping", id="bad globals"
        ),
        pytest.param(
            ("      Handler: main.run", "     Handler: main.run"), "line 53 is no valid YAML", id="indent"
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_told_in_one_sentence(
    tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    text = SMALL % "MINE: 1"
    assert change[0] in text
    with pytest.raises(TemplateError) as told:
        read(tmp_path, text.replace(*change))
    assert sentence in str(told.value)
    assert str(told.value).startswith("template.yaml")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text", ["", "a: [", "\tx", "- 1", "!!python/object:os.system {}", "a: !Ref {", "? [1]\n: 2\n"]
)
def test_nonsense_is_a_sentence_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(TemplateError, match=r"^template\.yaml[^\n]*\.$"):
        read(tmp_path, text)


def test_a_template_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"^template\.yaml cannot be read: No such file or directory\.$"):
        read_template(tmp_path / "template.yaml")


def test_the_template_of_this_project_is_read() -> None:
    template = read_template(ROOT / "template.yaml")
    assert Route("GET", "/api/health", "EdgeFunction") in template.routes
    assert template.default == "EdgeFunction"
    assert template.tables[0].ttl == "expires_at"
    assert template.variables["TABLE_NAME"] == template.tables[0].name == "genai-voice"
    assert "DEPLOYMENT_SECRET_ARN" not in template.variables
