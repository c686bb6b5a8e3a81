"""The client for Gemini: what it sends, what it makes of answers, and how long it takes at most."""

import gc
import json
import re
import time
import warnings
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.errors import UpstreamFailed
from genai_voice.gemini.client import TOKEN_S, NotJson, create_live_token, find_api_key, generate_json
from genai_voice.gemini.model import LiveConfig

from tests.support.gemini import (
    WORDS,
    Answer,
    Gemini,
    drip,
    hang,
    make_blocked_answer,
    make_failure,
    make_json_answer,
    make_raw_answer,
    make_text_answer,
    make_token_answer,
)
from tests.support.https import Names
from tests.support.service import load_template

PROMPT = "Be kind. Ünïcode."
SCHEMA = {
    "type": "array",
    "items": {"type": "object", "properties": {"passed": {"type": "boolean"}}, "required": ["passed"]},
}
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)

BROKEN = {
    "no JSON": make_raw_answer(b"<html>an error of a proxy</html>"),
    "empty": make_raw_answer(b""),
    "an empty object": make_raw_answer(b"{}"),
    "an array": make_raw_answer(b"[1]"),
    "null": make_raw_answer(b"null"),
    "a number": make_raw_answer(b"1"),
    "a text": make_raw_answer(b'"x"'),
    "wrong types": make_raw_answer(b'{"name": 5, "candidates": 5}'),
    "wrong types within": make_raw_answer(b'{"candidates": [{"content": {"parts": [5]}}]}'),
    "20,000 deep": make_raw_answer(b"[" * 20_000),
    "not what was promised": make_raw_answer(b"no gzip", headers={"Content-Encoding": "gzip"}),
    "cut off": Answer(b'{"name": "auth_tokens/a-token"}', cut=True),
    "no content": make_raw_answer(b"", 204),
    "a redirect": make_raw_answer(b"", 302, headers={"Location": "http://127.0.0.1:9/"}),
    "an error that is no JSON": make_raw_answer(b"\xff\xfe", 400),
    "an error that is an array": make_raw_answer(b"[[], []]", 400),
    "a prompt that was blocked": make_blocked_answer(),
}


def make_token(prompt: str = PROMPT, *, audio: bool = True) -> str:
    config = LiveConfig(model="a-model", reply_as_audio=audio, system_instruction=prompt)
    return create_live_token(config, datetime.now(UTC) + timedelta(minutes=30), timedelta(minutes=2))


def generate(timeout_s: float = 10, attempts: int = 3, **more: Any) -> Any:
    asked = {"model": "gemini-2.0-flash", "instructions": "Judge.", "content": "Hello.", "schema": SCHEMA}
    return generate_json(**{**asked, "api_key": "a-key", **more}, timeout_s=timeout_s, attempts=attempts)


# -- what is sent ------------------------------------------------------------------------------------------


def test_a_live_token_is_asked_for_as_the_contract_says(gemini: Gemini) -> None:
    with time_machine.travel(NOON, tick=False):
        assert make_token() == "auth_tokens/a-token"
    (request,) = gemini.requests
    assert (request.method, request.path) == ("POST", "/v1alpha/auth_tokens")
    assert request.headers["x-goog-api-key"] == "a-key"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {
        "uses": 1,
        "expireTime": "2026-11-25T12:30:00+00:00",
        "newSessionExpireTime": "2026-11-25T12:02:00+00:00",
        "bidiGenerateContentSetup": {
            "model": "models/a-model",
            "generationConfig": {"responseModalities": ["AUDIO"]},
            "systemInstruction": {"parts": [{"text": PROMPT}], "role": "user"},
            "sessionResumption": {},
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
        },
    }, "without a fieldMask all of it is locked"


def test_a_session_that_is_answered_in_text_is_locked_to_text(gemini: Gemini) -> None:
    make_token(audio=False)
    assert gemini.requests[0].body["bidiGenerateContentSetup"]["generationConfig"] == {
        "responseModalities": ["TEXT"]
    }


