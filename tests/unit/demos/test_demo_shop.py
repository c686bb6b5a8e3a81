import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.scenarios import load_initial_state

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def call(tool, parameters, state="initial", now=NOW):
    given = load_initial_state("demo-ecommerce") if state == "initial" else state
    before = deepcopy(given)
    outcome = HANDLERS[tool](parameters, given, now)
    assert given == before, "a handler changed the state it was given"
    return outcome


def milliseconds(reference):
    return int(reference.split("-")[1], 36)


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        pytest.param({"orderNumber": "CB-20251234"}, 0, id="number"),
        pytest.param({"orderNumber": "CB-20251189"}, 1, id="other-number"),
        pytest.param({"email": "jordan.lee@email.com"}, 1, id="email"),
        pytest.param({"orderNumber": "CB-1", "email": "alex.t@email.com"}, 0, id="either-will-do"),
        pytest.param(
            {"orderNumber": "CB-20251189", "email": "alex.t@email.com"},
            0,
            id="first-in-the-order-of-the-state",
        ),
    ],
)
def test_an_order_is_found_whole_by_its_number_or_email(parameters, index):
    outcome = call("lookup_order", parameters)
    assert outcome.data == load_initial_state("demo-ecommerce")["orders"][index]
    assert outcome.state is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"orderNumber": "", "email": ""},
        {"orderNumber": "cb-20251234"},
        {"orderNumber": "CB-2025"},
        {"email": "Alex.T@email.com"},
        {"orderNumber": 20251234},
    ],
)
def test_an_unknown_order_is_answered_with_the_two_demo_numbers(parameters):
    data = call("lookup_order", parameters).data
    assert set(data) == {"error"}
    assert "CB-20251234" in data["error"]
    assert "CB-20251189" in data["error"]


def test_a_found_order_is_a_copy():
    state = load_initial_state("demo-ecommerce")
    call("lookup_order", {"orderNumber": "CB-20251234"}, state=state).data["items"].clear()
    assert state == load_initial_state("demo-ecommerce")


def test_without_state_any_order_is_a_short_shipped_one():
    outcome = call("lookup_order", {"orderNumber": "X-7"}, state=None)
    assert outcome.data["orderNumber"] == "X-7"
    assert outcome.data["status"] == "shipped"
    assert outcome.data["carrier"] == "UPS"
    assert outcome.data["total"] == "$103.92"
    assert len(outcome.data["items"]) == 2
    assert outcome.state is None


def test_a_return_is_authorised_and_marked_on_its_order():
    asked = {
        "orderNumber": "CB-20251189",
        "itemSku": "CB-TEE-WHT-M",
        "reason": "wrong_size",
        "exchangeFor": "size L",
    }
    outcome = call("initiate_return", asked)
    data = outcome.data
    return_id = data["returnId"]
    assert return_id.startswith("RET-")
    assert return_id == return_id.upper()
    assert milliseconds(return_id) == int(NOW.timestamp() * 1000)
    label = data.pop("returnLabel")
    assert label.pop("labelUrl").startswith("https://coastalbreeze.com/")
    assert label == {"carrier": "USPS", "trackingNumber": "9400111899223100012345", "prepaid": True}
    steps = data.pop("instructions")
    assert len(steps) == 4
    for step, fact in zip(steps, ["tags", "label", "7 days", "5-7 business days"], strict=True):
        assert fact in step
    assert data == {
        "returnId": return_id,
        "orderNumber": "CB-20251189",
        "itemSku": "CB-TEE-WHT-M",
        "reason": "wrong_size",
        "status": "authorized",
        "refundAmount": "$38.00",
        "refundMethod": "original_payment_method",
        "exchangeFor": "size L",
    }
    expected = load_initial_state("demo-ecommerce")
    expected["orders"][1].update(
        status="return_initiated", returnId=return_id, returnReason="wrong_size", returnItemSku="CB-TEE-WHT-M"
    )
    assert outcome.state == expected, "a return changes its order and never the stock"


@pytest.mark.parametrize("state", ["initial", None])
@pytest.mark.parametrize(
    ("sku", "price"),
    [("CB-HOODIE-NAV-M", "$68.00"), ("CB-CANDLE-TP3", "$28.00"), ("CB-LINEN-OB-M", "$68.00"), ("", "$68.00")],
)
def test_the_refund_is_the_price_of_the_item_or_a_usual_one(sku, price, state):
    data = call(
        "initiate_return", {"orderNumber": "CB-20251234", "itemSku": sku, "reason": "x"}, state=state
    ).data
    assert data["refundAmount"] == price
    assert data["exchangeFor"] is None


def test_without_state_a_return_stores_nothing():
    asked = {"orderNumber": "X-7", "itemSku": "CB-CANDLE-TP3", "reason": "defective"}
    outcome = call("initiate_return", asked, state=None)
    assert outcome.data["status"] == "authorized"
    assert outcome.data["orderNumber"] == "X-7"
    assert outcome.state is None


@pytest.mark.parametrize("number", ["CB-1", "", None, 5])
def test_an_unknown_order_cannot_be_returned(number):
    outcome = call("initiate_return", {"orderNumber": number, "itemSku": "CB-TEE-WHT-M", "reason": "x"})
    assert set(outcome.data) == {"error"}
    assert outcome.state is None


def test_an_order_is_not_returned_by_the_email():
    assert "error" in call("initiate_return", {"email": "alex.t@email.com"}).data


