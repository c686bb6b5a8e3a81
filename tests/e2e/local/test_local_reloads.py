"""Edited code is live without a restart, and broken code is not."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.local.service import ECHO, TEMPLATE, Project, Service, body_of

Start = Callable[..., Service]


def greets(service: Service, greeting: str) -> Callable[[], bool]:
    return lambda: body_of(service.get("/echo"))["greeting"] == greeting


def test_edited_code_is_live(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    project.write("layers/core/genai_voice/words.py", 'GREETING = "howdy"\n')
    service.wait_until(greets(service, "howdy"))
    project.write("functions/echo/app.py", ECHO.replace('"greeting": GREETING', '"greeting": "edited"'))
    service.wait_until(greets(service, "edited"))
    assert "Reloaded: functions/echo/app.py" in service.output


def test_edits_of_the_same_length_in_the_same_second_are_seen(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    file = project.root / "layers/core/genai_voice/words.py"
    second = int(time.time())
    for greeting in ("aaaaa", "bbbbb", "ccccc"):
        file.write_text(f'GREETING = "{greeting}"\n')
        os.utime(file, (second, second))
        service.wait_until(greets(service, greeting))


def test_an_edit_that_does_not_import_keeps_the_last_working_code(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    project.write("functions/echo/app.py", "def handler(event, context:\n")
    told = service.wait_for("Not reloaded, the last working code stays: ")
    assert "functions/echo/app.py, line 1: SyntaxError: '(' was never closed" in told
    assert "Traceback" not in told
    assert greets(service, "hello")()
    project.write("functions/echo/app.py", ECHO.replace("GREETING}", "GREETING}").replace("hello", "x"))
    service.wait_for("Reloaded: functions/echo/app.py")
    assert greets(service, "hello")()


def test_no_request_is_lost_while_code_changes(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(service.get, "/echo?sleep=0.3") for _ in range(60)]
        for greeting in ("one", "two"):
            project.write("layers/core/genai_voice/words.py", f'GREETING = "{greeting}"\n')
            service.wait_until(greets(service, greeting))
    assert {each.result().status_code for each in answers} == {200}


def test_requests_that_wait_go_to_the_new_worker(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    with ThreadPoolExecutor(60) as clients:
        answers = [clients.submit(service.get, "/echo?sleep=1.5") for _ in range(48)]
        time.sleep(0.5)
        project.write("layers/core/genai_voice/words.py", 'GREETING = "howdy"\n')
    assert {each.result().status_code for each in answers} == {200}
    assert {body_of(each.result())["greeting"] for each in answers} == {"hello", "howdy"}


def test_an_edited_template_is_live_and_a_broken_one_is_not(start: Start, project: Project) -> None:
    service = start()
    assert service.get("/added").status_code == 404
    project.write("template.yaml", TEMPLATE.replace("Path: /trouble", "Path: /added"))
    service.wait_until(lambda: "nothing at /added for GET /added" in service.get("/added").text)
    project.write("template.yaml", TEMPLATE.replace("Path: /trouble", "Path: trouble"))
    service.wait_for("template.yaml: TroubleFunction.Events.Any must have a Path that starts with /.")
    assert "for GET /added" in service.get("/added").text


def test_after_a_crash_of_broken_code_the_next_edit_brings_it_back(start: Start, project: Project) -> None:
    service = start()
    service.wait_until(greets(service, "hello"))
    project.write("functions/echo/app.py", "import nothing\n")
    service.wait_for("Not reloaded")
    service.get("/trouble?kind=crash")
    service.wait_for("The functions cannot be served: functions/echo/app.py, line 1: ModuleNotFoundError")
    assert service.get("/echo").status_code == 503
    project.write("functions/echo/app.py", ECHO)
    service.wait_until(lambda: service.get("/echo").status_code == 200)


def test_old_workers_end(start: Start, project: Project) -> None:
    service = start()
    for greeting in ("one", "two", "three"):
        project.write("layers/core/genai_voice/words.py", f'GREETING = "{greeting}"\n')
        service.wait_until(greets(service, greeting))
    service.wait_until(lambda: len(service.processes()) == 3)
