"""Call a tool behind an HTTP endpoint (contract 5.7.6)."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from pydantic_core import from_json, to_json

from genai_voice.foundation import outgoing
from genai_voice.foundation.model import parse_json_object
from genai_voice.foundation.sealing import Unreadable, seal, unseal
from genai_voice.tools.model import ToolResult
from genai_voice.tools.rows import ToolRow

_NO_CONTENT = 204


class EndpointReply(NamedTuple):
    """What came of a call."""

    endpoint: str
    """Where it was made."""
    result: ToolResult
    is_answered: bool | None = True
    """None where our own rules kept it from being made, which says nothing of the endpoint."""
    may_have_arrived: bool = True
    """Else the endpoint knows nothing of it."""


def seal_headers(app: str, tool: str, headers: str) -> bytes:
    """Encrypt the headers (JSON text of an object of texts) of this app's tool, as they are stored."""
    return seal(headers, app, tool)


def call_endpoint(
    app: str, tool: ToolRow, parameters: Mapping[str, Any], idempotency_key: str | None
) -> EndpointReply:
    """Send one request, and answer whatever comes of it: `success` says whether the status was 2xx, `data` is
    the JSON of the answer.

    The parameters are the body, for GET the query: texts as they are, all else as JSON, null left out.
    """
    place = str(tool.endpoint)
    method, url, body = tool.http_method or "POST", place, None
    defaults, ours = {}, {"idempotency-key": idempotency_key} if idempotency_key else {}
    if method == "GET":
        url = _add_query(url, parameters)
    else:
        body, defaults = to_json(parameters), {"content-type": "application/json"}
    try:
        headers = defaults | _unseal_headers(app, tool) | ours
        answer = outgoing.send(method, url, headers=headers, body=body)
    except Unreadable:
        unreadable = "The stored headers of this tool can no longer be read: register it again."
        return EndpointReply(place, _make_failure(unreadable), is_answered=None, may_have_arrived=False)
    except outgoing.RequestFailed as failed:
        return _explain_failure(place, failed)
    return EndpointReply(place, _read_result(answer))


def _explain_failure(place: str, failed: outgoing.RequestFailed) -> EndpointReply:
    result = _make_failure(str(failed))
    match failed:
        case outgoing.PolicyRefused():
            return EndpointReply(place, result, is_answered=None, may_have_arrived=False)
        case outgoing.NotAnswered():
            was_sent = not isinstance(failed, outgoing.NotConnected)
            return EndpointReply(place, result, is_answered=False, may_have_arrived=was_sent)
        case _:  # an answer that is longer than we take
            return EndpointReply(place, result)


def _unseal_headers(app: str, tool: ToolRow) -> dict[str, str]:
    """Decrypt the stored headers. Answers them by their lower-case names. Raises Unreadable."""
    text = unseal(tool.sealed_headers, app, tool.name) if tool.sealed_headers else "{}"
    return {name.lower(): value for name, value in parse_json_object(text).items()}


def _add_query(url: str, parameters: Mapping[str, Any]) -> str:
    """Add the parameters to the query of an address, which may have one already."""
    texts = {
        name: value if isinstance(value, str) else to_json(value).decode()
        for name, value in parameters.items()
        if value is not None
    }
    parts = urlsplit(url)
    return parts._replace(query="&".join(filter(None, [parts.query, urlencode(texts)]))).geturl()


def _read_result(answer: outgoing.HttpResponse) -> ToolResult:
    success = 200 <= answer.status < 300
    if answer.status == _NO_CONTENT:  # there is no text that could be JSON
        return {"success": True, "data": None}
    try:
        result: ToolResult = {"success": success, "data": from_json(answer.body)}
        from_json(to_json(result), allow_inf_nan=False)  # it must be readable as a whole: 1e999, depth
    except ValueError:
        return _make_failure(f"The endpoint of this tool answered {answer.status} without JSON.")
    return result


def _make_failure(message: str) -> ToolResult:
    return {"success": False, "error": message}
