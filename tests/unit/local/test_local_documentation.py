"""The page that shows the API needs nothing that is not here."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from local.project import Project
from local.serve.documentation import Documentation
from local.serve.gateway import HttpReply

HERE = Documentation(Project.read({}).openapi)
REFERENCE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]?([^'\";]+)")


class References(HTMLParser):
    """What a page loads, and the scripts that stand in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name in ("src", "href")]
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def found(path: str) -> HttpReply:
    reply = HERE.find("GET", path)
    assert reply is not None, path
    assert reply.body
    return reply


def header(reply: HttpReply, name: str) -> str:
    return dict(reply.headers)[name]


def test_everything_that_the_page_loads_is_served_here() -> None:
    page = References(found("/docs").body.decode())
    assert page.inline == [], "the policy forbids them"
    assert len(page.found) == 4
    for path in page.found:
        assert path.startswith("/docs/")
        assert header(found(path), "content-type").startswith(("image/", "text/css", "text/javascript"))


def test_its_styles_load_nothing() -> None:
    style = found("/docs/swagger-ui.css").body.decode()
    loaded = [one or other for one, other in REFERENCE.findall(style)]
    assert [each for each in loaded if not each.startswith("data:")] == []


def test_it_shows_the_document_and_asks_nobody_whether_that_is_valid() -> None:
    start = found("/docs/start.js").body.decode()
    assert 'url: "/openapi.json"' in start
    assert "validatorUrl: null" in start
    assert "://" not in start
    assert json.loads(found("/openapi.json").body)["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/openapi.json"])
def test_the_policy_lets_nothing_in_from_outside(path: str) -> None:
    rules = dict(rule.split(" ", 1) for rule in header(found(path), "content-security-policy").split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    allowed = {source for sources in rules.values() for source in sources.split()}
    assert allowed == {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert header(found(path), "x-content-type-options") == "nosniff"


def test_it_can_show_this_version_of_openapi() -> None:
    version = re.search(rb'PACKAGE_VERSION:"(\d+)\.', found("/docs/swagger-ui-bundle.js").body)
    assert version
    assert int(version[1]) >= 5, "Swagger UI reads 3.1 from 5 on"


def test_the_root_leads_a_browser_to_the_page() -> None:
    reply = HERE.find("GET", "/")
    assert reply == HttpReply(302, [("location", "/docs")], b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/docs"),
        ("GET", "/docs/"),
        ("GET", "/docs/../core.py"),
        ("GET", "/api/health"),
        ("POST", "/"),
    ],
)
def test_all_else_is_left_to_the_functions(method: str, path: str) -> None:
    assert HERE.find(method, path) is None


def test_a_project_without_a_document_has_no_page(tmp_path: Path) -> None:
    elsewhere = Documentation(tmp_path / "openapi.json")
    assert [elsewhere.find("GET", path) for path in ("/", "/docs", "/openapi.json")] == [None] * 3
