"""What the page's own script draws: one scenario and one entity of the reader's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dates import period_label
from ..pictures.fans import LEVELS
from ..sampling import CONFIDENCE, normal_deviate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..amounts import Unit
    from ..result import Result
    from .fans import Series


def explorer(run: Result, places: Sequence[int], series: Series, unit: Unit) -> dict[str, Any]:
    """Curves of failure and quantiles of cash, by scenario and entity.

    Parameters
    ----------
    run : Result
    places : sequence of int
        Runs to offer, places in ``run.runs``.
    series : Series
    unit : Unit
        Of cash.

    Returns
    -------
    dict
        ``periods`` (labels), ``paths``, ``deviate``, ``unit``, ``levels``, ``entities`` and ``scenarios``: each with
        its name and, by entity, ``failed`` (counts of paths; None where it never fails) and ``cash`` (in `unit`,
        levels by periods; None where it is not known).
    """
    counts = run.failure_counts.sum(axis=2).cumsum(axis=2)
    scenarios = []
    for place in places:
        name = run.runs[place].scenario
        fans = [series.cash(name, entity) for entity in run.entities]
        scenarios.append(
            {
                "name": name,
                "failed": [row.tolist() if row[-1] else None for row in counts[place]],
                "cash": [None if fan is None else _short(fan / unit.size) for fan in fans],
            }
        )
    return {
        "periods": [period_label(run.system.settings, period) for period in range(run.periods)],
        "paths": run.paths,
        "deviate": normal_deviate(CONFIDENCE),
        "unit": unit.name.removeprefix(", "),
        "levels": list(LEVELS),
        "entities": list(run.entities),
        "scenarios": scenarios,
    }


def _short(values: Any) -> list[list[float]]:
    """Five digits are more than a screen shows, and keep the page small."""
    return [[float(f"{value:.5g}") for value in row] for row in np.asarray(values)]
