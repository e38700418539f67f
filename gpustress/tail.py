"""Who makes a tail: what positions, entities, starters of cascades and flows contribute to an expected shortfall.

The Euler allocation, Tasche, "Capital allocation to business units and sub-portfolios: the Euler principle" (2008): the
contribution of a part is its mean on the paths that make the expected shortfall, so the parts sum to it exactly. Paths
that tie at the value at risk share its weight evenly, so the order of the paths does not matter. The standard errors
take in that the value at risk is estimated too: the influence function of a contribution needs the part's mean at the
value at risk, taken over the sqrt((1 - level) P) paths to either side of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import one_of
from .book import check_horizon, path_losses, read_book
from .errors import bad_argument, nearest
from .estimates import result_table
from .failure_order import first_to_fail
from .lines import expand_lines
from .parameters import Flows
from .result import check_result
from .sampling import CONFIDENCE, check_share, mean_with_error, quantile_rank, root_spread
from .tables import floats
from .variance_reduction import check_plain

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .book import Book
    from .result import Result

FIGURES = ("npv", "total")  # of a measure, that are sums of its flows


def contributions(
    run: Result, positions: Any = None, level: float = 0.99, *, horizon: float | None = None
) -> pa.Table:
    """What each position contributes to the expected shortfall of its book: its mean loss in the book's tail.

    Parameters
    ----------
    run : Result
    positions : anything that speaks Arrow, optional
        Rows of the table ``positions``; None for the system's own.
    level : float
        Of the expected shortfall, strictly between 0 and 1.
    horizon : float, optional
        Years, as of `losses`.

    Returns
    -------
    pyarrow.Table
        scenario, position, entity, contribution, standard_error, share (null where the expected shortfall is
        0), and a grid's coordinates. The contributions of a run sum to its expected shortfall, up to
        rounding.

    Raises
    ------
    InputError
        `run` is no result, or positions, level or horizon are not as they have to be.

    Notes
    -----
    The Euler allocation, Tasche, "Capital allocation to business units and sub-portfolios: the Euler principle"
    (2008); errors from its influence function.
    """
    check_result(run)
    check_horizon(horizon)
    check_share("level", level)
    book = read_book(run.system, positions)
    by_entity = book.loss_by_entity(run.system.settings, len(run.entities), horizon)
    shape = (len(run.runs), len(book.names))
    contribution, error = np.empty(shape), np.empty(shape)
    for row in range(shape[0]):
        if run.variance_reduction is not None:
            contribution[row], error[row] = _sample_contributions(run, row, book, by_entity, level, horizon)
            continue
        tail = Tail(path_losses(by_entity, run.failed_at[row]), level)
        weights = tail.failures(run.failed_at[row], by_entity.shape[1], book)
        for rows in book.pieces():
            loss = book.loss_by_period(run.system.settings, horizon, rows)
            contribution[row, rows], error[row, rows] = weights.contributions(loss, book.entity[rows])
    which_run, position = np.indices(shape)
    columns = {
        "scenario": (run.scenarios, which_run),
        "position": (book.names, position),
        "entity": (book.entities, position),
        "contribution": contribution,
        "standard_error": error,
        "share": _shares(contribution),
    }
    return result_table("contributions", run, which_run, columns)


def _sample_contributions(
    run: Result, row: int, book: Book, by_entity: NDArray[np.float64], level: float, horizon: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Contribution of each position and its standard error, on paths however they were drawn."""
    sample, failed_at = run.sample(row), run.failed_at[row]
    total = path_losses(by_entity, failed_at)
    at_risk, low, high = sample.quantile_interval(total, level, CONFIDENCE)
    at, above, near = total == at_risk, total > at_risk, (total >= low) & (total <= high)
    # The share of the paths at the value at risk that belongs to the tail.
    part = (1.0 - level - sample.mean(above)[0]) / sample.mean(at)[0]
    tail = above + part * at
    found = np.empty((2, len(book.names)))
    for rows in book.pieces():
        loss = book.loss_by_period(run.system.settings, horizon, rows)
        for place, (entity, by_period) in enumerate(zip(book.entity[rows], loss, strict=True), rows.start):
            own = by_period[failed_at[:, entity]]
            edge = sample.mean(own, among=near)[0]
            error = sample.mean(tail * (own - edge))[1]
            found[:, place] = sample.mean(tail * own)[0] / (1.0 - level), error / (1.0 - level)
    return found[0], found[1]


