"""What a sweep would take, before it starts: a block is timed, and the rest is counted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..backends import AUTO, get_backend
from ..backends.base import Outcome, outcome_bytes
from ..errors import bad_argument
from ..memory import budget, free_memory, in_words
from .question import Keep, Question, ask
from .shard_run import Blocks, needed_bytes
from .tally import Tally

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..job import Job
    from ..system import System

SAMPLED: Final = 256  # paths
WARMING: Final = 16
TALLY_GROWTH: Final = 4  # at most, of a tally on disk, from the sample to a whole shard: more buckets are hit
KEY_BYTES: Final = 2  # on disk, of the columns that say which path, entity and cause a row is about


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep would take, or what is left of one.

    Attributes
    ----------
    paths, runs : int
        Monte Carlo paths; scenarios x effects.
    shards, shards_left : int
    seconds : float
        On this machine by itself, from a timed block.
    memory_bytes : int
        Of one shard, with the blocks that `memory=` allows.
    disk_bytes : int
        At most, of what is still to be written.
    free_memory_bytes : int
    backend : str
    """

    paths: int
    runs: int
    shards: int
    shards_left: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    free_memory_bytes: int
    backend: str

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.shards_left} of {self.shards} shards to do: about {self.seconds:,.0f} s on this machine, "
            f"{self.memory_bytes / 1e6:,.0f} MB of memory ({self.free_memory_bytes / 1e6:,.0f} MB are free), up to "
            f"{self.disk_bytes / 1e6:,.0f} MB on disk"
        )


def estimate_sweep(
    system: System,
    scenarios: Any = None,
    *,
    paths: int | None = None,
    keep: Keep = "summary",
    effects: str | Sequence[str] = "full",
    record: Sequence[str] = (),
    books: Mapping[str, Any] | None = None,
    target_error: Mapping[str, float] | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> SweepEstimate:
    """Time, memory, disk and shards that `sweep` with the same arguments would take.

    Every scenario is checked, and a block of the first shard is timed. With `target_error` it is what all paths would
    take; on a cluster the time is about `seconds` divided by how many such machines it has.

    Raises
    ------
    InputError
        As `sweep`.
    """
    chosen = get_backend(backend, threads=threads, devices=devices)
    question = ask(system, scenarios, paths=paths, seed=0, keep=keep, effects=effects, record=record, books=books,
                   target_error=target_error, chosen=chosen)  # fmt: skip
    blocks = Blocks(question, chosen, budget(memory))
    question.compile_all()
    return left_of(question, chosen, blocks)


def left_of(question: Question, backend: Backend, blocks: Blocks, done: int = 0) -> SweepEstimate:
    """Time, memory and disk of what is left of a sweep.

    Parameters
    ----------
    question : Question
    backend : Backend
    blocks : Blocks
    done : int
        Shards that are whole.

    Raises
    ------
    InputError
        The memory is too little for one path of a shard.
    """
    grid = question.grid
    first = grid.shard(0)
    job, left = question.job(first), len(grid) - done
    series = len(question.series)
    paths = blocks.most(job)
    sampled = min(SAMPLED, first.paths)
    seconds, disk = 0.0, 0
    if left:
        for count in (min(WARMING, sampled), sampled):  # the first warms caches and imports up
            start = time.monotonic()
            outcome = backend.simulate(job.program, job.block(question.seed, 0, count), question.series)
            seconds = time.monotonic() - start
        growth = min(
            TALLY_GROWTH, 1 + first.paths // sampled
        )  # shards differ: of the first alone it is too little
        disk = left * growth * _tally_bytes(question, job, outcome)
    runs = grid.scenarios * len(question.effects)
    share = left / len(grid)
    if question.keep == "paths":
        per_path = outcome_bytes(job.program, series) / len(job.runs) * (1.0 + KEY_BYTES / 8)
        disk += int(share * runs * grid.paths * per_path)
    return SweepEstimate(
        paths=grid.paths,
        runs=runs,
        shards=len(grid),
        shards_left=left,
        seconds=seconds / sampled / len(job.runs) * runs * grid.paths * share,
        memory_bytes=needed_bytes(question, job, backend, paths),
        disk_bytes=disk,
        free_memory_bytes=free_memory(),
        backend=backend.name,
    )


def _tally_bytes(question: Question, job: Job, outcome: Outcome) -> int:
    """What the tally of some paths takes on disk."""
    tally = Tally(job, question.read_books, 0, question.record)
    tally.add(outcome)
    size = 0
    for table in tally.tables().values():
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        size += sink.tell()
    return size


def check_room(estimate: SweepEstimate, place: Path) -> None:
    """Refuse to start what there is no room for.

    Raises
    ------
    InputError
        The disk has less than the estimate.
    """
    free = shutil.disk_usage(place).free
    if estimate.disk_bytes > free:
        needed = in_words(estimate.disk_bytes, up=True)
        message = f"lies on a disk with {in_words(free)} free; the sweep may need {needed}"
        remedy = 'Name a folder on another disk, or run fewer paths or scenarios, or keep="summary".'
        raise bad_argument("out", str(place), message, remedy)
