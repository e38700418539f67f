"""`python -m bench.roofline [--paths N] [--turns N] [--json]`: where the time of the reference job goes.

For each step of the model: its floating-point operations a path (counted; the convention is in bench/native/counted.h),
its time, and what share of the machine's FMA ceiling it reaches. All in one run, taking turns; medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass

from gpustress.backends.native import NativeBackend
from gpustress.job import Job, prepare
from gpustress.simulation import result_bytes

from .ceiling import Ceiling
from .machine import machine_name, threads_here
from .probe import Probe
from .reference import SEED, reference_system
from .timing import in_turns, medians, seconds_of

COUNTED_PATHS = 2048


@dataclass(frozen=True)
class Stage:
    """A step of the model, per path.

    Attributes
    ----------
    operations : float
        Useful floating-point operations.
    microseconds : float
        Of the run's wall time, so that the steps sum to it.
    share : float
        Of the time.
    fma_share : float
        Operations over time over the ceiling.
    """

    operations: float
    microseconds: float
    share: float
    fma_share: float


@dataclass(frozen=True)
class Roofline:
    """The reference job against what the machine can do.

    Attributes
    ----------
    machine : str
    threads : int
    us_per_path : float
        Of the production kernels.
    operations : float
        Useful floating-point operations a path.
    fma_share : float
        Operations over time over ceiling.
    ceiling, ceiling_of_one : float
        Floating-point operations a second: of all threads together, and of one alone.
    bandwidth : float
        Bytes a second, all threads together.
    bandwidth_share : float
        Of it, what writing the outcome takes.
    state_bytes : int
        What a thread works in.
    clock_overhead : float
        What the clocks between the steps add to the time of the whole; the shares below are with it.
    stages : dict of str to Stage
    """

    machine: str
    threads: int
    us_per_path: float
    operations: float
    fma_share: float
    ceiling: float
    ceiling_of_one: float
    bandwidth: float
    bandwidth_share: float
    state_bytes: int
    clock_overhead: float
    stages: dict[str, Stage]


def operations_of(job: Job, paths: int = COUNTED_PATHS) -> dict[str, float]:
    """Useful floating-point operations a path, by step."""
    tally = Probe(counting=True).run(job.program, job.block(SEED, 0, paths), threads_here())
    return {stage: count / paths for stage, count in tally.operations.items()}


def roofline(paths: int, turns: int) -> Roofline:
    """Measure the reference job in so many turns."""
    job = prepare(reference_system(), None, "full", None)
    native, threads = NativeBackend(), threads_here()
    operations = operations_of(job)
    ceiling, clocks = Ceiling(), Probe(counting=False)
    block = job.block(SEED, 0, paths)
    shares: list[dict[str, float]] = []

    def with_clocks() -> float:
        tally = clocks.run(job.program, block, threads)
        shares.append(tally.shares())
        return tally.seconds

    measured = medians(
        in_turns(
            {
                "native": lambda: seconds_of(lambda: native.simulate(job.program, block)),
                "with_clocks": with_clocks,
                "ceiling": lambda: ceiling.fma(threads),
                "ceiling_of_one": lambda: ceiling.fma(1),
                "bandwidth": lambda: ceiling.bandwidth(threads),
            },
            turns,
        )
    )
    seconds = measured["native"] / paths
    stages = {}
    for stage, count in operations.items():
        share = statistics.median(turn[stage] for turn in shares)
        stages[stage] = Stage(
            operations=count,
            microseconds=share * seconds * 1e6,
            share=share,
            fma_share=count / (share * seconds) / measured["ceiling"],
        )
    return Roofline(
        machine=machine_name(),
        threads=threads,
        us_per_path=seconds * 1e6,
        operations=sum(operations.values()),
        fma_share=sum(operations.values()) / seconds / measured["ceiling"],
        ceiling=measured["ceiling"],
        ceiling_of_one=measured["ceiling_of_one"],
        bandwidth=measured["bandwidth"],
        bandwidth_share=result_bytes(job.program, 1, 0) / seconds / measured["bandwidth"],
        state_bytes=native.block_bytes(job.program, 0, 0) // threads,
        clock_overhead=measured["with_clocks"] / measured["native"] - 1.0,
        stages=stages,
    )


def table(found: Roofline) -> str:
    """In Markdown."""
    rows = [
        f"| {name} | {stage.operations:,.0f} | {stage.microseconds:.2f} | {stage.share:.1%} | {stage.fma_share:.1%} |"
        for name, stage in found.stages.items()
    ]
    return "\n".join(
        [
            "| step | operations a path | us a path | of the time | of the FMA ceiling |",
            "|---|---:|---:|---:|---:|",
            *rows,
            f"| all | {found.operations:,.0f} | {found.us_per_path:.2f} | 100 % | {found.fma_share:.1%} |",
            "",
            f"{found.machine}, {found.threads} threads. FMA ceiling {found.ceiling / 1e9:.1f} GFLOP/s, of one thread "
            f"{found.ceiling_of_one / 1e9:.1f}; triad {found.bandwidth / 1e9:.1f} GB/s, of which the outcome takes "
            f"{found.bandwidth_share:.2%}. A thread's state takes {found.state_bytes / 1024:.0f} KiB. "
            f"The clocks between the steps add {found.clock_overhead:.1%}.",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.roofline", description=__doc__)
    parser.add_argument("--paths", type=int, default=16384, help="paths timed in each turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    found = roofline(arguments.paths, arguments.turns)
    print(json.dumps(asdict(found)) if arguments.json else table(found))


if __name__ == "__main__":
    main()
