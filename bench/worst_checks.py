"""What the dearest checks cost: families of texts and rules that were chosen to be dear, and what hypothesis
finds when it looks for dearer ones.

Each family is checked in a process of its own, once, with rules that were compiled and have matched nothing
yet. It costs the processor time of finding what is violated and of masking it, and the memory by which the
peak of the process grows. Finding is not ended by a deadline here: what it would cost without one is seen.
"""

import random
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from time import process_time

from genai_voice.demos.scenarios import SLUGS, load_scenario
from genai_voice.foundation.clock import Deadline
from genai_voice.foundation.errors import Refused
from genai_voice.guardrails.matching import MAX_STEPS_TOGETHER, MAX_WORK, Matcher, count_rule_steps
from genai_voice.guardrails.readings import MAX_CHARACTERS
from genai_voice.guardrails.service import MASKED_WITHIN_MS
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from bench.report import Figure, Findings, Sheet
from bench.resident import read_peak_mb

Rules = list[tuple[str, str]]
_EXAMPLES = 400
_COLUMNS = ("family", "rules", "steps", "characters", "ms", "MB", "what came of it")
_COUNTERS = "[ab]*a" + "[ab]{90}" * 10  # each state of 900 is a set of places: RE2 keeps few and forgets them
_MAX_RULES = 200


@dataclass(frozen=True, slots=True)
class Family:
    rules: Rules
    text: str
    is_demo: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    ms: float
    mb: float
    outcome: str


def measure() -> Findings:
    families = {**_make_dear_families(), **_make_demo_families()}
    costs = {name: _measure_apart(family) for name, family in families.items()}
    demos = [costs[name] for name, family in families.items() if family.is_demo]
    dear = [costs[name] for name, family in families.items() if not family.is_demo]
    return [
        Figure("the dearest check with a demo's rules", max(each.ms for each in demos), "ms", at_most=150),
        Figure("  its memory", max(each.mb for each in demos), "MB", at_most=64),
        Figure("the dearest check of all", max(each.ms for each in dear), "ms", at_most=1500),
        Figure("  its memory", max(each.mb for each in dear), "MB"),
        Sheet(
            "The dearest checks", _COLUMNS, [_make_row(*each, costs[each[0]]) for each in families.items()]
        ),
    ]


def _make_row(name: str, family: Family, cost: Cost) -> list[str | float]:
    steps = Matcher(family.rules).steps
    return [name, len(family.rules), steps, len(family.text), cost.ms, cost.mb, cost.outcome]


# -- families ----------------------------------------------------------------------------------------------


