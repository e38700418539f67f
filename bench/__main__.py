"""`python -m bench [--json] [--paths N] [--repeat N]`: microseconds a path of the reference job, by backend.

Backends take turns in one run, and the median of each is printed: timings on shared machines are noisy, ratios from
one run are less so.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time

import numpy as np

import gpustress
from gpustress.backends import get_backend
from gpustress.job import prepare

from .reference import SEED, reference_system

BLOCK_MEMORY = 10**9


def main() -> None:
    """Run the reference job on every backend that works."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--paths", type=int, default=4096, help="paths timed in each turn")
    parser.add_argument("--repeat", type=int, default=3, help="turns of each backend")
    arguments = parser.parse_args()
    names = [info.name for info in gpustress.backends() if info.works]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    outcome = {}
    for turn in range(arguments.repeat + 1):
        for name in names:
            elapsed, outcome[name] = run(name, arguments.paths if turn else 64)
            if turn:  # the first, small one only warms up
                seconds[name].append(elapsed)
    per_path = {name: statistics.median(times) / arguments.paths * 1e6 for name, times in seconds.items()}
    job = outcome[names[0]]
    if arguments.json:
        print(
            json.dumps(
                {"us_per_path": per_path, "machine": platform.processor() or platform.machine(), **job}
            )
        )
        return
    print(f"reference job: {job['failed_share']:.1%} of entities fail, "
          f"{job['updates']:.2f} settlement updates a period, {job['exact']} exact finishes")  # fmt: skip
    for name, microseconds in per_path.items():
        print(f"{name:>8}  {microseconds:8.1f} us a path")


def run(backend_name: str, paths: int) -> tuple[float, dict[str, float]]:
    """Seconds that so many paths take, and what the job was like."""
    job = prepare(reference_system(), None, "full", None)
    backend = get_backend(backend_name)
    size = backend.block_paths(job.program, BLOCK_MEMORY)
    failed = updates = exact = 0
    start = time.perf_counter()
    for first in range(0, paths, size):
        outcome = backend.simulate(job.program, job.block(SEED, first, min(size, paths - first)))
        failed += int(np.count_nonzero(outcome.cause))
        updates += int(outcome.updates.sum())
        exact += int(outcome.exact_finishes.sum())
    elapsed = time.perf_counter() - start
    path_periods = paths * job.program.periods
    share = failed / (paths * job.program.entity_count)
    return elapsed, {"failed_share": share, "updates": updates / path_periods, "exact": exact}


if __name__ == "__main__":
    main()
