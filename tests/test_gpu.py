"""The cupy backend on a real GPU: native's bits, memory that runs out, and what is compiled is kept."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpustress as gs
import strategies
from bench.networks import random_network, random_shocks
from bench.reference import reference_system
from bits import differing_arrays
from build import Tables, examples
from clearing_cases import ClearingCase, clearing_cases, differing_clearings, slow_circle
from contagion_cases import differing_spreads, hit, in_chains, spreading_cases, then_far
from cupy_host import differing, drawn, every_series, expected, program_of, same_bits, simulated
from gpustress.backends.base import Block
from gpustress.backends.cupy import CupyBackend
from gpustress.backends.native import NativeBackend
from gpustress.compilation import compile_program
from needs import require_backend

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def cupy() -> ModuleType:
    (info,) = (info for info in gs.backends() if info.name == "cupy")
    require_backend(info, "gpu")
    import cupy

    return cupy


@pytest.fixture
def pool(cupy: ModuleType) -> Iterator[Any]:
    """CuPy's pool of device memory, with nothing in it."""
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    yield pool
    pool.set_limit(size=0)


@examples(40)
@given(
    system=strategies.systems(max_entities=40, max_flows=80),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**40),
    paths=st.integers(1, 600),
)
def test_random_systems_have_natives_bits(
    system: tuple[dict[str, Any], Tables], seed: int, first: int, paths: int
) -> None:
    program = program_of(system, strategies.EFFECTS)
    block, series = Block(seed, first, paths), every_series(program)
    assert differing(simulated(program, block, None, series), expected(program, block, series)) == []


@pytest.mark.parametrize("entities", [1, 3, 8, 12, 40, 150, 300])
def test_teams_and_states_of_every_size_have_natives_bits(entities: int) -> None:
    program = program_of(drawn(entities, seed=11))
    block, series = Block(7, 3, 203), every_series(program)
    assert differing(simulated(program, block, None, series), expected(program, block, series)) == []


def test_the_reference_job_has_natives_bits() -> None:
    system = reference_system()
    program = compile_program(system, system.scenarios, ("first_round", "full"))
    block = Block(7, 0, 20_011)
    assert differing(simulated(program, block), expected(program, block)) == []


def test_a_trace_is_natives() -> None:
    program = program_of(drawn(12), ("full",))
    ours = CupyBackend().trace(program, Block(7, 3, 33), 1).arrays
    theirs = NativeBackend().trace(program, Block(7, 3, 33), 1).arrays
    assert [name for name, array in ours.items() if not same_bits(array, theirs[name])] == []


def test_all_devices_together_have_natives_bits(cupy: ModuleType) -> None:
    program, block = program_of(drawn(12)), Block(7, 0, 50_000)
    numbers = tuple(range(cupy.cuda.runtime.getDeviceCount()))
    assert differing(simulated(program, block, numbers), expected(program, block)) == []


@pytest.mark.parametrize("shocks", [1, 3, 100, 3000])
@pytest.mark.parametrize("nodes", [5, 100, 1500])
def test_networks_of_every_size_are_cleared_to_natives_bits(nodes: int, shocks: int) -> None:
    net = random_network(nodes)
    case = ClearingCase(net.obligations, random_shocks(net, shocks), (0.8, 0.9))
    assert differing_clearings(case, CupyBackend(), NativeBackend()) == []


def test_networks_with_ranks_and_slow_circles_are_cleared_to_natives_bits() -> None:
    for name, case in (clearing_cases() | {"slow circle": slow_circle(200)}).items():
        assert differing_clearings(case, CupyBackend(), NativeBackend()) == [], name


def test_the_default_backend_clears_and_spreads_on_the_gpu() -> None:
    net = random_network(50)
    assert gs.clear(net, random_shocks(net, 5)).backend == "cupy"
    assert gs.cascade(net, None, "each").backend == "cupy"
    assert gs.debtrank(net, None, "each").backend == "cupy"


