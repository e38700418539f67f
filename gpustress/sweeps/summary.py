"""The tables of estimates that a sweep gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import bad_argument, nearest
from ..estimates import (
    FIGURES,
    QUANTILES,
    Named,
    ScenarioRun,
    check_contagion,
    contagion_pairs,
    contagion_table,
    failure_curve_table,
    failures_table,
    rows_table,
)
from ..sampling import binomial_error, check_share, count_mean_with_error, count_quantile_with_error
from .moments import Moments
from .sketch import LossSketch, Sketch, SketchedEstimate, bucket_sums
from .tally import AMOUNTS, HELD, KEY, NO_PERIOD, Figure, kept_figures

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..system import System

LEVELS: Final = (0.95, 0.99)  # of risk measures, unless the caller says otherwise
_DEFAULT: Final = "npv"  # figure of a measure whose address names none


@dataclass(frozen=True, eq=False, repr=False)
class SweepSummary(Named):
    """What all shards of a sweep come to: S runs, P paths, N entities, M measures, F figures, T periods.

    Attributes
    ----------
    system : System
    runs : tuple of ScenarioRun, length S
    coordinates : pyarrow.Table or None
        Of a grid or sample.
    paths : int
        Of each run.
    books, series : tuple of str
    failure_counts : ndarray (S, N, causes, T) of int64
        As of `Result`.
    payback_counts : ndarray (S, M, T + 1) of int64
        Paths by period of payback; the last: never.
    added, spared : ndarray (pairs, N) of int64
        Paths on which an entity fails only with effects full, only with first_round, for each of `contagion_pairs`.
    exact_finishes : ndarray (S,) of int64
        Path-periods whose settlement was finished exactly.
    moments : Moments
        Arrays (S, F), figures in the order of `tally.kept_figures`.
    sketches, loss_sketches : tuple of ndarray
        Keys and their sums, as `SparseCounts` has them.
    """

    system: System
    runs: tuple[ScenarioRun, ...]
    coordinates: pa.Table | None
    paths: int
    books: tuple[str, ...]
    series: tuple[str, ...]
    failure_counts: NDArray[np.int64]
    payback_counts: NDArray[np.int64]
    added: NDArray[np.int64]
    spared: NDArray[np.int64]
    exact_finishes: NDArray[np.int64]
    moments: Moments
    sketches: tuple[NDArray[np.int64], NDArray[np.int64]]
    loss_sketches: tuple[NDArray[np.int64], NDArray[np.int64]]

    def __repr__(self) -> str:
        """Say in a line what was run."""
        return (
            f"<SweepSummary of {self.system.settings.name!r}: {len(self.runs)} runs x {self.paths} paths x "
            f"{self.periods} periods, {len(self.entities)} entities>"
        )

    def failures(self) -> pa.Table:
        """Probability of failing by the last period; as of `Result.failures`, to the bit."""
        return failures_table(self, self.failure_counts)

    def failure_curve(self) -> pa.Table:
        """Probability of having failed by the end of each period; as of `Result.failure_curve`, to the bit."""
        return failure_curve_table(self, self.failure_counts)

    def contagion(self) -> pa.Table:
        """What contagion adds to each entity's probability of failing; as of `Result.contagion`, to the bit.

        Raises
        ------
        InputError
            No scenario ran with both first_round and full.
        """
        check_contagion(self.runs)
        pairs = contagion_pairs(self.runs)
        failed = self.failure_counts.sum(axis=(2, 3))
        counts = {
            "first_round": failed[[first for first, _ in pairs]],
            "full": failed[[second for _, second in pairs]],
            "added": self.added,
            "spared": self.spared,
        }
        return contagion_table(self, counts, pairs)

    def measure_summary(self) -> pa.Table:
        """Mean and quantiles of every measure's figures.

        Returns
        -------
        pyarrow.Table
            The columns of `Result.measure_summary`, and sketch_error: 0 for means and for all of payback.
        """
        rows: list[tuple[Any, ...]] = []
        for run in range(len(self.runs)):
            for measure, name in enumerate(self.system.measure_names):
                for figure in FIGURES:
                    if figure == "payback":
                        found = self._payback(self.payback_counts[run, measure])
                    else:
                        found = self._statistics(run, Figure(f"measure:{name}", figure))
                    rows += [(run, name, figure, *statistic) for statistic in found]
        return rows_table("sweep_measure_summary", self, rows)

    def series_summary(self) -> pa.Table:
        """Mean and quantiles of the recorded series, period by period.

        Returns
        -------
        pyarrow.Table
            scenario, series, period, statistic, value, standard_error, sketch_error, and a grid's coordinates.
        """
        rows = [
            (run, name, period, *statistic)
            for run in range(len(self.runs))
            for name in self.series
            for period in range(self.periods)
            for statistic in self._statistics(run, Figure(f"series:{name}", "value", period))
        ]
        return rows_table("series_summary", self, rows)

    def entity_summary(self) -> pa.Table:
        """Mean, spread and range of what entities hold; no quantiles of it are kept.

        Returns
        -------
        pyarrow.Table
            scenario, entity, figure (lowest_liquidity, final_cash), mean, standard_error, standard_deviation, least,
            largest, and a grid's coordinates.
        """
        mean, error = self.moments.means(), self.moments.standard_errors()
        rows: list[tuple[Any, ...]] = []
        for run in range(len(self.runs)):
            for entity in self.entities:
                for figure in HELD:
                    place = (run, self._place[Figure(f"entity:{entity}", figure)])
                    spread = error[place] * np.sqrt(self.paths)
                    least, largest = self.moments.least[place], self.moments.largest[place]
                    rows.append((run, entity, figure, mean[place], error[place], spread, least, largest))
        return rows_table("entity_summary", self, rows)

    def loss_summary(self, levels: Sequence[float] = LEVELS) -> pa.Table:
        """Expected loss, value at risk and expected shortfall of every book.

        Parameters
        ----------
        levels : sequence of float
            Of the risk measures, strictly between 0 and 1.

        Returns
        -------
        pyarrow.Table
            scenario, book, statistic (expected_loss, value_at_risk, expected_shortfall), level (null of the expected
            loss), value, standard_error, sketch_error, and a grid's coordinates.

        Raises
        ------
        InputError
            A level is out of range.
        """
        for level in levels:
            check_share("levels", level)
        rows: list[tuple[Any, ...]] = []
        for run in range(len(self.runs)):
            for book in self.books:
                mean, error = self._mean(run, Figure(f"book:{book}", "loss"))
                rows.append((run, book, "expected_loss", np.nan, mean, error, 0.0))
                sketch = self._loss_sketch(run, book)
                for level in levels:
                    for statistic, found in (
                        ("value_at_risk", sketch.quantile(level)),
                        ("expected_shortfall", sketch.expected_shortfall(level)),
                    ):
                        rows.append((run, book, statistic, level, *_numbers(found)))
        return rows_table("loss_summary", self, rows)

    def quantile(self, figure: str, level: float) -> pa.Table:
        """A quantile of any level.

        Parameters
        ----------
        figure : str
            ``measure:NAME`` (its npv), ``measure:NAME.total``, ``.npv`` or ``.trough``, ``loss:BOOK`` or
            ``series:NAME``.
        level : float
            Strictly between 0 and 1.

        Returns
        -------
        pyarrow.Table
            scenario, period (null but for series), value, standard_error, sketch_error, and a grid's coordinates.

        Raises
        ------
        InputError
            The figure is unknown or has no sketch; the level is out of range.
        """
        check_share("level", level)
        found = _figures("figure", figure, self.system, self.books, self.series)
        rows = [
            (run, np.nan if one.period == NO_PERIOD else one.period,
             *_numbers(self._sketch(run, one).quantile(level)))
            for run in range(len(self.runs))
            for one in found
        ]  # fmt: skip
        return rows_table("quantile", self, rows)

    def standard_error(self, figure: str) -> NDArray[np.float64]:
        """Standard error of one figure's estimate in each run, shape (S,); nan where one path cannot tell.

        Parameters
        ----------
        figure : str
            ``failure:ENTITY`` (the probability of failing), ``measure:NAME`` (the mean npv), ``measure:NAME.total``,
            ``.npv`` or ``.trough``, or ``loss:BOOK`` (the expected loss).

        Raises
        ------
        InputError
            There is no such figure.
        """
        check_figure(figure, self.system, self.books)
        kind, _, name = figure.partition(":")
        if kind == "failure":
            failed = self.failure_counts[:, self.entities.index(name)].sum(axis=(1, 2))
            share: NDArray[np.float64] = failed / self.paths
            return binomial_error(share, self.paths)
        (one,) = _figures("target_error", figure, self.system, self.books, ())
        return self.moments[:, self._place[one]].standard_errors()

    @cached_property
    def _place(self) -> dict[Figure, int]:
        return {figure: i for i, figure in enumerate(kept_figures(self.system, self.books, self.series))}

    def _mean(self, run: int, figure: Figure) -> tuple[float, float]:
        one = self.moments[run, self._place[figure]]
        return float(one.means()), float(one.standard_errors())

    def _statistics(self, run: int, figure: Figure) -> list[tuple[str, float, float, float]]:
        """Statistic, value, standard error and sketch error."""
        sketch = self._sketch(run, figure)
        rows = [("mean", *self._mean(run, figure), 0.0)]
        rows += [(name, *_numbers(sketch.quantile(level))) for name, level in QUANTILES.items()]
        return rows

    def _payback(self, counts: NDArray[np.int64]) -> list[tuple[str, float, float, float]]:
        """The same of a payback, from its counts by period."""
        never = float(counts[-1] / self.paths)
        return [
            ("mean", *count_mean_with_error(counts[:-1]), 0.0),
            *((name, *count_quantile_with_error(counts, level), 0.0) for name, level in QUANTILES.items()),
            ("share_never", never, float(binomial_error(never, self.paths)), 0.0),
        ]

    def _sketch(self, run: int, figure: Figure) -> Sketch:
        if figure.subject.startswith("book:"):
            return self._loss_sketch(run, figure.subject.partition(":")[2])
        bucket, (count,), least, largest = self._buckets(run, figure, self.sketches)
        return Sketch(bucket, count, least, largest)

    def _loss_sketch(self, run: int, book: str) -> LossSketch:
        bucket, (count, high, low), least, largest = self._buckets(
            run, Figure(f"book:{book}", "loss"), self.loss_sketches
        )
        return LossSketch(bucket, count, least, largest, bucket_sums(bucket, count, high, low))

    def _buckets(
        self, run: int, figure: Figure, sketches: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], float, float]:
        """Buckets of a figure, their sums, and between which values all lie."""
        place = self._place[figure]
        slot = run * len(self._place) + place
        keys, sums = sketches
        first, last = np.searchsorted(keys, [slot * 2 * KEY, (slot + 1) * 2 * KEY])
        bucket = (keys[first:last] - slot * 2 * KEY - KEY).astype(np.int32)
        one = self.moments[run, place]
        return bucket, sums[:, first:last], float(one.least), float(one.largest)


def check_figure(figure: str, system: System, books: Iterable[str] = ()) -> None:
    """Refuse a figure that `SweepSummary.standard_error` does not know.

    Parameters
    ----------
    figure : str
    system : System
    books : iterable of str
        Names of the books that the sweep holds.

    Raises
    ------
    InputError
    """
    kind, _, name = str(figure).partition(":")
    if kind == "series":
        raise bad_argument("target_error", figure, "is a series, not one figure", _forms("failure:ENTITY"))
    if kind == "failure":
        if name not in system.entity_names:
            raise bad_argument("target_error", figure, "names no entity", nearest(name, system.entity_names))
        return
    _figures("target_error", figure, system, tuple(books), ())


def _figures(
    argument: str, address: str, system: System, books: Sequence[str], series: Sequence[str]
) -> list[Figure]:
    """The figures that an address names: one, or of a series one for each period."""
    kind, _, name = str(address).partition(":")
    if kind == "measure":
        known = {measure: Figure(f"measure:{measure}", _DEFAULT) for measure in system.measure_names}
        for measure in system.measure_names:
            for figure in AMOUNTS:
                known.setdefault(f"{measure}.{figure}", Figure(f"measure:{measure}", figure))
        if name in known:
            return [known[name]]
        raise bad_argument(argument, address, "names no measure's figure", nearest(name, tuple(known)))
    if kind == "loss":
        if name in books:
            return [Figure(f"book:{name}", "loss")]
        raise bad_argument(argument, address, "names no book", nearest(name, tuple(books)))
    if kind == "series":
        if name in series:
            return [Figure(f"series:{name}", "value", t) for t in range(system.settings.periods)]
        raise bad_argument(argument, address, "names no recorded series", nearest(name, tuple(series)))
    raise bad_argument(argument, address, "is no figure", _forms("series:NAME"))


def _forms(more: str) -> str:
    return f"Write measure:NAME, measure:NAME.total, .npv or .trough, loss:BOOK or {more}."


def _numbers(found: SketchedEstimate) -> tuple[float, float, float]:
    return found.value, found.standard_error, found.sketch_error
