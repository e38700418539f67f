"""The tests on the stand-in for CuPy are worth something: a backend broken in one of these ways does not pass them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from bits import same_bits
from clearing_cases import random_case
from contagion_cases import then_far
from cupy_host import devices, differing, drawn, every_series, expected, program_of
from faults import PACKAGE, Fault, broken
from gpustress.backends.base import Block
from gpustress.backends.native import NativeBackend


def _file(file: str) -> Callable[[str, str, str], Fault]:
    return lambda name, text, instead: Fault(name, f"backends/cupy/{file}.py", text, instead)


_simulating, _clearing, _contagion, _groups, _mirror, _device = map(
    _file, ("simulating", "clearing", "contagion", "groups", "mirror", "device")
)
SHARED = (
    _mirror("results read before the stream is synchronised",
            "            self.stream.synchronize()\n            self._work.deliver", "            self._work.deliver"),
    _mirror("threads of a block swapped", "(self.blocks,), self.threads,", "(self.blocks,), self.threads[::-1],"),
    _mirror("requests not copied to the device", "            asked.to_device(self.stream)\n", ""),
    _mirror("results not copied back", "            given.to_host(self.stream)\n", ""),
    _mirror("what begins as 0 does not", "start.memset_async(0,", "start.memset_async(1,"),
    _mirror("a slot's memory on another device than its stream",
            "        self._scratch = cupy.cuda.alloc(",
            "        with cupy.cuda.Device(0):\n            self._scratch = cupy.cuda.alloc("),
    _device("numbers read before the stream is synchronised",
            "        numbers.to_host(stream)\n        stream.synchronize()", "        numbers.to_host(stream)"),
    _device("memory used before its own stream has been waited for",
            "                self._cupy.cuda.get_current_stream().synchronize()\n", ""),
    _device("a part that is still in flight is overwritten",
            "                        slot.finish()\n                        slot.start",
            "                        slot.start"),
    _device("the last parts are not waited for",
            "                    for slot in slots:\n                        slot.finish()\n", ""),
    _device("contraction on", '("--fmad=false", ', '("--fmad=true", '),
    _device("memory of the first device alone", "        with self._cupy.cuda.Device(self.number):\n            plan",
            "        with self._cupy.cuda.Device(0):\n            plan"),
    Fault("an item claimed twice", "backends/cupy/work.py",
          "return range(first, self._next)", "return range(max(0, first - 1), self._next)"),
    Fault("structures without the compiler's gaps", "backends/cupy/structures.py", "align=True", "align=False"),
)  # fmt: skip
SIMULATING = (
    _simulating("the numbers of a team's state and scratch swapped",
                "np.int64(shape.state_doubles),\n            np.int64(self.scratch_doubles)",
                "np.int64(self.scratch_doubles),\n            np.int64(shape.state_doubles)"),
    _simulating("program and job swapped",
                "self.structure,\n            job,", "job,\n            self.structure,"),
    _simulating("a pointer left out", "            scratch,\n            np.int64", "            np.int64"),
    _simulating("a flag of another width", "np.int32(shape.shared)", "np.int64(shape.shared)"),
    _simulating("a block more than there is scratch for", "blocks = min(plan.blocks,", "blocks = 1 + min(plan.blocks,"),
    _simulating("shared memory of one team for all", "arguments, shape.shared_bytes)",
                "arguments, 8 * shape.state_doubles)"),
    _simulating("shared memory not asked for", "        kernel.max_dynamic_shared_size_bytes =", "        _ ="),
    _simulating("the program's memory not held",
                "LoadedProgram(device, program, numbers, memory,", "LoadedProgram(device, program, numbers, None,"),
    _simulating("every part draws the first paths",
                'self.request["first_path"] + paths.start', 'self.request["first_path"]'),
    _simulating("every part gets the first factor paths",
                '["factor_paths"][:, paths.start : paths.stop]', '["factor_paths"][:, : len(paths)]'),
    _simulating("counts of the last part alone",
                "np.add(array, arrays[name], out=array)", "array[...] = arrays[name]"),
)  # fmt: skip
GROUPS = (
    _groups("source and job swapped", "(self.structure, *job, scratch,", "(*job, self.structure, scratch,"),
    _groups("memory of one lane for all", "self.group_doubles[crowds.lanes]", "self.group_doubles[1]"),
    _groups("the source's memory not held", "entries, memory, structure, dict(", "entries, None, structure, dict("),
    _groups("shared memory of one row for all", "arguments, crowds.shared_bytes)", "arguments, 8 * crowds.lanes)"),
)  # fmt: skip
CLEARING = (
    _clearing("every part has the first shocks",
              "self._order[items.start : items.stop]", "self._order[: len(items)]"),
    _clearing("results in the order of the groups", "array[rows] = arrays[name]",
              "array[items.start : items.stop] = arrays[name]"),
    _clearing("all lanes have one shock", "np.arange(len(items))", "0"),
    _clearing("rounds are not cleared", 'zeroed = ("round",)', "zeroed = ()"),
    _clearing("a shock's nodes as far apart as shocks", '"node_stride": 1', '"node_stride": nodes'),
)  # fmt: skip
SPREADING = (
    _mirror("scratch memory that is not 0", "not loaded.scratch_is_0", "True"),
    _mirror("room for a part's own items alone", "self._work, self._plan.items", "self._work, len(items)"),
    _contagion("every part has the first shocks",
               "self._order[items.start : items.stop]", "self._order[: len(items)]"),
    _contagion("whom the first shocks hit", 'self._job["start"][rows] - start[:-1]', '-start[:-1]'),
    _contagion("losses of other hits", 'self._job["loss"][at]', 'self._job["loss"][:hits]'),
    _contagion("cells are not counted from 0", 'zeroed = ("taken",)', "zeroed = ()"),
    _contagion("shocks without room are not done again", "self.items += len(lacking)", "self.items += 0"),
    _contagion("more room than there is", '{"cells": cells}', '{"cells": 9 * cells}'),
    _contagion("the cells in the order of the shocks",
               'np.argsort(place[held], kind="stable")', "np.arange(held.sum())"),
    _contagion("cells that are known count again", "cells[is_new].sum()", "cells.sum()"),
    _contagion("whether it moves in another order",
               '"moving"][rows] =', '"moving"][items.start : items.stop] ='),
    _contagion("the last cells first", "at = np.repeat(begins, counts)", "at = np.repeat(begins[::-1], counts)"),
)  # fmt: skip


def passes(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a copy of the backend gives native's bits in parts with a tail, and leaves no memory taken."""
    made = drawn(3, seed=11)  # small teams, exact finishes, two scenarios
    program = program_of(made, package=package)
    source, shape, backend = (
        importlib.import_module(f"{package.__name__}.backends.{name}")
        for name in ("kernel_source", "cupy.shape", "cupy.backend")
    )
    monkeypatch.setattr(source, "_PACKAGE", PACKAGE)
    monkeypatch.setattr(shape, "WAVES", 0)
    monkeypatch.setattr(shape, "PART_BYTES", 4000)
    factor_paths = np.random.default_rng(1).uniform(0.5, 2.0, (25, program.periods))
    block, series = Block(7, 3, 25, {1: factor_paths}), every_series(program)
    right = expected(program_of(made), block, series)
    try:
        with devices(2) as machine:
            outcome = backend.CupyBackend((1,)).simulate(program, block, series)
    except Exception as error:  # a fault may show as any
        print(f"{type(error).__name__}: {error}")
        return False
    wrong = differing(outcome, right)
    print(wrong)
    return not wrong and {device for _, device, *_ in machine.launches} == {1} and len(machine.launches) > 5


