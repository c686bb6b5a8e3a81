"""The scripts: who says what, which tools are called meanwhile, and what must come of it.

    title, channel, caller    shown; `channel` is sent
    persona, tools, state     what the app must have at the start
    turns[]                   user says, calls[] are made, agent says
      violations[]            what guardrails find in what the user says; where one of them blocks, the agent
                              says its message instead
      calls[]                 tool, parameters, `data` it must answer, `changes` of the scenario's state
                              {list: {id: {key: new value}}}, `brief`: a format of `data` to be shown
    scenario                  what QA expects of the conversation
    announced[]               events that the app's address is told of, in their order
    ends                      the status in which the conversation must be found afterwards

`!matches <regular expression>` stands for a text that cannot be known before.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

_FOLDER = Path(__file__).parent / "scripts"


class _ScriptPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_ScriptPart):
    tool: str
    parameters: dict[str, Any]
    data: dict[str, Any]
    changes: dict[str, dict[str, dict[str, Any]]] = {}
    brief: str


class Turn(_ScriptPart):
    user: str
    violations: tuple[dict[str, Any], ...] = ()
    calls: tuple[Call, ...] = ()
    agent: str = ""


class Script(_ScriptPart):
    app: str
    title: str
    channel: str
    caller: str
    persona: dict[str, str]
    tools: list[str]
    state: dict[str, Any] | None
    turns: tuple[Turn, ...]
    scenario: dict[str, Any]
    announced: tuple[str, ...] = ()
    ends: str


class _Loader(yaml.SafeLoader):
    """Knows `!matches`, and leaves `2026-04-07` a text, as it is in JSON."""


_Loader.add_constructor("!matches", lambda loader, node: re.compile(str(node.value), re.DOTALL))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(app: str) -> Script:
    """Read the script of a demo app."""
    text = (_FOLDER / f"{app}.yaml").read_text(encoding="utf-8")
    loaded = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, and our own file
    return Script(app=app, **loaded)