def _make_dear_families() -> dict[str, Family]:
    chance = random.Random(4)  # noqa: S311 - the same texts each time
    counters: Rules = [("regex", f"{_COUNTERS}c{number}") for number in range(5)]
    letters = "".join(chance.choices("ab", k=MAX_CHARACTERS))
    wide: Rules = [("regex", f"(?s)[é😀].{{80}}[c-eй]{{{number}}}") for number in range(1, 6)]
    lists: Rules = [("blocked_topic", ",".join(_make_word(chance) for _ in range(20))) for _ in range(35)]
    nearly = "".join(word[:-1] + "z" for _, words in lists for word in words.split(","))
    return {
        "anything, 200 times": Family([("pii_filter", ".|x")] * _MAX_RULES, "a" * MAX_CHARACTERS),
        "one letter, 200 times": _fill([("pii_filter", "a")] * _MAX_RULES, "ab"),
        "digits, 200 times": _fill([("pii_filter", r"\d")] * _MAX_RULES, "1 "),
        "spoken digits": _fill([("pii_filter", r"\d")] * _MAX_RULES, "one hundred five "),
        "long counters": _fill(counters, letters),
        "long counters, one letter": _fill(counters, "a"),
        "long counters, masked": _fill(
            _as_pii(counters, "?"), "".join(chance.choices("ab", k=MAX_CHARACTERS))
        ),
        "long counters, three readings": _fill(counters, "ß" + letters[:999]),
        "to the end each time": _fill([("pii_filter", "a(?s:.*c.{90}.{90}.{90})z|a")] * 4, "ac", tail="b"),
        "four bytes a character": _fill(wide, "".join(chance.choices("😀😁", k=MAX_CHARACTERS))),
        "keywords, nearly": Family(lists, (nearly * 9)[:MAX_CHARACTERS]),
        "marks": _fill([("regex", "gun")], "\u0301\u0323"),
        "marks in falling order": Family([("regex", "gun")], "\u0301" * 16_384 + "\u0323" * 16_384),
        "18 characters of one": Family([("regex", "gun")], "\ufdfa" * (MAX_CHARACTERS // 18)),
        "18 characters of each": Family([("regex", "gun")], "\ufdfa" * MAX_CHARACTERS),
        "the dearest that hypothesis finds": _find_dearest(_make_dear_strategy()),
    }


def _make_demo_families() -> dict[str, Family]:
    texts = {"marks": "\u0301\u0323", "one letter": "a", "sharp s": "ß", "emoji": "😀"}
    families = {
        f"{slug}, {name}": Family(_load_rules(slug), _repeat(text, MAX_CHARACTERS), is_demo=True)
        for slug in SLUGS
        for name, text in texts.items()
    }
    return families | {f"{slug}, found": _find_dearest(_make_demo_strategy(slug)) for slug in SLUGS}


def _load_rules(slug: str) -> Rules:
    return [(rule["type"], rule["pattern"]) for rule in load_scenario(slug).rules]


def _as_pii(rules: Rules, end: str) -> Rules:
    return [("pii_filter", pattern + end) for _, pattern in rules]


def _fill(rules: Rules, text: str, tail: str = "") -> Family:
    """A family with as long a text as its rules are matched with."""
    most = min(MAX_CHARACTERS, MAX_WORK // sum(count_rule_steps(*rule) for rule in rules))
    return Family(rules, _repeat(text, most - len(tail)) + tail)


def _repeat(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]


def _make_word(chance: random.Random) -> str:
    return "".join(chance.choices("abcdefghij", k=7))


# -- looking for dearer ones -------------------------------------------------------------------------------

_PIECES = (
    *(
        "[ab]",
        "a",
        ".",
        "(?s:.)",
        r"\w",
        r"\b",
        "[^a]",
        "(?:a|b)*",
        r"\W",
        "b?",
        r"\d",
        "é",
        "[^é]",
        "(?:ab|a)",
    ),
)
_TIMES = ("", "", "+", "*", "?", "{9}", "{0,40}", "{90}", "{1,99}")
_LETTERS = ("a", "b", "ab", " ", "1", "one ", "ß", "é", "x", "two hundred ", "\u0301", "😀")


def _make_dear_strategy() -> st.SearchStrategy[Family]:
    pattern = st.lists(st.tuples(st.sampled_from(_PIECES), st.sampled_from(_TIMES)), min_size=1, max_size=8)
    return st.builds(
        _make_full,
        pattern.map(lambda pieces: "".join(piece + times for piece, times in pieces)),
        st.sampled_from(["regex", "pii_filter"]),
        _make_texts(_LETTERS),
    )


def _make_full(pattern: str, type_: str, text: str) -> Family:
    """Rules like this one, as many as an app may have."""
    rules = [(type_, f"{pattern}(?:y|z{number})") for number in range(_MAX_RULES)]
    steps = count_rule_steps(*rules[0]) or MAX_STEPS_TOGETHER
    rules = rules[: max(1, MAX_STEPS_TOGETHER // (steps + 2))]
    return Family(rules, _fill(rules, text).text if count_rule_steps(*rules[0]) else "a")


def _make_demo_strategy(slug: str) -> st.SearchStrategy[Family]:
    patterns = " ".join(pattern for _, pattern in _load_rules(slug))
    words = sorted({each.lower() for each in re.findall(r"[A-Za-z]{2,}", patterns)})
    parts = [each + end for each in words for end in (" ", "s ", "ing ")] + [
        "$250 ",
        "1,000 ",
        "ß",
        "\u2019",
        "\u0301",
    ]
    rules = _load_rules(slug)
    return _make_texts(parts).map(lambda text: Family(rules, _repeat(text, MAX_CHARACTERS), is_demo=True))


def _make_texts(parts: Sequence[str]) -> st.SearchStrategy[str]:
    """Some parts again and again, in their order or by chance."""
    some = st.lists(st.sampled_from(parts), min_size=1, max_size=8)
    return st.builds(_make_text, some, st.none() | st.integers(0, 99))


def _make_text(parts: list[str], seed: int | None) -> str:
    if seed is None:
        return "".join(parts)
    return "".join(random.Random(seed).choices(parts, k=9999))  # noqa: S311 - the same text each time


def _find_dearest(families: st.SearchStrategy[Family]) -> Family:
    """Find the dearest family: hypothesis goes on from what was dear."""
    worst, worst_ms = Family([], ""), -1.0

    @settings(
        max_examples=_EXAMPLES,
        phases=[Phase.generate, Phase.target],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(families)
    def look(family: Family) -> None:
        nonlocal worst, worst_ms
        ms = _check(family).ms
        target(ms)
        if ms > worst_ms:
            worst, worst_ms = family, ms

    look()
    return worst


# -- measuring ---------------------------------------------------------------------------------------------


def _measure_apart(family: Family) -> Cost:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_check, family).result()


def _check(family: Family) -> Cost:
    matcher = Matcher(family.rules)
    peak, started = read_peak_mb(), process_time()
    outcome = _find_and_mask(matcher, family.text)
    return Cost((process_time() - started) * 1000, read_peak_mb() - peak, outcome)


def _find_and_mask(matcher: Matcher, text: str) -> str:
    masked = Deadline(MASKED_WITHIN_MS)
    try:
        found = matcher.find(text, _is_never_late)
    except Refused as refused:
        return refused.message.removeprefix("Invalid field: content ")
    shown = found.mask(masked.has_passed)
    return f"{len(found.violated)} violated" + (", masked whole" if shown == "[masked]" else "")


def _is_never_late() -> bool:
    return False