@pytest.mark.parametrize("items", ["none", [None, "x"], [{"sku": "S"}], [{"sku": "S", "price": 4}]])
def test_a_return_from_a_damaged_order_has_the_usual_refund(items):
    state = {"orders": [None, {"orderNumber": "A", "items": items}]}
    data = call("initiate_return", {"orderNumber": "A", "itemSku": "S", "reason": "x"}, state=state).data
    assert data["refundAmount"] == "$68.00"


def test_repeated_returns_with_endless_texts_do_not_let_the_state_grow():
    state = load_initial_state("demo-ecommerce")
    for _ in range(3):
        asked = {"orderNumber": "CB-20251234", "itemSku": "s" * 100_000, "reason": "é" * 100_000}
        state = call("initiate_return", asked, state=state).state
    order = state["orders"][0]
    assert len(order["returnReason"]) == len(order["returnItemSku"]) == 1_000


def test_half_a_surrogate_pair_is_not_stored():
    asked = {"orderNumber": "CB-20251234", "itemSku": "\ud83d", "reason": "sad \udc4d"}
    order = call("initiate_return", asked).state["orders"][0]
    assert (order["returnItemSku"], order["returnReason"]) == ("?", "sad ?")


@pytest.mark.parametrize("state", ["initial", None])
@pytest.mark.parametrize(
    ("name", "in_stock", "variants"),
    [("hoodie", 7, 9), ("candle", 3, 3), ("linen pants", 4, 5), ("Tee", 4, 4), ("CB LINEN", 4, 5)],
)
def test_stock_is_counted_in_variants(name, in_stock, variants, state):
    outcome = call("check_inventory", {"productName": name}, state=state)
    assert (outcome.data["totalInStock"], outcome.data["totalVariants"]) == (in_stock, variants)
    assert len(outcome.data["variants"]) == variants
    assert outcome.state is None


@pytest.mark.parametrize(
    ("name", "product", "sku"),
    [
        ("hoodie", "Coastal Classic Hoodie", "CB-HOODIE"),
        ("HOODIE SAGE", "Coastal Classic Hoodie", "CB-HOODIE"),
        ("candle", "Coastal Morning Candle", "CB"),
        ("tide pool", "Tide Pool Collection", "CB-CANDLE-TP3"),
        ("pants", "Beach Walk Linen Pants", "CB-LINEN"),
        ("sunrise", "Sunrise Tee", "CB-TEE"),
    ],
)
def test_the_first_match_names_the_product(name, product, sku):
    data = call("check_inventory", {"productName": name}).data
    assert (data["productName"], data["sku"]) == (product, sku)


def test_a_variant_tells_size_color_and_quantity():
    data = call("check_inventory", {"productName": "hoodie", "size": "xl", "color": "NAV"}).data
    assert data == {
        "found": True,
        "productName": "Coastal Classic Hoodie",
        "sku": "CB-HOODIE",
        "variants": [{"size": "XL", "color": "Navy", "inStock": False, "quantity": 0}],
        "totalInStock": 0,
        "totalVariants": 1,
    }


@pytest.mark.parametrize(
    ("filters", "quantities"),
    [
        pytest.param({"size": "L"}, [15, 0, 11], id="size-is-whole"),
        pytest.param({"color": "a"}, [23, 8, 15, 0, 12, 5, 0, 18, 11], id="color-is-a-part"),
        pytest.param({"color": "sage", "size": "m"}, [5], id="both"),
        pytest.param({"size": "XXL"}, [], id="a-size-it-does-not-come-in"),
        pytest.param({"size": None, "color": 3}, [23, 8, 15, 0, 12, 5, 0, 18, 11], id="no-texts"),
    ],
)
def test_size_and_color_narrow_the_variants(filters, quantities):
    data = call("check_inventory", {"productName": "hoodie", **filters}).data
    assert data["found"] is True
    assert [variant["quantity"] for variant in data["variants"]] == quantities


@pytest.mark.parametrize("state", ["initial", None, {}, {"inventory": 5}])
@pytest.mark.parametrize("name", ["surfboard", "", "  ", None, {}])
def test_an_unknown_product_is_not_found(name, state):
    data = call("check_inventory", {"productName": name}, state=state).data
    assert data["found"] is False
    assert set(data) == {"found", "message"}


def test_without_state_the_candles_are_one_product():
    data = call("check_inventory", {"productName": "tide pool"}, state=None).data
    assert (data["productName"], data["sku"]) == ("Candles", "CB-CANDLE")
    assert [variant["quantity"] for variant in data["variants"]] == [45, 32, 19]


@pytest.mark.parametrize("quantity", [None, "7", -3, [], True, False, float("nan")])
def test_a_quantity_that_is_none_counts_as_sold_out(quantity):
    state = {"inventory": [{"name": "Mug", "sku": "M", "quantity": quantity}]}
    data = HANDLERS["check_inventory"]({"productName": "mug"}, state, NOW).data
    assert json.dumps(data["variants"]) == '[{"size": "", "color": "", "inStock": false, "quantity": 0}]'


@pytest.mark.parametrize("state", ["initial", None])
def test_a_transfer_is_queued(state):
    outcome = call("transfer_to_human", {"reason": "damaged_item", "summary": "Broken vase"}, state=state)
    data = outcome.data
    handoff_id = data.pop("handoffId")
    assert handoff_id.startswith("HO-")
    assert milliseconds(handoff_id) == int(NOW.timestamp() * 1000)
    assert data.pop("message")
    assert data == {
        "status": "queued",
        "reason": "damaged_item",
        "summary": "Broken vase",
        "estimatedWaitTime": "2-3 minutes",
        "queuePosition": 2,
    }
    assert outcome.state is None
