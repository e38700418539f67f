"""What a run gives: arrays by name, and tables of estimates made from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from .errors import bad_argument
from .result_schema import RESULT_SCHEMAS
from .sampling import binomial_error, difference_error, mean_with_error, quantile_with_error
from .schema import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from .report import Answer
    from .system import System

FIGURES: Final = ("total", "npv", "trough", "payback")
QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
ANY_CAUSE: Final = "any"
COUNTED_AT_ONCE: Final = 1 << 20  # paths x entities whose failures are counted in one go: a few megabytes


@dataclass(frozen=True)
class ScenarioRun:
    """One scenario under one set of effects.

    Attributes
    ----------
    name : str
        Unique: the scenario's, or NAME/EFFECTS where several effects were asked for.
    scenario : str
        The scenario's own name.
    effects : str
        "none", "first_round" or "full".
    """

    name: str
    scenario: str
    effects: str


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
class Result:
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

    def __post_init__(self) -> None:
        """Make the arrays and mappings read-only."""
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

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the runs: the first axis of every array."""
        return tuple(run.name for run in self.runs)

    @property
    def entities(self) -> tuple[str, ...]:
        """Names of the entities: the last axis of `failed_at` and its like."""
        return self.system.entity_names

    @property
    def periods(self) -> int:
        """Number of periods, T."""
        return self.system.settings.periods

    @cached_property
    def failure_counts(self) -> NDArray[np.int64]:
        """How many paths fail of each cause in each period.

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
            scenario, entity, cause (``any`` first), probability, standard_error (binomial), mean_period (null
            where nobody fails), and a grid's coordinates.
        """
        by_cause = self.failure_counts
        counts = np.concatenate(
            [by_cause.sum(axis=2, keepdims=True), by_cause], axis=2
        )  # (S, N, 1 + causes, T)
        failed = counts.sum(axis=3)
        share = failed / self.paths
        with np.errstate(invalid="ignore"):
            mean_period = counts @ np.arange(self.periods, dtype=np.float64) / failed
        run, entity, cause = np.indices(share.shape)
        return self._table(
            "failures",
            run,
            scenario=(self.scenarios, run),
            entity=(self.entities, entity),
            cause=((ANY_CAUSE, *CAUSES[1:]), cause),
            probability=share,
            standard_error=binomial_error(share, self.paths),
            mean_period=mean_period,
        )

    def failure_curve(self) -> pa.Table:
        """Probability of having failed by the end of each period.

        Returns
        -------
        pyarrow.Table
            scenario, entity, period, probability, standard_error (binomial), and a grid's coordinates.
        """
        share = self.failure_counts.sum(axis=2).cumsum(axis=2) / self.paths
        run, entity, period = np.indices(share.shape)
        return self._table(
            "failure_curve",
            run,
            scenario=(self.scenarios, run),
            entity=(self.entities, entity),
            period=period,
            probability=share,
            standard_error=binomial_error(share, self.paths),
        )

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
            for statistic, value, error in self._statistics(figure, getattr(result, figure)[run])
        ]
        run, measure, figure, statistic, value, error = zip(*rows, strict=True) if rows else ((),) * 6
        return self._table(
            "measure_summary",
            np.array(run, dtype=np.intp),
            scenario=(self.scenarios, np.array(run, dtype=np.intp)),
            measure=list(measure),
            figure=list(figure),
            statistic=list(statistic),
            value=np.array(value, dtype=np.float64),
            standard_error=np.array(error, dtype=np.float64),
        )

    def contagion(self) -> pa.Table:
        """What contagion adds to each entity's probability of failing: full against first_round.

        Returns
        -------
        pyarrow.Table
            scenario, entity, first_round, full, difference, standard_error (paired), added, spared, and a
            grid's coordinates; a row for each scenario that ran with both effects, and each entity.

        Raises
        ------
        InputError
            No scenario ran with both.
        """
        pairs = self.contagion_pairs()
        if not pairs:
            raise bad_argument(
                "effects",
                sorted({run.effects for run in self.runs}),
                "contagion is the difference between two runs, and no scenario ran with both effects",
                'Simulate with effects=["first_round", "full"].',
            )
        alone, full, added, spared = (np.empty((len(pairs), len(self.entities))) for _ in range(4))
        for row, (first, second) in enumerate(pairs):
            judged_alone = self.failed_at[first] < self.periods
            with_all = self.failed_at[second] < self.periods
            alone[row], full[row] = judged_alone.mean(axis=0), with_all.mean(axis=0)
            added[row] = (with_all & ~judged_alone).mean(axis=0)
            spared[row] = (judged_alone & ~with_all).mean(axis=0)
        pair, entity = np.indices(full.shape)
        second_run = np.array([second for _, second in pairs])[pair]
        return self._table(
            "contagion",
            second_run,
            scenario=(tuple(run.scenario for run in self.runs), second_run),
            entity=(self.entities, entity),
            first_round=alone,
            full=full,
            difference=added - spared,
            standard_error=difference_error(added, spared, self.paths),
            added=added,
            spared=spared,
        )

    def contagion_pairs(self) -> list[tuple[int, int]]:
        """Places in `runs` of first_round and full, for each scenario that ran with both."""
        place = {(run.scenario, run.effects): i for i, run in enumerate(self.runs)}
        scenarios = dict.fromkeys(run.scenario for run in self.runs)
        return [
            (place[name, "first_round"], place[name, "full"])
            for name in scenarios
            if (name, "first_round") in place and (name, "full") in place
        ]

    def write(self, folder: str | PathLike[str]) -> None:
        """Store the result as a folder of Parquet files, whole or not at all; see `store.write_result`."""
        from .store import write_result

        write_result(self, folder)

    def report(self, path: str | PathLike[str], *, answers: Sequence[Answer] = ()) -> None:
        """Write one HTML page that tells what was found, and loads nothing; see `report.write_report`."""
        from .report import write_report

        write_report(self, path, answers=answers)

    def _statistics(self, figure: str, values: NDArray[np.generic]) -> Iterable[tuple[str, float, float]]:
        """Statistic, value and standard error, of one measure's figure on all paths of one run."""
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

    def _table(self, name: str, run: NDArray[np.intp], **columns: Any) -> pa.Table:
        """A table of `RESULT_SCHEMAS[name]`; `run` says for each row where its coordinates are.

        A column is an array (nan stands for null), a list of strings, or names and which of them each row
        holds.
        """
        return result_table(name, self, run, columns)


