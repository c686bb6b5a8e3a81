"""The shop's tool for what is in stock."""

import re
from typing import Any

from genai_voice.demos.model import DemoOutcome, Parameters, State
from genai_voice.demos.reading import read_field, read_rows, read_text

_VARIANT = re.compile(r"-[A-Z]+-[A-Z]+$", re.IGNORECASE | re.ASCII)
_CANDLES = "CB-CANDLE"


def check_inventory(parameters: Parameters, state: State | None, shop: State) -> DemoOutcome:
    """Check the stock of the product that `productName` is a part of, by name or SKU, in `size` and `color`.

    `{found: true, productName, sku, variants[] {size, color, inStock, quantity}, totalInStock,
    totalVariants}`; the totals count variants. The size must be equal, the color contained. A product that
    does not come so is found with no variants; no product is `{found: false, message}`. Without state it is
    the stock of `shop`, product by product.
    """
    name = read_text(parameters, "productName").strip()
    matching = [
        item
        for item in read_rows(shop if state is None else state, "inventory")
        if _is_called(item, name.lower())
    ]
    if not matching:
        message = f'We have no product called "{name}".' if name else "Please say which product to look for."
        return DemoOutcome({"found": False, "message": message})
    product, sku = read_field(matching[0], "name"), _VARIANT.sub("", read_field(matching[0], "sku"))
    if state is None:
        product, sku, matching = _find_product(matching[0], read_rows(shop, "inventory"))
    size, color = (read_text(parameters, key).strip().lower() for key in ("size", "color"))
    variants = [_view_variant(item) for item in matching if _is_variant(item, size, color)]
    return DemoOutcome(
        {
            "found": True,
            "productName": product,
            "sku": sku,
            "variants": variants,
            "totalInStock": sum(variant["inStock"] for variant in variants),
            "totalVariants": len(variants),
        }
    )


def _is_called(item: dict[str, Any], wanted: str) -> bool:
    if not wanted:
        return False
    return (
        wanted in read_field(item, "name").lower()
        or wanted.replace(" ", "-") in read_field(item, "sku").lower()
    )


def _is_variant(item: dict[str, Any], size: str, color: str) -> bool:
    return (not size or read_field(item, "size").lower() == size) and color in read_field(
        item, "color"
    ).lower()


def _view_variant(item: dict[str, Any]) -> dict[str, Any]:
    quantity = _read_quantity(item.get("quantity"))
    return {
        "size": read_field(item, "size"),
        "color": read_field(item, "color"),
        "inStock": quantity > 0,
        "quantity": quantity,
    }


def _read_quantity(counted: Any) -> float:
    is_number = isinstance(counted, int | float) and not isinstance(counted, bool)
    return counted if is_number and counted > 0 else 0


def _find_product(item: dict[str, Any], stock: list[dict[str, Any]]) -> tuple[str, str, list[dict[str, Any]]]:
    """Find name, SKU and all variants of the product that `item` belongs to; the candles are one product."""
    sku = _find_product_sku(item)
    name = "Candles" if sku == _CANDLES else read_field(item, "name")
    return name, sku, [each for each in stock if _find_product_sku(each) == sku]


def _find_product_sku(item: dict[str, Any]) -> str:
    return "-".join(read_field(item, "sku").split("-")[:2])
