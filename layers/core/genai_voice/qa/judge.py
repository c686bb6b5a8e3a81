"""Asks the model what it thinks of responses: many at once, several times each, within one time."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from secrets import token_hex
from typing import Any

from genai_voice.foundation.errors import UpstreamFailed
from genai_voice.gemini import client
from genai_voice.qa.judgement import (
    Judgement,
    JudgeQuestion,
    UnusableAnswer,
    majority,
    prompt,
    schema,
    scores,
    unfenced,
)
from genai_voice.qa.model.runs import JudgeScore

MODEL = "gemini-2.0-flash"
AT_ONCE = 16
"""Answers that are waited for at the same time."""
CALL_S = 10
"""That one call may take, its attempts included."""

_ATTEMPTS = 2
_LEAST_S = 1  # a call that begins later is not worth its price


def judge(
    questions: Sequence[JudgeQuestion], times: int, within_s: float
) -> list[Judgement | UpstreamFailed]:
    """The judgement of each, or why there is none. Each is asked `times` times, and all answers count: where
    one fails there is none.

    An answer that cannot be used is asked for once more, with what was wrong with it.
    """
    deadline = time.monotonic() + within_s
    try:
        key = client.find_api_key("GOOGLE_API_KEY", "GEMINI_API_KEY")
    except UpstreamFailed as failed:
        return [failed] * len(questions)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [
            [pool.submit(_answer, question, key, deadline) for _ in range(times)] for question in questions
        ]
        return [_judged(answers) for answers in asked]


def _judged(answers: Iterable[Future[list[JudgeScore]]]) -> Judgement | UpstreamFailed:
    waiting = list(answers)
    try:
        return majority([each.result() for each in waiting])
    except UpstreamFailed as failed:
        for each in waiting:
            each.cancel()
        return failed


def _answer(question: JudgeQuestion, key: str, deadline: float) -> list[JudgeScore]:
    refused: str | None = None
    for _ in range(2):
        left = deadline - time.monotonic()
        if left < _LEAST_S:
            raise UpstreamFailed("The judge did not answer in time")
        try:
            return scores(_asked(question, key, min(CALL_S, left), refused), question.criteria)
        except UnusableAnswer as unusable:
            refused = str(unusable)
    raise UpstreamFailed("The judge gave no usable answer")


def _asked(question: JudgeQuestion, key: str, timeout_s: float, refused: str | None) -> Any:
    """What the model says. Raises Unusable where that is no JSON."""
    told = prompt(question, lambda: token_hex(8), refused)
    try:
        return client.generate_json(
            model=MODEL,
            instructions=told.instructions,
            content=told.content,
            schema=schema(question.criteria),
            api_key=key,
            timeout_s=timeout_s,
            attempts=_ATTEMPTS,
        )
    except client.NotJson as other:
        return unfenced(other.text)