def result_table(name: str, result: Result, run: NDArray[np.intp], columns: Mapping[str, Any]) -> pa.Table:
    """An Arrow table of results by its schema, with the coordinates of each row's scenario.

    Parameters
    ----------
    name : str
        Of the schema in ``RESULT_SCHEMAS``.
    result : Result
    run : ndarray of int
        Each row's place in ``result.runs``.
    columns : mapping
        By name: an array (nan stands for null), a list of strings, or a pair of names and an array that says
        which of them each row holds.
    """
    coordinates = result.coordinates
    addresses = (
        [] if coordinates is None else [column for column in coordinates.column_names if column != "scenario"]
    )
    schema = RESULT_SCHEMAS[name].arrow(addresses)
    arrays = {column: _column(values, schema.field(column).type) for column, values in columns.items()}
    if coordinates is not None and addresses:
        place = {scenario: row for row, scenario in enumerate(coordinates["scenario"].to_pylist())}
        of_run = np.array([place[run.scenario] for run in result.runs], dtype=np.int64)
        rows = pa.array(of_run[np.ravel(run)])
        arrays |= {address: coordinates[address].combine_chunks().take(rows) for address in addresses}
    return pa.Table.from_arrays([arrays[field.name] for field in schema], schema=schema)


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, tuple):
        names, which = values
        return pa.array(list(names), type=kind).take(pa.array(np.ravel(which)))
    if isinstance(values, np.ndarray):
        return pa.array(np.ravel(values), type=kind, from_pandas=True)
    return pa.array(values, type=kind)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, contiguous, so that it can be stored piece by piece."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