def entity_contributions(
    run: Result, positions: Any = None, level: float = 0.99, *, horizon: float | None = None
) -> pa.Table:
    """What each entity contributes to the expected shortfall of a book: by its own failure, and by what it starts.

    Parameters
    ----------
    run, positions, level, horizon
        As of `contributions`.

    Returns
    -------
    pyarrow.Table
        scenario, entity, contribution, standard_error, share, started, started_error, started_share, and a grid's
        coordinates. `contribution` is what the book loses in its tail by the entity's own failure, `started` all that
        it loses there on the paths on which the entity is the first to fail (as of `cascade_starts`; of several, each
        has an equal part). Either sums to the expected shortfall, up to rounding; the shares are null where it is 0.

    Raises
    ------
    InputError
        `run` is no result, positions, level or horizon are not as they have to be, or the run's paths are not
        independent.
    """
    check_result(run)
    check_plain(run, "what entities contribute to a tail")
    check_horizon(horizon)
    check_share("level", level)
    book = read_book(run.system, positions)
    by_entity = book.loss_by_entity(run.system.settings, len(run.entities), horizon)
    entity = np.arange(len(run.entities))
    shape = (len(run.runs), len(entity))
    contribution, error, started, started_error = np.empty((4, *shape))
    for row in range(shape[0]):
        failed_at = run.failed_at[row]
        loss = path_losses(by_entity, failed_at)
        first = first_to_fail(run, row)
        starters = np.maximum(first.sum(axis=1), 1)

        def lost(paths: NDArray[np.intp], failed_at: NDArray[np.int16] = failed_at) -> NDArray[np.float64]:
            return by_entity[entity, failed_at[paths]]

        def begun(
            paths: NDArray[np.intp],
            loss: NDArray[np.float64] = loss,
            first: NDArray[np.bool_] = first,
            starters: NDArray[np.int64] = starters,
        ) -> NDArray[np.float64]:
            return np.asarray(first[paths] * (loss[paths] / starters[paths])[:, None])

        tail = Tail(loss, level)
        contribution[row], error[row] = tail.contributions(lost)
        started[row], started_error[row] = tail.contributions(begun)
    which, place = np.indices(shape)
    columns = {
        "scenario": (run.scenarios, which),
        "entity": (run.entities, place),
        "contribution": contribution,
        "standard_error": error,
        "share": _shares(contribution),
        "started": started,
        "started_error": started_error,
        "started_share": _shares(started),
    }
    return result_table("entity_contributions", run, which, columns)


def flow_contributions(run: Result, measure: str, level: float = 0.95, *, figure: str = "npv") -> pa.Table:
    """What each flow contributes to the expected shortfall of a measure: the mean of its lowest `1 - level`.

    Parameters
    ----------
    run : Result
        With every flow of the measure in its series (``record=["flow:NAME", ...]``).
    measure : str
    level : float
        Of the expected shortfall, strictly between 0 and 1.
    figure : {"npv", "total"}

    Returns
    -------
    pyarrow.Table
        scenario, flow, contribution, standard_error, mean, mean_error, and a grid's coordinates: what the flow, times
        its weight, comes to on the worst paths and on all. The contributions of a run sum to the measure's expected
        shortfall, the means to its mean, up to rounding.

    Raises
    ------
    InputError
        `run` is no result, there is no such measure or figure, a flow was not recorded, or the measure takes in
        depreciation or impairments, which no series records; or the run's paths are not independent.
    """
    check_result(run)
    check_plain(run, "what flows contribute to a tail")
    check_share("level", level)
    if not one_of(figure, FIGURES):
        raise bad_argument("figure", figure, "is no sum of flows", f"Write {' or '.join(FIGURES)}.")
    names, weights = _weighted_flows(run, measure)
    missing = [f"flow:{name}" for name in names if f"flow:{name}" not in run.series]
    if missing:
        raise bad_argument(
            "run", ", ".join(missing), "was not recorded", f"Simulate with record={missing}, all of them."
        )
    settings = run.system.settings
    end = (np.arange(settings.periods) + 1.0) * settings.period_years
    in_time = (1.0 + settings.discount_rate) ** -end if figure == "npv" else np.ones(settings.periods)
    shape = (len(run.runs), len(names))
    contribution, error, mean, mean_error = np.empty((4, *shape))
    for row in range(shape[0]):
        values = np.stack(
            [
                weight * (run.series[f"flow:{name}"][row] @ in_time)
                for name, weight in zip(names, weights, strict=True)
            ],
            axis=1,
        )
        tail = Tail(-getattr(run.measures[measure], figure)[row], level)
        contribution[row], error[row] = tail.contributions(values.__getitem__)
        for place in range(len(names)):
            mean[row, place], mean_error[row, place] = mean_with_error(values[:, place])
    which, flow = np.indices(shape)
    columns = {
        "scenario": (run.scenarios, which),
        "flow": (names, flow),
        "contribution": contribution,
        "standard_error": error,
        "mean": mean,
        "mean_error": mean_error,
    }
    return result_table("flow_contributions", run, which, columns)


