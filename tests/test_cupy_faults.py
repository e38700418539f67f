"""The tests on the stand-in for CuPy are worth something: a backend broken in one of these ways does not pass them."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from cupy_host import devices, differing, drawn, every_series, expected, program_of
from faults import PACKAGE, Fault, broken
from gpustress.backends.base import Block


def _device(name: str, text: str, instead: str) -> Fault:
    return Fault(name, "backends/cupy/device.py", text, instead)


FAULTS = (
    _device("the numbers of a team's state and scratch swapped",
            "np.int64(shape.state_doubles),\n            np.int64(loaded.scratch_doubles)",
            "np.int64(loaded.scratch_doubles),\n            np.int64(shape.state_doubles)"),
    _device("program and job swapped", "loaded.structure,\n            job,", "job,\n            loaded.structure,"),
    _device("a pointer left out", "            self._scratch,\n            np.int64", "            np.int64"),
    _device("a flag of another width", "np.int32(shape.shared)", "np.int64(shape.shared)"),
    _device("results read before the stream is synchronised",
            "            self.stream.synchronize()\n            self._work.deliver", "            self._work.deliver"),
    _device("sizes read before the stream is synchronised",
            "        sizes.to_host(stream)\n        stream.synchronize()", "        sizes.to_host(stream)"),
    _device("memory used before its own stream has been waited for",
            "                self._cupy.cuda.get_current_stream().synchronize()\n", ""),
    _device("threads and teams of a block swapped", "(shape.team, shape.teams), arg", "(shape.teams, shape.team), arg"),
    _device("a block more than there is scratch for",
            "blocks = min(self._plan.blocks,", "blocks = 1 + min(self._plan.blocks,"),
    _device("shared memory of one team for all", "shared_mem=shape.shared_bytes", "shared_mem=8 * shape.state_doubles"),
    _device("shared memory not asked for", "        kernel.max_dynamic_shared_size_bytes =", "        _ ="),
    _device("counts not cleared", "start.memset_async(0,", "start.memset_async(1,"),
    _device("requests not copied to the device", "            self._asked.to_device(self.stream)\n", ""),
    _device("results not copied back", "            self._given.to_host(self.stream)\n", ""),
    _device("a part that is still in flight is overwritten",
            "                    slot.finish()\n                    slot.start", "                    slot.start"),
    _device("the last parts are not waited for",
            "                for slot in slots:\n                    slot.finish()\n", ""),
    _device("contraction on", '("--fmad=false", ', '("--fmad=true", '),
    _device("memory of the first device alone", "        with self._cupy.cuda.Device(self.number):\n            plan",
            "        with self._cupy.cuda.Device(0):\n            plan"),
    _device("a slot's memory on another device than its stream",
            "        self._scratch = cupy.cuda.alloc(",
            "        with cupy.cuda.Device(0):\n            self._scratch = cupy.cuda.alloc("),
    _device("the program's memory not held", "_Loaded(program, held.device,", "_Loaded(program, None,"),
    Fault("every part draws the first paths", "backends/cupy/work.py",
          'self.request["first_path"] + paths.start', 'self.request["first_path"]'),
    Fault("every part gets the first factor paths", "backends/cupy/work.py",
          '["factor_paths"][:, paths.start : paths.stop]', '["factor_paths"][:, : len(paths)]'),
    Fault("counts of the last part alone", "backends/cupy/work.py",
          "np.add(array, arrays[name], out=array)", "array[...] = arrays[name]"),
    Fault("a path claimed twice", "backends/cupy/work.py",
          "return range(first, self._next)", "return range(max(0, first - 1), self._next)"),
    Fault("structures without the compiler's gaps", "backends/cupy/structures.py", "align=True", "align=False"),
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


def test_the_backend_as_it_is_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken(None) as package:
        assert passes(package, monkeypatch)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_backend_broken_in_one_place_does_not(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    with broken(fault) as package:
        assert not passes(package, monkeypatch)
