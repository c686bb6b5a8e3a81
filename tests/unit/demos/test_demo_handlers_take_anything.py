import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.scenarios import load_initial_state
from hypothesis import given
from hypothesis import strategies as st

NAMES = [
    "startDate",
    "endDate",
    "provider",
    "appointmentId",
    "newDate",
    "newTime",
    "reason",
    "shortNotice",
    "patientName",
    "metric",
    "period",
    "period1",
    "period2",
    "orderNumber",
    "email",
    "itemSku",
    "exchangeFor",
    "productName",
    "size",
    "color",
    "summary",
]
TELLING = [
    "APT-10041",
    "APT-10044",
    "2026-04-07",
    "9999-12-31",
    "0001-01-01",
    "9:00 AM",
    "25:00",
    "Dr. Emily Chen",
    "Garcia",
    "revenue",
    "eps",
    "Q4_2025",
    "FY2025",
    "CB-20251234",
    "alex.t@email.com",
    "CB-TEE-WHT-M",
    "tee",
    "candle",
    "M",
    "Navy",
    "\ud800",
]
ROW_KEYS = [
    "id",
    "patient",
    "date",
    "time",
    "provider",
    "status",
    "orderNumber",
    "email",
    "items",
    "sku",
    "price",
    "name",
    "color",
    "size",
    "quantity",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(TELLING)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
parameters = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), anything, max_size=6)
rows = st.lists(st.dictionaries(st.sampled_from(ROW_KEYS), anything, max_size=6) | anything, max_size=4)
damaged = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("appointments", "orders", "inventory"), rows | anything)
)
states = (
    st.sampled_from([None, load_initial_state("demo-dentist"), load_initial_state("demo-ecommerce")])
    | damaged
)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware below
    lambda moment: moment.replace(tzinfo=UTC)
)


@pytest.mark.parametrize("tool", HANDLERS)
@given(asked=parameters, state=states, now=moments)
def test_no_json_makes_a_tool_raise_or_change_what_it_was_given(tool, asked, state, now):
    before = deepcopy((asked, state))
    outcome = HANDLERS[tool](asked, state, now)
    assert (asked, state) == before
    assert isinstance(outcome.data, dict)
    assert json.loads(json.dumps(outcome.data)) == outcome.data
    assert outcome.state is None or isinstance(json.loads(json.dumps(outcome.state)), dict)
    assert HANDLERS[tool](asked, state, now) == outcome


ENDLESS = "x" * 1_000_000


@pytest.mark.parametrize("tool", HANDLERS)
@pytest.mark.parametrize("slug", ["demo-dentist", "demo-ecommerce"])
def test_endless_texts_stay_out_of_answer_and_state(tool, slug):
    ids = {"appointmentId": "APT-10041", "orderNumber": "CB-20251234"}
    asked = {name: ids.get(name, ENDLESS) for name in NAMES}
    outcome = HANDLERS[tool](asked, load_initial_state(slug), datetime(2026, 3, 1, tzinfo=UTC))
    assert len(json.dumps(outcome.data)) < 10_000
    assert len(json.dumps(outcome.state)) < 10_000


@pytest.mark.parametrize("tool", HANDLERS)
def test_deeply_nested_parameters_are_passed_over(tool):
    nested = json.loads("[" * 500 + "]" * 500)
    asked = dict.fromkeys(NAMES, nested)
    assert HANDLERS[tool](asked, None, datetime(2026, 3, 1, tzinfo=UTC)).data


def test_a_refusal_stores_nothing():
    for tool in HANDLERS.values():
        outcome = tool({}, {}, datetime(2026, 3, 1, tzinfo=UTC))
        assert outcome.state is None
