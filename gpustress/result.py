"""What a run gives: arrays by name, and tables of estimates made from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from .arguments import whole_number
from .dependent_estimates import contagion_shares, curve_shares, failure_shares
from .errors import bad_argument
from .estimates import (
    FIGURES,
    QUANTILES,
    Named,
    ScenarioRun,
    check_contagion,
    contagion_of_shares,
    contagion_pairs,
    contagion_table,
    failure_curve_of_shares,
    failure_curve_table,
    failures_of_shares,
    failures_table,
    rows_table,
)
from .path_sample import PathSample
from .sampling import binomial_error, mean_with_error, quantile_with_error
from .schema import CAUSES
from .variance_reduction import VarianceReduction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike

    import pyarrow as pa
    from numpy.typing import NDArray

    from .report import Answer
    from .single_path import Replay
    from .system import System

COUNTED_AT_ONCE: Final = 1 << 20  # paths x entities whose failures are counted in one go: a few megabytes


@dataclass(frozen=True, eq=False)
class MeasureResult:
    """Four figures of one measure, each of shape (S, P).

    Attributes
    ----------
    total : ndarray of float64
        Sum over all periods, currency.
    npv : ndarray of float64
        The sum discounted, currency.
    trough : ndarray of float64
        Lowest running total after a period, currency.
    payback : ndarray of int16
        First period from which the running total never again is negative; T for never.
    """

    total: NDArray[np.float64]
    npv: NDArray[np.float64]
    trough: NDArray[np.float64]
    payback: NDArray[np.int16]

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for figure in FIGURES:
            object.__setattr__(self, figure, _frozen(getattr(self, figure)))


@dataclass(frozen=True, eq=False, repr=False)
class Result(Named):
    """What a run gives: S runs (scenarios x effects), P paths, N entities, T periods; arrays are read-only.

    Attributes
    ----------
    system : System
        The system that was run.
    scenario_table : pyarrow.Table
        The scenarios as they were run (input table ``scenarios``); without rows, the system as it is.
    coordinates : pyarrow.Table or None
        Of a grid or sample: ``scenario`` and a column for each address that it changes.
    runs : tuple of ScenarioRun, length S
    seed, paths : int
    backend : str
        Name of the backend that ran it.
    digest : str
        Stands for the program: the system under its scenarios.
    factors_digest : str
        Stands for factor paths of one's own; "" where there were none.
    failed_at : ndarray (S, P, N) of int16
        Period of failure; T where the entity survives.
    cause : ndarray (S, P, N) of int8
        Index into ``schema.CAUSES``.
    lowest_liquidity : ndarray (S, P, N) of float64
        Least cash + credit line at the end of a period, currency.
    final_cash : ndarray (S, P, N) of float64
        Currency.
    measures : mapping of str to MeasureResult
    series : mapping of str to ndarray (S, P, T) of float64
        What was asked for by ``record``.
    exact_finishes : ndarray (S,) of int64
        Path-periods whose settlement was finished exactly.
    variance_reduction : VarianceReduction or None
        How the paths were drawn; None: each by itself.
    weights : ndarray (S, P) of float64, or None
        What each path weighs in an estimate; None: all weigh the same. Estimates of a run with `variance_reduction` go
        through `sample`, lest an error or a figure be wrong.
    """

    system: System
    scenario_table: pa.Table
    coordinates: pa.Table | None
    runs: tuple[ScenarioRun, ...]
    seed: int
    paths: int
    backend: str
    digest: str
    factors_digest: str
    failed_at: NDArray[np.int16]
    cause: NDArray[np.int8]
    lowest_liquidity: NDArray[np.float64]
    final_cash: NDArray[np.float64]
    measures: Mapping[str, MeasureResult]
    series: Mapping[str, NDArray[np.float64]]
    exact_finishes: NDArray[np.int64]
    variance_reduction: VarianceReduction | None = None
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Make the arrays and mappings read-only."""
        if self.weights is not None:
            object.__setattr__(self, "weights", _frozen(self.weights))
        for name in ("failed_at", "cause", "lowest_liquidity", "final_cash", "exact_finishes"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        series = {name: _frozen(values) for name, values in self.series.items()}
        object.__setattr__(self, "series", MappingProxyType(series))
        object.__setattr__(self, "measures", MappingProxyType(dict(self.measures)))

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle the mappings as dictionaries; a proxy has no copy."""
        return self.__dict__ | {"measures": dict(self.measures), "series": dict(self.series)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take them back; copies are read-only too."""
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        """Say in a line what was run."""
        return (
            f"<Result of {self.system.settings.name!r}: {len(self.runs)} runs x {self.paths} paths x "
            f"{self.periods} periods, {len(self.entities)} entities, seed {self.seed}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: who fails, and what the book loses."""
        from .notebook import result_html

        return result_html(self)

    def sample(self, place: int) -> PathSample:
        """What the paths of a run are as a sample: which were drawn together, what each weighs.

        Parameters
        ----------
        place : int
            In `runs`, from 0.

        Raises
        ------
        InputError
            There is no such run.
        """
        number = whole_number(place)
        if number is None or not 0 <= number < len(self.runs):
            remedy = f"Give a whole number from 0 to {len(self.runs) - 1}."
            raise bad_argument("place", place, "is no place of a run", remedy)
        if self.variance_reduction is None:
            return PathSample(self.paths)
        weights = None if self.weights is None else self.weights[place]
        return self.variance_reduction.sample(self.paths, weights)

    def rows_of(self, place: int) -> pa.Table:
        """The rows of `scenario_table` of a run's scenario; none where the system ran as it is.

        Parameters
        ----------
        place : int
            In `runs`.
        """
        table = self.scenario_table
        return table.filter(pc.equal(table["scenario"], self.runs[place].scenario))

    @cached_property
    def failure_counts(self) -> NDArray[np.int64]:
        """How many paths fail of each cause in each period, whatever they weigh.

        Returns
        -------
        ndarray, shape (S, N, causes, T)
            Causes in the order of ``schema.CAUSES`` without its first, "none".
        """
        survived, causes, entities = self.periods, len(CAUSES), len(self.entities)
        cells = causes * (survived + 1)
        counts = np.zeros((len(self.runs), entities * cells), dtype=np.int64)
        first_cell = np.arange(entities, dtype=np.int64) * cells
        step = max(1, COUNTED_AT_ONCE // entities)
        for run in range(len(self.runs)):
            for start in range(0, self.paths, step):
                paths = slice(start, start + step)
                cell = self.cause[run, paths].astype(np.int64) * (survived + 1)
                cell += self.failed_at[run, paths]
                cell += first_cell
                counts[run] += np.bincount(cell.ravel(), minlength=counts.shape[1])
        return _frozen(counts.reshape(len(self.runs), entities, causes, survived + 1)[:, :, 1:, :survived])

    def failures(self) -> pa.Table:
        """Probability of failing by the last period, for each run, entity and cause.

        Returns
        -------
        pyarrow.Table
            scenario, entity, cause (``any`` first), probability, standard_error (binomial where paths are
            independent), mean_period (null where nobody fails), and a grid's coordinates.
        """
        if self.variance_reduction is not None:
            (share, error), period = failure_shares(self)
            return failures_of_shares(self, share, error, period)
        return failures_table(self, self.failure_counts)

    def failure_curve(self) -> pa.Table:
        """Probability of having failed by the end of each period.

        Returns
        -------
        pyarrow.Table
            scenario, entity, period, probability, standard_error (binomial where paths are independent), and a
            grid's coordinates.
        """
        if self.variance_reduction is not None:
            each = [curve_shares(self, place) for place in range(len(self.runs))]
            return failure_curve_of_shares(self, *map(np.stack, zip(*each, strict=True)))
        return failure_curve_table(self, self.failure_counts)

    def measure_summary(self) -> pa.Table:
        """Mean and quantiles of every measure's figures.

        Returns
        -------
        pyarrow.Table
            scenario, measure, figure (total, npv, trough, payback), statistic (mean, q05, q25, q50, q75, q95,
            and of payback share_never), value, standard_error, and a grid's coordinates. A quantile of
            payback equal to T means never; its mean is over the paths that pay back.
        """
        rows = [
            (run, measure, figure, statistic, value, error)
            for run in range(len(self.runs))
            for measure, result in self.measures.items()
            for figure in FIGURES
            for statistic, value, error in self._statistics(run, figure, getattr(result, figure)[run])
        ]
        return rows_table("measure_summary", self, rows)

    def contagion(self) -> pa.Table:
        """What contagion adds to each entity's probability of failing: full against first_round.

        Returns
        -------
        pyarrow.Table
            scenario, entity, first_round, full, difference, standard_error (paired), added, spared (both null
            where paths weigh differently), and a grid's coordinates; a row for each scenario that ran with both
            effects, and each entity.

        Raises
        ------
        InputError
            No scenario ran with both.
        """
        check_contagion(self.runs)
        pairs = self.contagion_pairs()
        if self.variance_reduction is not None:
            each = [contagion_shares(self, alone, full) for alone, full in pairs]
            shares = {name: np.stack([found[name] for found, _ in each]) for name in each[0][0]}
            return contagion_of_shares(self, shares, np.stack([error for _, error in each]), pairs)
        counts = {
            name: np.empty((len(pairs), len(self.entities)), dtype=np.int64)
            for name in ("first_round", "full", "added", "spared")
        }
        for row, (first, second) in enumerate(pairs):
            judged_alone = self.failed_at[first] < self.periods
            with_all = self.failed_at[second] < self.periods
            counts["first_round"][row], counts["full"][row] = judged_alone.sum(axis=0), with_all.sum(axis=0)
            counts["added"][row] = (with_all & ~judged_alone).sum(axis=0)
            counts["spared"][row] = (judged_alone & ~with_all).sum(axis=0)
        return contagion_table(self, counts, pairs)

    def contagion_pairs(self) -> list[tuple[int, int]]:
        """Places in `runs` of first_round and full, for each scenario that ran with both."""
        return contagion_pairs(self.runs)

    def replay(self, path: int, scenario: str | None = None, *, factors: Any = None) -> Replay:
        """Simulate one of the paths again, and keep everything.

        Parameters
        ----------
        path : int
            Its number, from 0.
        scenario : str, optional
            A run's or a scenario's name; None: the first.
        factors : anything that speaks Arrow, optional
            Factor paths of one's own, if the run had some.

        Returns
        -------
        Replay
            The same numbers to the bit, where the run's own backend works here.

        Raises
        ------
        InputError
            There is no such path or scenario, or the factor paths are others.
        """
        from .single_path import replay_of

        return replay_of(self, path, scenario, factors)

    def write(self, folder: str | PathLike[str]) -> None:
        """Store the result as a folder of Parquet files, whole or not at all; see `store.write_result`."""
        from .store import write_result

        write_result(self, folder)

    def report(
        self, path: str | PathLike[str], scenario: str | None = None, *, answers: Sequence[Answer] = ()
    ) -> None:
        """Write one HTML page that tells what was found, and loads nothing; see `report.write_report`.

        It begins with the `scenario`, by default the first.
        """
        from .report import find, write_report

        write_report(self, path, answers=answers, findings=find(self, scenario))

    def _statistics(self, run: int, figure: str, values: NDArray[Any]) -> Iterable[tuple[str, float, float]]:
        """Statistic, value and standard error, of one measure's figure on all paths of one run."""
        if self.variance_reduction is not None:
            sample, pays = self.sample(run), values < self.periods if figure == "payback" else None
            yield ("mean", *sample.mean(values, among=pays))
            for name, level in QUANTILES.items():
                yield (name, *sample.quantile(values, level))
            if pays is not None:
                yield ("share_never", *sample.mean(~pays))
            return
        ordered = np.sort(values)
        if figure == "payback":
            paid_back = int(np.searchsorted(ordered, self.periods))
            yield ("mean", *mean_with_error(ordered[:paid_back]))
        else:
            yield ("mean", *mean_with_error(values))
        for name, level in QUANTILES.items():
            yield (name, *quantile_with_error(ordered, level))
        if figure == "payback":
            never = (self.paths - paid_back) / self.paths
            yield "share_never", never, binomial_error(never, self.paths)


def check_result(run: Any) -> None:
    """Refuse what is no result of a run.

    Raises
    ------
    InputError
    """
    if not isinstance(run, Result):
        raise bad_argument("run", run, "is no result of a run", "Make one with simulate(system, ...).")


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, contiguous, so that it can be stored piece by piece."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
