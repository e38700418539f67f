"""`python -m bench.gpu [--out FOLDER] [--turns N]`: everything that needs a CUDA GPU, as one JSON file.

The bits of cupy against native and times of both in turns on the same machine, of simulation, of clearing networks
and of losses that spread through them, the device's ceilings, a cold and a warm start, the tests marked `gpu`, and
compute-sanitizer where it is installed. What has been measured is written after every step, so that an interrupted run
leaves the rest. Exits with 1 where there is no GPU, or where a bit, a test or a step is wrong.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, get_args

import gpustress
from gpustress import System, read_system
from gpustress.backends import get_backend
from gpustress.backends.base import ClearingOutcome, Outcome, Rule, Solution, SpreadOutcome
from gpustress.backends.native import NativeBackend
from gpustress.exposures import EquityShocks, Exposures
from gpustress.job import Job, prepare
from gpustress.networks.contagion import PLAIN_ROUNDS
from gpustress.obligations import Obligations
from gpustress.schema import EFFECTS

from .compiled import ROOT, SOURCES
from .contenders import of_backend, reference_job
from .machine import machine_name, versions
from .networks import SIZES, random_network, random_shocks
from .reference import PATHS, SEED, reference_system, reference_tables, system_of
from .roofline import operations_of
from .scaling import in_parts
from .spreading import failing
from .timing import in_turns, medians, seconds_of

RESULTS = ROOT / "bench" / "results"
RANDOM_SYSTEMS = 20
PATHS_OF_BITS = 1000
PATHS_OF_TURNS = (PATHS, 10 * PATHS)
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
MEMORY = 4 << 30  # of the host, for work on networks
CELLS = 1 << 40  # that losses may reach
SPREADING: dict[Rule, int] = {
    "threshold": 100_000,
    "linear": 1_000,
}  # shocks at most: few nodes fail, all lose something
TAIL = 2000  # characters of a program's output that are kept

# Seconds of a new process: to have everything imported and compiled for the CPU, to its first path, to its second.
_START = """
import json, time
begin = time.perf_counter()
from bench.contenders import reference_job
from gpustress.backends import get_backend
job = reference_job()
def run():
    get_backend("cupy").simulate(job.program, job.block(0, 0, 1))
    return time.perf_counter() - begin
