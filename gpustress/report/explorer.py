"""What the page's own script draws: one scenario, entity and measure of the reader's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..amounts import never_seen, unit_of
from ..dates import period_label
from ..pictures.fans import LEVELS
from ..sampling import CONFIDENCE, normal_deviate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..result import Result
    from .fans import Fan, Series


def explorer(run: Result, places: Sequence[int], series: Series) -> dict[str, Any]:
    """Curves of failure and quantiles of cash and of measures, by scenario.

    Parameters
    ----------
    run : Result
    places : sequence of int
        Runs to offer, places in ``run.runs``.
    series : Series

    Returns
    -------
    dict
        ``periods`` (labels), ``paths``, ``deviate``, ``never`` (what no failure at all says), ``levels``, ``entities``
        and ``measures`` (names; of the measures those with a fan), ``scenarios``: each with its name and, by entity,
        ``failed`` (counts of paths; None where it never fails). ``cash`` by entity and ``totals``, since the start, by
        measure: None where it is not known, or ``unit`` and by scenario ``quantiles`` (levels by periods) and
        ``error`` (the median's standard error by period; None of one path), or None.
    """
    counts = run.failure_counts.sum(axis=2).cumsum(axis=2)
    names = [run.runs[place].scenario for place in places]
    totals = {
        measure: _fans(run, [series.total(name, measure) for name in names]) for measure in run.measures
    }
    return {
        "periods": [period_label(run.system.settings, period) for period in range(run.periods)],
        "paths": run.paths,
        "deviate": normal_deviate(CONFIDENCE),
        "never": never_seen(run.paths),
        "levels": list(LEVELS),
        "entities": list(run.entities),
        "measures": [measure for measure, fans in totals.items() if fans],
        "scenarios": [
            {"name": name, "failed": [row.tolist() if row[-1] else None for row in counts[place]]}
            for name, place in zip(names, places, strict=True)
        ],
        "cash": [_fans(run, [series.cash(name, entity) for name in names]) for entity in run.entities],
        "totals": [fans for fans in totals.values() if fans],
    }


def _fans(run: Result, fans: Sequence[Fan | None]) -> dict[str, Any] | None:
    """Fans in one unit for all scenarios, so that they compare, fine enough for small medians."""
    held = [fan.quantiles for fan in fans if fan is not None]
    if not held:
        return None
    unit = unit_of((float(abs(quantiles).max()) / 10.0 for quantiles in held), run.system.settings.currency)
    return {
        "unit": unit.name.removeprefix(", "),
        "scenarios": [
            fan
            and {
                "quantiles": [_short(row / unit.size) for row in fan.quantiles],
                "error": None if fan.error is None else _short(fan.error / unit.size),
            }
            for fan in fans
        ],
    }


def _short(values: Iterable[float]) -> list[float]:
    """Five digits are more than a screen shows, and keep the page small."""
    return [float(f"{value:.5g}") for value in values]
