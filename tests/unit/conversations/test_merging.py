"""The merge of transcripts: a case for each sentence of its rule, and what holds for any two lists."""

from collections import Counter
from collections.abc import Sequence

import pytest
from genai_voice.conversations.merging import merge
from genai_voice.conversations.model import TranscriptItem
from hypothesis import given
from hypothesis import strategies as st

T = 1_795_000_000_000
"""A moment in milliseconds; `T + 5` in a case is 5 seconds later."""


def read(text: str) -> list[TranscriptItem]:
    """Read lines such as `u5 Hello | a7.5 Hi`: the role's letter, the time, the wording."""
    lines: list[TranscriptItem] = []
    for each in text.split(" | ") if text else []:
        moment, _, content = each.partition(" ")
        lines.append(
            {"role": {"u": "user", "a": "agent"}[moment[0]], "ts": float(moment[1:]), "content": content}
        )
    return lines


CASES = {
    # -- what is stored is the base, in its order
    "a late save of fewer lines changes nothing": (
        "u5 Hi | a7 Hello | u9 Bye",
        "u5 Hi | a7 Hello",
        "u5 Hi | a7 Hello | u9 Bye",
    ),
    "stored lines stay in their order": (
        "u9 Bye | u5 Hi",
        "u5 Hi | u9 Bye | a12 Tschüss",
        "u9 Bye | u5 Hi | a12 Tschüss",
    ),
    "nothing stored": ("", "u5 Hi", "u5 Hi"),
    "nothing sent": ("u5 Hi", "", "u5 Hi"),
    # -- pairs by role, time, and which of several
    "a line that was left out is put in": (
        "u5 Hi | u9 Bye",
        "u5 Hi | a7 Hello | u9 Bye",
        "u5 Hi | a7 Hello | u9 Bye",
    ),
    "one role and one time are one line, reworded": (
        "u5 Eyes cream | a7 Hello",
        "u5 Ice cream | a9 Yes",
        "u5 Ice cream | a7 Hello | a9 Yes",
    ),
    "another role at the same time is another line": ("u5 Hi", "a5 Hi | u7 Yes", "u5 Hi | a5 Hi | u7 Yes"),
    "which of several: the second was reworded": (
        "u5 One | u5 Too | a7 Go",
        "u5 One | u5 Two | a9 On",
        "u5 One | u5 Two | a7 Go | a9 On",
    ),
    "a list that begins with the second of several": (
        "u5 One | u5 Two | a7 Go",
        "u5 Two | u5 Three | a7 Go",
        "u5 One | u5 Two | u5 Three | a7 Go",
    ),
    "a list that begins with the second of several, which went on": (
        "u5 One | u5 Tw | a7 Go",
        "u5 Two | a7 Go | a9 On",
        "u5 One | u5 Two | a7 Go | a9 On",
    ),
    "the same words at another time are another line": (
        "u1 Yes | a3 And that? | u9 Yes",
        "u1 Yes | a3 And that? | u5 Yes",
        "u1 Yes | a3 And that? | u5 Yes | u9 Yes",
    ),
    # -- clients that stamp at saving: all sent times lie within a second
    "stamped anew": (
        "u5 Hi | a5 Hello",
        "u10 Hi | a10 Hello | u10 Bye",
        "u5 Hi | a5 Hello | u10 Bye",
    ),
    "stamped anew, and the last line went on": (
        "u5 Hi | a5 Hel",
        "u10 Hi | a10 Hello | u10 Bye",
        "u5 Hi | a5 Hello | u10 Bye",
    ),
    "stamped anew, and late": (
        "u10 Hi | a10 Hello | u10 Bye",
        "u5 Hi | a5 Hel",
        "u10 Hi | a10 Hello | u10 Bye",
    ),
    "of a list that is stamped, times count for nothing": (
        "u5 One | a5 Two | u5 Three",
        "u5 Three | a5 Four",
        "u5 One | a5 Two | u5 Three | a5 Four",
    ),
    "what is new in a list that is stamped is behind the line it follows": (
        "u5 Hi | a5 Hello | u99 Bye",
        "u200 Hi | a200 Hello | u200 Well",
        "u5 Hi | a5 Hello | u200 Well | u99 Bye",
    ),
    "what such a list begins with is in front of the line that follows": (
        "u5 Hi | a5 Hello",
        "a10 Welcome | u10 Hi | a10 Hello",
        "a10 Welcome | u5 Hi | a5 Hello",
    ),
    "a stamped list of other words": (
        "u5 Hi | a9 Hello",
        "u7 Well | a7 Yes",
        "u5 Hi | u7 Well | a7 Yes | a9 Hello",
    ),
    "a window of a stamped list": (
        "u5 Hi | a5 Hello | u5 Yes | a5 Go",
        "u9 Yes | a9 Go on | u9 Yes",
        "u5 Hi | a5 Hello | u5 Yes | a5 Go on | u9 Yes",
    ),
    "one line alone is not stamped": ("u5 Hel", "u9 Hello", "u5 Hel | u9 Hello"),
    "a second apart is not stamped": ("u5 Hel | a6 Hi", "u5 Help | a6 Hi", "u5 Help | a6 Hi"),
    # -- no times
    "without times, order and wording": (
        "u0 Yes | a0 And? | u0 Yes",
        "u0 Yes | a0 And? | u0 Yes | a0 Good",
        "u0 Yes | a0 And? | u0 Yes | a0 Good",
    ),
    "without times, the last line went on": ("u0 Hi | a0 Hel", "u0 Hi | a0 Hello", "u0 Hi | a0 Hello"),
    "without times, a client that began anew": (
        "u0 Hi | a0 Hello",
        "u0 Well | a0 Yes",
        "u0 Hi | a0 Hello | u0 Well | a0 Yes",
    ),
    "without times, what is new is behind the line it follows": (
        "u0 Hi | a0 Hello | u0 Bye",
        "u0 Hi | u0 Well",
        "u0 Hi | u0 Well | a0 Hello | u0 Bye",
    ),
    "without times, twice what one line begins with": (
        "u0 Yes sir | u0 Good",
        "u0 Yes | u0 Yes",
        "u0 Yes sir | u0 Yes | u0 Good",
    ),
    "a clock that begins with 0, late": (
        "a0 Hello | u3 I am Ann",
        "a0 Hello | u3 I am",
        "a0 Hello | u3 I am Ann",
    ),
    "a clock that begins with 0, began anew": (
        "a0 Hello | u3 I am Ann",
        "a0 Welcome back | u4 Bob",
        "a0 Hello | a0 Welcome back | u3 I am Ann | u4 Bob",
    ),
    # -- no time is known
    "the first lines with new times": (
        "u5 Hi | a7 Hello",
        "u100 Hi | a102 Hello | u104 Bye",
        "u5 Hi | a7 Hello | u104 Bye",
    ),
    "the first lines with new times, and once more": (
        "u5 Hi | a7 Hello | u104 Bye",
        "u100 Hi | a102 Hello | u104 Bye | a106 Bye",
        "u5 Hi | a7 Hello | u104 Bye | a106 Bye",
    ),
    "new times, and a clock that is slow": (
        "u100 Hi | a102 Hello",
        "u5 Hi | a7 Hello | u9 Bye",
        "u100 Hi | a102 Hello | u9 Bye",
    ),
    "new times do not make a beginning the line": (
        "a5 Hello | u7 Hi",
        "a100 Hello again | u107 Hi",
        "a5 Hello | u7 Hi | a100 Hello again | u107 Hi",
    ),
    "a second call": (
        "u5 Hi | a7 Hello",
        "u900 Again | a902 Yes",
        "u5 Hi | a7 Hello | u900 Again | a902 Yes",
    ),
    # -- a pair is one line
    "a pair keeps the stored time": ("u5 Hi | a5 Yes", "u9 Hi | a9 Yes", "u5 Hi | a5 Yes"),
    "the beginning gives way, also where it is sent last": (
        "u5 Hello there | a7 Hi",
        "u5 Hello | a7 Hi | u9 Bye",
        "u5 Hello there | a7 Hi | u9 Bye",
    ),
    "what says more stays, also from a list that ends earlier": (
        "u5 Hel | a9 Yes",
        "u5 Hello | a7 Hi",
        "u5 Hello | a7 Hi | a9 Yes",
    ),
    "other words: the list that ends later": ("u5 One | a9 Two", "u5 Won | a7 On", "u5 One | a7 On | a9 Two"),
    "other words: the sent list, where both end alike": (
        "u5 One | a9 Two",
        "u5 Won | a9 Two",
        "u5 Won | a9 Two",
    ),
    # -- where lines without a pair belong
    "behind those of an equal time": (
        "u5 Hi | a7 One | a7 Two | u9 Bye",
        "u5 Hi | u7 Well",
        "u5 Hi | a7 One | a7 Two | u7 Well | u9 Bye",
    ),
    "seconds and milliseconds are compared": (
        "u1795000005 Hi | u1795000009 Bye",
        f"a{T + 7_000} Hello | u{T + 9_500} Yes",
        f"u1795000005 Hi | a{T + 7_000} Hello | u1795000009 Bye | u{T + 9_500} Yes",
    ),
    "what was put in is in the order of its times": (
        "u5 Hi",
        "u5 Hi | a9 Two | a7 One",
        "u5 Hi | a7 One | a9 Two",
    ),
}


