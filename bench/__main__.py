"""`python -m bench [--json | --markdown] [--turns N] [--seconds S]`: the reference job, by backend and by peer.

All take turns in one run, and the median of each is printed, with the machine's ceilings measured between them: timings
on shared machines are noisy, ratios from one run are less so. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from gpustress.backends.native import NativeBackend

from .contenders import Contender, contenders, reference_job
from .machine import machine_name, versions
from .reference import SEED
from .roofline import Measurement, Roofline
from .timing import in_turns, medians

COUNTED_PATHS = 2048


def main() -> None:
    """Run the reference job on everything that is here."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--json", action="store_true", help="print the last line alone")
    only.add_argument(
        "--markdown", action="store_true", help="print the tables alone, for docs/performance.md"
    )
    parser.add_argument("--turns", type=int, default=7, help="of each contender")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a turn of each takes, about")
    arguments = parser.parse_args()

    load = os.getloadavg()[0]  # of others: the run itself has not begun
    job = reference_job()
    found = contenders(job)
    paths = {contender.name: contender.paths_in(arguments.seconds) for contender in found}
    measurement = Measurement(job, paths["native"])
    timed = {one.name: partial(one.seconds_a_path, paths[one.name]) for one in found}
    measured = medians(in_turns({**timed, **measurement.contenders()}, arguments.turns))
    roofline = measurement.roofline(measured, measured["native"])
    microseconds = {contender.name: measured[contender.name] * 1e6 for contender in found}

    if not arguments.json:
        print(table(found, microseconds, paths))
        print()
        print(roofline.table())
    if not arguments.markdown:
        run = {"turns": arguments.turns, "paths": paths, "load_before": load}
        print(json.dumps(summary(found, microseconds, roofline) | run))


def table(found: list[Contender], microseconds: dict[str, float], paths: dict[str, int]) -> str:
    """Times in Markdown."""
    rows = [
        f"| {one.name} | {one.threads} | {paths[one.name]:,} | {microseconds[one.name]:.2f} | "
        f"{microseconds[one.name] / microseconds['native']:.2f} |"
        for one in found
    ]
    return "\n".join(
        ["| | threads | paths a turn | µs a path | times native |", "|---|---:|---:|---:|---:|", *rows]
    )


def summary(found: list[Contender], microseconds: dict[str, float], roofline: Roofline) -> dict[str, Any]:
    """All that was measured, for machines."""
    return {
        "us_per_path": microseconds,
        "fma_share": roofline.fma_share,
        "stages": {name: asdict(stage) for name, stage in roofline.stages.items()},
        "times_native": {name: time / microseconds["native"] for name, time in microseconds.items()},
        "threads": {one.name: one.threads for one in found},
        "roofline": {key: value for key, value in asdict(roofline).items() if key != "stages"},
        "machine": machine_name(),
        "versions": versions(),
        "job": character(),
    }


def character() -> dict[str, float]:
    """What the reference job is like: how many fail, and how long a settlement takes to rest."""
    job = reference_job()
    outcome = NativeBackend().simulate(job.program, job.block(SEED, 0, COUNTED_PATHS))
    path_periods = COUNTED_PATHS * job.program.periods
    return {
        "failed_share": float(np.count_nonzero(outcome.cause) / outcome.cause.size),
        "updates": float(outcome.updates.sum() / path_periods),
        "exact_finishes": float(outcome.exact_finishes.sum() / path_periods),
    }


if __name__ == "__main__":
    main()
