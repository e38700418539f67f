"""What the benchmarks count is what the kernels do. Nothing here times anything."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import build
import gpustress as gs
from bench.compiled import compiler
from bench.gpu import faults
from bench.probe import Probe, Tally
from bench.reference import ENTITIES, FLOWS, reference_system
from bench.scaling import SIZES, job_of
from bench.timing import in_turns
from gpustress import System
from gpustress.backends import get_backend
from gpustress.backends.base import Outcome
from gpustress.job import prepare
from needs import require, require_backend

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    require("compiler", compiler())


def differing(ours: Outcome, theirs: Outcome) -> list[str]:
    return [
        field.name
        for field in fields(Outcome)
        if getattr(ours, field.name).tobytes() != getattr(theirs, field.name).tobytes()
    ]


@pytest.mark.parametrize("counting", [True, False], ids=["counting", "clocks"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("system", [reference_system, lambda: gs.read_system(ROOT / "examples" / "ai_buildout")],
                         ids=["reference", "ai_buildout"])  # fmt: skip
def test_a_probe_gives_the_bits_of_native(system, threads: int, counting: bool) -> None:
    job = prepare(system(), None, ["first_round", "full"], None)
    block = job.block(seed=5, first_path=2, paths=21)  # no multiple of any number of lanes
    native = get_backend("native").simulate(job.program, block)
    tally = Probe(counting=counting).run(job.program, block, threads)
    assert differing(tally.outcome, native) == []
    assert native.cause.any(), "a job in which nobody fails shows little"


def by_hand() -> System:
    """One firm, three years, no factor: few enough operations to count them by hand."""
    return build.small(
        periods=3,
        entities=[build.entity("firm", cash=100.0, hazard=0.01)],
        flows=[
            build.flow("sales", None, "firm", 8.0),
            build.flow("costs", "firm", None, 3.0),
            build.flow("plant", "firm", None, 2.0, kind="capex", life=2.0),
        ],
        measures=[
            {"measure": "net", "flow": "sales", "weight": 1.0},
            {"measure": "net", "flow": "costs", "weight": -1.0},
        ],
    )


def test_operations_are_those_counted_by_hand() -> None:
    job = prepare(by_hand(), None, "full", None)
    paths = 5
    tally = Probe(counting=True).run(job.program, job.block(seed=1, first_path=0, paths=paths))
    assert not tally.outcome.cause.any()  # nobody leaves the way that is counted here
    per_path = {stage: count / paths for stage, count in tally.counts().items()}
    periods = 3
    # H + power * h D (a fused multiply-add is two), where the power of no factor is 1 and takes nothing
    assert per_path["credit"] == 2 * periods
    # two lines of weight * paid, fused into what is gained or lost; their sum is the value, their difference goes to
    # the gross; the total, the discounted total (fused), and the tolerance of the payback times the gross
    assert per_path["measures"] == (2 * 2 + 1 + 2 + 1 + 2 + 1) * periods
    # a life's payments (a difference, over the life), the book less that, the residue's tolerance times a sum, the
    # payment added to the book and to the sum; in the opening's two years, a share of it added
    assert per_path["books"] == (2 + 1 + 2 + 2) * periods + 2 * 2
    # no factor, no draw
    assert per_path["draws"] == per_path["factors"] == 0


def test_only_the_counting_build_counts() -> None:
    job = prepare(by_hand(), None, "full", None)
    tally = Probe(counting=False).run(job.program, job.block(seed=1, first_path=0, paths=5))
    assert not tally.operations.any()
    assert (tally.ticks > 0).all()


def test_a_lane_that_rests_is_not_counted() -> None:
    """Counts are a sum over paths: no path's depends on those that it shares a block with."""
    job = prepare(reference_system(), None, "full", None)
    probe = Probe(counting=True)
    together = probe.run(job.program, job.block(seed=5, first_path=0, paths=9)).counts()
    alone = [
        probe.run(job.program, job.block(seed=5, first_path=path, paths=1)).counts() for path in range(9)
    ]
    assert together == {stage: sum(one[stage] for one in alone) for stage in together}
    assert len({one["settlement"] for one in alone}) > 1


