"""`python -m bench.memory [--backend NAME] [--json]`: what a run adds to the process, against `memory=`.

Each run is a process of its own; what counts is the highest resident set of the run less that after imports and a run
of one path. A run holds its whole result, so that paths are chosen to fill a share of `memory=`; with a series of every
entity recorded, few of them do. What is added has to stay within `memory=`, however many paths and scenarios there are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import gpustress
from gpustress import Scenarios
from gpustress.backends import AUTO, get_backend
from gpustress.job import prepare
from gpustress.memory import free_memory
from gpustress.simulation import result_bytes

from .machine import machine_name
from .reference import SEED, reference_system

MEMORY = (256 * 10**6, 10**9, 4 * 10**9)
FILLED = (0.2, 0.9)  # of `memory=`, by the result
SCENARIOS = (1, 4)
_STATUS, _CLEAR_REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


@dataclass(frozen=True)
class Case:
    """A run: bytes of `memory=`, scenarios, paths, and the bytes that its result takes."""

    backend: str
    memory: int
    scenarios: int
    paths: int
    result: int


@dataclass(frozen=True)
class Measured:
    """A run, and the bytes that it added to its process at its highest."""

    case: Case
    added: int

    @property
    def beyond(self) -> int:
        """Beside the result."""
        return self.added - self.case.result


def cases(backend: str) -> Iterator[Case]:
    """Those that fit into half of what is free."""
    system = reference_system()
    series = len(system.entity_names)
    for memory in MEMORY:
        if memory > free_memory() // 2:
            continue
        for filled in FILLED:
            for scenarios in SCENARIOS:
                program = prepare(system, grid(scenarios), "full", None).program
                smallest = get_backend(backend).block_bytes(program, 1, series)
                paths = int(filled * (memory - smallest)) // result_bytes(program, 1, series)
                yield Case(backend, memory, scenarios, paths, result_bytes(program, paths, series))


def grid(scenarios: int) -> Scenarios:
    """So many scenarios."""
    return Scenarios.grid({"flow.kind:capex.scale": [1.0 + i / 100 for i in range(scenarios)]})


def measure(case: Case) -> int:
    """Bytes that a run adds to this process: run it in one that has done nothing else."""
    system = reference_system()
    record = [f"cash:{name}" for name in system.entity_names]

    def run(paths: int) -> gpustress.Result:
        return gpustress.simulate(
            system, grid(case.scenarios), paths=paths, seed=SEED, backend=case.backend, record=record,
            memory=case.memory,
        )  # fmt: skip

    run(1)
    _CLEAR_REFERENCES.write_text(_RESET_PEAK)
    before = _resident("VmRSS")
    result = run(case.paths)
    added = _resident("VmHWM") - before
    del result  # it was there until now
    return added


def _resident(which: str) -> int:
    found = re.search(rf"^{which}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{_STATUS} has no {which}")
    return int(found[1]) * 1024


def table(measured: list[Measured]) -> str:
    """In Markdown."""
    lines = ["| `memory=` | scenarios | paths | result | added | of `memory=` | beyond the result |"]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|")
    for one in measured:
        case = one.case
        lines.append(
            f"| {_megabytes(case.memory)} | {case.scenarios} | {case.paths:,} | {_megabytes(case.result)} | "
            f"{_megabytes(one.added)} | {one.added / case.memory:.0%} | {_megabytes(one.beyond)} |"
        )
    most = max(one.added / one.case.memory for one in measured)
    lines += ["", f"{machine_name()}, {measured[0].case.backend}. At most {most:.0%} of `memory=`."]
    return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 10**6:,.0f} MB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--backend", default=AUTO)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    if not _CLEAR_REFERENCES.exists():
        parser.exit(1, "bench.memory reads /proc/self/status, which this system does not have.\n")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        measured = [
            Measured(case, pool.apply(measure, (case,)))
            for case in cases(get_backend(arguments.backend).name)
        ]
    if arguments.json:
        print(json.dumps({"machine": machine_name(), "runs": [asdict(one) for one in measured]}))
    else:
        print(table(measured))


if __name__ == "__main__":
    main()
