"""`python -m bench.roofline [--turns N] [--json]`: where the time of the reference job goes.

For each step of the model: its floating-point operations a path (counted; the convention is in bench/native/counted.h),
its time, and what share of the machine's FMA ceiling it reaches. All in one run, taking turns; medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from gpustress.backends.native import NativeBackend
from gpustress.job import Job
from gpustress.simulation import result_bytes

from .ceiling import Ceiling
from .contenders import of_backend, reference_job
from .machine import machine_name
from .probe import Probe
from .reference import SEED
from .timing import in_turns, medians

COUNTED_PATHS = 2048


@dataclass(frozen=True)
class Stage:
    """A step of the model, per path.

    Attributes
    ----------
    operations : float
        Useful floating-point operations.
    us_per_path : float
        Of the run's wall time, so that the steps sum to it.
    share : float
        Of the time.
    fma_share : float
        Operations over time over the ceiling.
    """

    operations: float
    us_per_path: float
    share: float
    fma_share: float


@dataclass(frozen=True)
class Roofline:
    """A job against what the machine can do.

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
        What the clocks between the steps add to the time of the whole.
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

    def table(self) -> str:
        """In Markdown."""
        rows = [
            f"| {name} | {of.operations:,.0f} | {of.us_per_path:.2f} | {of.share:.1%} | {of.fma_share:.1%} |"
            for name, of in self.stages.items()
        ]
        return "\n".join(
            [
                "| step | operations a path | µs a path | of the time | of the FMA ceiling |",
                "|---|---:|---:|---:|---:|",
                *rows,
                f"| all | {self.operations:,.0f} | {self.us_per_path:.2f} | 100.0% | {self.fma_share:.1%} |",
                "",
                f"{self.machine}, {self.threads} threads. FMA ceiling {self.ceiling / 1e9:.1f} GFLOP/s, of one thread "
                f"{self.ceiling_of_one / 1e9:.1f}; triad {self.bandwidth / 1e9:.1f} GB/s, of which the outcome takes "
                f"{self.bandwidth_share:.2%}. A thread's state takes {self.state_bytes / 1024:.0f} KiB. "
                f"The clocks between the steps add {self.clock_overhead:.1%} to the time.",
            ]
        )


def operations_of(job: Job, paths: int = COUNTED_PATHS) -> dict[str, float]:
    """Useful floating-point operations a path, by step."""
    tally = Probe(counting=True).run(job.program, job.block(SEED, 0, paths), NativeBackend().threads)
    return {stage: count / paths for stage, count in tally.counts().items()}


class Measurement:
    """What is measured beside a native run for its roofline.

    Parameters
    ----------
    job : Job
    paths : int
        Of the run with clocks.
    """

    def __init__(self, job: Job, paths: int):
        self._job, self._paths, self._native = job, paths, NativeBackend()
        self._ceiling, self._clocks = Ceiling(), Probe(counting=False)
        self._shares: list[dict[str, float]] = []

    def contenders(self) -> dict[str, Callable[[], float]]:
        """By name, what takes its turn."""
        threads = self._native.threads
        return {
            "with_clocks": self._with_clocks,
            "ceiling": lambda: self._ceiling.fma(threads),
            "ceiling_of_one": lambda: self._ceiling.fma(1),
            "bandwidth": lambda: self._ceiling.bandwidth(threads),
        }

    def roofline(self, measured: Mapping[str, float], seconds: float) -> Roofline:
        """From the medians of the contenders, and the seconds that a path takes native."""
        operations = operations_of(self._job)
        ceiling = measured["ceiling"]
        shares = {stage: statistics.median(turn[stage] for turn in self._shares) for stage in operations}
        return Roofline(
            machine=machine_name(),
            threads=self._native.threads,
            us_per_path=seconds * 1e6,
            operations=sum(operations.values()),
            fma_share=sum(operations.values()) / seconds / ceiling,
            ceiling=ceiling,
            ceiling_of_one=measured["ceiling_of_one"],
            bandwidth=measured["bandwidth"],
            bandwidth_share=result_bytes(self._job.program, 1, 0) / seconds / measured["bandwidth"],
            state_bytes=self._native.block_bytes(self._job.program, 0, 0),  # of one thread
            clock_overhead=measured["with_clocks"] / seconds - 1.0,
            stages={
                stage: Stage(
                    operations=count,
                    us_per_path=shares[stage] * seconds * 1e6,
                    share=shares[stage],
                    fma_share=count / (shares[stage] * seconds) / ceiling,
                )
                for stage, count in operations.items()
            },
        )

    def _with_clocks(self) -> float:
        block = self._job.block(SEED, 0, self._paths)
        tally = self._clocks.run(self._job.program, block, self._native.threads)
        self._shares.append(tally.shares())
        return tally.seconds / self._paths


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.roofline", description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="that a turn of the kernels takes")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    job = reference_job()
    native = NativeBackend()
    contender = of_backend(native, job, native.threads)
    paths = contender.paths_in(arguments.seconds)
    measurement = Measurement(job, paths)
    measured = medians(
        in_turns(
            {"native": lambda: contender.seconds_a_path(paths), **measurement.contenders()}, arguments.turns
        )
    )
    found = measurement.roofline(measured, measured["native"])
    print(json.dumps(asdict(found)) if arguments.json else found.table())


if __name__ == "__main__":
    main()
