"""The documents of the repository as tests read them: code blocks, links and headings."""

import re

from tests.support.service import ROOT

PAGES = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^ *```.*?^ *```$", re.M | re.S)


def read_page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def list_code_blocks(page: str) -> list[str]:
    """What stands between fences, without them."""
    return [block.partition("\n")[2].rpartition("\n")[0] + "\n" for block in _FENCE.findall(page)]


def list_links(page: str) -> list[str]:
    """Targets of links, also of those to other sites."""
    return re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page))


def list_paths(page: str) -> list[str]:
    """Files of the repository that the text names in backticks."""
    return re.findall(r"`(\w[\w./-]*\.(?:py|yaml|toml|md|json))`", _FENCE.sub("", page))


def list_anchors(page: str) -> set[str]:
    """What may follow `#` in a link to this page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def list_commands(page: str, program: str) -> list[str]:
    """The lines of code blocks that begin with this program, joined where they go on in the next."""
    lines = "".join(list_code_blocks(page)).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith(f"{program} ")]
