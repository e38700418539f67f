"""The compiled backend: the same bits on every level, for any lanes, threads and blocks, and the reference's answer."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import build
import gpustress as gs
import strategies
from build import Tables, examples
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Outcome
from gpustress.compilation import compile_program
from gpustress.program import Program
from gpustress.system import System
from gpustress.threads import THREADS_VARIABLE
from needs import require

AMOUNTS = 1e-9  # relative to what is at stake
ARRAYS = [field.name for field in dataclasses.fields(Outcome)]
Drawn = tuple[dict[str, Any], Tables]


@pytest.fixture(scope="module")
def native() -> Any:
    """The module of the compiled backend."""
    info = next(info for info in gs.backends() if info.name == "native")
    require("compiler", info.works, info.reason)
    from gpustress.backends import native

    return native


def program_of(system: System, effects: tuple[str, ...] = ("full",)) -> Program:
    return compile_program(system, system.scenarios, effects)


def assert_same_bits(one: Outcome, other: Outcome) -> None:
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a.view(np.uint8), b.view(np.uint8)), name


def parts(outcomes: list[Outcome]) -> dict[str, np.ndarray]:
    """Outcomes of consecutive blocks as one; counts are added."""
    joined = {}
    for name in ARRAYS:
        arrays = [getattr(outcome, name) for outcome in outcomes]
        joined[name] = sum(arrays) if arrays[0].ndim == 1 else np.concatenate(arrays, axis=1)
    return joined


@examples(30)
@given(system=strategies.systems(max_entities=12), seed=st.integers(0, 2**64 - 1))
def test_every_level_and_number_of_lanes_gives_the_same_bits(native: Any, system: Drawn, seed: int) -> None:
    program = program_of(build.system(*system), strategies.EFFECTS)
    first, *others = native.levels()
    assert len(others) >= 1
    block = Block(seed, 5, 17 + 1)  # one path more than the widest vector
    expected = native.NativeBackend(first, threads=1).simulate(program, block)
    for level in others:
        assert_same_bits(native.NativeBackend(level, threads=1).simulate(program, block), expected)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_no_bit(native: Any, threads: int) -> None:
    program = program_of(reference())
    alone = native.NativeBackend(threads=1).simulate(program, Block(7, 0, 301))
    assert_same_bits(native.NativeBackend(threads=threads).simulate(program, Block(7, 0, 301)), alone)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64])
def test_blocks_change_no_bit(native: Any, size: int) -> None:
    program, backend = program_of(reference()), native.NativeBackend()
    whole = backend.simulate(program, Block(7, 0, 70))
    blocks = [
        backend.simulate(program, Block(7, first, min(size, 70 - first))) for first in range(0, 70, size)
    ]
    for name, joined in parts(blocks).items():
        assert np.array_equal(joined, getattr(whole, name)), name


@pytest.mark.parametrize("entities", [1, 3, 40, 300])
def test_native_agrees_with_the_reference(native: Any, entities: int) -> None:
    """Rings of many, with little cash: decisions are the same, amounts to 1e-9 of what is at stake."""
    system = build.crowd(entities)
    program = program_of(system, ("first_round", "full"))
    block = Block(3, 0, 9)
    ours, reference_ = (
        native.NativeBackend().simulate(program, block),
        get_backend("numpy").simulate(program, block),
    )
    stake = np.abs(program.cash).max() + program.amount.max() * program.entity_count
    assert np.array_equal(ours.failed_at, reference_.failed_at)
    assert np.array_equal(ours.cause, reference_.cause)
    assert np.array_equal(ours.updates, reference_.updates)
    for name in ("final_cash", "lowest_liquidity", "total", "npv", "trough"):
        assert np.abs(getattr(ours, name) - getattr(reference_, name)).max(initial=0.0) <= AMOUNTS * stake, (
            name
        )
    assert (ours.failed_at < program.periods).any()


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
