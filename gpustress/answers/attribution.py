"""Who starts the cascades and what follows, what contagion adds to losses, and what a bad world looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..book import losses
from ..errors import bad_argument
from ..estimates import result_table, run_place
from ..failure_order import first_to_fail
from ..result import check_result
from ..sampling import binomial_error, check_share, mean_with_error
from ..simulation import simulate
from ..tail import Tail
from ..variance_reduction import check_plain
from .experiment import scenario_rows
from .schema import WORST_WORLD
from .statistic import MEAN, check_figure, read_statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result

WORST: Final = 0.95  # the level above which a path is one of the worst


def cascade_starts(run: Result) -> pa.Table:
    """Who fails first, and how many follow.

    Parameters
    ----------
    run : Result

    Returns
    -------
    pyarrow.Table
        scenario, entity, probability, standard_error, share, mean_followers, followers_error, and a grid's
        coordinates; a row for each run and entity. `share` is of the paths with a failure, of which those that start
        together each have an equal part; it sums to 1.

    Raises
    ------
    InputError
        `run` is no result; or its paths are not independent.
    """
    check_result(run)
    check_plain(run, "who fails first, and how many follow,")
    shape = (len(run.runs), len(run.entities))
    probability, share, followers, error = (np.zeros(shape) for _ in range(4))
    for row in range(shape[0]):
        first = first_to_fail(run, row)
        after = (run.failed_at[row] < run.periods).sum(axis=1) - first.sum(axis=1)
        together = first.sum(axis=1)
        probability[row] = first.mean(axis=0)
        any_failure = np.count_nonzero(together)
        parts = (first / np.maximum(together, 1)[:, None]).sum(axis=0)
        share[row] = parts / any_failure if any_failure else np.nan
        for entity in range(shape[1]):
            followers[row, entity], error[row, entity] = mean_with_error(after[first[:, entity]])
    which, entity_of = np.indices(shape)
    columns = {
        "scenario": (run.scenarios, which),
        "entity": (run.entities, entity_of),
        "probability": probability,
        "standard_error": binomial_error(probability, run.paths),
        "share": share,
        "mean_followers": followers,
        "followers_error": error,
    }
    return result_table("cascade_starts", run, which, columns)


def cascade_followers(run: Result) -> pa.Table:
    """What follows when an entity fails first.

    Parameters
    ----------
    run : Result

    Returns
    -------
    pyarrow.Table
        scenario, starter, entity, probability, standard_error, otherwise, contagion, and a grid's coordinates; a row
        for each run, each entity that starts some path, and each other. `probability` is that of failing later on
        the paths that the starter starts, `otherwise` that of failing on all other paths, `contagion` the part of
        `probability` in which it does not fail when judged alone (null where first_round was not run).

    Raises
    ------
    InputError
        `run` is no result; or its paths are not independent.
    """
    check_result(run)
    check_plain(run, "what follows a failure")
    rows: list[tuple[Any, ...]] = []
    alone_of = {full: alone for alone, full in run.contagion_pairs()}
    for row in range(len(run.runs)):
        first = first_to_fail(run, row)
        failed = run.failed_at[row] < run.periods
        later = failed & ~first
        alone = run.failed_at[alone_of[row]] < run.periods if row in alone_of else None
        for starter in np.flatnonzero(first.any(axis=0)):
            started = first[:, starter]
            count = int(np.count_nonzero(started))
            share = later[started].mean(axis=0)
            rest = failed[~started].mean(axis=0) if count < run.paths else np.full(len(run.entities), np.nan)
            added = None if alone is None else (later & ~alone)[started].mean(axis=0)
            for entity in range(len(run.entities)):
                if entity != starter:
                    rows.append(
                        (
                            row,
                            starter,
                            entity,
                            share[entity],
                            binomial_error(float(share[entity]), count),
                            rest[entity],
                            np.nan if added is None else added[entity],
                        )
                    )
    columns_of = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.array([])] * 7
    which, starters, others = (column.astype(np.intp) for column in columns_of[:3])
    names = ("probability", "standard_error", "otherwise", "contagion")
    columns = {
        "scenario": (run.scenarios, which),
        "starter": (run.entities, starters),
        "entity": (run.entities, others),
        **dict(zip(names, columns_of[3:], strict=True)),
    }
    return result_table("cascade_followers", run, which, columns)


def contagion_losses(run: Result, positions: Any = None, *, horizon: float | None = None) -> pa.Table:
    """What contagion adds to the mean loss of a book and to the number of failures, on the same draws.

    Parameters
    ----------
    run : Result
        With effects first_round and full.
    positions : anything that speaks Arrow, optional
        The book; None for the system's own.
    horizon : float, optional
        Years, as of `losses`; of the losses alone.

    Returns
    -------
    pyarrow.Table
        scenario, figure (mean_loss, failures), first_round, full, difference, standard_error, share, share_error, and
        a grid's coordinates. `share` is the difference over full; its error is that of a ratio (delta method). Both
        are null where full is 0.

    Raises
    ------
    InputError
        No scenario ran with both effects, or the book is not as it has to be.
    """
    check_result(run)
    pairs = run.contagion_pairs()
    if not pairs:
        remedy = 'Simulate with effects=["first_round", "full"].'
        raise bad_argument(
            "effects", sorted({one.effects for one in run.runs}), "no scenario ran with both", remedy
        )
    loss = losses(run, positions, horizon)
    rows: list[tuple[Any, ...]] = []
    for first, second in pairs:
        counts = [
            (run.failed_at[row] < run.periods).sum(axis=1).astype(np.float64) for row in (first, second)
        ]
        for figure, alone, full in (("mean_loss", loss[first], loss[second]), ("failures", *counts)):
            difference, error = mean_with_error(full - alone)
            whole = float(full.mean())
            share, share_error = np.nan, np.nan
            if whole != 0.0:
                share = difference / whole
                share_error = mean_with_error((full - alone - share * full) / whole)[1]
            rows.append((second, figure, float(alone.mean()), whole, difference, error, share, share_error))
    which, figure_of, *numbers = zip(*rows, strict=True)
    names = ("first_round", "full", "difference", "standard_error", "share", "share_error")
    place = np.array(which, dtype=np.intp)
    columns = {
        "scenario": (tuple(one.scenario for one in run.runs), place),
        "figure": list(figure_of),
        **{name: np.array(values, dtype=np.float64) for name, values in zip(names, numbers, strict=True)},
    }
    return result_table("contagion_losses", run, place, columns)


def worst_world(
    run: Result,
    scenario: str | None = None,
    *,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    horizon: float | None = None,
    level: float = WORST,
    factors: Any = None,
) -> pa.Table:
    """What a bad world looks like: the factors on the worst paths, against all paths.

    Parameters
    ----------
    run : Result
    scenario : str, optional
        A run's or a scenario's name; None: the first.
    measure, figure, positions, horizon
        By what paths are judged: by the losses of a book (without one by the number of failures), or by a measure,
        whose bad end is the low one (of payback the high one).
    level : float
        Strictly between 0 and 1; the worst paths are a share of `1 - level`. Paths that tie at this quantile share the
        place that is left. Where more tie there than are asked for, the worst are those that are strictly worse, and
        where there are none, those that tie. Where all paths tie, none is worst.
    factors : anything that speaks Arrow, optional
        Factor paths of one's own, if the run had some.

    Returns
    -------
    pyarrow.Table
        factor, period, mean, worst_mean, difference, standard_error, deviations: a row for each factor and period. The
        factors are drawn again, as the run drew them; `deviations` is the difference over the factor's standard
        deviation in that period, null where it has none. Where no path is worst, all but `mean` are null.

    Raises
    ------
    InputError
        An argument is not as it has to be, or `factors` are not those of the run.

    Notes
    -----
    The standard error takes in that the quantile is estimated too, from the influence function of a mean over a tail;
    see `gpustress.tail`.
    """
    check_result(run)
    place = run_place(run, scenario)
    bad = badness(run, place, measure=measure, figure=figure, positions=positions, horizon=horizon)
    return factors_on(run, place, worst_paths(bad, level), factors)


def factors_on(run: Result, place: int, worst: WorstPaths, factors: Any) -> pa.Table:
    """The table of `worst_world` for some paths of a run."""
    values = factor_values(run, place, factors)
    rows = []
    for name, series in values.items():
        mean, spread = series.mean(axis=0), series.std(axis=0)
        difference, error = worst.difference(series)
        deviations = np.where(spread > 0.0, difference / np.where(spread > 0.0, spread, 1.0), np.nan)
        for t in range(run.periods):
            rows.append((name, t, mean[t], mean[t] + difference[t], difference[t], error[t], deviations[t]))
    schema = WORST_WORLD.arrow()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [
        pa.array(
            np.array(values) if pa.types.is_floating(field.type) else list(values),
            field.type,
            from_pandas=True,
        )
        for field, values in zip(schema, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True, eq=False)
class WorstPaths:
    """The worst paths of a run of P paths.

    Attributes
    ----------
    weight : ndarray (P,)
        How much of each path is one of the worst, 0 to 1; 0 of all where no path is worse than another.
    edge : ndarray (P,)
        Weights of the mean at the edge of the worst paths, with a sum of 1: as the edge is estimated, the error needs
        it. Where ties hold the edge in place, those of the worst paths themselves.
    tied : int
        Paths that tie at the quantile where they are more than were asked for: none of them is among the worst, or,
        where no path is worse, they are the worst. Else 0.
    """

    weight: NDArray[np.float64]
    edge: NDArray[np.float64]
    tied: int

    @property
    def share(self) -> float:
        """Of all paths."""
        return float(self.weight.mean())

    def difference(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean over the worst paths less that over all, of values (P, T), and its standard error, (T,) each.

        nan for both where no path is worst, for the error where one alone is.
        """
        count, inside = len(values), np.count_nonzero(self.weight)
        none = np.full(values.shape[1:], np.nan)
        if not inside:
            return none, none
        values = values - values[0]  # so what is the same on all paths differs by nothing, to the bit
        difference = self.weight @ values / self.weight.sum() - values.mean(axis=0)
        if inside == 1:
            return difference, none
        influence = self.weight[:, None] * (values - self.edge @ values) / self.share - values
        # A mean of few paths is nearer to them than to the truth: their spread is that of one less.
        return difference, influence.std(axis=0, ddof=1) * np.sqrt(inside / (inside - 1) / count)


