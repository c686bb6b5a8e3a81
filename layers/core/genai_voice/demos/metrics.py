"""The investor line's tools: a published figure, and how it changed between two periods."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from genai_voice.demos.model import DemoOutcome, Parameters
from genai_voice.demos.reading import read_text

Figures = Mapping[str, Any]
"""`{source, periods[], metrics: {metric: {unit, values: {period: text}}}}`, in the order errors list them."""

_QUARTER = re.compile(r"(Q[1-4])[-_]?(\d{4})", re.ASCII)
_YEAR = re.compile(r"FY[-_](\d{4})", re.ASCII)
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([BM]?)", re.ASCII)
_SCALES = {"": Decimal(1), "M": Decimal(10**6), "B": Decimal(10**9)}


def lookup_metric(parameters: Parameters, figures: Figures) -> DemoOutcome:
    """Look up a figure: `{metric, period, value, unit, source}`, names normalised; `{error}` lists what there
    is.
    """
    metric, period = (
        _parse_metric(read_text(parameters, "metric")),
        _parse_period(read_text(parameters, "period")),
    )
    value = _find_value(figures, metric, period)
    if value is None:
        return DemoOutcome({"error": _describe_missing(figures, metric, period)})
    unit = figures["metrics"][metric]["unit"]
    return DemoOutcome(
        {"metric": metric, "period": period, "value": value, "unit": unit, "source": figures["source"]}
    )


def compare_quarters(parameters: Parameters, figures: Figures) -> DemoOutcome:
    """Compare a figure of period 1 with that of period 2.

    `{metric, period1 {period, value}, period2 {period, value}, delta, percentChange, source}`, null for a
    change that cannot be computed; `{error, availablePeriods[]}` where one of the figures is not published.
    """
    metric = _parse_metric(read_text(parameters, "metric"))
    periods = [_parse_period(read_text(parameters, key)) for key in ("period1", "period2")]
    values = [_find_value(figures, metric, period) for period in periods]
    if values[0] is None or values[1] is None:
        missing = periods[0] if values[0] is None else periods[1]
        error = _describe_missing(figures, metric, missing)
        return DemoOutcome({"error": error, "availablePeriods": _list_periods(figures, metric)})
    first, second = _parse_number(values[0]), _parse_number(values[1])
    return DemoOutcome(
        {
            "metric": metric,
            "period1": {"period": periods[0], "value": values[0]},
            "period2": {"period": periods[1], "value": values[1]},
            "delta": _format_delta(first, second, figures["metrics"][metric]["unit"]),
            "percentChange": _format_percent_change(first, second),
            "source": figures["source"],
        }
    )


def _parse_metric(written: str) -> str:
    """Parse a name: `Gross margin` -> `gross_margin`."""
    return "_".join(written.lower().split())


def _parse_period(written: str) -> str:
    """Parse a period: `q4 2025`, `Q4-2025` -> `Q4_2025`; `fy 2025` -> `FY2025`."""
    joined = "".join(written.upper().split())
    if quarter := _QUARTER.fullmatch(joined):
        return f"{quarter[1]}_{quarter[2]}"
    year = _YEAR.fullmatch(joined)
    return f"FY{year[1]}" if year else joined


def _find_value(figures: Figures, metric: str, period: str) -> str | None:
    known = figures["metrics"].get(metric)
    value: str | None = known["values"].get(period) if known else None
    return value


def _list_periods(figures: Figures, metric: str) -> list[str]:
    known = figures["metrics"].get(metric)
    return list(known["values"] if known else figures["periods"])


def _describe_missing(figures: Figures, metric: str, period: str) -> str:
    if period not in figures["periods"]:
        return f'There are no figures for "{period}". Available periods: {", ".join(figures["periods"])}.'
    published = [name for name, each in figures["metrics"].items() if period in each["values"]]
    return f'There is no figure "{metric}" for {period}. Available metrics: {", ".join(published)}.'


def _parse_number(value: str) -> Decimal | None:
    """Parse a figure: `$2.32B` -> 2320000000, `12,400+` -> 12400; None for what is no number."""
    number = _NUMBER.fullmatch(re.sub(r"[~$,%+]", "", value))
    return Decimal(number[1]) * _SCALES[number[2]] if number else None


def _round(number: Decimal, decimals: int) -> str:
    """Round halves away from zero, without a minus before a zero."""
    return str(number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0)


def _format_delta(first: Decimal | None, second: Decimal | None, unit: str) -> str | None:
    if first is None or second is None:
        return None
    difference = first - second
    return ("+" if difference >= 0 else "") + _format_amount(difference, unit)


def _format_amount(number: Decimal, unit: str) -> str:
    """Format a figure: `1.3%`, `$80M`, `1600`; the sign of a negative sum follows the dollar: `$-22M`."""
    if unit == "percent":
        return f"{_round(number, 1)}%"
    if unit == "count":
        return _round(number, 0)
    if abs(number) >= _SCALES["B"]:
        return f"${_round(number / _SCALES['B'], 2)}B"
    if abs(number) >= _SCALES["M"]:
        return f"${_round(number / _SCALES['M'], 0)}M"
    return f"${_round(number, 2)}"


def _format_percent_change(first: Decimal | None, second: Decimal | None) -> str | None:
    if first is None or not second:
        return None
    return f"{_round((first - second) / second * 100, 1)}%"
