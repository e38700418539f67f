"""The kernels and their threads under AddressSanitizer, UBSan and ThreadSanitizer: no finding, and native's bits.

Every array of a program and of an outcome lies in memory of its own there, and guards lie between those of a path's
state (kernels/compiler.h).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import build
import strategies
from bits import differing_arrays, same_bits
from build import Tables, examples
from clearing_cases import clearing_cases, differing_clearings, random_case, slow_circle
from gpustress.backends import self_test
from gpustress.backends.base import Block, Series, SpreadOutcome
from gpustress.backends.native import NativeBackend
from gpustress.compilation import compile_program
from gpustress.exposures import EquityShocks, Exposures
from gpustress.program import Program
from kernel_driver import KERNELS, DrivenKernels, DriverError, build_driver, over, require_native
from needs import require

Drawn = tuple[dict[str, Any], Tables]
THREADS = 3
# A sanitizing compiler takes minutes to optimise many lanes.
FLAGS_OF_LANES = {1: ["-O1"], 4: ["-O0"]}
FAULTS = [
    ("address", "state.h", "X(stops_at, p.entities + 1)", "X(stops_at, p.entities)", "use-after-poison"),
    ("address", "finish.h", "funds[i] = ", "funds[i + 1] = ", "use-after-poison"),
    ("address", "record.h", "job.series_item[r]", "job.series_item[r + 1]", "heap-buffer-overflow"),
    ("undefined", "level.cpp", "+= counts.exact;", "+= counts.exact + (0 << job.paths);", "shift exponent 200"),
    ("thread", "threads.h", "std::atomic<integer64> next{0};",
     "struct { integer64 value; integer64 fetch_add(int n) { return (value += n) - n; } } next{0};", "data race"),
    ("thread", "threads.h", "memory[i]->start", "memory[0]->start", "data race"),
    ("address", "reach.h", "i % WORD_BITS;\n    const int at = i / WORD_BITS;",
     "i % WORD_BITS;\n    const int at = i + WORD_BITS;", "use-after-poison"),
    ("address", "contagion.h", "cells.node[place] = i;", "cells.node[place + 1] = i;", "heap-buffer-overflow"),
    ("address", "clearing_state.h", "X(unpaid, n.obligations + 1)", "X(unpaid, n.obligations)", "use-after-poison"),
    ("address", "clearing.h", "job.rounds[shocks.row(lane)]", "job.rounds[job.shocks]", "heap-buffer-overflow"),
]  # fmt: skip


def run_by(folder: Path, sanitizer: str) -> list[str] | None:
    """What to put before a program of this sanitizer, so that it runs; None if there is no such thing here."""
    (folder / "empty.cpp").write_text("int main() {}\n")
    command = ["c++", f"-fsanitize={sanitizer}", str(folder / "empty.cpp"), "-o", str(folder / "empty")]
    if shutil.which("c++") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    for before in ([], ["setarch", "--addr-no-randomize"]):  # some kernels map where ThreadSanitizer wants to
        if subprocess.run([*before, folder / "empty"], capture_output=True, check=False).returncode == 0:
            return before
    return None


def built(folder: Path, sanitizer: str, **more: Any) -> DrivenKernels:
    require_native()
    before = run_by(folder, sanitizer)
    require("sanitizers", before is not None, f"{sanitizer} does not compile or run")
    assert before is not None
    flags = ["-g1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    return build_driver(folder, flags=flags, run_by=before, **{"flags_of_lanes": FLAGS_OF_LANES} | more)


@pytest.fixture(scope="module", params=["address,undefined,float-cast-overflow", "thread"])
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DrivenKernels:
    """The kernels and their threads, under one sanitizer after the other."""
    return built(tmp_path_factory.mktemp(request.param), request.param)


def every_series(program: Program) -> tuple[Series, ...]:
    kinds = [("cash", program.entity_count), ("flow", program.flow_count), ("measure", program.measure_count)]
    kinds += [("factor", program.factor_count), ("estate", 1)]
    return tuple(Series(kind, item) for kind, count in kinds for item in range(count))  # type: ignore[arg-type]


def given_paths(program: Program, paths: int, rng: Random) -> dict[int, Any]:
    """Factor paths of one's own for some of the factors."""
    chosen = [k for k in range(program.factor_count) if rng.random() < 0.3]
    return {k: np.full((paths, program.periods), rng.uniform(0.5, 1.5)) for k in chosen}


def check(kernels: DrivenKernels, level: str, program: Program, block: Block) -> None:
    """A run and a replay are clean, and have native's bits."""
    series = every_series(program)
    watched, native = over(kernels, level, THREADS), NativeBackend(threads=1)
    outcome = watched.simulate(program, block, series)
    assert differing_arrays(outcome, native.simulate(program, block, series)) == []
    last = len(program.scenarios) - 1
    trace, expected = (backend.trace(program, block, last).arrays for backend in (watched, native))
    assert [name for name in expected if not same_bits(trace[name], expected[name])] == []