def test_the_reference_job_is_the_size_it_says() -> None:
    program = prepare(reference_system(), None, "full", None).program
    assert (program.entity_count, program.factor_count, program.flow_count, program.periods) == (
        32,
        8,
        FLOWS,
        40,
    )


def test_contenders_take_turns() -> None:
    called: list[str] = []

    def contender(name: str):
        return lambda: called.append(name) or float(len(called))

    measured = in_turns({name: contender(name) for name in "abc"}, 3)
    assert called == list("abcbcacab")
    assert measured == {"a": [1.0, 6.0, 8.0], "b": [2.0, 4.0, 9.0], "c": [3.0, 5.0, 7.0]}


@pytest.mark.parametrize("name", list(SIZES))
def test_only_the_size_that_is_doubled_grows(name: str) -> None:
    """The economy stays: flows in parts pay what the whole pays, and bystanders are in nobody's way."""
    sizes = SIZES[name][:2]
    assert sizes[1] == 2 * sizes[0]
    seen = []
    for size in sizes:
        job, paths = job_of(name, size)
        program = job.program
        seen.append({"paths": paths, "scenarios": len(program.scenarios), "periods": program.periods,
                     "entities": program.entity_count, "flows": program.flow_count})  # fmt: skip
        assert seen[-1][name] == size
        outcome = get_backend("native").simulate(program, job.block(seed=5, first_path=0, paths=8))
        seen[-1]["failures"] = int((outcome.cause[0, :, :ENTITIES] > 0).sum()) if name != "periods" else 0
    assert {key for key in seen[0] if seen[0][key] != seen[1][key]} == {name}


def test_the_gpu_bench_says_that_there_is_no_gpu(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--out", str(tmp_path)],
        cwd=ROOT, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("bench.gpu: no CUDA GPU that works here: ")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir()), "a figure without a device"


@pytest.mark.parametrize(
    ("step", "found", "named"),
    [
        ("tests", {"exit_code": 1, "output": ""}, "tests"),
        ("sanitizer", {"found": True, "racecheck": {"exit_code": 1, "output": ""}}, "racecheck"),
        ("different_bits", {"reference_1": ["cause"]}, "different_bits"),
        ("different_bits", {"error": "OutOfMemoryError()"}, "different_bits"),
        ("different_clearings", {"3 nodes, 1 shocks, least, (0.7, 0.9)": ["round"]}, "different_clearings"),
        ("different_spreads", {"3 nodes, 1 shocks, linear": ["value"]}, "different_spreads"),
        ("starts", {"error": "CalledProcessError()"}, "starts"),
    ],
)
def test_the_gpu_bench_fails_by_whatever_is_wrong(step: str, found: dict[str, Any], named: str) -> None:
    passed = {"exit_code": 0, "output": ""}
    well: dict[str, Any] = {
        "device": "",
        "different_bits": {},
        "different_clearings": {},
        "different_spreads": {},
        "tests": passed,
        "sanitizer": {"found": False},
    }
    assert faults(well) == []
    assert faults(well | {"sanitizer": {"found": True, "memcheck": passed}}) == []
    assert faults(well | {step: found}) == [named]


def test_a_group_that_was_interrupted_does_not_count_towards_the_shares() -> None:
    ticks = np.array([[30, 10], [32, 8], [30, 10], [3000, 10]])
    tally = Tally(
        Outcome.empty(prepare(by_hand(), None, "full", None).program, 1, 0), 1.0, ["a", "b"], ticks, ticks
    )
    assert tally.shares() == {"a": 92 / 120, "b": 28 / 120}
    assert tally.counts() == {"a": 3092, "b": 38}  # operations are counted whatever happens
