"""`python -m bench.sweep [--paths N] [--turns N] [--json]`: what a sweep costs beside its kernel.

Four questions, each on the reference system: how much longer a sweep takes than the kernel alone, with a summary and
with every path kept; what a second worker adds on a Dask cluster; what a shard costs by itself; and what a sweep adds
to its process, against the number of paths and of scenarios. Sweeps take turns with the kernel; each measurement of
memory is a process of its own. Beside seconds stand those of the processors: where others disturb a run, the second
figure tells what a sweep does, and the first what it waited for.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from distributed import Client, LocalCluster

from gpustress import Scenarios
from gpustress.backends import get_backend
from gpustress.job import prepare
from gpustress.sweeps import shards
from gpustress.sweeps.question import Keep
from gpustress.sweeps.sweeping import sweep

from .machine import machine_name
from .reference import ENTITIES, FLOWS, PERIODS, SEED, reference_system
from .timing import in_turns

SCENARIOS = 4
MEMORY = (256 * 10**6, 10**9)
MEMORY_PATHS = (8192, 32768)
MEMORY_SCENARIOS = (4, 16)
SMALL_SHARDS = 32
WORKERS = (1, 2)
WORKER_SHARDS = 8  # of the paths, so that they can be shared out evenly
_STATUS, _CLEAR_REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


@dataclass(frozen=True)
class Cost:
    """Seconds that some work takes, and those of all processors together."""

    seconds: float
    processor_seconds: float


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
    """All that was measured; costs are medians.

    Attributes
    ----------
    kernel, summary, paths : Cost
        The kernel alone, and sweeps with either `keep`, of the same paths.
    paths_bytes : int
        On disk, with keep="paths".
    workers : dict of int to Cost
        By the number of workers, of one thread each, which have done such a sweep before.
    shard_seconds : float
        That a shard costs beside its kernel.
    memory : list of Added
    """

    machine: str
    job_paths: int
    kernel: Cost
    summary: Cost
    paths: Cost
    paths_bytes: int
    workers: dict[int, Cost]
    shard_seconds: float
    memory: list[Added]

    def table(self) -> str:
        """In Markdown."""
        rate = self.paths_bytes / self.paths.seconds / 1e6
        one, two = (self.workers[count] for count in WORKERS)

        def row(name: str, cost: Cost) -> str:
            times = cost.seconds / self.kernel.seconds, cost.processor_seconds / self.kernel.processor_seconds
            return f"| {name} | {cost.seconds:.2f} | {times[0]:.2f} | {cost.processor_seconds:.2f} | {times[1]:.2f} |"

        lines = [
            f"| {SCENARIOS} scenarios x {self.job_paths:,} paths | seconds | times the kernel | processor seconds "
            "| times the kernel |",
            "|---|---:|---:|---:|---:|",
            row("kernel alone", self.kernel),
            row('sweep, keep="summary"', self.summary),
            row(f'sweep, keep="paths" ({rate:,.0f} MB/s)', self.paths),
            "",
            f"A shard costs {self.shard_seconds * 1e3:.0f} ms of the processors by itself. A second worker adds "
            f"{one.seconds / two.seconds - 1.0:.2f} of one ({one.seconds:.2f} s, {two.seconds:.2f} s; processors "
            f"{one.processor_seconds:.2f} s, {two.processor_seconds:.2f} s).",
            "",
            "| `memory=` | keep | scenarios | paths | added |",
            "|---:|---|---:|---:|---:|",
        ]
        lines += [
            f"| {case.memory / 1e6:,.0f} MB | {case.keep} | {case.scenarios} | {case.paths:,} "
            f"| {case.added / 1e6:,.0f} MB |"
            for case in self.memory
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


def processor_seconds() -> float:
    """Of this process so far."""
    times = os.times()
    return times.user + times.system


def _clusters(client: Client | None) -> float:
    """Processor seconds of this process and of a cluster's workers so far."""
    workers = client.run(processor_seconds).values() if client is not None else ()
    return processor_seconds() + float(sum(workers))


def cost_of(work: Callable[[], object], client: Client | None = None) -> Cost:
    """What some work costs."""
    before, start = _clusters(client), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return Cost(seconds, _clusters(client) - before)


def _median(costs: Iterable[Cost]) -> Cost:
    both = [(cost.seconds, cost.processor_seconds) for cost in costs]
    return Cost(*(statistics.median(values) for values in zip(*both, strict=True)))


def medians(measured: dict[str, list[Cost]]) -> dict[str, Cost]:
    """The median of each."""
    return {name: _median(costs) for name, costs in measured.items()}


def swept(paths: int, keep: Keep, client: Client | None = None) -> Cost:
    """The cost of a sweep."""
    system, chosen = reference_system(), grid(SCENARIOS)
    with folder() as out:
        return cost_of(
            lambda: sweep(system, chosen, paths=paths, out=out, seed=SEED, keep=keep, cluster=client), client
        )


def kernel(paths: int) -> Cost:
    """The cost of the kernel alone, in blocks."""
    job, backend = prepare(reference_system(), grid(SCENARIOS), "full", None), get_backend()
    size = backend.block_paths(job.program, 10**9)

    def run() -> None:
        for first in range(0, paths, size):
            backend.simulate(job.program, job.block(SEED, first, min(size, paths - first)))

    return cost_of(run)


def on_workers(paths: int, turns: int) -> dict[int, Cost]:
    """Costs by the number of workers. Each has run shards before, so that no start is timed."""
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with ExitStack() as stack:
        clients = {}
        for count in WORKERS:
            cluster = stack.enter_context(LocalCluster(n_workers=count, **options))
            clients[str(count)] = stack.enter_context(Client(cluster))
        for client in clients.values():
            with _shards_of(shards.STEP):
                swept(WORKER_SHARDS * shards.STEP, "summary", client)
        with _shards_of(-(-paths // WORKER_SHARDS // shards.STEP) * shards.STEP):
            timed = {name: partial(swept, paths, "summary", client) for name, client in clients.items()}
            found = in_turns(timed, turns)
    return {int(name): cost for name, cost in medians(found).items()}


@contextmanager
def _shards_of(paths: int) -> Iterator[None]:
    """Sweeps of the reference system have shards of so many paths."""
    before = shards.SHARD_WORK, shards.STEP
    shards.SHARD_WORK = shards.path_work(PERIODS, ENTITIES, FLOWS) * SCENARIOS * paths  # type: ignore[misc]
    shards.STEP = min(shards.STEP, paths)  # type: ignore[misc]
    try:
        yield
    finally:
        shards.SHARD_WORK, shards.STEP = before  # type: ignore[misc]


def seconds_a_shard(turns: int) -> float:
    """Processor seconds of a shard by itself: many of few paths against one of all of them."""
    few = shards.STEP // 8
    paths = SMALL_SHARDS * few

    def many() -> Cost:
        with _shards_of(few):
            return swept(paths, "summary")

    found = medians(in_turns({"many": many, "one": lambda: swept(paths, "summary")}, turns))
    return (found["many"].processor_seconds - found["one"].processor_seconds) / (SMALL_SHARDS - 1)


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
    parser.add_argument("--paths", type=int, default=131_072, help="of each of the scenarios")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    if not _CLEAR_REFERENCES.exists():
        parser.exit(1, "bench.sweep reads /proc/self/status, which this system does not have.\n")
    found = measured(arguments.paths, arguments.turns)
    print(json.dumps(asdict(found)) if arguments.json else found.table())


if __name__ == "__main__":
    main()