@pytest.mark.parametrize(("stored", "sent", "merged"), CASES.values(), ids=CASES)
def test_the_rule(stored: str, sent: str, merged: str) -> None:
    before, brought = read(stored), read(sent)
    assert merge(before, brought) == read(merged)
    assert merge(read(merged), brought) == read(merged), "changed again"
    assert (before, brought) == (read(stored), read(sent)), "changed what it was given"


# -- what holds for any two lists --------------------------------------------------------------------------

# Few of each, so that lists have much in common.
TIMES = [0, 1, 3, 3.5, 7, 2_000, T, T + 700, T + 5_000]


def draw_lists(roles: Sequence[str], times: Sequence[float]) -> st.SearchStrategy[list[TranscriptItem]]:
    lines = st.builds(
        lambda role, ts, content: TranscriptItem(role=role, ts=ts, content=content),
        st.sampled_from(roles),
        st.sampled_from(times),
        st.text("ab", max_size=3),
    )
    return st.lists(lines, max_size=8)


lists = st.one_of(
    draw_lists(["user", "agent"], TIMES), draw_lists(["user"], TIMES[1:4]), draw_lists(["user", "agent"], [0])
)


def is_in(said: TranscriptItem, lines: Sequence[TranscriptItem]) -> bool:
    return any(line["role"] == said["role"] and line["content"].startswith(said["content"]) for line in lines)


