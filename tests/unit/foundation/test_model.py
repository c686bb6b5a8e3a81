"""Requests: what is missing, what is refused, what is invalid, and which is said first (contract 1.5)."""

from typing import Annotated, Any, ClassVar

import pytest
from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Name,
    Number,
    OrDefault,
    PageSize,
    Request,
    Time,
    add_optional,
    limit_bytes,
    parse,
    refuse,
)
from pydantic import BeforeValidator
from typing_extensions import TypedDict


class Item(TypedDict):
    name: Name
    at: Time


def _known(value: object) -> object:
    if value != "known":
        raise refuse("Unknown kind")
    return value


class Sample(Request):
    missing: ClassVar[str] = "Something is missing"

    first_name: Name
    items: list[Item]
    kind: EnumOrDefault[Annotated[str, BeforeValidator(_known)] | None] = None
    number: Number | None = None
    flag: OrDefault[bool] = True
    note: Annotated[str, limit_bytes(5)] | None = None
    label: Label | None = None


VALID: dict[str, Any] = {"firstName": "x", "items": []}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "Something is missing"),
    "null": ({"firstName": None, "items": []}, "Something is missing"),
    "empty text": ({"firstName": "", "items": []}, "Something is missing"),
    "an array of another type": ({"firstName": "x", "items": "x"}, "Something is missing"),
    "missing before refused": ({"firstName": "x", "kind": "odd"}, "Something is missing"),
    "missing before invalid": ({"firstName": 5}, "Something is missing"),
    "refused before invalid": (VALID | {"firstName": 5, "kind": "odd"}, "Unknown kind"),
    "the first invalid": (VALID | {"firstName": 5, "number": "x"}, "Invalid field: firstName"),
    "inside an item": (
        VALID | {"items": [{"name": "x", "at": 1}, {"name": 5, "at": 1}]},
        "Invalid field: items[1].name",
    ),
    "missing in an item": (VALID | {"items": [{"name": "x"}]}, "Invalid field: items[0].at"),
    "empty in an item": (VALID | {"items": [{"name": "", "at": 1}]}, "Invalid field: items[0].name"),
    "a list for a text": (VALID | {"firstName": []}, "Invalid field: firstName"),
    "an object named as a branch": (VALID | {"number": {"constrained-int": 1}}, "Invalid field: number"),
    "no item": (VALID | {"items": [None]}, "Invalid field: items[0]"),
    "a negative time": (VALID | {"items": [{"name": "x", "at": -1}]}, "Invalid field: items[0].at"),
    "text for a number": (VALID | {"number": "5"}, "Invalid field: number"),
    "a boolean for a number": (VALID | {"number": True}, "Invalid field: number"),
    "a number too large": (VALID | {"number": 10**15}, "Invalid field: number"),
    "a number too small": (VALID | {"number": 1e-101}, "Invalid field: number"),
    "a number for a boolean": (VALID | {"flag": 1}, "Invalid field: flag"),
    "too many bytes": (VALID | {"note": "ééé"}, "Invalid field: note (over 5 bytes)"),
    "too many characters": (
        VALID | {"label": "x" * 1001},
        "Invalid field: label (String should have at most 1000 characters)",
    ),
}


@pytest.mark.parametrize(("data", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_request_is_told_its_first_fault(data: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(Sample, data)
    assert refused.value.message == text


ACCEPTED: dict[str, tuple[dict[str, Any], str, Any]] = {
    "null is absent": (VALID | {"note": None}, "note", None),
    "null is the default": (VALID | {"flag": None}, "flag", True),
    "an empty enumeration is absent": (VALID | {"kind": ""}, "kind", None),
    "an empty label is a value": (VALID | {"label": ""}, "label", ""),
    "a fraction": (VALID | {"number": 0.5}, "number", 0.5),
    "zero": (VALID | {"number": 0.0}, "number", 0.0),
    "the smallest": (VALID | {"number": -1e-100}, "number", -1e-100),
    "the largest": (VALID | {"number": 10**15 - 1}, "number", 10**15 - 1),
    "unknown keys": (VALID | {"unknown": 1}, "first_name", "x"),
    "five bytes": (VALID | {"note": "éé1"}, "note", "éé1"),
}


@pytest.mark.parametrize(("data", "field", "value"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_right_request_is_read(data: dict[str, Any], field: str, value: object) -> None:
    read = getattr(parse(Sample, data), field)
    assert (read, type(read)) == (value, type(value))


class Listed(Request):
    limit: PageSize = 200


LIMITS: dict[str, tuple[object, int]] = {
    "a number": ("7", 7),
    "the least": ("1", 1),
    "the most": ("500", 500),
    "more": ("501", 500),
    "far more": ("9" * 5_000, 500),
    "more than a float holds": ("1e999", 500),
    "a whole number with a point": ("7.0", 7),
    "a fraction": ("7.5", 200),
    "zero": ("0", 200),
    "negative": ("-1", 200),
    "far below": ("-1e999", 200),
    "less than one": ("0.5", 200),
    "no number": ("x", 200),
    "empty": ("", 200),
    "blank": (" ", 200),
    "not a number": ("NaN", 200),
    "null": (None, 200),
}


@pytest.mark.parametrize(("sent", "limit"), LIMITS.values(), ids=LIMITS.keys())
def test_a_limit_is_a_whole_number_from_1_to_500_or_the_default(sent: object, limit: int) -> None:
    assert parse(Listed, {"limit": sent}).limit == limit
    assert parse(Listed, {}).limit == 200


def test_optional_fields_without_a_value_are_left_out_of_a_view() -> None:
    view: dict[str, Any] = {"id": "x"}
    shown = add_optional(view, note=None, empty="", zero=0, off=False, label="y")
    assert shown is view
    assert shown == {"id": "x", "empty": "", "zero": 0, "off": False, "label": "y"}
