"""What matching costs a check: 50 rules (30 lists of 15 keywords, 20 expressions) on texts of 500 characters;
and what the dearest checks cost (`bench.worst_checks`).

    rules     the service: RE2's filter looks for words, RE2 matches what is left
    plain     `in` for keywords and python's re for expressions, one rule after the other
    single    as plain, with RE2 for the expressions, one after the other
    set       one `re2.Set` of all rules

Texts are clean (nothing matches), matching (four rules do), or near: clean, with words that expressions begin
with. Near texts are where a set slows down: each of its states then holds what all the rules wait for.
"""

import random
import re
from collections.abc import Callable, Sequence
from itertools import cycle
from time import perf_counter_ns

import re2  # type: ignore[import-untyped,unused-ignore]
from genai_voice.foundation.clock import Deadline
from genai_voice.guardrails.matching import Matcher
from genai_voice.guardrails.patterns import KEYWORD_TYPES, to_expression

from bench import worst_checks
from bench.contest import Contestant, find_best
from bench.report import Figure, Sheet

TITLE = "Guardrails: 50 rules on 500 characters, and the dearest checks"
_CALLS = 1000
_TEXTS = 1000  # so many that they are new to an engine that learns from those before
_LENGTH = 500

_EXPRESSIONS = (
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d[ -]?){13,16}\b",
    r"[\w.+-]+@[\w-]+\.[a-z]{2,}",
    r"\binsiders?\b|non-?public|confidential",
    r"refund.{0,60}\$\s*[2-9]\d\d",
    r"\b(buy|sell)(ing|s)?\b.{0,20}\b(stock|shares?)\b",
    r"wholesale|\binternal\b.{0,20}\bpric",
    r"mark-?up|supplier",
    r"\bmargins?\b",
    r"ignore (all|previous|prior) instructions",
    r"system prompt",
    r"\bpass(word|code|phrase)s?\b",
    r"\b(kill|hurt|harm)\s+(my|him|her|them)self",
    r"\bcredit\s+card\b",
    r"\bsue\b|\blawyers?\b|\battorney",
    r"\bdiagnos\w*",
    r"\bprescri\w+",
    r"\bguarantee[ds]?\b",
    r"(?:19|20)\d\d-\d\d-\d\d",
    r"\b(order|paid|bill)\b.{0,60}\b(refund|back)\b.{0,60}\$\d",
)
_NEAR = ("order", "refund", "sell", "internal", "paid", "ignore all", "kill", "back", "bill", "buying")
_MATCHING = ("confidential", "123-45-6789", "a refund of $250")


def measure() -> list[Figure | Sheet]:
    chance = random.Random(7)  # noqa: S311 - the same texts each time
    words = [_make_word(chance) for _ in range(2000)]
    rules = _make_rules(chance)
    keyword = rules[0][1].split(", ")[3]
    texts = {
        "clean": [_make_text(chance, words, ()) for _ in range(_TEXTS)],
        "matching": [_make_text(chance, words, (*_MATCHING, keyword)) for _ in range(_TEXTS)],
        "near": [_make_text(chance, words, _NEAR) for _ in range(_TEXTS)],
    }
    ways = {
        "rules": _match_as_service(rules),
        "plain": _match_plainly(rules),
        "single": _match_in_one(rules),
        "set": _match_as_set(rules),
    }
    _check(ways, [each for kind in texts.values() for each in kind])
    took = {kind: _measure_all(ways, texts[kind]) for kind in texts}
    figures = [
        Figure(f"rules / plain, {kind}", took[kind]["rules"] / took[kind]["plain"], "×", at_most=limit)
        for kind, limit in [("clean", 0.25), ("matching", 1.0), ("near", 1.0)]
    ]
    spread = [_measure_spread(ways["rules"], texts[kind]) for kind in texts]
    return [
        *figures,
        *(Figure(f"rules, {kind}, p50", p50, "µs") for kind, (p50, _) in zip(texts, spread, strict=True)),
        *(Figure(f"rules, {kind}, p99", p99, "µs") for kind, (_, p99) in zip(texts, spread, strict=True)),
        Sheet(
            "Matching, µs a text",
            ["texts", *ways],
            [[kind, *(took[kind][way] for way in ways)] for kind in texts],
        ),
        *worst_checks.measure(),
    ]


