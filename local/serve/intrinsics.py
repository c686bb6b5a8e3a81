"""CloudFormation's intrinsic functions in a variable's value, as far as one machine can resolve them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PLACE = re.compile(r"\$\{(!?)([^}]+)\}")
_PSEUDO = (
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
)


class UnknownName(Exception):
    """A reference to something that the template does not have. The message names it and its place."""


@dataclass(frozen=True)
class Intrinsics:
    """Resolves what is known on this machine. What only AWS knows, such as a resource's address, is None."""

    values: Mapping[str, str]
    """What a Ref to these names gives: parameters and tables."""
    names: frozenset[str]
    """All resources."""
    conditions: Mapping[str, Any]

    def resolve(self, value: Any, where: str) -> str | None:
        """Resolve a value. Raises UnknownName for a reference to nothing; `where` is for its message."""
        if isinstance(value, dict) and len(value) == 1:
            return self._resolve_call(*next(iter(value.items())), where)
        if isinstance(value, dict | list):
            raise UnknownName(f"{where} is neither text nor a number nor a CloudFormation function")
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else str(value)

    def _resolve_call(self, function: str, argument: Any, where: str) -> str | None:
        match function, argument:
            case "Ref", str():
                return self._resolve_ref(argument, where)
            case "Fn::Sub", str():
                return self._resolve_sub(argument, {}, where)
            case "Fn::Sub", [str() as text, dict() as given]:
                return self._resolve_sub(text, given, where)
            case "Fn::GetAtt", [str() as name, *_]:
                self._check_known(name, where)
            case "Fn::If", [str() as condition, then, otherwise]:
                return self._resolve_if(condition, then, otherwise, where)
            case "Fn::Join", [str() as between, list() as parts]:
                return self._resolve_join(between, parts, where)
        return None

    def _resolve_ref(self, name: str, where: str) -> str | None:
        self._check_known(name, where)
        return self.values.get(name)

    def _check_known(self, name: str, where: str) -> None:
        if name not in self.values and name not in self.names and name not in _PSEUDO:
            raise UnknownName(f"{where} refers to {name}, which is neither a parameter nor a resource")

    def _resolve_sub(self, text: str, given: Mapping[str, Any], where: str) -> str | None:
        parts: dict[str, str] = {}
        for literal, name in _PLACE.findall(text):
            if literal:
                continue
            part = self.resolve(given[name], where) if name in given else self._resolve_place(name, where)
            if part is None:
                return None
            parts[name] = part
        return _PLACE.sub(lambda found: f"${{{found[2]}}}" if found[1] else parts[found[2]], text)

    def _resolve_place(self, name: str, where: str) -> str | None:
        resource, dot, _ = name.partition(".")
        if not dot:
            return self._resolve_ref(name, where)
        self._check_known(resource, where)
        return None

    def _resolve_join(self, between: str, parts: list[Any], where: str) -> str | None:
        resolved = [self.resolve(part, where) for part in parts]
        known = [part for part in resolved if part is not None]
        return between.join(known) if len(known) == len(parts) else None

    def _resolve_if(self, condition: str, then: Any, otherwise: Any, where: str) -> str | None:
        holds = self._evaluate({"Condition": condition}, where)
        return None if holds is None else self.resolve(then if holds else otherwise, where)

    def _evaluate(self, expression: Any, where: str) -> bool | None:
        """Evaluate a condition. Returns None when it depends on something that only AWS knows."""
        match expression:
            case {"Condition": str() as name}:
                if name not in self.conditions:
                    raise UnknownName(f"{where} depends on the condition {name}, which does not exist")
                return self._evaluate(self.conditions[name], where)
            case {"Fn::Equals": [left, right]}:
                known = self.resolve(left, where), self.resolve(right, where)
                return None if None in known else known[0] == known[1]
            case {"Fn::Not": [inner]}:
                holds = self._evaluate(inner, where)
                return None if holds is None else not holds
            case {"Fn::And": list() as inner}:
                return _evaluate_and([self._evaluate(each, where) for each in inner])
            case {"Fn::Or": list() as inner}:
                none = _evaluate_and(
                    [None if (holds := self._evaluate(each, where)) is None else not holds for each in inner]
                )
                return None if none is None else not none
        return None


def _evaluate_and(answers: list[bool | None]) -> bool | None:
    """Return False where one is false, else None where one is unknown, else True."""
    if False in answers:
        return False
    return None if None in answers else True
