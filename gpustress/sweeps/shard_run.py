"""Run one shard: blocks that fit the memory, and their outcomes written while the next are computed."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..backends.base import Outcome, outcome_bytes
from ..files import read_parquet
from ..memory import check_least
from ..path_tables import ROW_GROUP, PathTable
from ..result_schema import STORED
from ..simulation import ResultArrays
from .files import TALLIES, Record, SweepFolder, shard_name
from .tally import UNIT, Tally, nbytes

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..job import Job
    from .question import Question
    from .shards import Shard

BLOCK_SECONDS: Final = 0.3  # of a block: often enough to be told of Ctrl-C, and to tell how far it is
CHUNK_ROWS: Final = 1 << 17  # of a table, that a shard's paths are written by
CHUNK_BYTES: Final = 16 << 20  # of their arrays
ENCODING_BYTES: Final = 3 * 64 * ROW_GROUP  # a row group as arrays, as an Arrow table, and encoded
OVERHEAD: Final = 24 << 20  # beside all that is counted

Told = Callable[[int, int], None]


class Overlap:
    """Work done one piece after another in a thread, while its caller makes the next: one is at work, none waits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "gpustress-writer")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        """Return it; what is at work when the block is left is waited for."""
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def put(self, work: Callable[[], None]) -> None:
        """Hand over a piece, once the one before is done; what that raised is raised here."""
        self.wait()
        self._last = self._pool.submit(work)

    def wait(self) -> None:
        """Wait for the last piece."""
        if self._last is not None:
            last, self._last = self._last, None
            last.result()


class ShardWriter:
    """The files of a shard, made of its outcomes in order.

    Parameters
    ----------
    question : Question
    shard : Shard
    job : Job
        Of the shard's scenarios.
    folder : SweepFolder
    """

    def __init__(self, question: Question, shard: Shard, job: Job, folder: SweepFolder):
        self._folder, self._shard, self._job, self._question = folder, shard, job, question
        self._tally = Tally(job, question.read_books, shard.first_path, question.record)
        self._exact = np.zeros(len(job.runs), dtype=np.int64)
        self._failures = 0
        self._tables: dict[str, tuple[Path, PathTable]] = {}
        self._chunk_paths = chunk_paths(job, len(question.series))
        self._chunk: ResultArrays | None = None
        self._filled = 0
        self._done = 0

    def add(self, outcome: Outcome) -> int:
        """Take the next paths' outcome; how many failures it has."""
        self._tally.add(outcome)
        self._exact += outcome.exact_finishes
        failures = int(np.count_nonzero(outcome.cause))
        self._failures += failures
        if self._question.keep == "paths":
            self._add_paths(outcome)
        return failures

    def _add_paths(self, outcome: Outcome) -> None:
        taken, count = 0, outcome.failed_at.shape[1]
        while taken < count:
            size = min(self._chunk_paths, self._shard.paths - self._done)
            if self._chunk is None:
                self._chunk = ResultArrays(self._job.program, size, len(self._question.series))
            some = min(size - self._filled, count - taken)
            self._chunk.put(self._filled, outcome.only(taken, some))
            taken, self._filled = taken + some, self._filled + some
            if self._filled == size:
                self._write_chunk(self._chunk, size)

    def _write_chunk(self, chunk: ResultArrays, size: int) -> None:
        result = chunk.result(
            self._job, self._question.seed, self._question.arithmetic, self._question.record
        )
        for name in STORED:
            if name not in self._tables:
                aside = self._folder.aside(f"{name}/{shard_name(self._shard.number)}")
                self._tables[name] = aside, PathTable(aside, name)
            self._tables[name][1].add(result, self._shard.first_path + self._done)
        self._done, self._filled, self._chunk = self._done + size, 0, None

    def finish(self) -> Record:
        """Give every file its name, and then tell that the shard is whole."""
        number = shard_name(self._shard.number)
        files: dict[str, Path] = {}
        for kind, table in self._tally.tables().items():
            name = f"{TALLIES}/{kind}/{number}"
            files[name] = self._folder.aside(name)
            _write_tally(table, files[name])
        for kind, (aside, paths) in self._tables.items():
            paths.close()
            files[f"{kind}/{number}"] = aside
        checksums = self._folder.publish(files)
        record = Record(self._shard, checksums, self._exact.tolist(), self._failures)
        self._folder.record(record)
        return record


def _write_tally(table: pa.Table, file: Path) -> None:
    pq.write_table(table.replace_schema_metadata(None), file, compression="zstd")


def read_tally(place: Path, files: Mapping[str, str]) -> dict[str, pa.Table]:
    """A shard's tally, by kind, as `ShardWriter` has written it."""
    tables = {}
    for name in files:
        folder, _, rest = name.partition("/")
        if folder == TALLIES:
            tables[rest.partition("/")[0]] = read_parquet(place / name)
    return tables