@examples(24)
@given(system=strategies.systems(), seed=st.integers(0, 2**64 - 1), paths=st.integers(1, 9))
def test_random_systems_are_clean_and_have_the_same_bits(
    kernels: DrivenKernels, system: Drawn, seed: int, paths: int
) -> None:
    program = compile_program(build.system(*system), build.system(*system).scenarios, strategies.EFFECTS)
    block = Block(seed, 11, paths, given_paths(program, paths, Random(seed)))
    check(kernels, kernels.levels()[seed % 2], program, block)


@pytest.mark.parametrize("level", range(len(FLAGS_OF_LANES)))
@pytest.mark.parametrize(("entities", "paths"), [(1, 1), (300, 1), (300, 5)])
def test_many_entities_and_few_paths_are_clean(
    kernels: DrivenKernels, entities: int, paths: int, level: int
) -> None:
    program = compile_program(build.crowd(entities), build.crowd(entities).scenarios, ("full",))
    check(kernels, kernels.levels()[level], program, Block(3, 0, paths))


@pytest.mark.parametrize("level", range(len(FLAGS_OF_LANES)))
def test_slow_rings_are_clean(kernels: DrivenKernels, level: int) -> None:
    """The exact finish works in the scratch that was set aside for it."""
    assert self_test.expected().exact_finishes.all()
    check(kernels, kernels.levels()[level], self_test.program(), Block(0, 0, 13))


@pytest.mark.parametrize("level", range(len(FLAGS_OF_LANES)))
@pytest.mark.parametrize("name", [*clearing_cases(), "slow circle"])
def test_clearing_is_clean_and_has_the_same_bits(kernels: DrivenKernels, name: str, level: int) -> None:
    case = (clearing_cases() | {"slow circle": slow_circle()})[name]
    watched = over(kernels, kernels.levels()[level], THREADS)
    assert differing_clearings(case, watched, NativeBackend(threads=1)) == []


def spread_on(backend: NativeBackend, seed: int) -> list[SpreadOutcome]:
    """Every rule, on a network that seed makes, also with nodes beyond a word of bits."""
    rng = np.random.default_rng(seed)
    nodes, count = int(rng.choice([1, 7, 64, 65, 200])), int(rng.integers(1, 12))
    debts = sparse.random_array((nodes, nodes), density=min(1.0, 4.0 / nodes), rng=rng, format="csr")
    exposures = Exposures.of(debts, rng.random(nodes) + 0.2, rng.random(nodes))
    hit = sparse.csr_array(rng.random((count, nodes)) * (rng.random((count, nodes)) < 0.1))
    asked: list[tuple[Any, EquityShocks, int]] = [
        ("threshold", EquityShocks.of(hit, exposures.equity), 0),
        ("threshold", EquityShocks.of(hit), 0),
        ("once", EquityShocks.of(hit), 0),
        ("linear", EquityShocks.of(hit), 40),
    ]
    return [
        backend.spread(exposures, shocks, rule, rounds, 1 << 30, 1 << 30) for rule, shocks, rounds in asked
    ]


@examples(12)
@given(seed=st.integers(0, 2**32))
def test_losses_that_spread_are_clean_and_have_the_same_bits(kernels: DrivenKernels, seed: int) -> None:
    watched = over(kernels, kernels.levels()[seed % 2], THREADS)
    for ours, native in zip(spread_on(watched, seed), spread_on(NativeBackend(threads=1), seed), strict=True):
        assert differing_arrays(ours, native) == []


@pytest.mark.parametrize(
    ("sanitizer", "file", "text", "instead", "finding"), FAULTS, ids=lambda value: value.split("(")[0].strip()
)
def test_a_planted_fault_is_found(
    tmp_path: Path, sanitizer: str, file: str, text: str, instead: str, finding: str
) -> None:
    copy = tmp_path / "kernels"
    shutil.copytree(KERNELS, copy)
    source = (copy / file).read_text()
    assert source.count(text) == 1
    (copy / file).write_text(source.replace(text, instead))
    kernels = built(tmp_path, sanitizer, kernels=copy, flags_of_lanes={1: ["-O0"]})
    backend, case = over(kernels, "lanes_1", THREADS), random_case(shocks=60)

    def do_all() -> None:
        backend.simulate(self_test.program(), Block(0, 0, 200), self_test.SERIES)
        for seed in range(4):
            spread_on(backend, seed)
        backend.clear(case.owed, case.shocks, case.costs, "greatest", 1 << 24)

    with pytest.raises(DriverError, match=finding):
        do_all()
