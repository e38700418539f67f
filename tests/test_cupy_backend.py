"""The cupy backend's own code, on a stand-in for CuPy: native's bits, whatever the devices, parts and memory."""

from __future__ import annotations

import gc
import importlib
import sys
import types
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bits
import build
import gpustress as gs
import standin_cupy
import strategies
from bench.reference import reference_system
from build import Tables, examples
from cuda_cases import antithetic, everything, on_points, tilted
from cupy_host import (
    devices,
    differing,
    drawn,
    every_series,
    expected,
    program_of,
    same_bits,
    simulated,
)
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Hardware
from gpustress.backends.cupy import CupyBackend, shape
from gpustress.backends.cupy import backend as backend_module
from gpustress.backends.native import NativeBackend
from gpustress.compilation import compile_program
from standin_cupy.machine import ATTRIBUTES, Machine

PATHS = 23
BLOCK = Block(seed=7, first_path=3, paths=PATHS)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts as small as a block may be cut, so that a few paths make many."""
    monkeypatch.setattr(shape, "WAVES", 0)
    monkeypatch.setattr(shape, "SLOTS", 2)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry keeps what it finds out by what makes a backend: it has to find it out anew."""
    registry = sys.modules["gpustress.backends"]
    monkeypatch.setitem(registry._BACKENDS, "cupy", lambda devices=None: CupyBackend(devices))


def parts(machine: Machine) -> list[int]:
    """Of each part, the device on which it was computed."""
    return [device for name, device, *_ in machine.launches if name == "gpustress_simulate"]


def taken(machine: Machine) -> list[tuple[int, ...]]:
    """Of each part, the grid on which it was computed."""
    return [grid for name, _, grid, *_ in machine.launches if name == "gpustress_simulate"]


@examples(15)
@given(
    system=strategies.systems(max_entities=10),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**40),
    paths=st.integers(1, 9),
)
def test_random_systems_have_natives_bits(
    system: tuple[dict[str, Any], Tables], seed: int, first: int, paths: int
) -> None:
    program = program_of(system, strategies.EFFECTS)
    block, series = Block(seed, first, paths), every_series(program)
    with devices():
        assert differing(simulated(program, block, None, series), expected(program, block, series)) == []


def test_the_reference_job_has_natives_bits() -> None:
    system = reference_system()
    program = compile_program(system, system.scenarios, ("first_round", "full"))
    with devices(2) as machine:
        assert differing(simulated(program, Block(7, 0, 5), (0, 1)), expected(program, Block(7, 0, 5))) == []
    assert {block for name, _, _, block, _ in machine.launches if name == "gpustress_simulate"} == {
        (32, 1, 1)
    }


