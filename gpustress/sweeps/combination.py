"""Shards put together: sums over all of them, the same whatever their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError, Problem, bad_argument, shown
from ..estimates import ScenarioRun, contagion_pairs
from ..schema import CAUSES
from .moments import FIELDS, Moments
from .sparse_counts import SparseCounts
from .summary import SweepSummary
from .tally import HELD, KEY, NO_PERIOD, kept_figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..system import System

_Any = TypeVar("_Any", bound=np.generic)


def combine(
    shards: Iterable[Mapping[str, pa.Table]],
    *,
    system: System,
    runs: Sequence[ScenarioRun],
    coordinates: pa.Table | None,
    paths: int,
    books: Iterable[str] = (),
    series: Sequence[str] = (),
) -> SweepSummary:
    """Put shards together. Their order changes no bit of the result.

    Parameters
    ----------
    shards : iterable of mapping of str to pyarrow.Table
        What `Tally.tables` gave for each; several shards' tables may come as one, one below the other.
    system : System
    runs : sequence of ScenarioRun
        Those of the summary; rows of others are passed over.
    coordinates : pyarrow.Table or None
        Of a grid.
    paths : int
        Of each run.
    books, series : iterable of str
        As the tallies had them.

    Returns
    -------
    SweepSummary

    Raises
    ------
    InputError
        The shards of a run do not follow each other from path 0 to the last, or name what the system does not have.
    """
    sums = _Sums(system, tuple(runs), tuple(books), tuple(series))
    for shard in shards:
        sums.add(shard)
    return sums.summary(coordinates, paths)


class _Sums:
    """Shards while they come in."""

    def __init__(
        self, system: System, runs: tuple[ScenarioRun, ...], books: tuple[str, ...], series: tuple[str, ...]
    ) -> None:
        self._system, self._runs, self._books, self._series = system, runs, books, series
        self._names = [run.name for run in runs]
        self._pairs = contagion_pairs(runs)
        self._figures = kept_figures(system, books, series)
        entities, periods = len(system.entity_names), system.settings.periods
        self._failures = np.zeros((len(runs), entities, len(CAUSES) - 1, periods), dtype=np.int64)
        self._paybacks = np.zeros((len(runs), len(system.measure_names), periods + 1), dtype=np.int64)
        self._contagion = np.zeros((2, len(self._pairs), entities), dtype=np.int64)
        self._exact = np.zeros(len(runs), dtype=np.int64)
        self._sketches, self._loss_sketches = SparseCounts(), SparseCounts(3)
        self._ranges: list[NDArray[np.int64]] = []  # run, first path, paths
        self._moments: list[tuple[NDArray[np.int64], NDArray[np.int64], Moments]] = []  # first path, slot

        self._subjects = list(dict.fromkeys(figure.subject for figure in self._figures))
        self._figure_names = list(dict.fromkeys(figure.name for figure in self._figures))
        self._place = np.full((len(self._subjects), len(self._figure_names), periods + 1), -1, dtype=np.int64)
        for i, figure in enumerate(self._figures):
            where = self._subjects.index(figure.subject), self._figure_names.index(figure.name)
            self._place[where][figure.period] = i  # NO_PERIOD: the last

    def add(self, shard: Mapping[str, pa.Table]) -> None:
        """Take in a shard's tables."""
        table, run = self._known("runs", shard)
        np.add.at(self._exact, run, _numbers_of(table, "exact_finishes"))
        self._ranges.append(np.stack([run, *(_numbers_of(table, name) for name in ("first_path", "paths"))]))

        table, run = self._known("failures", shard)
        entity = _places(table, "entity", self._system.entity_names)
        cause, period = _places(table, "cause", CAUSES[1:]), _numbers_of(table, "period")
        np.add.at(self._failures, (run, entity, cause, period), _numbers_of(table, "paths"))

        table, run = self._known("contagion", shard)
        pair_of = np.full(len(self._runs), -1, dtype=np.int64)
        pair_of[[second for _, second in self._pairs]] = np.arange(len(self._pairs))
        pair, entity = pair_of[run], _places(table, "entity", self._system.entity_names)
        paired = pair >= 0  # the other run of the scenario may be none of the summary's
        for sums, column in zip(self._contagion, ("added", "spared"), strict=True):
            np.add.at(sums, (pair[paired], entity[paired]), _numbers_of(table, column)[paired])

        table, run = self._known("payback", shard)
        measure = _places(table, "measure", self._system.measure_names)
        np.add.at(self._paybacks, (run, measure, _numbers_of(table, "period")), _numbers_of(table, "paths"))

        table, run = self._known("moments", shard)
        parts = (_numbers_of(table, name) for name in ("paths", "mean", "squares", "least", "largest"))
        self._moments.append((_numbers_of(table, "first_path"), self._slots(table, run), Moments(*parts)))

        table, run = self._known("sketches", shard)
        key = self._slots(table, run) * (2 * KEY) + (_numbers_of(table, "bucket") + KEY)
        self._sketches.add(key, _numbers_of(table, "paths")[None])

        table, run = self._known("losses", shard)
        first = len(self._figures) - len(HELD) * len(self._system.entity_names) - len(self._books)
        slot = run * len(self._figures) + first + _places(table, "book", self._books)
        key = slot * (2 * KEY) + (_numbers_of(table, "bucket") + KEY)
        columns = [_numbers_of(table, name) for name in ("paths", "excess_high", "excess_low")]
        self._loss_sketches.add(key, np.stack(columns))

    def summary(self, coordinates: pa.Table | None, paths: int) -> SweepSummary:
        """The whole."""
        self._check_ranges(paths)
        return SweepSummary(
            self._system,
            self._runs,
            coordinates,
            paths,
            self._books,
            self._series,
            self._failures,
            self._paybacks,
            self._contagion[0],
            self._contagion[1],
            self._exact,
            self._merged_moments(),
            self._sketches.sums(),
            self._loss_sketches.sums(),
        )

    def _known(self, kind: str, shard: Mapping[str, pa.Table]) -> tuple[pa.Table, NDArray[np.int64]]:
        """The rows of a table that are of one of the runs, and of which."""
        table = shard[kind]
        run = _indices(table, "scenario", self._names)
        if (run >= 0).all():
            return table, run
        return table.filter(pa.array(run >= 0)), run[run >= 0]

    def _slots(self, table: pa.Table, run: NDArray[np.int64]) -> NDArray[np.int64]:
        subject = _places(table, "subject", self._subjects)
        figure = _places(table, "figure", self._figure_names)
        period = _array(table["period"].fill_null(NO_PERIOD), np.int64)
        return run * len(self._figures) + self._place[subject, figure, period]

    def _check_ranges(self, paths: int) -> None:
        """Each run has to have every path once."""
        ranges = np.concatenate([np.empty((3, 0), dtype=np.int64), *self._ranges], axis=1)
        run, first, count = ranges[:, np.lexsort((ranges[1], ranges[0]))]
        for place, name in enumerate(self._names):
            of_run = run == place
            expected = np.concatenate([[0], np.cumsum(count[of_run])])
            if expected[-1] != paths or not np.array_equal(first[of_run], expected[:-1]):
                raise bad_argument(
                    "shards",
                    name,
                    f"the shards of this run are not its {paths} paths, each of them once",
                    "Run the missing shards, and give each of them once.",
                )

    def _merged_moments(self) -> Moments:
        """Moments (S, F), merged in the order of the paths."""
        shape = len(self._runs) * len(self._figures)
        merged = Moments.none(shape)
        if self._moments:
            first = np.concatenate([first for first, _, _ in self._moments])
            slot = np.concatenate([slot for _, slot, _ in self._moments])
            every = Moments.joined([part for _, _, part in self._moments])
            for start in np.unique(first):
                rows = first == start
                step = Moments.none(shape)
                for name in FIELDS:
                    getattr(step, name)[slot[rows]] = getattr(every, name)[rows]
                merged = merged.merged(step)
        return Moments(*(getattr(merged, name).reshape(len(self._runs), -1) for name in FIELDS))


def _numbers_of(table: pa.Table, column: str) -> NDArray[Any]:
    values = table[column]
    return _array(values, np.float64 if pa.types.is_floating(values.type) else np.int64)


def _array(values: pa.ChunkedArray, dtype: type[_Any]) -> NDArray[_Any]:
    return np.asarray(values.to_numpy(), dtype=dtype)


def _indices(table: pa.Table, column: str, names: Sequence[str]) -> NDArray[np.int64]:
    """Place in `names` of each row; -1 for others."""
    known = pa.array(list(names), pa.string())
    found = pc.index_in(table[column].cast(pa.string()), value_set=known)
    return _array(found.fill_null(-1), np.int64)


def _places(table: pa.Table, column: str, names: Sequence[str]) -> NDArray[np.int64]:
    """The same, where there may be no others."""
    place = _indices(table, column, names)
    if (place < 0).any():
        strange = table[column][int(np.flatnonzero(place < 0)[0])].as_py()
        raise InputError(
            [Problem("shards", None, column, shown(strange), "is unknown here",
                     "Give the shards of this sweep, with its books and series.")]
        )  # fmt: skip
    return place
