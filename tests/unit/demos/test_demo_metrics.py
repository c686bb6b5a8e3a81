from datetime import UTC, datetime
from typing import Any

import pytest
from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.metrics import compare_quarters as compare_in
from genai_voice.demos.scenarios import load_figures

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERIODS = ["Q4_2025", "Q4_2024", "Q3_2025", "FY2025", "FY2024"]
PUBLISHED: dict[str, Any] = {
    "revenue": ["$580M", "$500M", "$558M", "$2.1B", "$1.78B"],
    "gross_margin": ["72.5%", "71.2%", "72.0%", "71.8%", "70.5%"],
    "operating_income": ["$116M", "$92.5M", "$108M", "$405M", None],
    "operating_margin": ["20.0%", "18.5%", None, "19.3%", None],
    "net_income": ["$92M", "$78M", "$86M", "$336M", None],
    "eps": ["$1.15", "$0.98", "$1.08", "$4.20", "$3.55"],
    "non_gaap_eps": [None, None, None, "$5.25", "$4.40"],
    "free_cash_flow": ["$135M", "$110M", "$125M", "$475M", None],
    "fcf_margin": ["23.3%", None, None, "22.6%", None],
    "arr": ["$2.32B", "$1.95B", None, None, None],
    "nrr": ["118%", None, None, None, None],
    "rpo": ["$4.1B", None, None, None, None],
    "customers_total": ["12,400+", "10,800", None, None, None],
    "customers_100k": ["1,850", "1,520", None, None, None],
    "customers_1m": ["185", "142", None, None, None],
    "cloudsuite_revenue": ["$290M", None, None, "$1.04B", None],
    "dataflow_revenue": ["$185M", None, None, "$680M", None],
    "secureedge_revenue": ["$105M", None, None, "$380M", None],
    "employees": [None, None, None, "~4,200", "~3,800"],
}
PERCENT = {"gross_margin", "operating_margin", "fcf_margin", "nrr"}
COUNTS = {"customers_total", "customers_100k", "customers_1m", "employees"}


def unit_of(metric):
    if metric in PERCENT:
        return "percent"
    if metric in COUNTS:
        return "count"
    return "USD per share" if metric.endswith("eps") else "USD"


def lookup(metric, period):
    outcome = HANDLERS["lookup_metric"]({"metric": metric, "period": period}, None, NOW)
    assert outcome.state is None
    return outcome.data


def compare(metric, period1, period2):
    parameters = {"metric": metric, "period1": period1, "period2": period2}
    outcome = HANDLERS["compare_quarters"](parameters, None, NOW)
    assert outcome.state is None
    return outcome.data


@pytest.mark.parametrize(
    ("metric", "period", "value"),
    [
        pytest.param(metric, period, value, id=f"{metric}-{period}")
        for metric, values in PUBLISHED.items()
        for period, value in zip(PERIODS, values, strict=True)
    ],
)
def test_every_published_figure_is_found_and_no_other(metric, period, value):
    data = lookup(metric, period)
    if value is None:
        assert set(data) == {"error"}
        return
    source = data.pop("source")
    assert "TechCorp Inc." in source
    assert "SEC" in source
    assert data == {"metric": metric, "period": period, "value": value, "unit": unit_of(metric)}


@pytest.mark.parametrize(
    ("metric", "period", "normalised"),
    [
        ("Gross Margin", "q4_2025", ("gross_margin", "Q4_2025")),
        ("EPS", "Q4 2025", ("eps", "Q4_2025")),
        (" revenue ", "q4-2025", ("revenue", "Q4_2025")),
        ("Revenue", "Q42025", ("revenue", "Q4_2025")),
        ("operating  income", "fy 2025", ("operating_income", "FY2025")),
        ("revenue", "FY-2024", ("revenue", "FY2024")),
        ("revenue", "FY_2024", ("revenue", "FY2024")),
    ],
)
def test_metric_and_period_are_understood_as_people_say_them(metric, period, normalised):
    data = lookup(metric, period)
    assert (data["metric"], data["period"]) == normalised


@pytest.mark.parametrize("period", ["Q1_2020", "", None, 2025, "x" * 10_000])
def test_an_unknown_period_is_answered_with_the_periods_there_are(period):
    assert ", ".join(PERIODS) in lookup("revenue", period)["error"]