@pytest.mark.parametrize("numbers", [(0,), (1,), (0, 1), (2, 0, 1)])
@pytest.mark.parametrize("path_count", [1, 7, 100])
def test_devices_and_parts_change_no_bit(
    monkeypatch: pytest.MonkeyPatch, small_parts: None, numbers: tuple[int, ...], path_count: int
) -> None:
    program = program_of(drawn(3, seed=11))
    series = every_series(program)
    of_path = backend_module.outcome_bytes(program, len(series))
    monkeypatch.setattr(shape, "PART_BYTES", path_count * of_path)
    with devices(3) as machine:
        outcome = simulated(program, BLOCK, numbers, series)
        assert differing(outcome, expected(program, BLOCK, series)) == []
    assert outcome.exact_finishes.sum() > 0
    assert set(parts(machine)) <= set(numbers)
    most = min(path_count, -(-PATHS // (2 * len(numbers))))
    assert len(parts(machine)) == -(-PATHS // most)


def test_a_run_takes_the_devices_that_it_is_given(registered: None) -> None:
    system = reference_system()
    with devices(3) as machine:
        ours = gs.simulate(system, paths=40, seed=3, backend="cupy", devices=[2, 1])
        assert bits.differing(ours, gs.simulate(system, paths=40, seed=3, backend="native")) == []
    assert 0 not in parts(machine)


def test_several_devices_all_work(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claims its parts when it is free; with forty of them, none is left out."""
    program = program_of(drawn(2))
    monkeypatch.setattr(shape, "PART_BYTES", 1)
    with devices(2) as machine:
        simulated(program, Block(7, 0, 40), (0, 1))
    assert set(parts(machine)) == {0, 1}
    assert len(parts(machine)) == 40


def test_a_trace_is_natives(small_parts: None) -> None:
    program = program_of(drawn(8), ("none", "full"))
    with devices() as machine:
        ours = CupyBackend().trace(program, Block(7, 3, 5), 1).arrays
        theirs = NativeBackend().trace(program, Block(7, 3, 5), 1).arrays
        assert ours.keys() == theirs.keys()
        assert [name for name, array in ours.items() if not same_bits(array, theirs[name])] == []
    assert len(parts(machine)) > 1


def test_factor_paths_go_to_the_part_that_they_belong_to(small_parts: None) -> None:
    program = program_of(drawn(3))
    generator = np.random.default_rng(1)
    given_paths = {k: generator.uniform(0.5, 2.0, (PATHS, program.periods)) for k in (3, 1)}
    block = Block(7, 3, PATHS, given_paths)
    with devices(2) as machine:
        assert differing(simulated(program, block, (0, 1)), expected(program, block)) == []
        assert differing(expected(program, block), expected(program, BLOCK)) != []
    assert len(parts(machine)) > 2


@pytest.mark.parametrize(
    ("entities", "block", "shared_bytes"),
    [(1, (1, 32, 1), None), (5, (8, 4, 1), None), (12, (32, 1, 1), None), (12, (32, 1, 1), 64)],
)
def test_teams_of_every_size_have_natives_bits(
    entities: int, block: tuple[int, ...], shared_bytes: int | None
) -> None:
    """The last one finds no shared memory for its state."""
    program = program_of(drawn(entities))
    attributes = dict(ATTRIBUTES)
    if shared_bytes is not None:
        attributes["MaxSharedMemoryPerBlockOptin"] = shared_bytes
    with devices(attributes=attributes) as machine:
        assert differing(simulated(program, BLOCK), expected(program, BLOCK)) == []
    (launched, used), *_ = {launch[3:] for launch in machine.launches if launch[0] == "gpustress_simulate"}
    assert launched == block
    assert (used == 0) == (shared_bytes is not None)


def test_memory_that_runs_out_at_any_allocation_changes_no_bit(small_parts: None) -> None:
    """What takes more is halved, a part or its launch, and the run goes on; pinned memory of the host included."""

    program, block = program_of(drawn(3, seed=11, scenarios=1)), Block(7, 3, 12)
    with devices() as machine:
        whole = simulated(program, block)
    assert machine.allocations > 10
    for failing in range(machine.allocations):
        for times in (1, 3):
            with devices() as short:
                short.fail_at = set(range(failing, failing + times))
                assert differing(simulated(program, block), whole) == [], failing
            assert len(taken(short)) > len(taken(machine)) or max(taken(short)) < max(taken(machine)), failing
            assert times == 1 or len(taken(short)) > len(taken(machine)), failing


def test_what_did_not_fit_is_not_tried_again_in_the_next_block(small_parts: None) -> None:
    def run(machine: Machine) -> list[int]:
        backend, allocations = CupyBackend(), []
        for first in (0, 12, 24):
            before = machine.allocations
            backend.simulate(program, Block(7, first, 12))
            allocations.append(machine.allocations - before)
        return allocations

    program = program_of(drawn(3))
    with devices() as unhindered:
        usual = run(unhindered)
    with devices() as machine:
        machine.fail_at = {usual[0] - 1}
        first, second, third = run(machine)
    assert first > usual[0]
    assert second == third == usual[1]
    assert [grids[-1] for grids in (taken(unhindered), taken(machine))] == [(2, 1, 1), (1, 1, 1)]


def test_memory_that_runs_out_on_one_of_two_devices_changes_no_bit(small_parts: None) -> None:
    program = program_of(drawn(3, seed=11))
    with devices(2) as machine:
        machine.devices[1].memory_bytes = 40_000
        assert differing(simulated(program, BLOCK, (0, 1)), expected(program, BLOCK)) == []


@pytest.mark.parametrize("memory_bytes", [40_000, 60_000, 200_000])
def test_the_memory_of_a_device_changes_no_bit(memory_bytes: int) -> None:
    program = program_of(drawn(3, seed=11))
    with devices(memory_bytes=memory_bytes):
        assert differing(simulated(program, BLOCK), expected(program, BLOCK)) == []


def test_not_even_one_path_is_a_clear_error() -> None:
    program = program_of(drawn(3))
    with devices() as machine:
        machine.fail_at = set(range(1000))
        with pytest.raises(gs.InputError, match="lacks memory for a single path on device 0: Out of memory"):
            simulated(program, BLOCK)
        gc.collect()


def test_an_error_that_is_not_for_want_of_memory_is_no_reason_to_halve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(size: int) -> None:
        raise standin_cupy.cuda.runtime.CUDARuntimeError(100)

    program = program_of(drawn(3))
    with devices() as machine:
        monkeypatch.setattr(standin_cupy.cuda, "alloc_pinned_memory", fails)
        with pytest.raises(standin_cupy.cuda.runtime.CUDARuntimeError, match="NoDevice"):
            simulated(program, BLOCK)
        assert machine.allocations == 1


def test_a_device_that_fails_ends_the_run_of_all(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(drawn(3))
    monkeypatch.setattr(shape, "PART_BYTES", 1)
    launch = standin_cupy.RawKernel.__call__

    def fails(self: Any, *arguments: Any, **more: Any) -> None:
        if self.name == "gpustress_simulate" and standin_cupy.cuda.Device().id == 1:
            raise ValueError("broken")
        launch(self, *arguments, **more)

    monkeypatch.setattr(standin_cupy.RawKernel, "__call__", fails)
    with devices(2) as machine:
        with pytest.raises(ValueError, match="broken"):
            simulated(program, Block(7, 0, 2000), (0, 1))
        gc.collect()
    assert len(parts(machine)) < 2000


def test_an_interrupt_ends_the_run(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shape, "PART_BYTES", 1)
    monkeypatch.setattr(backend_module, "wait", interrupted)
    with devices(2) as machine:
        with pytest.raises(KeyboardInterrupt):
            simulated(program_of(drawn(3)), Block(7, 0, 2000), (0, 1))
        gc.collect()
    assert len(parts(machine)) < 2000


def test_a_program_is_uploaded_once_for_all_blocks() -> None:
    program, other = program_of(drawn(3)), program_of(drawn(4))

    def run(machine: Machine) -> None:
        backend = CupyBackend()
        for first in (0, 10, 20):
            backend.simulate(program, Block(7, first, 10))
        backend.simulate(other, Block(7, 0, 10))

    with devices() as machine:
        run(machine)
    assert [name for name, *_ in machine.launches].count("gpustress_memory") == 2


@pytest.mark.usefixtures("small_parts")
def test_however_draws_are_made_they_are_natives(monkeypatch: pytest.MonkeyPatch) -> None:
    """One program on the device, drawn in one way after the other; parts begin anywhere in a group of paths."""
    case = everything(3)
    monkeypatch.setattr(shape, "PART_BYTES", 5 * backend_module.outcome_bytes(case[0], 0))
    with devices():
        backend = CupyBackend()
        for program, block in (case, on_points(case), tilted(case), antithetic(case), case):
            long = replace(block, paths=PATHS, factor_paths={})
            assert differing(backend.simulate(program, long), expected(program, long)) == []
        del backend


def test_a_run_through_the_registry_is_natives(registered: None) -> None:
    system = build.system(*drawn(3))
    with devices():
        ours = bits.run(system, "cupy", paths=9)
        assert bits.differing(ours, bits.run(system, "native", paths=9)) == []
        assert ours.backend == "cupy"


def test_blocks_are_of_several_parts_a_device_and_fit_into_the_hosts_memory() -> None:
    program = program_of(drawn(3))
    with devices(2):
        one, two = CupyBackend(), CupyBackend((0, 1))
        assert one.block_paths(program, 1) == 1
        assert two.block_paths(program, 10**12) == 2 * one.block_paths(program, 10**12)
        for memory in (10**5, 10**7, 10**9):
            assert one.block_bytes(program, one.block_paths(program, memory), 0) <= memory
        pinned = one.block_bytes(program, 10**6, 1) - 10**6 * backend_module.outcome_bytes(program, 1)
        assert pinned == 4 * shape.PART_BYTES
        del one, two


def test_devices_are_described_with_memory_and_versions(registered: None) -> None:
    with devices(2):
        (info,) = (info for info in gs.backends() if info.name == "cupy")
        assert info.works
        assert info.device == "stand-in 0 (1.0 GiB, compute capability 9.0)"
        assert info.versions == {
            "cupy": "14.0.0", "CUDA driver": "13.0", "CUDA runtime": "12.9", "NVRTC": "13.0"
        }  # fmt: skip
        assert info.hardware == (Hardware("stand-in 0", 1 << 30, "13.0"),)
        assert CupyBackend((1, 0)).device.startswith(
            "stand-in 1 (1.0 GiB, compute capability 9.0), stand-in 0"
        )


@pytest.mark.parametrize("wrong", [(), (0, 0), (2,), (-1,), ("a",), 3, (0.5,)])
def test_devices_that_are_not_there_are_an_error(wrong: Any) -> None:
    with devices(2), pytest.raises(gs.InputError, match=r"`devices`.*Name some of 0, 1, each once"):
        CupyBackend(wrong)


def reason() -> str:
    """Why the cupy backend does not work, as a user is told."""
    (info,) = (info for info in gs.backends() if info.name == "cupy")
    assert not info.works
    with pytest.raises(gs.InputError) as error:
        get_backend("cupy")
    assert info.reason.split(";")[0] in str(error.value)
    assert "gpustress[cuda13]" in str(error.value)
    return info.reason


def test_a_machine_without_a_device_is_a_reason(registered: None) -> None:
    with devices(0):
        assert reason().startswith("no CUDA device: cudaErrorNoDevice")


def test_a_machine_without_nvrtc_is_a_reason(registered: None) -> None:
    with devices() as machine:
        machine.has_compiler = False
        assert reason().startswith("no NVRTC, CUDA's runtime compiler: CuPy failed to load libnvrtc")


def test_a_device_that_does_not_answer_is_a_reason(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(device: int) -> None:
        raise standin_cupy.cuda.runtime.CUDARuntimeError(100)

    monkeypatch.setattr(standin_cupy.cuda.runtime, "getDeviceProperties", fails)
    with devices():
        assert reason().startswith("the CUDA device does not answer")


def test_cupy_that_is_not_installed_is_a_reason(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cupy" else find(name))
    assert reason().startswith("CuPy is not installed")


@pytest.mark.parametrize("error", [ImportError("libcudart.so is missing\nmore"), AttributeError("no bool8")])
def test_cupy_that_does_not_load_is_a_reason(
    registered: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import_module = importlib.import_module

    def fails(name: str) -> types.ModuleType:
        if name == "cupy":
            raise error
        return import_module(name)

    with devices():
        monkeypatch.setattr(importlib, "import_module", fails)
        assert reason().startswith(f"CuPy does not load: {str(error).splitlines()[0]}; ")
