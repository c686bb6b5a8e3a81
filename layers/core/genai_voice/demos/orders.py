"""The shop's tools for what was bought: find an order, start a return."""

from copy import deepcopy
from datetime import datetime
from typing import Any

from genai_voice.demos.model import DemoOutcome, Parameters, State
from genai_voice.demos.reading import read_field, read_rows, read_text
from genai_voice.demos.references import make_reference

_ANY_PRICE = "$68.00"
_SHORT = ("status", "items", "total", "carrier", "trackingNumber", "estimatedDelivery")
_INSTRUCTIONS = (
    "Put the item into its original packaging, with the tags attached.",
    "Stick the prepaid label onto the outside of the parcel.",
    "Drop the parcel off at any USPS location within 7 days.",
    "Expect the refund 5-7 business days after we receive the parcel.",
)


def lookup_order(parameters: Parameters, state: State | None, shop: State) -> DemoOutcome:
    """Find the first order with exactly this `orderNumber` or `email`, whole; `{error}` for none.

    An app without state answers with a short form of the first order of `shop`, the demo's own state.
    """
    number = read_text(parameters, "orderNumber")
    if state is None:
        order = read_rows(shop, "orders")[0]
        return DemoOutcome(
            {"orderNumber": number or order["orderNumber"], **{key: order[key] for key in _SHORT}}
        )
    found = _find(state, number, read_text(parameters, "email"))
    return DemoOutcome(deepcopy(found)) if found else _refuse_unknown()


def initiate_return(parameters: Parameters, state: State | None, shop: State, now: datetime) -> DemoOutcome:
    """Authorise a return of one item and mark its order `return_initiated`; `{error}` for an unknown order.

    `{returnId, orderNumber, itemSku, reason, status: "authorized", refundAmount, refundMethod, returnLabel
    {carrier, trackingNumber, labelUrl, prepaid}, instructions[4], exchangeFor: text or null}`. Neither the
    return window nor the SKU is checked. Without state any order is known, at the prices of `shop`.
    """
    number, sku, reason = (read_text(parameters, key) for key in ("orderNumber", "itemSku", "reason"))
    return_id = make_reference("RET", now)
    changed = deepcopy(state)
    order = read_rows(shop, "orders")[0] if changed is None else _find(changed, number)
    if order is None:
        return _refuse_unknown()
    data = {
        "returnId": return_id,
        "orderNumber": number,
        "itemSku": sku,
        "reason": reason,
        "status": "authorized",
        "refundAmount": _find_price(order, sku),
        "refundMethod": "original_payment_method",
        "returnLabel": {
            "carrier": "USPS",
            "trackingNumber": "9400111899223100012345",
            "labelUrl": f"https://coastalbreeze.com/returns/labels/{return_id}",
            "prepaid": True,
        },
        "instructions": list(_INSTRUCTIONS),
        "exchangeFor": read_text(parameters, "exchangeFor") or None,
    }
    if changed is not None:
        order.update(status="return_initiated", returnId=return_id, returnReason=reason, returnItemSku=sku)
    return DemoOutcome(data, changed)


def _find(state: State, number: str, email: str = "") -> dict[str, Any] | None:
    def is_match(order: dict[str, Any]) -> bool:
        return bool(
            (number and order.get("orderNumber") == number) or (email and order.get("email") == email)
        )

    return next((order for order in read_rows(state, "orders") if is_match(order)), None)


def _find_price(order: dict[str, Any], sku: str) -> str:
    bought = next((item for item in read_rows(order, "items") if item.get("sku") == sku), {})
    return read_field(bought, "price") or _ANY_PRICE


def _refuse_unknown() -> DemoOutcome:
    return DemoOutcome(
        {"error": "No such order. Please check it: the demo orders are CB-20251234 and CB-20251189."}
    )
