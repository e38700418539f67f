"""Periods as dates."""

from __future__ import annotations

import datetime
from calendar import monthrange
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .settings import Settings

DAYS_PER_YEAR: Final = 365.2425
LAST_DAY: Final = datetime.date(
    datetime.MAXYEAR, 1, 1
).toordinal()  # that is labelled; a year of room for rounding


def period_label(settings: Settings, period: int) -> str:
    """A period as a reader knows it.

    A year (``2029``), half (``2029H2``), quarter (``2029Q3``) or month (``2029-08``) where the period is one;
    else the day on which it begins; ``period 14`` where the system has no start, or the calendar no such
    year.
    """
    if settings.start is None:
        return f"period {period}"
    start = datetime.date.fromisoformat(settings.start)
    months = 12.0 / settings.periods_per_year
    day = start.toordinal() + round(period / settings.periods_per_year * DAYS_PER_YEAR)
    if day > LAST_DAY:
        return f"period {period}"
    if not months.is_integer():
        return datetime.date.fromordinal(day).isoformat()
    year, month = divmod(start.year * 12 + start.month - 1 + int(months) * period, 12)
    if start.day > 1:
        return datetime.date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])).isoformat()
    return _calendar_name(year, month, int(months))


def within(horizon: float | None) -> str:
    """How it is said that something happens within so many years; "" for None."""
    return "" if horizon is None else f" within {horizon:g} year{'' if horizon == 1.0 else 's'}"


def _calendar_name(year: int, month: int, months: int) -> str:
    """The year, half, quarter or month that begins with `month` (from 0) and has so many months."""
    if months == 12 and month == 0:
        return str(year)
    if months in (3, 6) and month % months == 0:
        return f"{year}{'Q' if months == 3 else 'H'}{month // months + 1}"
    return f"{year}-{month + 1:02d}"