def chunk_paths(job: Job, series: int) -> int:
    """How many paths are written together; it decides about a file's row groups, so no machine has a say."""
    program = job.program
    rows = max(program.entity_count, program.measure_count, series * program.periods)
    most = min(CHUNK_ROWS // rows, CHUNK_BYTES // outcome_bytes(program, series))
    return max(1, most)


class Blocks:
    """Sizes of blocks: as many paths as fit, and as take about BLOCK_SECONDS. They change no bit.

    Parameters
    ----------
    question : Question
    backend : Backend
    memory : int
        Bytes that this process may add.
    tasks : int
        How many such share what the user gave.
    """

    def __init__(self, question: Question, backend: Backend, memory: int, tasks: int = 1):
        self._question, self._backend, self._memory, self._tasks = question, backend, memory, tasks
        self._most: dict[int, int] = {}  # paths, by the number of runs
        self._seconds: dict[int, float] = {}  # of a path, by the number of runs

    def paths(self, job: Job) -> int:
        """How many paths the next block has."""
        runs, most = len(job.runs), self.most(job)
        wanted = BLOCK_SECONDS / self._seconds[runs] if runs in self._seconds else UNIT / 4
        size = max(1, min(most, int(wanted)))
        return size // UNIT * UNIT or size

    def took(self, job: Job, paths: int, seconds: float) -> None:
        """Learn from a block."""
        self._seconds[len(job.runs)] = max(seconds, 1e-9) / paths

    def most(self, job: Job) -> int:
        """How many paths fit, while the outcome of as many is being written.

        Raises
        ------
        InputError
            Not one does.
        """
        runs = len(job.runs)
        if runs not in self._most:
            self._most[runs] = self._fitting(job)
        return self._most[runs]

    def _fitting(self, job: Job) -> int:
        least = needed_bytes(self._question, job, self._backend, 1)
        if least > self._memory:
            largest = self._question.job(self._question.grid.shard(0))  # what is enough for it is so for all
            least = max(least, needed_bytes(self._question, largest, self._backend, 1))
            shared = f" in each of {self._tasks} tasks" if self._tasks > 1 else ""
            what = f"a shard of {len(largest.runs)} scenarios x effects{shared}"
            check_least(least * self._tasks, self._memory * self._tasks, what)
        spare = self._memory - least + _block_bytes(self._question, job, self._backend, 1)
        sizes = range(1, self._backend.block_paths(job.program, self._memory) + 1)
        return bisect_right(sizes, spare, key=partial(_block_bytes, self._question, job, self._backend))


def needed_bytes(question: Question, job: Job, backend: Backend, paths: int) -> int:
    """Bytes that a shard takes with blocks of so many paths."""
    series = len(question.series)
    size = _block_bytes(question, job, backend, paths)
    size += nbytes(job, question.read_books, question.record) + OVERHEAD
    if question.keep == "paths":
        size += 2 * chunk_paths(job, series) * outcome_bytes(job.program, series) + ENCODING_BYTES
    return size


def _block_bytes(question: Question, job: Job, backend: Backend, paths: int) -> int:
    """Of a block, while the outcome of as many paths is being written."""
    series = len(question.series)
    return backend.block_bytes(job.program, paths, series) + paths * outcome_bytes(job.program, series)


def run_shard(
    question: Question,
    shard: Shard,
    backend: Backend,
    blocks: Blocks,
    folder: SweepFolder,
    overlap: Overlap,
    told: Told,
    done: Callable[[Record], None],
) -> None:
    """Compute a shard, and leave the end of writing it to `overlap`.

    Parameters
    ----------
    question, shard, backend, blocks, folder
    overlap : Overlap
        Where outcomes are written; the shard is whole once that has done all of its work.
    told : function of (path-scenarios, failures)
        Called from the thread that writes, for each block.
    done : function of a Record
        Called from there, once the shard is whole.

    Raises
    ------
    InputError
        Amounts overflow, or the memory is too little.
    OSError
        The disk is full, or may not be written to.
    """
    job = question.job(shard)
    writer = ShardWriter(question, shard, job, folder)  # its tally refuses amounts that overflow

    def write(outcome: Outcome) -> None:
        told(len(job.runs) * outcome.failed_at.shape[1], writer.add(outcome))

    end = shard.first_path + shard.paths
    first = shard.first_path
    while first < end:
        count = min(blocks.paths(job), end - first)
        start = time.monotonic()
        outcome = backend.simulate(job.program, job.block(question.seed, first, count), question.series)
        blocks.took(job, count, time.monotonic() - start)
        overlap.put(partial(write, outcome))
        del outcome  # before the next one is there
        first += count
    overlap.put(lambda: done(writer.finish()))
