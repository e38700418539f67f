"""How an estimate settles as paths are added, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..estimates import run_place
from ..path_sample import PathSample
from ..result import check_result
from ..risk import sample_expected_shortfall
from ..sampling import CONFIDENCE, check_share
from .schema import CONVERGENCE
from .statistic import FAILURE, MEAN, QUANTILE, read_statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result

LEAST: Final = 16  # units that the first row rests on, where there are so many


def convergence(
    run: Result,
    *,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    entity: str | Sequence[str] | None = None,
    statistic: str = MEAN,
    level: float = 0.99,
    horizon: float | None = None,
    scenario: str | None = None,
    confidence: float = CONFIDENCE,
) -> pa.Table:
    """A statistic of the first paths of a run, twice as many in each row, with its error: how it settles.

    Parameters
    ----------
    run : Result
        However its paths were drawn.
    measure, figure, positions, entity, statistic, level, horizon
        What is asked for, as of `reverse_stress`.
    scenario : str, optional
        A run's or a scenario's name; None: the first.
    confidence : float
        Of the intervals.

    Returns
    -------
    pyarrow.Table
        paths, value, standard_error, low, high; the last row has all paths. Of quasi-Monte Carlo the error of each
        row is that of its scrambles, so it falls faster than the root of the paths where that pays.

    Raises
    ------
    InputError
        An argument is not as it has to be.
    """
    check_result(run)
    check_share("confidence", confidence)
    asked = read_statistic(run.system, statistic=statistic, measure=measure, figure=figure, positions=positions,
                           entity=entity, level=level, horizon=horizon)  # fmt: skip
    place = run_place(run, scenario)
    sample, values = run.sample(place), asked.of_paths(run, place)
    rows = []
    for paths in _counts(sample):
        first = sample.first(paths)
        value, error, low, high = _figures(
            first, values[:paths], asked.name, level, measure is not None, confidence
        )
        rows.append((paths, value, error, low, high))
    schema = CONVERGENCE.arrow()
    columns = [
        pa.array(np.array(column), field.type, from_pandas=True)
        for field, column in zip(schema, zip(*rows, strict=True), strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _counts(sample: PathSample) -> list[int]:
    """Numbers of paths, each twice the one before, the last all: whole units, or whole points of every scramble."""
    step = sample.scrambles or sample.together * min(LEAST, max(1, sample.units))
    counts = [
        step << doubling for doubling in range(sample.paths.bit_length()) if step << doubling < sample.paths
    ]
    return [*counts, sample.paths]


def _figures(
    sample: PathSample,
    values: NDArray[np.float64],
    name: str,
    level: float,
    low_is_bad: bool,
    confidence: float,
) -> tuple[float, float, float, float]:
    if name == QUANTILE:
        value, low, high = sample.quantile_interval(values, level, confidence)
        return value, sample.quantile(values, level)[1], low, high
    if name in (MEAN, FAILURE):
        value, error = sample.mean(values)
        reach = sample.deviate(confidence) * error
        return value, error, value - reach, value + reach
    sign = -1.0 if low_is_bad else 1.0
    found = sample_expected_shortfall(sample, sign * values, level, confidence)
    low, high = sorted((sign * float(found.low), sign * float(found.high)))
    return sign * float(found.value), float(found.standard_error), low, high