@pytest.mark.parametrize("shocks", [1, 3, 100, 3000])
@pytest.mark.parametrize("nodes", [5, 100, 1500])
def test_losses_spread_through_networks_of_every_size_to_natives_bits(nodes: int, shocks: int) -> None:
    for bears in (0.5, 1.0, 2.0):
        assert differing_spreads(hit(nodes, shocks, bears), CupyBackend(), NativeBackend()) == []


def test_losses_that_reach_all_few_or_nobody_spread_to_natives_bits() -> None:
    cases = spreading_cases() | {"many in chains": in_chains(20_000, 20_000), "then far": then_far(3000)}
    for name, case in cases.items():
        assert differing_spreads(case, CupyBackend(), NativeBackend()) == [], name


def test_all_devices_together_spread_losses_to_natives_bits(cupy: ModuleType) -> None:
    numbers = tuple(range(cupy.cuda.runtime.getDeviceCount()))
    assert differing_spreads(hit(1500, 2000), CupyBackend(numbers), NativeBackend()) == []


def test_more_cells_than_may_be_are_refused_and_leave_no_memory_taken(pool: Any) -> None:
    case = hit(300, 200)
    asked = case.exposures, case.shocks, "linear", 256, 1 << 28
    reached = len(NativeBackend().spread(*asked, 1 << 40).node)  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        CupyBackend().spread(*asked, reached - 1)  # type: ignore[arg-type]
    gc.collect()
    assert pool.used_bytes() == 0


@pytest.mark.parametrize("megabytes", [2, 8, 32])
def test_a_pool_with_a_limit_changes_no_bit_of_losses_that_spread(pool: Any, megabytes: int) -> None:
    case = hit(1000, 400)
    pool.set_limit(size=megabytes << 20)
    assert differing_spreads(case, CupyBackend(), NativeBackend()) == []


@pytest.mark.parametrize("megabytes", [2, 8, 32])
def test_a_pool_with_a_limit_changes_no_bit_of_a_clearing(pool: Any, megabytes: int) -> None:
    net = random_network(1000)
    asked = net.obligations, random_shocks(net, 400), (1.0, 1.0), "greatest", 1 << 28
    pool.set_limit(size=megabytes << 20)
    assert differing_arrays(CupyBackend().clear(*asked), NativeBackend().clear(*asked)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("megabytes", [4, 16, 64])
def test_a_pool_with_a_limit_changes_no_bit(pool: Any, megabytes: int) -> None:
    """Parts are planned by what is free on the device, so that this limit is met: the parts are halved."""
    program, block = program_of(drawn(12)), Block(7, 0, 50_000)
    pool.set_limit(size=megabytes << 20)
    assert differing(simulated(program, block), expected(program, block)) == []


def test_a_pool_that_is_too_small_for_a_path_is_a_clear_error(pool: Any) -> None:
    pool.set_limit(size=1024)
    with pytest.raises(gs.InputError, match="lacks memory for a single path on device 0"):
        simulated(program_of(drawn(12)), Block(7, 0, 10))


def test_memory_is_free_again_after_a_run(pool: Any) -> None:
    simulated(program_of(drawn(12)), Block(7, 0, 1000))
    assert pool.used_bytes() == 0


def test_what_is_compiled_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """A second process finds the kernels in CuPy's cache on disk, and adds nothing to it."""
    script = (
        "import gpustress as gs\n"
        f"system = gs.read_system({str(EXAMPLES / 'three_firms')!r})\n"
        "gs.simulate(system, paths=10, backend='cupy')\n"
    )
    kept, seconds = [], []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"CUPY_CACHE_DIR": str(tmp_path)}, check=True
        )
        seconds.append(time.perf_counter() - start)
        kept.append({file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()})
    print(f"cold {seconds[0]:.2f} s, warm {seconds[1]:.2f} s")
    assert kept[0]
    assert kept[0] == kept[1]
