"""Ask the model what it thinks of responses: many at once, several times each, within one time."""

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
    find_majority,
    make_schema,
    parse_fenced,
    read_scores,
    write_prompt,
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
    """Judge each response, or tell why there is no judgement of it. Each is asked for `times` times, and all
    answers count: where one fails there is none.

    An answer that cannot be used is asked for once more, with what was wrong with it.
    """
    deadline = time.monotonic() + within_s
    try:
        key = client.find_api_key("GOOGLE_API_KEY", "GEMINI_API_KEY")
    except UpstreamFailed as failed:
        return [failed] * len(questions)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [
            [pool.submit(_ask_twice, question, key, deadline) for _ in range(times)] for question in questions
        ]
        return [_collect(answers) for answers in asked]


def _collect(answers: Iterable[Future[list[JudgeScore]]]) -> Judgement | UpstreamFailed:
    """Wait for all answers to one question. Where one fails, those that have not begun are cancelled."""
    waiting = list(answers)
    try:
        return find_majority([each.result() for each in waiting])
    except UpstreamFailed as failed:
        for each in waiting:
            each.cancel()
        return failed


def _ask_twice(question: JudgeQuestion, key: str, deadline: float) -> list[JudgeScore]:
    """Ask, and once more where the answer cannot be used. Raises UpstreamFailed."""
    refused: str | None = None
    for _ in range(2):
        left = deadline - time.monotonic()
        if left < _LEAST_S:
            raise UpstreamFailed("The judge did not answer in time")
        try:
            return read_scores(_ask_model(question, key, min(CALL_S, left), refused), question.criteria)
        except UnusableAnswer as unusable:
            refused = str(unusable)
    raise UpstreamFailed("The judge gave no usable answer")


def _ask_model(question: JudgeQuestion, key: str, timeout_s: float, refused: str | None) -> Any:
    """Ask the model once. Raises UnusableAnswer where its answer is no JSON."""
    told = write_prompt(question, lambda: token_hex(8), refused)
    try:
        return client.generate_json(
            model=MODEL,
            instructions=told.instructions,
            content=told.content,
            schema=make_schema(question.criteria),
            api_key=key,
            timeout_s=timeout_s,
            attempts=_ATTEMPTS,
        )
    except client.NotJson as other:
        return parse_fenced(other.text)
