"""Live tokens of the served API: without a key for Gemini, and with one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.served import Served, serving
from tests.support.gemini import serve_gemini


def test_without_a_key_the_start_message_and_the_reply_say_what_to_set(served: Served) -> None:
    assert "GEMINI_API_KEY is not set" in served.wait_for("Ctrl-C to stop")
    with served.client() as client:
        reply = client.call("POST", "/api/token", {})
    details = "Gemini is not set up: GEMINI_API_KEY is missing"
    assert (reply.status_code, reply.json()) == (500, {"error": "Token creation failed", "details": details})


def test_with_a_key_many_at_once_get_their_tokens(tmp_path: Path) -> None:
    with serve_gemini() as gemini:
        variables = {"GEMINI_API_KEY": "a-key", "GEMINI_BASE_URL": gemini.url}
        with serving(tmp_path, **variables) as service, service.client() as client:
            assert "asked with GEMINI_API_KEY" in service.output
            with ThreadPoolExecutor(8) as people:
                replies = list(people.map(lambda _: client.call("POST", "/api/token", {}), range(24)))
    assert {each.status_code for each in replies} == {200}
    assert len(gemini.requests) == 24