def worst_paths(bad: NDArray[np.float64], level: float) -> WorstPaths:
    """The paths that are worst, as of `worst_world`; `bad` (P,) says how bad each is."""
    check_share("level", level)
    tail = Tail(bad, level)
    weight, edge = np.zeros((2, len(bad)))
    if len(tail.at) <= tail.mass:
        weight[tail.above], weight[tail.at] = 1.0, tail.weight
        edge[tail.near] = tail.near_weight
        return WorstPaths(weight, edge, 0)
    if len(tail.at) < len(bad):
        weight[tail.above if len(tail.above) else tail.at] = 1.0
        edge = weight / weight.sum()
    as_asked = len(tail.at) == 1 or len(tail.above) == tail.mass
    return WorstPaths(weight, edge, 0 if as_asked else len(tail.at))


def badness(
    run: Result, place: int, *, measure: str | None, figure: str, positions: Any, horizon: float | None
) -> NDArray[np.float64]:
    """How bad each path of a run is, shape (P,): the loss of a book, or a measure with its sign turned.

    Without a measure and without any book it is the number of failures.
    """
    check_plain(run, "an order of paths from good to bad")
    check_figure(figure)
    if measure is None and positions is None and not run.system.tables["positions"].num_rows:
        return np.asarray((run.failed_at[place] < run.periods).sum(axis=1), dtype=np.float64)
    asked = read_statistic(run.system, statistic="quantile" if figure == "payback" else MEAN, measure=measure,
                           figure=figure, positions=positions, entity=None, level=0.5, horizon=horizon)  # fmt: skip
    values = asked.of_paths(run, place)
    return -values if measure is not None and figure != "payback" else values


def factor_values(run: Result, place: int, factors: Any) -> dict[str, NDArray[np.float64]]:
    """Every factor's value on every path of a run, (P, T) each, drawn again.

    Raises
    ------
    InputError
        `factors` are not those of the run.
    """
    rows = (
        scenario_rows(run.system, run.scenario_table, run.runs[place].scenario)
        if run.scenario_table.num_rows
        else []
    )
    rows = [{"scenario": "again", **row} for row in rows or [{}]]
    names = ("scenario", "parameter", "start", "end", "op", "value")
    table = {name: [row.get(name) for row in rows] for name in names}
    record = [f"factor:{name}" for name in run.system.factor_names]
    if not record:
        return {}
    again = simulate(run.system, pa.table(table), paths=run.paths, seed=run.seed, backend=run.backend, effects="none",
                     record=record, factors=factors)  # fmt: skip
    if again.factors_digest != run.factors_digest:
        raise bad_argument(
            "factors", factors, "are not the factor paths of the run", "Give those that it was run with."
        )
    return {name: again.series[f"factor:{name}"][0] for name in run.system.factor_names}
