"""`python -m bench.sweep [--paths N] [--turns N] [--json]`: what a sweep costs beside its kernel.

Four questions, each on the reference system: how much longer a sweep takes than the kernel alone, with a summary and
with every path kept; what a second worker adds on a Dask cluster; what a shard costs by itself; and what a sweep adds
to its process, against the number of paths and of scenarios. Sweeps take turns with the kernel; each measurement of
memory is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from distributed import Client, LocalCluster

from gpustress import Scenarios, shards
from gpustress.backends import get_backend
from gpustress.job import prepare
from gpustress.sweep_question import Keep
from gpustress.sweeping import sweep

from .machine import machine_name
from .reference import SEED, reference_system
from .timing import in_turns, medians, seconds_of

SCENARIOS = 4
MEMORY = (256 * 10**6, 10**9)
MEMORY_PATHS = (8192, 32768)
MEMORY_SCENARIOS = (4, 16)
SMALL_SHARDS = 32
_STATUS, _CLEAR_REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


@dataclass(frozen=True)
class Added:
    """Bytes that a sweep added to its process at its highest."""

    memory: int
    keep: str
    scenarios: int
    paths: int
    added: int


@dataclass(frozen=True)
class SweepBench:
    """All that was measured; seconds are medians.

    Attributes
    ----------
    kernel, summary, paths : float
        The kernel alone, and sweeps with either `keep`, of the same paths.
    paths_bytes : int
        On disk, with keep="paths".
    workers : dict of int to float
        By the number of workers, of one thread each.
    shard_seconds : float
        That a shard costs beside its kernel.
    memory : list of Added
    """

    machine: str
    job_paths: int
    kernel: float
    summary: float
    paths: float
    paths_bytes: int
    workers: dict[int, float]
    shard_seconds: float
    memory: list[Added]

    def table(self) -> str:
        """In Markdown."""
        rate = self.paths_bytes / self.paths / 1e6
        lines = [
            f"| {SCENARIOS} scenarios x {self.job_paths:,} paths | seconds | times the kernel |",
            "|---|---:|---:|",
            f"| kernel alone | {self.kernel:.2f} | 1.00 |",
            f'| sweep, keep="summary" | {self.summary:.2f} | {self.summary / self.kernel:.2f} |',
            f'| sweep, keep="paths" ({rate:,.0f} MB/s) | {self.paths:.2f} | {self.paths / self.kernel:.2f} |',
            "",
            f"A shard costs {self.shard_seconds * 1e3:.0f} ms by itself. A second worker adds "
            f"{self.workers[1] / self.workers[2] - 1.0:.2f} of one ({self.workers[1]:.2f} s, {self.workers[2]:.2f} s).",
            "",
            "| `memory=` | keep | scenarios | paths | added |",
            "|---:|---|---:|---:|---:|",
        ]
        lines += [
            f"| {one.memory / 1e6:,.0f} MB | {one.keep} | {one.scenarios} | {one.paths:,} | {one.added / 1e6:,.0f} MB |"
            for one in self.memory
        ]
        return "\n".join([*lines, "", f"{self.machine}."])


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="gpustress-bench-"))
    try:
        yield place / "out"
    finally:
        shutil.rmtree(place)


def grid(scenarios: int) -> Scenarios:
    """So many scenarios."""
    return Scenarios.grid({"flow.kind:capex.scale": [1.0 + i / 100 for i in range(scenarios)]})


def swept(paths: int, keep: Keep, client: Client | None = None) -> float:
    """Seconds of a sweep."""
    with folder() as out:
        system = reference_system()
        return seconds_of(
            lambda: sweep(system, grid(SCENARIOS), paths=paths, out=out, seed=SEED, keep=keep, cluster=client)
        )


def kernel(paths: int) -> float:
    """Seconds of the kernel alone, in blocks."""
    job, backend = prepare(reference_system(), grid(SCENARIOS), "full", None), get_backend()
    size = backend.block_paths(job.program, 10**9)

    def run() -> None:
        for first in range(0, paths, size):
            backend.simulate(job.program, job.block(SEED, first, min(size, paths - first)))

    return seconds_of(run)


def on_workers(paths: int, turns: int) -> dict[int, float]:
    """Seconds with one worker and with two, of as many shards as can be shared out evenly."""
    shard_paths = -(-paths // 8 // shards.STEP) * shards.STEP
    work = shards.path_work(40, 32, 128) * SCENARIOS * shard_paths
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with (
        _shard_work(work),
        LocalCluster(n_workers=1, **options) as a,
        LocalCluster(n_workers=2, **options) as b,
    ):
        clients = {"1": Client(a), "2": Client(b)}
        for client in clients.values():
            swept(256, "summary", client)  # imports
        timed = {name: lambda one=client: swept(paths, "summary", one) for name, client in clients.items()}
        found = medians(in_turns(timed, turns))
        for client in clients.values():
            client.close()
    return {int(name): seconds for name, seconds in found.items()}


@contextmanager
def _shard_work(work: int) -> Iterator[None]:
    before = shards.SHARD_WORK
    shards.SHARD_WORK = work  # type: ignore[misc]
    try:
        yield
    finally:
        shards.SHARD_WORK = before  # type: ignore[misc]


def seconds_a_shard(turns: int) -> float:
    """What a shard costs by itself: many of few paths against one of all of them."""
    paths = SMALL_SHARDS * shards.STEP // 8
    step = shards.STEP

    def many() -> float:
        shards.STEP = step // 8  # type: ignore[misc]
        try:
            with _shard_work(1):
                return swept(paths, "summary")
        finally:
            shards.STEP = step  # type: ignore[misc]

    found = medians(in_turns({"many": many, "one": lambda: swept(paths, "summary")}, turns))
    return (found["many"] - found["one"]) / (SMALL_SHARDS - 1)


def added(memory: int, keep: Keep, scenarios: int, paths: int) -> int:
    """Bytes that a sweep adds to this process: call it in one that has done nothing else."""
    import pyarrow.dataset  # noqa: F401

    system, chosen = reference_system(), grid(scenarios)
    with folder() as out:
        _CLEAR_REFERENCES.write_text(_RESET_PEAK)
        before = _resident("VmRSS")
        sweep(system, chosen, paths=paths, out=out, seed=SEED, keep=keep, memory=memory)
        return _resident("VmHWM") - before


def _resident(which: str) -> int:
    found = re.search(rf"^{which}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{_STATUS} has no {which}")
    return int(found[1]) * 1024


def memory_added() -> list[Added]:
    """Against `memory=`, paths and scenarios."""
    cases: list[tuple[int, Keep, int, int]] = [
        (memory, keep, scenarios, paths)
        for memory in MEMORY
        for keep in ("summary", "paths")
        for scenarios, paths in (
            (MEMORY_SCENARIOS[0], MEMORY_PATHS[0]), (MEMORY_SCENARIOS[0], MEMORY_PATHS[1]),
            (MEMORY_SCENARIOS[1], MEMORY_PATHS[0]),
        )
    ]  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return [Added(*case, pool.apply(added, case)) for case in cases]


def measured(paths: int, turns: int) -> SweepBench:
    """Measure."""
    kernel(256)
    timed = {
        "kernel": lambda: kernel(paths),
        "summary": lambda: swept(paths, "summary"),
        "paths": lambda: swept(paths, "paths"),
    }
    found = medians(in_turns(timed, turns))
    with folder() as out:
        sweep(reference_system(), grid(SCENARIOS), paths=paths, out=out, seed=SEED, keep="paths")
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return SweepBench(
        machine=machine_name(),
        job_paths=paths,
        paths_bytes=size,
        workers=on_workers(paths, turns),
        shard_seconds=seconds_a_shard(turns),
        memory=memory_added(),
        **found,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--paths", type=int, default=65536, help="of each of the scenarios")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    if not _CLEAR_REFERENCES.exists():
        parser.exit(1, "bench.sweep reads /proc/self/status, which this system does not have.\n")
    found = measured(arguments.paths, arguments.turns)
    print(json.dumps(asdict(found)) if arguments.json else found.table())


if __name__ == "__main__":
    main()
