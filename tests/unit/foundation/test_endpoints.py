"""Declarations of endpoints: what cannot be served is refused with a sentence when its module is loaded."""

from collections.abc import Callable
from typing import Any

import pytest
from genai_voice.foundation.http import Api
from genai_voice.foundation.incoming import Credentials
from genai_voice.foundation.model import Listing, Ok, Request


def with_an_unknown_parameter(body: Request, sesion: str) -> Ok:
    return {"ok": True}


def with_any_parameters(**options: str) -> Ok:
    return {"ok": True}


def without_a_return_type(body: Request):
    return {"ok": True}


def with_a_parameter_without_a_type(body) -> Ok:
    return {"ok": True}


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "an unknown parameter": (
        with_an_unknown_parameter,
        "POST /api/x: with_an_unknown_parameter has the parameter sesion, "
        "and an endpoint may have body, caller, credentials, query, trace_id.",
    ),
    "any parameters": (
        with_any_parameters,
        "POST /api/x: with_any_parameters has the parameter options, "
        "and an endpoint may have body, caller, credentials, query, trace_id.",
    ),
    "no return type": (
        without_a_return_type,
        "POST /api/x: without_a_return_type does not say the type of its reply.",
    ),
    "a parameter without a type": (
        with_a_parameter_without_a_type,
        "POST /api/x: with_a_parameter_without_a_type does not say the type of body.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_declaration_that_cannot_be_served_is_refused(case: str) -> None:
    call, sentence = REFUSED[case]
    api = Api()
    with pytest.raises(TypeError) as refused:
        api.post("/api/x")(call)
    assert str(refused.value) == sentence
    assert not api.endpoints


def test_an_endpoint_may_have_every_known_parameter() -> None:
    def endpoint(
        caller: object, body: Request, query: Listing, trace_id: str | None, credentials: Credentials
    ) -> Ok:
        return {"ok": True}

    api = Api()
    assert api.post("/api/x")(endpoint) is endpoint
    declared = api.endpoints["POST", "/api/x"]
    assert list(declared.wants) == ["caller", "body", "query", "trace_id", "credentials"]
    assert declared.reply is Ok