@pytest.mark.parametrize("metric", ["happiness", "", None, ["revenue"]])
def test_an_unknown_metric_is_answered_with_the_metrics_of_the_period(metric):
    published = [name for name, values in PUBLISHED.items() if values[4]]
    assert ", ".join(published) in lookup(metric, "FY2024")["error"]


@pytest.mark.parametrize(
    ("metric", "period1", "period2", "delta", "percent"),
    [
        ("revenue", "Q4_2025", "Q4_2024", "+$80M", "16.0%"),
        ("gross_margin", "Q4_2025", "Q4_2024", "+1.3%", "1.8%"),
        ("operating_income", "Q4_2025", "Q4_2024", "+$24M", "25.4%"),
        ("eps", "Q4_2025", "Q4_2024", "+$0.17", "17.3%"),
        ("arr", "Q4_2025", "Q4_2024", "+$370M", "19.0%"),
        ("revenue", "Q3_2025", "Q4_2025", "$-22M", "-3.8%"),
        ("revenue", "FY2025", "FY2024", "+$320M", "18.0%"),
        ("revenue", "Q4_2025", "FY2025", "$-1.52B", "-72.4%"),
        ("gross_margin", "Q4_2024", "Q4_2025", "-1.3%", "-1.8%"),
        ("operating_income", "Q4_2024", "FY2025", "$-313M", "-77.2%"),
        ("customers_total", "Q4_2025", "Q4_2024", "+1600", "14.8%"),
        ("customers_1m", "Q4_2024", "Q4_2025", "-43", "-23.2%"),
        ("employees", "FY2025", "FY2024", "+400", "10.5%"),
        ("revenue", "Q4_2025", "Q4_2025", "+$0.00", "0.0%"),
    ],
)
def test_the_change_between_two_periods(metric, period1, period2, delta, percent):
    data = compare(metric, period1, period2)
    assert (data["delta"], data["percentChange"]) == (delta, percent)


def test_a_comparison_shows_both_values_and_their_source():
    data = compare("Revenue", "Q4 2025", "q4-2024")
    assert data == {
        "metric": "revenue",
        "period1": {"period": "Q4_2025", "value": "$580M"},
        "period2": {"period": "Q4_2024", "value": "$500M"},
        "delta": "+$80M",
        "percentChange": "16.0%",
        "source": lookup("revenue", "Q4_2025")["source"],
    }


@pytest.mark.parametrize(
    ("metric", "period1", "period2", "available"),
    [
        pytest.param("revenue", "Q1_2020", "Q4_2025", PERIODS, id="first-unknown"),
        pytest.param("revenue", "Q4_2025", None, PERIODS, id="second-missing"),
        pytest.param("arr", "Q4_2025", "FY2024", ["Q4_2025", "Q4_2024"], id="not-published-then"),
        pytest.param("happiness", "Q4_2025", "Q4_2024", PERIODS, id="unknown-metric"),
    ],
)
def test_a_comparison_that_lacks_a_figure_names_the_periods_there_are(metric, period1, period2, available):
    data = compare(metric, period1, period2)
    assert set(data) == {"error", "availablePeriods"}
    assert data["availablePeriods"] == available


@pytest.mark.parametrize(
    ("value", "other", "delta", "percent"),
    [
        pytest.param("n/a", "$1M", None, None, id="no-number"),
        pytest.param("$1M", "", None, None, id="empty"),
        pytest.param("$1M", "$0", "+$1M", None, id="no-share-of-zero"),
        pytest.param("NaN", "$1M", None, None, id="not-a-number"),
        pytest.param("Infinity", "$1M", None, None, id="infinite"),
    ],
)
def test_a_change_that_cannot_be_computed_is_null(value, other, delta, percent):
    table = {
        "source": "-",
        "periods": ["A", "B"],
        "metrics": {"m": {"unit": "USD", "values": {"A": value, "B": other}}},
    }
    data = compare_in({"metric": "m", "period1": "a", "period2": "b"}, table).data
    assert (data["delta"], data["percentChange"]) == (delta, percent)


def test_the_figures_are_in_the_published_order():
    table = load_figures()
    assert table["periods"] == PERIODS
    assert list(table["metrics"]) == list(PUBLISHED)
