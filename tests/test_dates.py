"""Periods as a reader knows them."""

import pytest

from gpustress.dates import period_label, within
from gpustress.settings import Settings


@pytest.mark.parametrize(
    ("start", "periods_per_year", "period", "label"),
    [
        ("2026-01-01", 4, 14, "2029Q3"),
        ("2026-01-01", 4, 0, "2026Q1"),
        ("2026-10-01", 4, 1, "2027Q1"),
        ("2026-02-01", 4, 1, "2026-05"),  # a quarter, but none of the calendar's
        ("2026-01-01", 1, 3, "2029"),
        ("2026-07-01", 1, 3, "2029-07"),
        ("2026-01-01", 2, 3, "2027H2"),
        ("2026-01-01", 12, 13, "2027-02"),
        ("2026-01-31", 12, 1, "2026-02-28"),
        ("2026-01-15", 4, 1, "2026-04-15"),
        ("2026-01-01", 52, 52, "2027-01-01"),
        ("2026-01-01", 0.5, 2, "2030-01"),
        (None, 4, 14, "period 14"),
        ("2026-01-01", 1, 9000, "period 9000"),
        ("2026-01-01", 0.001, 9, "period 9"),
        ("2026-01-01", 0.0007, 9, "period 9"),
    ],
)
def test_a_period_is_called_by_its_date(start, periods_per_year, period, label):
    settings = Settings(name="x", periods=10_000, periods_per_year=periods_per_year, start=start)
    assert period_label(settings, period) == label


@pytest.mark.parametrize(
    ("horizon", "said"), [(None, ""), (1.0, " within 1 year"), (2.5, " within 2.5 years")]
)
def test_a_horizon_is_said_in_years(horizon, said):
    assert within(horizon) == said
