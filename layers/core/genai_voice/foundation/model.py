"""Types that requests and replies are declared with: the base of request models, field types with their
limits, and the two common replies.

Requests are pydantic models, strict, in snake_case here and camelCase on the wire. Replies are TypedDicts
with the keys of the wire, so that `NotRequired` says "left out when absent" and `| None` says "null".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticUseDefault, from_json, to_json
from typing_extensions import TypedDict

from genai_voice.foundation.errors import BadRequest

T = TypeVar("T")
M = TypeVar("M", bound="Request")
V = TypeVar("V", bound=Mapping[str, Any])

_LARGEST = 10**15  # numbers below it are exact in JSON, JavaScript and DynamoDB alike
SMALLEST = 1e-100  # DynamoDB underflows below 1e-130
LATEST_MS = 10**14  # in the year 5138: what is more does not count milliseconds
MAX_LISTED = 500
MAX_LABEL = 1_000  # characters


class Request(BaseModel):
    """A body or a query. Unknown keys are ignored; a required field that is absent, null or "" answers
    `missing`.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, alias_generator=to_camel)

    missing: ClassVar[str] = "Missing required fields"


class Scoped(Request):
    """A query that may name an app. `all` changes nothing: a credential sees its own app (contract 1.9)."""

    app_slug: str | None = None
    """Only what is this app's: of another than the caller's that is nothing."""

    def is_for(self, app: str) -> bool:
        """Whether the query asks for this app. If not, the answer is that of an app without data."""
        return self.app_slug in (None, "", app)


class Listing(Scoped):
    """The query of a list."""

    cursor: str | None = None
    """Where the page before ended: what its reply gave."""


class Ok(TypedDict):
    ok: bool


class Created(TypedDict):
    id: str


def add_optional(view: V, **fields: object) -> V:
    """Set those of the view's optional fields that have a value, and answer the view. A field that is None is
    left out, as `NotRequired` declares:

        view: MessageView = {"_id": row.message_id, ...}
        return add_optional(view, roomName=row.room_name, language=row.language or None)
    """
    cast(dict[str, Any], view).update({name: value for name, value in fields.items() if value is not None})
    return view


def refuse(message: str, *, missing: Sequence[str] = ()) -> PydanticCustomError:
    """Make the error that a validator raises to have exactly this text answered, with the names of what is
    missing.
    """
    return PydanticCustomError("refused", "{text}", {"text": message, "missing": missing})


def _use_default_if(*absent: object) -> BeforeValidator:
    """Take the field's default for these values."""

    def check(value: object) -> object:
        if any(value is each or (value == each == "") for each in absent):
            raise PydanticUseDefault
        return value

    return BeforeValidator(check)


def _check_storable(value: float) -> float:
    """Refuse a number that DynamoDB would store as another."""
    if value and abs(value) < SMALLEST:
        raise ValueError("too close to zero")
    return value


OrDefault = Annotated[T, _use_default_if(None)]
"""A field with a default that null stands for too."""
EnumOrDefault = Annotated[T, _use_default_if(None, "")]
"""An enumerated field: "" is absent as well."""
Name = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]
"""An identifier that clients make up: 1 to 1,000 characters."""
Label = Annotated[str, Field(max_length=MAX_LABEL)]
"""An optional short text, which may be empty."""
Text = Annotated[str, Field(min_length=1)]
"""Any text but an empty one."""
Number = (
    Annotated[int, Field(gt=-_LARGEST, lt=_LARGEST)]
    | Annotated[float, Field(gt=-_LARGEST, lt=_LARGEST, allow_inf_nan=False), AfterValidator(_check_storable)]
)
"""Finite; 0 or 1e-100 <= |x| < 1e15. Neither "5" nor true."""
Amount = (
    Annotated[int, Field(ge=0, lt=_LARGEST)]
    | Annotated[float, Field(ge=0, lt=_LARGEST, allow_inf_nan=False), AfterValidator(_check_storable)]
)
"""A number that is not negative."""
Time = Amount
"""Epoch milliseconds, fractions allowed."""
Moment = (
    Annotated[int, Field(ge=0, le=LATEST_MS)]
    | Annotated[float, Field(ge=0, le=LATEST_MS, allow_inf_nan=False), AfterValidator(_check_storable)]
)
"""A time that may be in seconds, and not in microseconds."""


def limit_bytes(limit: int, unit: str = "bytes") -> AfterValidator:
    """Limit a text to `limit` UTF-8 bytes."""

    def check(value: str) -> str:
        if len(value) > limit or len(value.encode()) > limit:
            raise PydanticCustomError("limit", "over {limit} {unit}", {"limit": f"{limit:,}", "unit": unit})
        return value

    return AfterValidator(check)


def limit_characters(limit: int) -> AfterValidator:
    """Limit a text to `limit` characters, whatever bytes they take."""

    def check(value: str) -> str:
        if len(value) > limit:
            raise PydanticCustomError("limit", "over {limit} characters", {"limit": f"{limit:,}"})
        return value

    return AfterValidator(check)


def _read_page_size(value: object) -> object:
    """Read the size of a page (contract 1.8): what is no whole number from 1 on is absent, more than 500 is
    500.
    """
    try:
        wanted = float(str(value))
    except ValueError:
        raise PydanticUseDefault from None
    if wanted >= MAX_LISTED:
        return MAX_LISTED
    if not (wanted >= 1 and wanted.is_integer()):  # nan is neither
        raise PydanticUseDefault
    return int(wanted)


