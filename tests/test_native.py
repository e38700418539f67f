"""The compiled backend: the same bits on every level, for any lanes, threads and blocks."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import build
import gpustress as gs
import strategies
from bits import same_bits
from build import Tables, examples
from faults import Fault
from gpustress.backends.base import Backend, Block, Series
from gpustress.backends.native.backend import compiled_kernels
from gpustress.compilation import compile_program
from gpustress.program import Program
from gpustress.system import System
from gpustress.threads import THREADS_VARIABLE
from kernel_copies import COMPILER, kernels_with
from needs import require, require_backend

LANES = {1, 4, 8, 16}  # one is the scalar build of the same source
Arrays = dict[str, NDArray[Any]]
Drawn = tuple[dict[str, Any], Tables]


@pytest.fixture(scope="module")
def native() -> Any:
    """The module of the compiled backend."""
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    from gpustress.backends import native

    return native


def program_of(system: System) -> Program:
    """A system under its scenarios, each with all effects."""
    return compile_program(system, system.scenarios, strategies.EFFECTS)


def everything(backend: Backend, program: Program, block: Block) -> Arrays:
    """All that a backend can say of a block: outcome, every series, traces; the paths are the second axis."""
    counts = {"cash": program.entity_count, "flow": program.flow_count, "measure": program.measure_count}
    counts |= {"factor": program.factor_count, "estate": 1}
    series = tuple(Series(kind, item) for kind, count in counts.items() for item in range(count))
    said = dataclasses.asdict(backend.simulate(program, block, series))
    for s in range(len(program.scenarios)):
        trace = backend.trace(program, block, s).arrays
        said |= {f"{name} of {s}": array[None] for name, array in trace.items()}
    return said


def in_blocks(backend: Backend, program: Program, block: Block, size: int) -> Arrays:
    """The same, put together from blocks of `size` paths."""
    end = block.first_path + block.paths
    said = [
        everything(backend, program, Block(block.seed, first, min(size, end - first)))
        for first in range(block.first_path, end, size)
    ]
    parts = {name: [one[name] for one in said] for name in said[0]}
    return {
        name: np.sum(arrays, axis=0) if arrays[0].ndim == 1 else np.concatenate(arrays, axis=1)
        for name, arrays in parts.items()
    }


def differing(one: Arrays, other: Arrays) -> list[str]:
    """What is not the same to the bit."""
    assert list(one) == list(other)
    return [name for name in one if not same_bits(one[name], other[name])]


def lanes_of(native: Any) -> dict[str, int]:
    """The lanes of every level that runs here."""
    levels = {level: compiled_kernels().lanes(level) for level in native.levels()}
    missing = sorted(LANES - set(levels.values()))
    require("native", not missing, f"no {missing} lanes: build with -C cmake.define.GPUSTRESS_ALL_LANES=ON")
    return levels


@examples(30)
@given(
    system=strategies.systems(max_entities=12),
    seed=st.integers(0, 2**64 - 1),
    threads=st.integers(1, 8),
    size=st.integers(1, 18),
)
def test_no_level_lanes_threads_or_blocks_change_a_bit(
    native: Any, system: Drawn, seed: int, threads: int, size: int
) -> None:
    """Every level that runs here, against one path at a time on one thread."""
    levels = lanes_of(native)
    program = program_of(build.system(*system))
    block = Block(seed, 5, 18)  # more than the widest vector
    scalar = next(level for level, lanes in levels.items() if lanes == 1)
    expected = everything(native.NativeBackend(scalar, threads=1), program, block)
    for level in levels:
        said = in_blocks(native.NativeBackend(level, threads), program, block, size)
        assert differing(said, expected) == [], level


@pytest.mark.parametrize("leak", [1.0, 1e-4])
def test_rings_settle_to_the_same_bits_on_every_level(native: Any, leak: float) -> None:
    """Each path takes another number of updates to rest, or is finished exactly."""
    program, block = program_of(build.ring_of_the_short(leak)), Block(7, 0, 33)
    said = [everything(native.NativeBackend(level), program, block) for level in lanes_of(native)]
    assert (said[0]["exact_finishes"] > 0).any() == (leak < 1.0)
    for other in said[1:]:
        assert differing(other, said[0]) == []


@pytest.mark.parametrize("threads", range(2, 9))
def test_threads_change_no_bit(native: Any, threads: int) -> None:
    program, block = program_of(reference()), Block(7, 0, 101)
    alone = everything(native.NativeBackend(threads=1), program, block)
    assert differing(everything(native.NativeBackend(threads=threads), program, block), alone) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64])
def test_blocks_change_no_bit(native: Any, size: int) -> None:
    program, block, backend = program_of(reference()), Block(7, 3, 70), native.NativeBackend()
    whole = everything(backend, program, block)
    assert differing(in_blocks(backend, program, block, size), whole) == []


@pytest.fixture(scope="module")
def scalar() -> Iterator[Backend]:
    require("compiler", shutil.which(COMPILER), "no C++ compiler")
    with kernels_with(None) as backend:
        yield backend


@pytest.mark.parametrize(
    "fault",
    [
        Fault("a path at rest goes on", "settlement.h", "select(moving & unmet, ", "select(unmet, "),
        Fault("the exact finish takes the first lane", "finish.h", "lane(of_lane)", "lane(0)"),
        Fault(
            "all lanes draw for the first path",
            "factors.h",
            "path = first_path + (word)lane, turned",
            "path = first_path, turned",
        ),
        None,
    ],
    ids=lambda fault: fault.name if fault else "no fault",
)
def test_a_path_moved_by_its_neighbours_would_be_seen(scalar: Backend, fault: Fault | None) -> None:
    moved = []
    with kernels_with(fault, lanes=4) as backend:
        for leak in (1.0, 1e-4):
            program, block = program_of(build.ring_of_the_short(leak)), Block(7, 0, 9)
            moved += differing(everything(backend, program, block), everything(scalar, program, block))
    assert bool(moved) == (fault is not None)


def test_ctrl_c_is_answered_within_a_second(native: Any) -> None:
    """The run itself would take far longer: the process ends by itself, with a KeyboardInterrupt."""
    script = (
        "import os, signal, threading, time\n"
        "import gpustress as gs\n"
        "from bench.reference import reference_system\n"
        "system = reference_system()\n"
        "def interrupt():\n"
        "    time.sleep(1.0); sent.append(time.monotonic()); os.kill(os.getpid(), signal.SIGINT)\n"
        "sent = []\n"
        "gs.simulate(system, paths=8, backend='native')\n"
        "threading.Thread(target=interrupt).start()\n"
        "try:\n"
        "    gs.simulate(system, paths=50_000_000, memory=10**12, backend='native')\n"
        "except KeyboardInterrupt:\n"
        "    print(time.monotonic() - sent[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_of_python_go_on_during_a_run(native: Any) -> None:
    """The run is one block on one thread: were the lock held, nobody else would get a turn before its end."""
    program, backend = program_of(reference()), native.NativeBackend(threads=1)
    run = threading.Thread(target=backend.simulate, args=(program, Block(7, 0, 20_000)))
    run.start()
    turns = 0
    while run.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 10


def test_a_machine_that_grants_fewer_threads_gets_the_same_bits(native: Any) -> None:
    """With little address space for stacks: the process neither ends nor loses a path."""
    script = (
        "import hashlib, resource\n"
        "from gpustress.backends.base import Block\n"
        "from gpustress.backends.native import NativeBackend\n"
        "from gpustress.backends.self_test import program\n"
        "one, many = NativeBackend(threads=1), NativeBackend(threads=4000)\n"
        "block, program = Block(7, 0, 40_000), program()\n"
        "expected = one.simulate(program, block)\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, -1))\n"
        "given = many.simulate(program, block)\n"
        "print(given.final_cash.tobytes() == expected.final_cash.tobytes(), given.updates == expected.updates)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == ("True [ True]\n", "")


def test_a_wrong_number_of_threads_is_an_error(native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("0", "-1", "many"):
        monkeypatch.setenv(THREADS_VARIABLE, wrong)
        with pytest.raises(gs.InputError, match="GPUSTRESS_THREADS"):
            native.NativeBackend()
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert native.NativeBackend().threads == 3


def reference() -> System:
    from bench.reference import reference_system

    return reference_system()


def test_threads_that_no_path_needs_take_no_memory() -> None:
    one, many = (
        gs.estimate(build.crowd(40), paths=4, threads=threads, backend="native").memory_bytes
        for threads in (1, 256)
    )
    assert many == one


def test_a_run_in_a_daemon_thread_lets_python_end(native: Any) -> None:
    script = (
        "import threading, time, sys\n"
        "import gpustress as gs\n"
        "from bench.reference import reference_system\n"
        "system = reference_system()\n"
        "gs.simulate(system, paths=8, backend='native')\n"
        "run = lambda: gs.simulate(system, paths=10_000_000, memory=10**11, backend='native')\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "time.sleep(0.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
