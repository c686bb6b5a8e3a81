"""How an endpoint is declared: its route, what it wants of a request, and what it may refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from inspect import signature
from typing import Any, get_type_hints

from typing_extensions import TypedDict

from genai_voice.foundation.errors import (
    BadRequest,
    Busy,
    Refused,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)

MEGABYTE = 1024 * 1024
_PARAMETERS = {"caller", "body", "query", "trace_id", "credentials"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One declaration, from which the route, the checks and the generated tests are made."""

    method: str
    path: str
    call: Callable[..., Any]
    wants: Mapping[str, Any]
    """Parameter names and their types."""
    reply: Any
    """The TypedDict answered."""
    caller_first: bool = False
    """Whether credentials are checked before the input (contract 2.4)."""
    scope: str = "runtime"
    """What the caller must be allowed: `runtime` (hold conversations), `manage` (change what agents say and
    do) or `secret` (what no session token may).
    """
    body_limit: int = MEGABYTE
    """Bytes."""
    lenient_body: bool = False
    """Whether a body that is no JSON object counts as {}."""
    headers_as_body: bool = False
    """Whether X-App-Slug and Bearer stand for the body's appSlug and appSecret, and win."""
    status: int = HTTPStatus.OK
    """Of a reply that is no refusal."""
    raises: tuple[type[Refused], ...] = ()
    """The refusals of its use case, beside those that `refusals` derives."""

    @property
    def takes_body(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def refusals(self) -> list[int]:
        """Every status that it may refuse with, ascending. 500 is not among them: that is a bug."""
        found: set[type[Refused]] = set(self.raises)
        if {"query", "trace_id"} & self.wants.keys():
            found |= {BadRequest}
        if self.takes_body:  # credentials may be in the body
            found |= {BadRequest, TooLarge}
        if {"caller", "credentials"} & self.wants.keys():
            found |= {Unauthorized, TooManyRequests, Busy}  # 429: wrong secrets are slowed
        return sorted(each.status for each in found)


class Options(TypedDict, total=False):
    """The options of a declaration beside its route: see `Endpoint`."""

    caller_first: bool
    scope: str
    body_limit: int
    lenient_body: bool
    headers_as_body: bool
    status: int
    raises: tuple[type[Refused], ...]


def declare_endpoint(method: str, path: str, call: Callable[..., Any], options: Options) -> Endpoint:
    """Declare what serves a route by the signature of `call`. Raises TypeError with a sentence for whoever
    declares it, where the endpoint could not be served.
    """
    name, types = f"{method} {path}: {call.__name__}", get_type_hints(call)
    for parameter in signature(call).parameters:
        if parameter not in _PARAMETERS:
            may_have = ", ".join(sorted(_PARAMETERS))
            raise TypeError(f"{name} has the parameter {parameter}, and an endpoint may have {may_have}.")
        if parameter not in types:
            raise TypeError(f"{name} does not say the type of {parameter}.")
    if "return" not in types:
        raise TypeError(f"{name} does not say the type of its reply.")
    reply = types.pop("return")
    return Endpoint(method=method, path=path, call=call, wants=types, reply=reply, **options)
