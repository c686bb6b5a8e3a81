"""Play a recorded conversation to the service in this process, as warm functions serve it."""

from collections.abc import Iterator
from dataclasses import dataclass

from genai_voice.tenancy.resolver import forget_callers

from bench.conversation import Conversation, Request
from bench.workload import Event, Reply
from local.serve.template import Function
from tests.support.service import load_function, load_template, make_event

_KNOWN_S = 30  # how long a process knows a caller


@dataclass(frozen=True, slots=True)
class Step:
    """A request of the conversation that is to be sent now."""

    request: Request
    event: Event
    served_by: Function

    def send(self) -> Reply:
        """Raises AssertionError where the request is refused."""
        reply: Reply = load_function(self.served_by.folder.name).handler(self.event, None)
        if reply["statusCode"] != 200:
            raise AssertionError(f"{self.request.path} is answered {reply}")
        return reply


def play(conversation: Conversation) -> Iterator[Step]:
    """Its requests in the order of time: whoever iterates sends them.

    One warm instance of each function, alone with this conversation: it looks its caller up every 30 s.
    """
    known_s: dict[str, float] = {}
    for request in conversation.list_requests():
        served = _find_function(request)
        group = served.folder.name
        if request.at_s - known_s.get(group, -_KNOWN_S) >= _KNOWN_S:
            forget_callers()
            known_s[group] = request.at_s
        event = make_event(request.method, request.path, body=request.body, headers=request.headers)
        yield Step(request, event, served)


def _find_function(request: Request) -> Function:
    found = load_template().find(request.method, request.path)
    if found is None:
        raise AssertionError(f"nobody serves {request.path}")
    return load_template().functions[found[1]]