print(json.dumps({"imported": time.perf_counter() - begin, "first_path": run(), "second_path": run()}))
"""
_FEW_PATHS = """
import gpustress
from bench.networks import random_network, random_shocks
from bench.reference import reference_system
gpustress.simulate(reference_system(), paths=64, backend="cupy")
net = random_network(200)
gpustress.clear(net, random_shocks(net, 40), backend="cupy")
gpustress.cascade(net, None, "each", backend="cupy")
gpustress.debtrank(net, None, "each", backend="cupy")
"""


def systems() -> dict[str, System]:
    """Systems whose bits are compared: the reference, its like by other seeds, and the examples."""
    made = {f"reference_{seed}": reference_system(seed) for seed in range(1, RANDOM_SYSTEMS + 1)}
    made["in_parts"] = system_of(in_parts(reference_tables(), 4))
    for folder in sorted((ROOT / "examples").iterdir()):
        if (folder / "system.toml").exists():
            made[folder.name] = read_system(folder)
    return made


def different_bits() -> dict[str, list[str]]:
    """By system, the arrays of an outcome in which cupy and native differ; systems that agree are left out."""
    cupy, native = get_backend("cupy"), NativeBackend()
    found = {}
    for name, system in systems().items():
        job = prepare(system, None, EFFECTS, None)
        block = job.block(SEED, 3, PATHS_OF_BITS)
        ours, theirs = cupy.simulate(job.program, block), native.simulate(job.program, block)
        wrong = [
            field.name
            for field in fields(Outcome)
            if getattr(ours, field.name).tobytes() != getattr(theirs, field.name).tobytes()
        ]
        if wrong:
            found[name] = wrong
    return found


def different_clearings() -> dict[str, list[str]]:
    """By network, solution and costs, the arrays of a clearing in which cupy and native differ; as above."""
    cupy, native = get_backend("cupy"), NativeBackend()
    asked: tuple[tuple[Solution, tuple[float, float]], ...]
    asked = (("greatest", (1.0, 1.0)), ("greatest", (0.7, 0.9)), ("least", (0.7, 0.9)))
    found = {}
    for nodes in (3, 100, 1_000, 10_000):
        for shocks in (1, 37, 1_000 if nodes < 10_000 else 300):
            net = random_network(nodes, seed=shocks)
            batch, owed = random_shocks(net, shocks), net.obligations
            for solution, costs in asked:
                ours, theirs = (
                    each.clear(owed, batch, costs, solution, MEMORY)  # type: ignore[attr-defined]
                    for each in (cupy, native)
                )
                wrong = [
                    field.name
                    for field in fields(ClearingOutcome)
                    if getattr(ours, field.name).tobytes() != getattr(theirs, field.name).tobytes()
                ]
                if wrong:
                    found[f"{nodes} nodes, {shocks} shocks, {solution}, {costs}"] = wrong
    return found


def spread_by(backend: Any, asked: tuple[Exposures, EquityShocks], rule: Rule) -> SpreadOutcome:
    """What a backend makes of losses."""
    outcome: SpreadOutcome = backend.spread(*asked, rule, PLAIN_ROUNDS, MEMORY, CELLS)
    return outcome


def failures(nodes: int, shocks: int, seed: int) -> tuple[Exposures, EquityShocks]:
    """A network of which one node fails in each shock."""
    net = random_network(nodes, seed)
    return Exposures.of(net.claims, net.equity), EquityShocks.of(failing(nodes, shocks), net.equity)


def different_spreads() -> dict[str, list[str]]:
    """By network and rule, the arrays of what comes of losses in which cupy and native differ; as above."""
    cupy, native = get_backend("cupy"), NativeBackend()
    found = {}
    for nodes in (3, 100, 1_000, 10_000):
        for shocks in (1, 37, 1_000):
            asked = failures(nodes, shocks, seed=shocks)
            for rule in get_args(Rule):
                ours, theirs = (spread_by(each, asked, rule) for each in (cupy, native))
                wrong = [
                    field.name
                    for field in fields(SpreadOutcome)
                    if field.name != "nodes"
                    and getattr(ours, field.name).tobytes() != getattr(theirs, field.name).tobytes()
                ]
                if wrong:
                    found[f"{nodes} nodes, {shocks} shocks, {rule}"] = wrong
    return found


def spreading_times(turns: int) -> dict[str, Any]:
    """Microseconds a shock of cupy, and of native on all threads, by rule and nodes of a network; nodes reached."""
    backends = {"cupy": get_backend("cupy"), "native": NativeBackend()}
    found: dict[str, Any] = {}
    for rule, most in SPREADING.items():
        for nodes in SIZES:
            shocks = min(nodes, most)
            asked = failures(nodes, shocks, SEED)

            def work(name: str, asked: tuple[Exposures, EquityShocks] = asked, rule: Rule = rule) -> float:
                return seconds_of(lambda: spread_by(backends[name], asked, rule))

            timed = {name: partial(work, name) for name in backends}
            for one in timed.values():
                one()
            seconds = medians(in_turns(timed, turns))
            found[f"{rule}, {nodes} nodes"] = {
                "shocks": shocks,
                "nodes_reached": len(spread_by(backends["native"], asked, rule).node) / shocks,
                "us_per_shock": {name: second / shocks * 1e6 for name, second in seconds.items()},
                "times_native": seconds["native"] / seconds["cupy"],
            }
    return found


def clearing_times(turns: int) -> dict[str, Any]:
    """Microseconds a shock of cupy, and of native on all threads, by the nodes of a network."""
    backends = {"cupy": get_backend("cupy"), "native": NativeBackend()}
    found: dict[str, Any] = {}
    for nodes, shocks in SIZES.items():
        net = random_network(nodes)
        batch, owed = random_shocks(net, shocks), net.obligations

        def work(name: str, owed: Obligations = owed, batch: Any = batch) -> float:
            clear = backends[name].clear  # type: ignore[attr-defined]
            return seconds_of(lambda: clear(owed, batch, (1.0, 1.0), "greatest", MEMORY))

        timed = {name: partial(work, name) for name in backends}
        for one in timed.values():
            one()
        seconds = medians(in_turns(timed, turns))
        found[str(nodes)] = {
            "us_per_shock": {name: second / shocks * 1e6 for name, second in seconds.items()},
            "times_native": seconds["native"] / seconds["cupy"],
        }
    return found


def times(job: Job, turns: int) -> dict[str, Any]:
    """Microseconds a path of cupy, and of native on all threads, by the paths of a run."""
    native = NativeBackend()
    both = [of_backend(get_backend("cupy"), job, 1), of_backend(native, job, native.threads)]
    found: dict[str, Any] = {"native_threads": native.threads}
    for paths in PATHS_OF_TURNS:
        for one in both:
            one.run(paths, SEED)  # memory is there, and the clock of the device is up
        timed = {one.name: partial(one.seconds_a_path, paths) for one in both}
        seconds = medians(in_turns(timed, turns))
        found[str(paths)] = {
            "us_per_path": {name: second * 1e6 for name, second in seconds.items()},
            "times_native": seconds["native"] / seconds["cupy"],
        }
    return found


def roofline(job: Job, turns: int) -> dict[str, float]:
    """The device's ceilings, in operations and bytes a second, and what share of the first the useful operations reach.

    The device computes while results of an earlier part are copied, and the time is that of the whole.
    """
    contender = of_backend(get_backend("cupy"), job, 1)
    paths = max(PATHS_OF_TURNS)
    contender.run(paths, SEED)
    seconds = medians(in_turns({"cupy": partial(contender.seconds_a_path, paths)}, turns))["cupy"]
    operations = sum(operations_of(job).values())
    found = ceilings()
    return found | {"operations": operations, "fma_share": operations / seconds / found["fma"]}


def ceilings() -> dict[str, float]:
    """Fused multiply-adds in double precision (two operations each), and a triad's memory traffic, a second."""
    cupy = importlib.import_module("cupy")
    module = cupy.RawModule(code=(SOURCES / "ceiling.cu").read_text(), options=("--std=c++17",))
    multiply_add, triad = module.get_function("multiply_add"), module.get_function("triad")
    blocks, threads, rounds, chains = 16 * cupy.cuda.Device().attributes["MultiProcessorCount"], 256, 4096, 8
    sink = cupy.empty(blocks * threads)
    free, _ = cupy.cuda.Device().mem_info
    count = min(1 << 27, free // (8 * 3 * 2))
    a, b, c = cupy.zeros(count), cupy.ones(count), cupy.ones(count)
    fma = _device_seconds(
        cupy, lambda: multiply_add((blocks,), (threads,), (sink, 0.999, 1e-3, cupy.int64(rounds)))
    )
    moved = _device_seconds(cupy, lambda: triad((blocks,), (threads,), (a, b, c, 0.5, cupy.int64(count))))
    return {"fma": 2.0 * chains * rounds * blocks * threads / fma, "bandwidth": 24.0 * count / moved}


def _device_seconds(cupy: Any, launch: Callable[[], object], turns: int = 7) -> float:
    """The median of what a kernel takes, by the device's clock."""

    def once() -> float:
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        launch()
        stop.record()
        stop.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, stop)) / 1e3

    once()
    return medians(in_turns({"kernel": once}, turns))["kernel"]