def _weighted_flows(run: Result, measure: str) -> tuple[tuple[str, ...], list[float]]:
    """The flows that a measure adds up, each once, and their weights."""
    system = run.system
    if not one_of(measure, system.measure_names):
        raise bad_argument(
            "measure", measure, "names no measure", nearest(str(measure), system.measure_names)
        )
    capex = np.flatnonzero(~np.isnan(floats(system.tables["flows"], "life"))).astype(np.int32)
    lines = expand_lines(system.tables["measures"], Flows(system.tables), capex)
    weights: dict[int, float] = {}
    own = lines.measure == lines.names.index(measure)
    for line, weight in zip(lines.line[own], lines.weight[own], strict=True):
        weights[int(line)] = weights.get(int(line), 0.0) + float(weight)
    if max(weights, default=0) >= len(system.flow_names):
        remedy = "Name a measure of payments alone."
        raise bad_argument(
            "measure", measure, "takes in depreciation or impairments, which no series records", remedy
        )
    return tuple(system.flow_names[line] for line in weights), list(weights.values())


def _shares(contribution: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the sum over the last axis; nan where that is 0."""
    total = contribution.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total == 0.0, np.nan, contribution / total)


@dataclass(frozen=True)
class TailFailures:
    """When entities fail on the paths of a tail: counts by entity and period, each of shape (N, T + 1)."""

    count: int  # paths, P
    mass: float  # (1 - level) P
    weight: float  # of a path at the value at risk
    above: NDArray[np.float64]
    at: NDArray[np.float64]
    near: NDArray[np.float64]  # mean over the paths next to the value at risk

    def contributions(
        self, loss: NDArray[np.float64], entity: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contribution of each position and its standard error; `loss` (J, T + 1) is by period of failure."""
        above, at = self.above[entity], self.at[entity]
        weighted = above + self.weight * at
        contribution = (weighted * loss).sum(axis=1) / self.mass
        excess = loss - (self.near[entity] * loss).sum(axis=1, keepdims=True)
        squares = (above + self.weight**2 * at) * np.square(excess)
        error = root_spread((weighted * excess).sum(axis=1), squares.sum(axis=1), self.count) / self.mass
        return contribution, error


class Tail:
    """The paths of one run whose losses make the expected shortfall."""

    def __init__(self, loss: NDArray[np.float64], level: float):
        self.count = len(loss)
        rank, self.mass = quantile_rank(level, self.count)
        ordered = np.sort(loss)
        at_risk = ordered[rank - 1]
        self.above = np.flatnonzero(loss > at_risk)
        self.at = np.flatnonzero(loss == at_risk)
        self.weight = (self.mass - len(self.above)) / len(self.at)

        # The ranks around the value at risk; ties at either end share the places that the end has.
        reach = max(1, math.isqrt(int(self.mass)))
        first, last = max(rank - reach, 1), min(rank + reach, self.count)
        low, high = ordered[first - 1], ordered[last - 1]
        self.near = np.flatnonzero((loss >= low) & (loss <= high))
        weight = np.ones(len(self.near))
        for end in {low, high}:
            begin, stop = np.searchsorted(ordered, end, "left"), np.searchsorted(ordered, end, "right")
            weight[loss[self.near] == end] = (min(stop, last) - max(begin, first - 1)) / (stop - begin)
        self.near_weight = weight / (last - first + 1)

    def failures(self, failed_at: NDArray[np.int16], periods: int, book: Book) -> TailFailures:
        """Counts of the failures of the book's entities; `failed_at` (P, N), `periods` is T + 1."""
        above, at, near = np.zeros((3, failed_at.shape[1], periods))
        for entity in np.unique(book.entity):
            period = failed_at[:, entity]
            above[entity] = np.bincount(period[self.above], minlength=periods)
            at[entity] = np.bincount(period[self.at], minlength=periods)
            near[entity] = np.bincount(period[self.near], self.near_weight, minlength=periods)
        return TailFailures(self.count, self.mass, self.weight, above, at, near)

    def contributions(
        self, values: Callable[[NDArray[np.intp]], NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contribution of each of J parts and its standard error; `values` gives the parts (n, J) of some paths."""
        above, at = values(self.above), values(self.at)
        excess_above, excess_at = (part - self.near_weight @ values(self.near) for part in (above, at))
        total = excess_above.sum(axis=0) + self.weight * excess_at.sum(axis=0)
        squares = np.square(excess_above).sum(axis=0) + self.weight**2 * np.square(excess_at).sum(axis=0)
        contribution = (above.sum(axis=0) + self.weight * at.sum(axis=0)) / self.mass
        return contribution, root_spread(total, squares, self.count) / self.mass