PageSize = Annotated[int, BeforeValidator(_read_page_size)]
"""The `limit` of a list: `limit: PageSize = 200` takes any text, and the default where it is no limit."""


def check_finite(value: T) -> T:
    """Check that JSON data can be written as JSON again. Raises ValueError where it holds an infinity, which
    1e999 is read as.
    """
    text = to_json(value)
    if b"Infinity" in text:
        from_json(text, allow_inf_nan=False)
    return value


def limit_json_bytes(limit: int) -> AfterValidator:
    """Limit JSON data to a text of `limit` bytes, with finite numbers."""

    def check(value: T) -> T:
        if len(to_json(value)) > limit:
            raise PydanticCustomError("limit", "over {limit} bytes", {"limit": f"{limit:,}"})
        return check_finite(value)

    return AfterValidator(check)


def parse_json_object(text: str) -> dict[str, Any]:
    """Parse the text of a JSON object. Raises ValueError for anything else, NaN and infinity included."""
    value = check_finite(from_json(text, allow_inf_nan=False))
    if not isinstance(value, dict):
        raise ValueError("must be the text of a JSON object")
    return value


def _check_json_object(text: str) -> str:
    parse_json_object(text)
    return text


LongText = Annotated[str, limit_characters(10_000)]
"""A paragraph or a few that somebody says or writes about a call, in any script."""
PromptText = Annotated[str, limit_bytes(10_000)]
"""A paragraph or a few of what an agent is told."""
Prompt = Annotated[Text, limit_bytes(100_000)]
"""An agent's instructions. With all the texts of an app or a persona at their limits its row stays below
DynamoDB's 400 KB.
"""
JsonObjectText = Annotated[
    str, limit_bytes(50_000), AfterValidator(_check_json_object), Field(examples=["{}"])
]
"""JSON as text, as some fields are sent."""


def limit_items(limit: int) -> AfterValidator:
    """Limit a list to so many items."""

    def check(value: list[T]) -> list[T]:
        if len(value) > limit:
            raise PydanticCustomError("limit", "over {limit} items", {"limit": f"{limit:,}"})
        return value

    return AfterValidator(check)


def parse(model: type[M], data: Mapping[str, Any]) -> M:
    """Validate a request. Raises BadRequest with the contract's text for the first fault, and with the names
    of all fields that are missing.

    Missing fields come before refusals with a text of their own, and these before invalid fields; each kind
    in the order of declaration. A field that is missing in an item of a list is an invalid one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        faults = invalid.errors(include_url=False)
        raise BadRequest(_describe_first(model, data, faults), list(_list_missing(model, faults))) from None


def _describe_first(model: type[Request], data: Mapping[str, Any], faults: list[ErrorDetails]) -> str:
    for applies, text in _PRECEDENCE:
        for fault in faults:
            if applies(model, fault):
                return text(model, data, fault)
    raise AssertionError("a validation error without a fault")


def _list_missing(model: type[Request], faults: list[ErrorDetails]) -> Iterator[str]:
    """List the names of the fields that are missing."""
    for fault in faults:
        if _is_missing(model, fault):
            yield ".".join(map(str, fault["loc"]))
        yield from fault.get("ctx", {}).get("missing", ())


def _is_missing(model: type[Request], fault: ErrorDetails) -> bool:
    """Whether the fault is that a required field is missing, of the request or of a request inside it."""
    field, *inner = fault["loc"] or ("",)  # of the whole request where a validator of the model refuses it
    declared = next((each for each in model.model_fields.values() if each.alias == field), None)
    if declared is None or not declared.is_required():
        return False
    if inner:
        inside: Any = declared.annotation
        is_request = isinstance(inside, type) and issubclass(inside, Request)
        return is_request and _is_missing(inside, {**fault, "loc": tuple(inner)})
    absent = fault["type"] == "missing" or fault["input"] is None or fault["input"] == ""
    return absent or fault["type"] in ("list_type", "too_short")


def _find_path(data: Mapping[str, Any], fault: ErrorDetails) -> str:
    """Find the path to the faulty value, such as `messages[3].role`. Steps after it name a branch of a union
    and are left out.
    """
    path, here = "", cast(Any, data)
    for step in fault["loc"]:
        if here is fault["input"] and fault["type"] != "missing":
            break
        if isinstance(step, int) and isinstance(here, list):
            path, here = f"{path}[{step}]", here[step]
        elif isinstance(here, Mapping) and (step in here or fault["type"] == "missing"):
            path, here = f"{path}.{step}" if path else str(step), here.get(step)
        else:
            break
    return path


_LIMITS = {"limit", "string_too_long", "too_long"}


def _describe_invalid(model: type[Request], data: Mapping[str, Any], fault: ErrorDetails) -> str:
    path = _find_path(data, fault)
    return f"Invalid field: {path} ({fault['msg']})" if fault["type"] in _LIMITS else f"Invalid field: {path}"


_Text = Callable[[type[Request], Mapping[str, Any], ErrorDetails], str]
_PRECEDENCE: tuple[tuple[Callable[[type[Request], ErrorDetails], bool], _Text], ...] = (
    (_is_missing, lambda model, data, fault: model.missing),
    (lambda model, fault: fault["type"] == "refused", lambda model, data, fault: fault["msg"]),
    (lambda model, fault: True, _describe_invalid),
)
