"""The one client for Gemini: live tokens, answers as JSON.

    create_live_token(...)    POST /v1alpha/auth_tokens                       at most 12 s, 3 attempts
    generate_json(...)        POST /v1beta/models/<model>:generateContent     as its caller says

Each call has one deadline for everything: look-up, connections, attempts and the waits between them. 429 and
5xx, and connections that cannot be made, are tried again after a wait that is random in part. What fails is
an `UpstreamFailed` with a sentence of ours, and a line of log with the kind of failure: Gemini's words, which
may quote a prompt, are in neither.
"""

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import UpstreamFailed
from genai_voice.foundation.log import report_upstream_failure
from genai_voice.foundation.secret import find_provider_key
from genai_voice.foundation.settings import SettingsError, get_settings
from genai_voice.gemini.model import LiveConfig

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.client import AsyncClient

T = TypeVar("T")

TOKEN_S = 12.0
"""The longest that `create_live_token` takes."""
_TOKEN_VERSION = "v1alpha"  # noqa: S105 - the only version of the API that makes live tokens
_GENERATE_VERSION = "v1beta"  # the version in which JSON schemas are documented
_TOKEN_ATTEMPTS = 3
_AGAIN = (429, 500, 502, 503, 504)
_FIRST_WAIT_S = 0.25  # doubling, and up to so much more by chance
_JITTER_S = 0.5
_LONGEST_WAIT_S = 4.0


class NotJson(Exception):
    """Gemini has answered, and not with JSON: `text` is what it said, for whoever can repair it."""

    def __init__(self, text: str) -> None:
        super().__init__("Gemini's answer is no JSON")
        self.text = text


def find_api_key(*variables: str) -> str:
    """Find the first of these keys that is set: `find_api_key("GOOGLE_API_KEY", "GEMINI_API_KEY")`. Raises
    UpstreamFailed where none is.
    """
    try:
        found = next((key for key in map(find_provider_key, variables) if key), None)
    except SettingsError:
        raise UpstreamFailed("Gemini is not set up: the secret with its key cannot be read") from None
    if found is None:
        raise UpstreamFailed(f"Gemini is not set up: {variables[-1]} is missing")
    return found


def create_live_token(config: LiveConfig, expires: datetime, starts_within: timedelta) -> str:
    """Create a token that opens one live session, locked to this configuration: the session begins within
    `starts_within` from now and ends when the token `expires`. Answers its name. Raises UpstreamFailed.
    """
    from google.genai import types

    key, locked = find_api_key("GEMINI_API_KEY"), config.to_locked_fields()
    wanted = types.CreateAuthTokenConfig(
        uses=1,
        expire_time=expires,
        new_session_expire_time=datetime.fromtimestamp(get_now_ms() / 1000, UTC) + starts_within,
        live_connect_constraints=types.LiveConnectConstraints(
            model=locked.pop("model"), config=types.LiveConnectConfig.model_validate(locked)
        ),
        http_options=_make_options(_TOKEN_VERSION, TOKEN_S, _TOKEN_ATTEMPTS),
    )

    async def create(gemini: "AsyncClient") -> str | None:
        warnings.filterwarnings("ignore", "The SDK's token creation implementation is experimental")
        made: types.AuthToken = await gemini.auth_tokens.create(config=wanted)
        return made.name

    return _ask(key, TOKEN_S, create)


def generate_json(
    *,
    model: str,
    instructions: str,
    content: str,
    schema: dict[str, Any],
    api_key: str,
    timeout_s: float,
    attempts: int,
) -> Any:
    """Generate the model's answer to `content` under these instructions, as JSON by this JSON schema, at
    temperature 0. It is parsed and not validated: the model need not keep to the schema.

    At most `attempts` requests, in `timeout_s` seconds in all. Raises UpstreamFailed, NotJson.
    """
    from google.genai import types

    wanted = types.GenerateContentConfig(
        system_instruction=instructions,
        temperature=0,
        response_mime_type="application/json",
        response_json_schema=schema,
        http_options=_make_options(_GENERATE_VERSION, timeout_s, attempts),
    )

    async def generate(gemini: "AsyncClient") -> str | None:
        return (await gemini.models.generate_content(model=model, contents=content, config=wanted)).text

    text = _ask(api_key, timeout_s, generate)
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        raise NotJson(text) from None


# -- asking ------------------------------------------------------------------------------------------------


def _ask(key: str, timeout_s: float, call: Callable[["AsyncClient"], Awaitable[str | None]]) -> str:
    """Ask Gemini and answer its text, which is not empty. Raises UpstreamFailed.

    Asynchronous for the deadline's sake: the SDK's timeouts are those of single reads, so that an answer in
    drops would take for ever.
    """
    from google.genai.errors import APIError
    from httpx2 import HTTPError, TimeoutException

    try:
        answer = _run_in_loop(
            _call_in_time(timeout_s, call, _open_client(key, get_settings().gemini_base_url))
        )
    except APIError as refused:
        raise _report_failure(refused, _describe_refusal(refused.code), refused.code) from None
    except (TimeoutError, TimeoutException) as late:
        raise _report_failure(late, "Gemini did not answer in time") from None
    except HTTPError as broken:
        raise _report_failure(broken, "Gemini could not be reached") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as broken:  # the SDK, of strange answers
        raise _report_failure(broken, _NO_ANSWER) from None
    if not answer:
        raise _report_failure(None, _NO_ANSWER)
    return answer


def _run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own. asyncio.run would wait for the look-up of a name that
    is still going on when time is up.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _call_in_time(
    timeout_s: float, call: Callable[["AsyncClient"], Awaitable[T]], client: "Client"
) -> T:
    async with asyncio.timeout(timeout_s):
        return await call(client.aio)


_NO_ANSWER = "Gemini gave no usable answer"


def _describe_refusal(status: int) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "Gemini takes no more requests for now: try again later"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Gemini is not available: try again later"
    return "Gemini refused the request"


def _report_failure(reason: Exception | None, message: str, status: int | None = None) -> UpstreamFailed:
    """Log the kind of failure, and answer what to raise."""
    report_upstream_failure("gemini", type(reason).__name__ if reason else "NoAnswer", status)
    return UpstreamFailed(message)


def _make_options(version: str, timeout_s: float, attempts: int) -> Any:
    from google.genai import types

    again = types.HttpRetryOptions(
        attempts=attempts,
        initial_delay=_FIRST_WAIT_S,
        jitter=_JITTER_S,
        max_delay=_LONGEST_WAIT_S,
        http_status_codes=list(_AGAIN),
    )
    return types.HttpOptions(api_version=version, timeout=int(timeout_s * 1000), retry_options=again)


@cache_results()
def _open_client(key: str, base_url: str | None) -> "Client":
    """Open a client, or answer the one there is. It keeps no connection for the next call: each call has an
    event loop of its own, and connections end with their loop.
    """
    import httpx2
    from google import genai
    from google.genai import types

    logging.getLogger("google_genai").setLevel(logging.CRITICAL)  # it logs what Gemini says
    connections = {"limits": httpx2.Limits(max_keepalive_connections=0), "follow_redirects": False}
    options = types.HttpOptions(base_url=base_url, async_client_args=connections)
    return genai.Client(vertexai=False, api_key=key, http_options=options)
