"""Each function may do in AWS what it does, and nothing else. That its policy allows what it does is asserted
in every test that calls it (tests/support/policies.py). Here each action is taken from each function in turn,
and something is refused then: what is granted is needed.
"""

import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from genai_voice.foundation.caches import forget_all

from tests.support.exercises import Exercise, list_exercises
from tests.support.log import record_log
from tests.support.policies import Grant, read_grants, take_away, used


@pytest.fixture
def deployed(engine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The deployment secret and the keys of providers are in Secrets Manager, as they are in AWS."""
    document = Path(os.environ["DEPLOYMENT_SECRET_FILE"]).read_text()
    for variable, kept, text in (
        ("DEPLOYMENT_SECRET_ARN", "DEPLOYMENT_SECRET_FILE", document),
        ("PROVIDER_SECRET_ARN", "GEMINI_API_KEY", '{"GEMINI_API_KEY": "a-key"}'),
    ):
        made = boto3.client("secretsmanager").create_secret(Name=f"a-{uuid4()}", SecretString=text)
        monkeypatch.delenv(kept)
        monkeypatch.setenv(variable, made["ARN"])
    forget_all()
    yield
    monkeypatch.undo()
    forget_all()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The queue of the sender of webhooks."""
    made = boto3.client("sqs").create_queue(QueueName=f"webhooks-{uuid4()}")
    monkeypatch.setenv("WEBHOOK_QUEUE_URL", made["QueueUrl"])
    forget_all()
    yield
    forget_all()


@pytest.mark.parametrize("function", read_grants())
def test_without_any_one_of_its_actions_a_function_is_refused_something(
    deployed: None, queue: None, function: str
) -> None:
    """And says so: its log has AWS's code, or a request is answered with a fault."""
    asked = {each: run_exercise(each) for each in list_exercises(function)}
    for grant in sorted(read_grants()[function]):
        needing = next((each for each, grants in asked.items() if grant in grants), None)
        assert needing, f"{function} may do {grant}: nothing in tests/support/exercises.py needs that"
        with take_away(function, grant), record_log() as log, redirect_stdout(log), suppress(Exception):
            run_exercise(needing)  # what follows from the refusal may stop it anywhere
        missed = re.search(r'AccessDeniedException|"status":5\d\d', log.getvalue())
        assert missed, f"{function}, {needing.name}: nobody misses {grant}"


def run_exercise(exercise: Exercise) -> set[Grant]:
    """What its function asked of AWS, in a process that has just started."""
    used.clear()
    forget_all()
    exercise.run()
    return used[exercise.function]
