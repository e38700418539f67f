"""`python -m bench.scaling [--turns N] [--json]`: how the time of a run grows with each of its sizes.

One size is doubled a few times, the others stay; all take turns, and medians count. The exponent is the slope of log
time over log size: 1 is linear. Entities are added that only have cash and a hazard; flows are split, so that they pay
the same. Several threads are compared with one, and processes of one thread with one such process; beside them stands
what the machine itself gives to more threads, in fused multiply-adds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from gpustress import Scenarios
from gpustress.backends.native import NativeBackend
from gpustress.job import Job, prepare

from .ceiling import Ceiling
from .contenders import of_backend
from .machine import machine_name
from .reference import ENTITIES, FLOWS, PERIODS, SEED, Rows, reference_tables, system_of
from .timing import in_turns, medians, seconds_of

PATHS = 4096
SIZES = {
    "paths": (PATHS // 4, PATHS // 2, PATHS, 2 * PATHS, 4 * PATHS),
    "scenarios": (1, 2, 4, 8),
    "periods": (PERIODS // 4, PERIODS // 2, PERIODS, 2 * PERIODS),
    "entities": tuple(ENTITIES << i for i in range(4)),
    "flows": tuple(FLOWS << i for i in range(4)),
}

# A process of one thread: warms up, says so, waits for a line, runs, says so.
_CHILD = """
from gpustress.backends.native import NativeBackend
from bench.contenders import of_backend, reference_job
run = of_backend(NativeBackend(threads=1), reference_job(), 1).run
run(256, 0)
print(flush=True)
while input():
    run({paths}, 0)
    print(flush=True)
"""


@dataclass(frozen=True)
class Growth:
    """Time against one size.

    Attributes
    ----------
    sizes : tuple of int
    seconds : tuple of float
        Medians.
    exponent : float
        Of the power law that fits best.
    """

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float


@dataclass(frozen=True)
class Scaling:
    """How a run grows.

    Attributes
    ----------
    machine : str
    growth : dict of str to Growth
        By size.
    threads, processes : dict of int to float
        What so many do in the time in which one does one.
    ceiling : dict of int to float
        The same of the machine's fused multiply-adds, by threads.
    """

    machine: str
    growth: dict[str, Growth]
    threads: dict[int, float]
    processes: dict[int, float]
    ceiling: dict[int, float]

    def table(self) -> str:
        """In Markdown."""
        lines = ["| doubled | sizes | seconds | exponent |", "|---|---|---|---:|"]
        for name, growth in self.growth.items():
            sizes = ", ".join(f"{size:,}" for size in growth.sizes)
            seconds = ", ".join(f"{second:.3g}" for second in growth.seconds)
            lines.append(f"| {name} | {sizes} | {seconds} | {growth.exponent:.2f} |")
        lines += ["", "| | threads | processes | FMA ceiling |", "|---:|---:|---:|---:|"]
        for count, threads in self.threads.items():
            lines.append(
                f"| {count} | {threads:.2f} | {self.processes[count]:.2f} | {self.ceiling[count]:.2f} |"
            )
        return "\n".join([*lines, "", f"{self.machine}. Work done in the time in which one does 1.00."])


def job_of(name: str, size: int) -> tuple[Job, int]:
    """The job in which one size is this, and its paths."""
    tables, scenarios, periods = reference_tables(), None, PERIODS
    if name == "scenarios":
        scenarios = Scenarios.grid({"flow.kind:capex.scale": [1.0 + i / 100 for i in range(size)]})
    elif name == "periods":
        periods = size
    elif name == "entities":
        tables["entities"] += [
            {"name": f"bystander_{i}", "cash": 1.0, "hazard": 0.01} for i in range(size - ENTITIES)
        ]
    elif name == "flows":
        tables = in_parts(tables, size // FLOWS)
    job = prepare(system_of(tables, periods), scenarios, "full", None)
    return job, size if name == "paths" else PATHS // 4


def in_parts(tables: dict[str, Rows], parts: int) -> dict[str, Rows]:
    """The same payments in more flows: flows and loans in equal parts, so that a settlement takes as many updates."""
    divided = {row["name"] for name in ("flows", "loans") for row in tables[name]}

    def part(row: dict[str, Any], number: int) -> dict[str, Any]:
        named = {
            key: f"{row[key]}_{number}" for key in ("name", "driver", "target") if row.get(key) in divided
        }
        amounts = () if "driver" in row else ("amount", "principal", "opening_book")
        return row | named | {key: row[key] / parts for key in amounts if key in row}

    def split(rows: Rows) -> Rows:
        return [part(row, number) for row in rows for number in range(parts)]

    of_entities = [row for row in tables["sensitivities"] if row["target"] not in divided]
    of_flows = [row for row in tables["sensitivities"] if row["target"] in divided]
    return tables | {
        "flows": split(tables["flows"]),
        "loans": split(tables["loans"]),
        "sensitivities": of_entities + split(of_flows),
    }


def growth(name: str, measured: dict[str, float]) -> Growth:
    """Of one size, from the medians."""
    sizes = SIZES[name]
    seconds = tuple(measured[f"{name} {size}"] for size in sizes)
    slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    return Growth(sizes, seconds, slope)


class Processes:
    """Processes of one thread each that run the reference job when told to."""

    def __init__(self, count: int, paths: int):
        command = [sys.executable, "-c", _CHILD.format(paths=paths)]
        self._all = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        self._answers(count)

    def seconds(self, count: int) -> float:
        """Until the first `count` of them have run."""
        return seconds_of(lambda: self._tell(count, "run"))

    def close(self) -> None:
        """End them."""
        for process in self._all:
            process.communicate("\n")

    def _tell(self, count: int, line: str) -> None:
        for process in self._all[:count]:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        self._answers(count)

    def _answers(self, count: int) -> None:
        for process in self._all[:count]:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("a process of the bench has ended")


def scaling(turns: int) -> Scaling:
    """Measure."""
    most = NativeBackend().threads
    counts = [1 << i for i in range(most.bit_length())]
    timed: dict[str, Callable[[], float]] = {}

    def add(name: str, run: Callable[[int, int], object], paths: int) -> None:
        run(256, SEED)
        timed[name] = lambda: seconds_of(lambda: run(paths, SEED))

    for name, sizes in SIZES.items():
        for size in sizes:
            job, paths = job_of(name, size)
            add(f"{name} {size}", of_backend(NativeBackend(), job, most).run, paths)
    job, _ = job_of("paths", PATHS)
    ceiling, processes = Ceiling(), Processes(most, PATHS)
    for count in counts:
        add(f"threads {count}", of_backend(NativeBackend(threads=count), job, count).run, PATHS)
        timed[f"processes {count}"] = partial(processes.seconds, count)
        timed[f"ceiling {count}"] = partial(ceiling.fma, count)
    try:
        measured = medians(in_turns(timed, turns))
    finally:
        processes.close()
    return Scaling(
        machine=machine_name(),
        growth={name: growth(name, measured) for name in SIZES},
        threads={count: measured["threads 1"] / measured[f"threads {count}"] for count in counts},
        processes={
            count: count * measured["processes 1"] / measured[f"processes {count}"] for count in counts
        },
        ceiling={count: measured[f"ceiling {count}"] / measured["ceiling 1"] for count in counts},
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    found = scaling(arguments.turns)
    print(json.dumps(asdict(found)) if arguments.json else found.table())


if __name__ == "__main__":
    main()