def clears(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The same of clearing: parts with a tail, one group in a part and several."""
    crowds, backend = (
        importlib.import_module(f"{package.__name__}.backends.cupy.{name}") for name in ("crowds", "backend")
    )
    source = importlib.import_module(f"{package.__name__}.backends.kernel_source")
    monkeypatch.setattr(source, "_PACKAGE", PACKAGE)
    monkeypatch.setattr(crowds, "THREADS", 32)
    case = random_case(shocks=22)
    asked = case.owed, case.shocks, case.costs, "greatest", 1 << 24
    right = NativeBackend().clear(*asked)
    for shocks in (4, 9):
        monkeypatch.setattr(crowds, "PART_BYTES", shocks * (28 * 40 + 16))
        try:
            with devices(2) as machine:
                outcome = backend.CupyBackend((1,)).clear(*asked)
        except Exception as error:  # a fault may show as any
            print(f"{type(error).__name__}: {error}")
            return False
        names = ("payments", "equity", "round", "rounds", "error_bound")
        wrong = [name for name in names if not same_bits(getattr(outcome, name), getattr(right, name))]
        print(wrong)
        if wrong or {device for _, device, *_ in machine.launches} != {1} or len(machine.launches) < 4:
            return False
    return True


def spreads(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The same of losses that spread: in parts some of whose shocks are done again."""
    crowds, contagion, backend = (
        importlib.import_module(f"{package.__name__}.backends.cupy.{name}")
        for name in ("crowds", "contagion", "backend")
    )
    source = importlib.import_module(f"{package.__name__}.backends.kernel_source")
    monkeypatch.setattr(source, "_PACKAGE", PACKAGE)
    monkeypatch.setattr(crowds, "THREADS", 32)
    case = then_far(30)
    monkeypatch.setattr(contagion, "PART_BYTES", 2 * case.exposures.nodes * 20)
    asked = case.exposures, case.shocks, "linear", 3, 1 << 24
    right = NativeBackend().spread(*asked, 1 << 40)
    assert right.moving.any()
    try:
        with devices(2) as machine:
            outcome = backend.CupyBackend((1,)).spread(*asked, len(right.node))
    except Exception as error:  # a fault may show as any
        print(f"{type(error).__name__}: {error}")
        return False
    names = ("start", "node", "value", "other", "moving")
    wrong = [name for name in names if not same_bits(getattr(outcome, name), getattr(right, name))]
    print(wrong)
    return not wrong and {device for _, device, *_ in machine.launches} == {1} and len(machine.launches) > 4


def test_the_backend_as_it_is_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken(None) as package:
        assert passes(package, monkeypatch)
        assert clears(package, monkeypatch)
        assert spreads(package, monkeypatch)


@pytest.mark.parametrize("fault", SHARED + SIMULATING, ids=lambda fault: fault.name)
def test_a_backend_broken_in_one_place_does_not(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    with broken(fault) as package:
        assert not passes(package, monkeypatch)


@pytest.mark.parametrize("fault", SHARED + GROUPS + CLEARING, ids=lambda fault: fault.name)
def test_one_that_clears_broken_in_one_place_does_not(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    with broken(fault) as package:
        assert not clears(package, monkeypatch)


@pytest.mark.parametrize("fault", GROUPS + SPREADING, ids=lambda fault: fault.name)
def test_one_that_spreads_losses_broken_in_one_place_does_not(
    monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    with broken(fault) as package:
        assert not spreads(package, monkeypatch)
