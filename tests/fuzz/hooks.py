"""What schemathesis is told beside the document: who asks, and what else no reply may be."""

import os
from typing import Any

import schemathesis

from tests.fuzz.tenants import MINE, OF_THE_OTHER, OTHER, SECRET

Json = dict[str, Any]
Case = schemathesis.Case[Any]


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: Json) -> None:
    """A reply may have no key that is not declared; a query is often one that finds something."""
    operations = [each for methods in raw_schema["paths"].values() for each in methods.values()]
    schemas = raw_schema["components"]["schemas"]
    for name in _referred(schemas, [_success(each) for each in operations]):
        schemas[name]["additionalProperties"] = False
    for parameter in (each for operation in operations for each in operation.get("parameters", ())):
        known = [each["value"] for each in parameter.get("examples", {}).values()]
        known += [MINE, OTHER] if parameter["name"] == "appSlug" else []
        known += ["true"] if parameter["name"] == "all" else []
        if known:
            parameter["schema"] = {"anyOf": [{"type": "string", "enum": known}, parameter["schema"]]}


def _success(operation: Json) -> Json:
    return next(response for status, response in operation["responses"].items() if status.startswith("2"))


def _referred(schemas: Json, value: Any) -> set[str]:
    """The names of all schemas that it leads to."""
    if isinstance(value, dict) and "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return {name} | _referred(schemas, schemas[name])
    parts: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*(_referred(schemas, each) for each in parts))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Case, kwargs: Json) -> None:
    """A token of one tenant, beside the name of the other; the secret where tokens are not accepted."""
    accepted = case.operation.definition.raw.get("security", ())
    if case.path == "/api/auth/session" or (accepted and {"sessionToken": []} not in accepted):
        case.headers.update({"Authorization": f"Bearer {SECRET}", "X-App-Slug": MINE})
    else:
        token = os.environ["SESSION_TOKEN"]
        case.headers.update({"Authorization": f"Bearer {token}", "X-App-Slug": OTHER})


@schemathesis.check
def NoRowOfAnotherTenant(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    seen = [word for word in OF_THE_OTHER if word in response.text]
    assert not seen, f"A reply to {MINE} shows what is {OTHER}'s: {', '.join(seen)}"


@schemathesis.check
class EverythingSucceedsOnce:
    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._answered: set[str] = set()

    def after_response(
        self, context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
    ) -> None:
        self._asked.add(case.operation.label)
        if response.status_code in (200, 201):  # 204 is a preflight that was tried in its place
            self._answered.add(case.operation.label)

    def after_run(self, context: schemathesis.CheckContext) -> None:
        print(f"Answered with success: {len(self._answered)} of {len(self._asked)} operations")
        never = sorted(self._asked - self._answered)
        assert not never, f"Never answered with success: {', '.join(never)}"
