"""What is kept of a shard: counts, moments and sketches, small, and the same bytes whatever the blocks were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..book import path_losses
from ..errors import InputError, Problem
from ..estimates import contagion_pairs
from ..schema import CAUSES
from .moments import Moments
from .schema import SHARD_SCHEMAS
from .sketch import MANTISSA_BITS, buckets, excess_halves
from .sparse_counts import PENDING, SparseCounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..backends.base import Outcome
    from ..book import Book
    from ..job import Job
    from ..system import System

UNIT: Final = 4096  # paths, counted from the shard's first, whose amounts are summed in one go
GROUP: Final = 16  # figures that are worked on together, so that those of a unit stay in the cache
TURNED: Final = 256  # paths whose figures become rows together, for the same reason
KINDS: Final = tuple(SHARD_SCHEMAS)
AMOUNTS: Final = ("total", "npv", "trough")  # of a measure; its payback is counted by period
HELD: Final = ("lowest_liquidity", "final_cash")  # of an entity
NO_PERIOD: Final = -1
OCTAVES: Final = 32  # that a figure is taken to be spread over, those of either sign counted
KEY: Final = 1 << 20  # buckets lie strictly between -KEY and KEY; a key is a slot and a bucket

_BUCKETS: Final = OCTAVES << MANTISSA_BITS  # that a figure fills
_BUCKET_BYTES: Final = 48  # of a bucket, as its sketch grows or becomes a table
_LOSS_BUCKET_BYTES: Final = 80


@dataclass(frozen=True)
class Figure:
    """An amount of each path of which moments are kept: a row of the table `moments`, for one run.

    Attributes
    ----------
    subject : str
        measure:NAME, series:NAME, book:NAME or entity:NAME.
    name : str
        Which figure of it.
    period : int
        Of a series; else NO_PERIOD.
    """

    subject: str
    name: str
    period: int = NO_PERIOD


def kept_figures(system: System, books: Iterable[str], series: Sequence[str]) -> tuple[Figure, ...]:
    """All of them, in the order of measures' figures, series, books and entities' figures.

    Measures and series have sketches, books have those with sums, entities have none: they are many.
    """
    return (
        *(Figure(f"measure:{name}", figure) for figure in AMOUNTS for name in system.measure_names),
        *(Figure(f"series:{name}", "value", t) for name in series for t in range(system.settings.periods)),
        *(Figure(f"book:{name}", "loss") for name in books),
        *(Figure(f"entity:{name}", figure) for figure in HELD for name in system.entity_names),
    )


def sketched_figures(system: System, books: Collection[str], series: Sequence[str]) -> int:
    """How many of them have sketches, with sums or without."""
    return len(AMOUNTS) * len(system.measure_names) + len(series) * system.settings.periods + len(books)


class Tally:
    """Counts of one shard: a range of paths of all runs of a job.

    Parameters
    ----------
    job : Job
        Of the shard's scenarios alone.
    books : mapping of str to Book
        Positions on the job's system.
    first_path : int
        The shard's.
    series : sequence of str
        Names of the recorded series, in the order of ``Outcome.series``.
    """

    def __init__(
        self, job: Job, books: Mapping[str, Book], first_path: int, series: Sequence[str] = ()
    ) -> None:
        system = job.system
        self._job = job
        self._first_path = first_path
        self._books = tuple(books)
        self._loss_tables = [
            book.loss_by_entity(system.settings, len(system.entity_names), None) for book in books.values()
        ]
        self._figures = kept_figures(system, books, series)
        runs, entities = len(job.runs), len(system.entity_names)
        amounts = sketched_figures(system, (), series)
        self._sketched = slice(0, amounts)
        self._losses = slice(amounts, amounts + len(books))

        self._paths = 0
        self._exact = np.zeros(runs, dtype=np.int64)
        self._periods = system.settings.periods + 1  # the last: never
        self._failures = np.zeros((runs, entities * len(CAUSES) * self._periods), dtype=np.int64)
        self._paybacks = np.zeros((runs, len(system.measure_names) * self._periods), dtype=np.int64)
        self._pairs = contagion_pairs(job.runs)
        self._added, self._spared = np.zeros((2, len(self._pairs), entities), dtype=np.int64)
        self._moments = [Moments.none(len(self._figures)) for _ in job.runs]
        self._sketches, self._loss_sketches = SparseCounts(), SparseCounts(3)
        self._rows = np.empty((len(self._figures), UNIT))
        self._scratch = np.empty((min(GROUP, len(self._figures)), UNIT))
        self._held: NDArray[np.float64] | None = (
            None  # (runs, figures, UNIT), of blocks that end within a unit
        )

    def add(self, outcome: Outcome) -> None:
        """Count a block: the paths that follow those counted before.

        Raises
        ------
        InputError
            An amount is infinite or no number.
        """
        paths = outcome.failed_at.shape[1]
        self._exact += outcome.exact_finishes
        start = 0
        while start < paths:
            held = self._paths % UNIT
            stop = min(start + UNIT - held, paths)
            block = slice(start, stop)
            self._count(outcome, block)
            whole = stop - start == UNIT
            if whole:
                self._held = None
            elif self._held is None:
                self._held = np.empty((len(self._job.runs), *self._rows.shape))
            for run in range(len(self._job.runs)):
                rows = self._rows if self._held is None else self._held[run]
                self._amounts(outcome, run, block, rows[:, held : held + stop - start])
                if held + stop - start == UNIT:
                    self._close(run, rows)
            self._paths += stop - start
            start = stop

    def tables(self) -> dict[str, pa.Table]:
        """The tables of `schema.SHARD_SCHEMAS`, by kind; nothing may be added afterwards."""
        last = self._paths % UNIT
        if last and self._held is not None:
            for run in range(len(self._job.runs)):
                self._close(run, self._held[run, :, :last], first=self._paths - last)
            self._held = None
        return {kind: self._table(kind, columns) for kind, columns in self._columns()}

    def _count(self, outcome: Outcome, block: slice) -> None:
        """Whole numbers: they add up in any order."""
        periods = self._periods
        cells = len(CAUSES) * periods
        short = np.int16 if cells <= np.iinfo(np.int16).max else np.int32  # half of the time is memory's
        of_entity = np.arange(self._added.shape[1], dtype=np.int64) * cells
        of_measure = np.arange(outcome.payback.shape[2], dtype=np.int64) * periods
        for run in range(len(self._job.runs)):
            place = np.multiply(outcome.cause[run, block], periods, dtype=short)
            place += outcome.failed_at[run, block]
            cell = place + of_entity
            self._failures[run] += np.bincount(cell.ravel(), minlength=self._failures.shape[1])
            if len(of_measure):
                cell = outcome.payback[run, block] + of_measure
                self._paybacks[run] += np.bincount(cell.ravel(), minlength=self._paybacks.shape[1])
        for pair, (first, second) in enumerate(self._pairs):
            alone = outcome.failed_at[first, block] < periods - 1
            full = outcome.failed_at[second, block] < periods - 1
            self._added[pair] += np.count_nonzero(full > alone, axis=0)
            self._spared[pair] += np.count_nonzero(alone > full, axis=0)

    def _amounts(self, outcome: Outcome, run: int, block: slice, rows: NDArray[np.float64]) -> None:
        """Put a run's figures into rows (F, paths)."""
        start = 0
        series = outcome.series[run, block]
        parts = [getattr(outcome, figure)[run, block] for figure in AMOUNTS]
        parts.append(series.reshape(len(series), -1))
        for part in parts:
            _turn(part, rows[start : start + part.shape[1]])
            start += part.shape[1]
        for table in self._loss_tables:
            rows[start] = path_losses(table, outcome.failed_at[run, block])
            start += 1
        for figure in HELD:
            part = getattr(outcome, figure)[run, block]
            _turn(part, rows[start : start + part.shape[1]])
            start += part.shape[1]

    def _close(self, run: int, rows: NDArray[np.float64], first: int | None = None) -> None:
        """Take in the figures of a unit of one run."""
        parts = [rows[start : start + GROUP] for start in range(0, len(rows), GROUP)]
        moments = Moments.joined(
            [Moments.of(part, self._scratch[: len(part), : part.shape[1]]) for part in parts]
        )
        self._check_finite(run, rows, moments, self._paths - self._paths % UNIT if first is None else first)
        self._moments[run] = self._moments[run].merged(moments)
        slot = run * len(self._figures)
        for row in range(0, self._sketched.stop, GROUP):
            found = buckets(rows[row : min(row + GROUP, self._sketched.stop)])
            found.sort(axis=1)
            start, count = _runs_of(found)
            self._sketches.add(_keys(found, start, slot + row), count[None])
        if self._loss_tables:
            loss = np.sort(rows[self._losses], axis=1)
            found = buckets(loss)
            start, count = _runs_of(found)
            sums = [np.add.reduceat(half.ravel(), start) for half in excess_halves(loss)]
            self._loss_sketches.add(_keys(found, start, slot + self._losses.start), np.stack([count, *sums]))

    def _check_finite(self, run: int, rows: NDArray[np.float64], moments: Moments, first: int) -> None:
        bad = np.flatnonzero(~(np.isfinite(moments.least) & np.isfinite(moments.largest)))
        if len(bad):
            path = int(np.flatnonzero(~np.isfinite(rows[bad[0]]))[0]) + first + self._first_path
            figure = self._figures[bad[0]]
            where = f"scenario {self._job.runs[run].name!r}, path {path}"
            remedy = "Look for amounts or factor paths of extreme size; `replay` shows the path."
            raise InputError(
                [Problem(figure.subject, None, figure.name, "", f"amounts overflow in {where}", remedy)]
            )

    def _columns(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Columns of each table: arrays, or names and which of them each row holds."""
        system, names = self._job.system, [run.name for run in self._job.runs]
        runs = np.arange(len(names))
        first = np.full(len(names), self._first_path)
        yield (
            "runs",
            {
                "scenario": (names, runs),
                "first_path": first,
                "paths": np.full(len(names), self._paths),
                "exact_finishes": self._exact,
            },
        )
        counts = self._failures.reshape(len(names), -1, len(CAUSES), self._periods)
        run, entity, cause, period = np.nonzero(counts[:, :, 1:, :-1])
        yield (
            "failures",
            {
                "scenario": (names, run),
                "entity": (system.entity_names, entity),
                "cause": (CAUSES[1:], cause),
                "period": period,
                "paths": counts[run, entity, cause + 1, period],
            },
        )
        pair, entity = (places.ravel() for places in np.indices(self._added.shape))
        full = np.array([second for _, second in self._pairs], dtype=np.int64)
        yield (
            "contagion",
            {
                "scenario": (names, full[pair]),
                "entity": (system.entity_names, entity),
                "added": self._added,
                "spared": self._spared,
            },
        )
        paybacks = self._paybacks.reshape(len(names), -1, self._periods)
        run, measure, period = np.nonzero(paybacks)
        yield (
            "payback",
            {
                "scenario": (names, run),
                "measure": (system.measure_names, measure),
                "period": period,
                "paths": paybacks[run, measure, period],
            },
        )
        run, figure = (places.ravel() for places in np.indices((len(names), len(self._figures))))
        moments = self._moments
        yield (
            "moments",
            {
                "scenario": (names, run),
                "first_path": np.full(len(run), self._first_path),
                **self._subjects(figure),
                "paths": np.concatenate([one.count for one in moments]),
                "mean": np.concatenate([one.mean for one in moments]),
                "squares": np.concatenate([one.squares for one in moments]),
                "least": np.concatenate([one.least for one in moments]),
                "largest": np.concatenate([one.largest for one in moments]),
            },
        )
        key, (count,) = self._sketches.sums()
        run_of, figure_of = self._rows_of(key)
        yield (
            "sketches",
            {
                "scenario": (names, run_of),
                **self._subjects(figure_of),
                "bucket": _bucket(key),
                "paths": count,
            },
        )
        key, (count, high, low) = self._loss_sketches.sums()
        run_of, figure_of = self._rows_of(key)
        yield (
            "losses",
            {
                "scenario": (names, run_of),
                "book": (self._books, figure_of - self._losses.start),
                "bucket": _bucket(key),
                "paths": count,
                "excess_high": high,
                "excess_low": low,
            },
        )

    def _rows_of(self, key: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Run and figure of each of the sorted keys."""
        figures = len(self._figures)
        slots = np.arange(len(self._job.runs) * figures + 1)
        run, figure = np.divmod(slots[:-1].astype(np.int32), figures)
        count = np.diff(np.searchsorted(key, slots * (2 * KEY)))
        return np.repeat(run, count), np.repeat(figure, count)

    def _subjects(self, figure: NDArray[np.integer]) -> dict[str, Any]:
        """Columns that say what a row is of."""
        columns: dict[str, Any] = {}
        for column, names in (
            ("subject", [figure.subject for figure in self._figures]),
            ("figure", [figure.name for figure in self._figures]),
        ):
            known = list(dict.fromkeys(names))
            place = {name: i for i, name in enumerate(known)}
            columns[column] = (known, np.array([place[name] for name in names], dtype=np.int32)[figure])
        period = np.array([figure.period for figure in self._figures], dtype=np.int16)[figure]
        columns["period"] = np.ma.masked_equal(period, NO_PERIOD)
        return columns

    def _table(self, kind: str, columns: Mapping[str, Any]) -> pa.Table:
        schema = SHARD_SCHEMAS[kind].arrow()
        return pa.Table.from_arrays(
            [_column(columns[field.name], field.type) for field in schema], schema=schema
        )


def nbytes(job: Job, books: Mapping[str, Book], series: Sequence[str] = ()) -> int:
    """Bytes that a `Tally` takes, its tables included, where no figure is spread over more than OCTAVES."""
    figures = len(kept_figures(job.system, books, series))
    runs, entities, periods = len(job.runs), len(job.system.entity_names), job.system.settings.periods + 1
    measures = len(job.system.measure_names)
    counts = 8 * runs * periods * (entities * len(CAUSES) + measures)
    units = 8 * UNIT * figures * (runs + 1)
    work = 8 * UNIT * (2 * entities + 4 * max(GROUP, len(books)))
    sketched = sketched_figures(job.system, (), series)
    buckets_of_run = _BUCKETS * (_BUCKET_BYTES * sketched + _LOSS_BUCKET_BYTES * len(books))
    waiting = 4 * PENDING * (8 + 8) + 4 * PENDING * (8 + 24)
    return 2 * counts + units + work + runs * buckets_of_run + waiting


def _turn(figures: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
    """Put figures (paths, F) into rows (F, paths)."""
    for start in range(0, len(figures), TURNED):
        rows[:, start : start + TURNED] = figures[start : start + TURNED].T


def _runs_of(found: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of equal values begin in sorted rows, counted over all rows, and how long they are."""
    begins = np.empty(found.shape, dtype=bool)
    begins[:, 0] = True
    np.not_equal(found[:, 1:], found[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    length = np.empty_like(start)
    np.subtract(start[1:], start[:-1], out=length[:-1])
    length[-1] = found.size - start[-1]
    return start, length


def _keys(found: NDArray[np.int32], start: NDArray[np.int64], slot: int) -> NDArray[np.int64]:
    """A key for each run of equal buckets; the rows are those of the slots from `slot` on."""
    key: NDArray[np.int64] = (start // found.shape[1] + slot) * (2 * KEY) + found.ravel()[start] + KEY
    return key


def _bucket(key: NDArray[np.int64]) -> NDArray[np.int32]:
    """The bucket of each key."""
    bucket = (key & (2 * KEY - 1)).astype(np.int32)
    bucket -= KEY
    return bucket


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, tuple):
        names, which = values
        places = pa.array(np.ravel(which).astype(np.int32, copy=False))
        return pa.DictionaryArray.from_arrays(places, pa.array(list(names), pa.string()))
    if isinstance(values, np.ma.MaskedArray):
        return pa.array(values.data, mask=np.ma.getmaskarray(values))
    return pa.array(np.ravel(values)).cast(kind)
