"""Calls of functions that no client waits for. Failures are told on the terminal, with their cause in the
log.
"""

import json
from typing import Any
from uuid import uuid4

from local.serve.threads import ShareTaken
from local.serve.worker_pool import HandlerFailed, WorkerLost, WorkerPool


class InvocationFailed(Exception):
    """The function has failed, and the terminal was told."""


async def invoke(workers: WorkerPool, function: str, event: dict[str, Any], of: str) -> Any:
    """Call a function, within its own timeout, and return what it has returned. `of` names for a person what
    it is called with. Raises InvocationFailed.
    """
    called = workers.template.functions.get(function)
    if called is None:
        reason = "template.yaml has it no more"
    else:
        try:
            content = json.dumps(event, ensure_ascii=False).encode()
            return json.loads(await workers.call(function, str(uuid4()), content, called.timeout_s))
        except HandlerFailed:
            reason = "it raised an error"
        except WorkerLost:
            reason = "its process has ended"
        except ShareTaken:
            reason = "all threads that it may take are busy"
        except TimeoutError:
            reason = f"it took longer than its {called.timeout_s} s"
    print(f"{function} has failed on {of}: {reason}. See {workers.log}.", flush=True)
    raise InvocationFailed
