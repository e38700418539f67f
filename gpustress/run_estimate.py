"""What a run would take, before it starts: measured on one block."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends import AUTO, get_backend
from .job import check_paths, parse_record, prepare
from .memory import free_memory
from .simulation import block_paths, result_bytes, simulate

if TYPE_CHECKING:
    from .system import System

SAMPLE_SECONDS = 0.5  # what is timed should take about this long
MOST_SAMPLED = 4096


@dataclass(frozen=True)
class RunEstimate:
    """What a run would take.

    Attributes
    ----------
    paths, runs : int
        Monte Carlo paths; scenarios x effects.
    seconds : float
        From a timed sample on this machine.
    memory_bytes : int
        Arrays of the result and of one block.
    disk_bytes : int
        Of the written result, from the written sample.
    free_bytes : int
        Memory that is free now.
    sampled_paths : int
    backend : str
    """

    paths: int
    runs: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    free_bytes: int
    sampled_paths: int
    backend: str


def estimate(
    system: System,
    scenarios: Any = None,
    *,
    paths: int | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    effects: str | Sequence[str] = "full",
    record: Sequence[str] = (),
    factors: Any = None,
) -> RunEstimate:
    """Time, memory and disk that `simulate` with the same arguments would take.

    A sample of the paths is run and written to a temporary folder; time and disk are those of the sample, scaled up.

    Raises
    ------
    InputError
        As `simulate`, but never for want of memory.
    """
    job = prepare(system, scenarios, effects, factors)
    paths = check_paths(paths, job.factors)
    series = parse_record(system, record)
    chosen = get_backend(backend, threads=threads, devices=devices)
    block = min(paths, block_paths(job.program, chosen, len(series), max(1, free_memory() // 4)))

    def timed(count: int) -> float:
        start = time.perf_counter()
        chosen.simulate(job.program, job.block(0, 0, count), tuple(series.values()))
        return time.perf_counter() - start

    first = min(16, paths)
    timed(first)  # warms caches and imports up
    once = timed(first)
    sampled = max(first, min(block, MOST_SAMPLED, int(first * SAMPLE_SECONDS / max(once, 1e-6))))
    seconds = timed(sampled)
    with tempfile.TemporaryDirectory(prefix="gpustress-") as folder:
        written = min(sampled, 512)
        result = simulate(system, scenarios, paths=written, backend=backend, threads=threads,
                          devices=devices, effects=effects, record=record, factors=factors,
                          memory=free_memory())  # fmt: skip
        result.write(Path(folder) / "sample")
        size = sum(file.stat().st_size for file in (Path(folder) / "sample").rglob("*") if file.is_file())
    return RunEstimate(
        paths=paths,
        runs=len(job.runs),
        seconds=seconds * paths / sampled,
        memory_bytes=result_bytes(job.program, paths, len(series))
        + chosen.block_bytes(job.program, block, len(series)),
        disk_bytes=size * max(1, paths // written),
        free_bytes=free_memory(),
        sampled_paths=sampled,
        backend=chosen.name,
    )