# -- rules and texts ---------------------------------------------------------------------------------------


def _make_rules(chance: random.Random) -> list[tuple[str, str]]:
    lists = [", ".join(_make_word(chance) + "q" for _ in range(15)) for _ in range(30)]
    return [*(("blocked_topic", each) for each in lists), *(("regex", each) for each in _EXPRESSIONS)]


def _make_word(chance: random.Random) -> str:
    return "".join(chance.choices("abcdefghijklmnoprstuvwxyz", k=chance.randint(3, 9)))


def _make_text(chance: random.Random, words: Sequence[str], within: Sequence[str]) -> str:
    """No word of the vocabulary ends like a keyword: nothing matches but what is put in."""
    said = chance.choices(words, k=_LENGTH // 4)
    for place, each in enumerate(within):
        said[1 + 7 * place] = each
    return " ".join(said)[:_LENGTH]


# -- ways --------------------------------------------------------------------------------------------------


_Way = Callable[[str], list[int]]


def _match_as_service(rules: Sequence[tuple[str, str]]) -> _Way:
    matcher, deadline = Matcher(rules), Deadline(3_600_000)
    return lambda text: matcher.find(text, deadline.has_passed).violated


def _match_plainly(rules: Sequence[tuple[str, str]]) -> _Way:
    return _match_one_by_one(rules, lambda pattern: re.compile(pattern, re.IGNORECASE).search)


def _match_in_one(rules: Sequence[tuple[str, str]]) -> _Way:
    return _match_one_by_one(rules, lambda pattern: re2.compile(pattern, _make_options()).search)


def _match_one_by_one(
    rules: Sequence[tuple[str, str]], compiled: Callable[[str], Callable[[str], object]]
) -> _Way:
    lists = {
        place: pattern.lower().split(", ")
        for place, (type_, pattern) in enumerate(rules)
        if type_ in KEYWORD_TYPES
    }
    searches = {place: compiled(pattern) for place, (_, pattern) in enumerate(rules) if place not in lists}

    def match(text: str) -> list[int]:
        low = text.lower()
        found = [place for place, words in lists.items() if any(word in low for word in words)]
        return found + [place for place, search in searches.items() if search(text)]

    return match


def _match_as_set(rules: Sequence[tuple[str, str]]) -> _Way:
    together = re2.Set.SearchSet(_make_options())
    for rule in rules:
        together.Add(to_expression(*rule))
    together.Compile()
    return lambda text: sorted(together.Match(text) or ())


def _make_options() -> object:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    return options


# -- measuring ---------------------------------------------------------------------------------------------


def _check(ways: dict[str, _Way], texts: Sequence[str]) -> None:
    """All find the same, or they are not comparable."""
    for text in texts:
        found = {name: way(text) for name, way in ways.items()}
        if any(each != found["plain"] for each in found.values()):
            raise AssertionError(f"{found} in {text!r}")


def _measure_all(ways: dict[str, _Way], texts: Sequence[str]) -> dict[str, float]:
    return find_best({name: Contestant(_match_each(way, texts)) for name, way in ways.items()}, _CALLS)


def _match_each(way: _Way, texts: Sequence[str]) -> Callable[[], object]:
    """One text after the other."""
    rest = cycle(texts)
    return lambda: way(next(rest))


def _measure_spread(way: _Way, texts: Sequence[str]) -> tuple[float, float]:
    """Microseconds that half of the texts take at most, and 99 of 100; each the best of five."""
    times = sorted(min(_measure_once(way, text) for _ in range(5)) for text in texts)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def _measure_once(way: _Way, text: str) -> float:
    started = perf_counter_ns()
    way(text)
    return (perf_counter_ns() - started) / 1000
