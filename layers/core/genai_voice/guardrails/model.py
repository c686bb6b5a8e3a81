"""Guardrails: requests, replies, and a rule as those who match it see it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NotRequired, get_args

from pydantic import BeforeValidator
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    Name,
    OrDefault,
    Request,
    Text,
    limit_bytes,
    limit_characters,
    refuse,
)
from genai_voice.guardrails.readings import MAX_CHARACTERS

Action = Literal["block", "warn", "log"]
Correctness = Literal["true_positive", "false_positive"]
MAX_RULES = 200
"""Of an app, inactive ones included."""

MAX_USER_MESSAGE_BYTES = 2_000

UserMessage = Annotated[str, limit_bytes(MAX_USER_MESSAGE_BYTES)]
"""What is said to the user: a sentence or a few. With all fields at their limits MAX_RULES rules fit a
reply.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """An active rule, as a check needs it."""

    id: str
    type: str
    pattern: str
    action: str
    user_message: str | None
    shadow: bool

    @property
    def is_blocking(self) -> bool:
        return self.action == "block" and not self.shadow


class CheckRequest(Request):
    session_id: Name
    content: Annotated[Text, limit_characters(MAX_CHARACTERS)]
    """What was said: at most 32,768 characters, also in Unicode's form NFKC; fewer where the rules of the app
    take over 3,000 steps.
    """
    direction: Literal["input", "output"]


class ViolatedRule(TypedDict):
    ruleId: str
    type: str
    action: str
    """`log` of a rule in shadow, whatever its own is."""
    userMessage: NotRequired[str]
    shadow: NotRequired[bool]


class CheckReply(TypedDict):
    allowed: bool
    violations: list[ViolatedRule]


# -- rules -------------------------------------------------------------------------------------------------


class NewRule(Request):
    type: Name
    pattern: Text
    """Comma-separated keywords for blocked_topic, jailbreak_detection and topic_boundary, else an
    expression.
    """
    action: Action
    user_message: UserMessage | None = None
    shadow: OrDefault[bool] = False
    """Whether it only records what it would have done."""


class RuleChange(Request):
    """What is absent or null stays."""

    missing: ClassVar[str] = "Missing required fields: ruleId"

    rule_id: Name
    type: Name | None = None
    pattern: Text | None = None
    action: EnumOrDefault[Action | None] = None
    user_message: UserMessage | None = None
    """"" for none."""
    is_active: bool | None = None
    shadow: bool | None = None

    @property
    def is_of_match(self) -> bool:
        """Whether it changes what the rule matches."""
        return self.type is not None or self.pattern is not None


class RuleReference(Request):
    missing: ClassVar[str] = "Missing required fields: ruleId"

    rule_id: Name


class RuleView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    type: str
    pattern: str
    action: str
    userMessage: NotRequired[str]
    isActive: bool
    shadow: bool
    createdAt: float
    problem: NotRequired[str]
    """Why it matches nothing."""
    matches: int
    """Checks in which it was violated, since it is there."""
    annotatedTrue: int
    annotatedFalse: int
    precision: float | None
    """Of its annotated violations the share of true positives; null below 5."""


class RuleList(TypedDict):
    rules: list[RuleView]
    cursor: NotRequired[str]


# -- violations --------------------------------------------------------------------------------------------


class ViolationQuery(Listing):
    session_id: str | None = None
    rule_id: str | None = None


def _check_correctness(value: object) -> object:
    if isinstance(value, str) and value not in get_args(Correctness):
        raise refuse("annotatedCorrectness must be 'true_positive' or 'false_positive'")
    return value


class ViolationAnnotation(Request):
    missing: ClassVar[str] = "Missing required fields: violationId, annotatedCorrectness"

    violation_id: Name
    annotated_correctness: Annotated[Correctness, BeforeValidator(_check_correctness)]
    annotated_by: OrDefault[Label] = "dashboard-user"


class ViolationView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    ruleId: str
    type: str
    direction: str
    content: str
    """The first 500 characters, without what a pii_filter rule matched."""
    action: str
    shadow: NotRequired[bool]
    annotatedCorrectness: NotRequired[str]
    annotatedBy: NotRequired[str]
    annotatedAt: NotRequired[float]
    createdAt: float


class ViolationPage(TypedDict):
    violations: list[ViolationView]
    cursor: NotRequired[str]