def starts() -> dict[str, Any]:
    """Seconds of a process that finds no compiled kernel, and of one that finds it."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"CUPY_CACHE_DIR": cache}
        command = [sys.executable, "-c", _START]
        return {
            name: json.loads(subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True).stdout)
            for name in ("cold", "warm")
        }  # fmt: skip


def tests() -> dict[str, Any]:
    """The tests that need a GPU."""
    environment = os.environ | {"GPUSTRESS_REQUIRE": "gpu"}
    return _ran([sys.executable, "-m", "pytest", "-m", "gpu", "-q"], environment)


def sanitized() -> dict[str, Any]:
    """What compute-sanitizer says of a few paths."""
    path = shutil.which("compute-sanitizer")
    if path is None:
        return {"found": False}
    command = [sys.executable, "-c", _FEW_PATHS]
    return {"found": True} | {
        tool: _ran([path, "--tool", tool, "--error-exitcode", "1", *command], dict(os.environ))
        for tool in TOOLS
    }


def _ran(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return {"exit_code": done.returncode, "output": done.stdout[-TAIL:]}


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    info = next((info for info in gpustress.backends() if info.name == "cupy"), None)
    if info is None or not info.works:
        reason = "this version has no cupy backend" if info is None else info.reason
        parser.exit(1, f"bench.gpu: no CUDA GPU that works here: {reason}\n")

    now = datetime.datetime.now(datetime.UTC)
    report: dict[str, Any] = {
        "device": info.device,
        "date": now.isoformat(timespec="seconds"),
        "machine": machine_name(),
        "versions": versions(),
    }
    file = (
        arguments.out
        / f"{re.sub(r'[^A-Za-z0-9]+', '-', info.device.split(' (')[0])}-{now:%Y-%m-%d-%H%M}.json"
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    job = reference_job()
    steps: dict[str, Callable[[], Any]] = {
        "different_bits": different_bits,
        "different_clearings": different_clearings,
        "times": partial(times, job, arguments.turns),
        "clearing_times": partial(clearing_times, arguments.turns),
        "different_spreads": different_spreads,
        "spreading_times": partial(spreading_times, arguments.turns),
        "roofline": partial(roofline, job, arguments.turns),
        "starts": starts,
        "tests": tests,
        "sanitizer": sanitized,
    }
    for name, step in steps.items():
        print(name, file=sys.stderr, flush=True)
        try:
            report[name] = step()
        except Exception as error:  # the device is lent: what the other steps show is worth having
            report[name] = {"error": repr(error)}
        file.write_text(json.dumps(report, indent=2) + "\n")
    wrong = faults(report)
    print(f"{file}: {', '.join(wrong) if wrong else 'all well'}")
    sys.exit(1 if wrong else 0)


def faults(report: dict[str, Any]) -> list[str]:
    """Steps that failed, or found something wrong."""
    failed = [name for name, found in report.items() if isinstance(found, dict) and "error" in found]
    bits = ("different_bits", "different_clearings", "different_spreads")
    failed += [name for name in bits if name not in failed and report[name]]
    runs = {"tests": report["tests"], **report["sanitizer"]}
    return failed + [
        name for name, ran in runs.items() if isinstance(ran, dict) and ran.get("exit_code", 0) != 0
    ]


if __name__ == "__main__":
    main()