@given(lists, lists)
def test_merging_again_changes_nothing(stored: list[TranscriptItem], sent: list[TranscriptItem]) -> None:
    merged = merge(stored, sent)
    assert merge(merged, sent) == merged


@given(lists, lists)
def test_stored_lines_stay_in_their_order_and_only_sent_ones_are_added(
    stored: list[TranscriptItem], sent: list[TranscriptItem]
) -> None:
    def list_moments(lines: list[TranscriptItem]) -> list[tuple[str, float]]:
        return [(line["role"], line["ts"]) for line in lines]

    merged = merge(stored, sent)
    left = iter(list_moments(merged))
    assert all(moment in left for moment in list_moments(stored))
    added = Counter(list_moments(merged))
    added.subtract(list_moments(stored))
    assert added <= Counter(list_moments(sent))


@given(lists, lists)
def test_a_wording_is_lost_only_to_another_of_its_role_and_time(
    stored: list[TranscriptItem], sent: list[TranscriptItem]
) -> None:
    merged = merge(stored, sent)
    moments = [{(line["role"], line["ts"]) for line in lines} for lines in (stored, sent)]
    for said in [*stored, *sent]:
        assert is_in(said, merged) or all((said["role"], said["ts"]) in known for known in moments)


# -- bounded work ------------------------------------------------------------------------------------------

MANY = 20_000
LONG = {
    "one word": [["yes"] * MANY, ["well"] + ["yes"] * MANY],
    "four words": [[f"{n * n % 7 % 4}" for n in range(MANY)], [f"{n * n % 11 % 4}" for n in range(MANY)]],
    "other words": [[f"a{n}" for n in range(MANY)], [f"b{n}" for n in range(MANY)]],
    "beginnings": [["a" * (n % 9) for n in range(MANY)], ["a" * (n % 7) + "b" for n in range(MANY)]],
    "the other way round": [[f"{n}" for n in range(MANY)], [f"{n}" for n in reversed(range(MANY))]],
}


@pytest.mark.timeout(30)  # a second is enough; what is quadratic takes minutes
@pytest.mark.parametrize("step", [0, 0.001, 1000], ids=["without times", "almost at one time", "spoken"])
@pytest.mark.parametrize(("stored", "sent"), LONG.values(), ids=LONG)
def test_a_long_transcript_is_merged_at_once(stored: list[str], sent: list[str], step: float) -> None:
    before, brought = (
        [
            TranscriptItem(role="user", ts=(T if step else 0) + n * step, content=each)
            for n, each in enumerate(said)
        ]
        for said in (stored, sent)
    )
    merged = merge(before, brought)
    assert len(merged) >= max(len(stored), len(sent))
    assert merge(merged, brought) == merged


@pytest.mark.timeout(30)
def test_many_lines_at_one_moment_are_merged_at_once() -> None:
    stored, sent = (
        [TranscriptItem(role="user", ts=T, content=f"{letter}{n}") for n in range(MANY)] for letter in "ab"
    )
    sent.append({"role": "agent", "ts": T + 2000, "content": "Yes"})
    assert merge(stored, sent) == [*stored, *sent]
