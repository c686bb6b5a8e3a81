"""Traces: everything that happened under one trace id, in the order of time."""

from genai_voice.tenancy import Api, Caller
from genai_voice.traces import service
from genai_voice.traces.model import TimelinePage, TraceQuery

api = Api()


@api.get("/api/traces")
def read_timeline(caller: Caller, query: TraceQuery) -> TimelinePage:
    """Read what happened under a trace id, ascending by time."""
    return service.read_timeline(caller.app.slug, query)


handler = api.handle
