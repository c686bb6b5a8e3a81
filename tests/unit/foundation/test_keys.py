"""Keys: no part becomes another's, whatever clients make up."""

import pytest
from genai_voice.foundation.keys import digest, make_key, make_time_key
from hypothesis import given
from hypothesis import strategies as st

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
times = st.integers(0, 10**15 - 1) | st.floats(0, 9e14)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("APP", "a", "SESSION", "s"), "APP#a#SESSION#s#"),
        (("APPS",), "APPS"),
        (("APP", "a", "CONVERSATIONS"), "APP#a#CONVERSATIONS"),
        (("TOOL", "a b#c/é~"), "TOOL#a%20b%23c%2F%C3%A9%7E#"),
        (("S", "ses_1-2.x:y"), "S#ses_1-2.x:y#"),
    ],
)
def test_a_key_reads_as_its_parts(parts: tuple[str, ...], expected: str) -> None:
    assert make_key(*parts) == expected


@given(ids, ids)
def test_different_ids_have_different_keys(one: str, other: str) -> None:
    assert (make_key("APP", one) == make_key("APP", other)) == (one == other)


@given(ids, ids, ids, ids)
def test_ids_cannot_climb_over_each_other(app: str, session: str, other_app: str, other: str) -> None:
    same = (app, session) == (other_app, other)
    assert (make_key("APP", app, "SESSION", session) == make_key("APP", other_app, "SESSION", other)) == same
    assert make_key("APP", app) != make_key("APP", other_app, "SESSION", other)


@given(ids, ids)
def test_no_key_is_a_prefix_of_another(one: str, other: str) -> None:
    assert not make_key("TOOL", one).startswith(make_key("TOOL", other)) or one == other


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5_000))
def test_a_key_is_short_enough_for_dynamodb_and_plain(part: str) -> None:
    made = make_key("APP", part, "SESSION", part, "EXECUTIONS")
    assert len(made) < 1024
    assert made.isascii()
    assert "\0" not in made


@pytest.mark.parametrize("parts", [("APP", ""), ("app", "a"), ("A#B",), ("",), ("APP", "a", "")])
def test_what_is_no_key_is_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="part"):
        make_key(*parts)


@given(st.lists(ids, max_size=3), st.lists(ids, max_size=3))
def test_a_digest_stands_for_its_parts_in_their_order(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@given(times, times)
def test_positions_sort_as_their_times_to_the_microsecond(one: float, other: float) -> None:
    if abs(one - other) >= 1 or one == other:
        assert (make_time_key(one, "t") < make_time_key(other, "t")) == (one < other)


@given(
    times,
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789abcdef", min_size=32, max_size=32),
)
def test_positions_of_one_time_sort_by_what_breaks_the_tie(ms: float, one: str, other: str) -> None:
    assert (make_time_key(ms, one) < make_time_key(ms, other)) == (one < other)