def test_json_is_asked_for_with_its_schema_at_temperature_zero(gemini: Gemini) -> None:
    gemini.answer_next(make_json_answer([{"passed": True}]))
    assert generate(timeout_s=7.5) == [{"passed": True}]
    (request,) = gemini.requests
    assert (request.method, request.path) == ("POST", "/v1beta/models/gemini-2.0-flash:generateContent")
    assert request.headers["x-goog-api-key"] == "a-key"
    assert request.headers["x-server-timeout"] == "8"
    assert request.body == {
        "contents": [{"parts": [{"text": "Hello."}], "role": "user"}],
        "systemInstruction": {"parts": [{"text": "Judge."}], "role": "user"},
        "generationConfig": {
            "temperature": 0,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
    }


def test_each_key_is_sent_in_its_own_calls_alone(gemini: Gemini) -> None:
    for key in ("one", "another", "one"):
        generate(api_key=key)
    assert [each.headers["x-goog-api-key"] for each in gemini.requests] == ["one", "another", "one"]


def test_another_project_of_the_machine_is_not_asked(gemini: Gemini, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes variables of its own, which people have set for other programs."""
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "of another program")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v2")
    assert generate(api_key="not seen before") == []
    assert gemini.requests[0].path == "/v1beta/models/gemini-2.0-flash:generateContent"
    assert gemini.requests[0].headers["x-goog-api-key"] == "not seen before"


# -- what fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(gemini: Gemini, status: int) -> None:
    gemini.answer_next(make_failure(status), make_token_answer("auth_tokens/second"))
    assert make_token() == "auth_tokens/second"
    assert len({json.dumps(each.body) for each in gemini.requests}) == 1
    assert len(gemini.requests) == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (429, "Gemini takes no more requests for now: try again later"),
        (503, "Gemini is not available: try again later"),
    ],
)
def test_what_does_not_pass_is_given_up_after_the_attempts(gemini: Gemini, status: int, told: str) -> None:
    gemini.answer_always(make_failure(status))
    with pytest.raises(UpstreamFailed) as failed:
        generate(attempts=2)
    assert failed.value.message == told
    assert failed.value.status == 502
    assert len(gemini.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_tried_again(gemini: Gemini, status: int) -> None:
    gemini.answer_always(make_failure(status, "INVALID_ARGUMENT"))
    with pytest.raises(UpstreamFailed, match=r"^Gemini refused the request$"):
        make_token()
    assert len(gemini.requests) == 1


def test_the_waits_between_attempts_differ(gemini: Gemini) -> None:
    waits = []
    for _ in range(3):
        gemini.answer_next(make_failure(503))
        began = time.monotonic()
        generate(attempts=2)
        waits.append(time.monotonic() - began)
    assert len({round(each, 2) for each in waits}) > 1
    assert all(0.25 <= each < 1.5 for each in waits)


@pytest.mark.parametrize("answer", [hang(), drip()], ids=["nothing", "drops"])
def test_an_answer_that_takes_too_long_is_not_waited_for(gemini: Gemini, answer: Answer) -> None:
    gemini.answer_always(answer)
    began = time.monotonic()
    with pytest.raises(UpstreamFailed, match=r"^Gemini did not answer in time$"):
        generate(timeout_s=0.5)
    assert 0.4 < time.monotonic() - began < 2


def test_attempts_and_waits_share_the_time(gemini: Gemini) -> None:
    gemini.answer_always(make_failure(503))
    began = time.monotonic()
    with pytest.raises(UpstreamFailed, match=r"^Gemini did not answer in time$"):
        generate(timeout_s=1, attempts=100)
    assert time.monotonic() - began < 2
    assert len(gemini.requests) < 5


def test_a_live_token_leaves_its_function_time_to_start_and_to_answer() -> None:
    assert load_template().functions["TokenFunction"].timeout_s >= TOKEN_S + 15


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("call", [make_token, generate], ids=["token", "JSON"])
def test_an_answer_that_is_none_is_told_in_a_sentence(gemini: Gemini, call: Any, answer: Answer) -> None:
    gemini.answer_always(answer)
    with pytest.raises(UpstreamFailed) as failed:
        call()
    assert re.fullmatch(
        r"Gemini (gave no usable answer|could not be reached|refused the request)", str(failed.value)
    )


def test_nobody_there_is_told_in_a_sentence(gemini: Gemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_BASE_URL", "http://127.0.0.1:9")
    forget_all()
    with pytest.raises(UpstreamFailed, match=r"^Gemini could not be reached$"):
        make_token()


@pytest.mark.parametrize("answer", ["```json\n[]\n```", "Yes.", '[{"passed": tr', "[NaN]", "[" * 500])
def test_an_answer_that_is_no_json_is_handed_over_for_repair(gemini: Gemini, answer: str) -> None:
    gemini.answer_next(make_text_answer(answer, finish_reason="MAX_TOKENS"))
    with pytest.raises(NotJson) as told:
        generate()
    assert told.value.text == answer
    assert answer not in str(told.value)


@pytest.mark.parametrize("status", [400, 429, 500])
def test_nothing_that_gemini_says_of_itself_is_told(
    gemini: Gemini, log: StringIO, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Also by the SDK, which logs what it is answered; at whatever level a program listens."""
    gemini.answer_always(make_failure(status))
    caplog.set_level("DEBUG")
    with pytest.raises(UpstreamFailed) as failed:
        make_token()
    told = f"{failed.value!r} {failed.value.__cause__!r} {log.getvalue()} {caplog.text}"
    for secret in (WORDS, PROMPT, "a-key", "project 42"):
        assert secret not in told
    (line,) = [json.loads(each) for each in log.getvalue().splitlines()]
    assert (line["message"], line["upstream"], line["status"]) == ("upstream failed", "gemini", status)
    assert line["error"] in ("ClientError", "ServerError")


# -- the process -------------------------------------------------------------------------------------------


def test_calls_leave_no_connection_and_warn_of_nothing(gemini: Gemini) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            make_token()
            generate()
            gc.collect()  # what is left open warns when it goes
    assert [str(each.message) for each in told] == []
    assert len(gemini.requests) == 6


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"GOOGLE_API_KEY": "google", "GEMINI_API_KEY": "gemini"}, "google"),
        ({"GEMINI_API_KEY": "gemini"}, "gemini"),
        ({"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "gemini"}, "gemini"),
    ],
)
def test_the_first_key_that_there_is_is_taken(
    gemini: Gemini, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], found: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    forget_all()
    assert find_api_key("GOOGLE_API_KEY", "GEMINI_API_KEY") == found


def test_a_look_up_that_takes_long_is_cut_too(
    gemini: Gemini, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_BASE_URL", "http://gemini.example")
    forget_all()
    names.speaking.clear()
    began = time.monotonic()
    try:
        with pytest.raises(UpstreamFailed, match="in time"):
            generate(timeout_s=0.3, attempts=1)
        assert time.monotonic() - began < 10
    finally:
        names.speaking.set()
