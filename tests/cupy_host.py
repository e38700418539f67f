"""The cupy backend on the host: on devices of the stand-in for CuPy."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Any

import numpy as np

import build
import gpustress
import standin_cupy
import strategies
from cuda_standin import compiler
from gpustress.backends import layout
from gpustress.backends.base import Block, Outcome, Series
from gpustress.backends.cupy import CupyBackend
from gpustress.backends.native import NativeBackend
from gpustress.program import Program
from needs import require
from standin_cupy.machine import Machine, show


@contextmanager
def devices(count: int = 1, **more: Any) -> Iterator[Machine]:
    """Have `import cupy` give the stand-in, with so many devices; in the end all that they held has to be freed."""
    require("compiler", compiler())
    real = sys.modules.get("cupy")
    sys.modules["cupy"] = standin_cupy
    try:
        machine = show(Machine(count, **more))
        yield machine
        gc.collect()
        machine.assert_clean()
    finally:
        show(Machine(0))
        del sys.modules["cupy"]
        if real is not None:
            sys.modules["cupy"] = real


def program_of(
    made: tuple[dict[str, Any], build.Tables],
    effects: tuple[str, ...] = ("full",),
    package: ModuleType = gpustress,
) -> Program:
    """A system compiled, by gpustress or by a copy of it."""
    system = build.system(*made, package)
    compilation = importlib.import_module(f"{package.__name__}.compilation")
    program: Program = compilation.compile_program(system, system.scenarios, effects)
    return program


def drawn(entities: int, seed: int = 4, **more: Any) -> tuple[dict[str, Any], build.Tables]:
    """A system with everything in it."""
    shape = {
        "periods_per_year": 4, "periods": 5, "unit": 1.0, "tightness": 0.5, "odd_names": False,
        "entities": entities, "processes": list(strategies.PROCESSES), "correlated": True, "triggers": 0.5,
        "ring": "slow", "flows": 3 * entities, "driven": 0.2, "loans": 3, "exposures": 4, "measures": 2,
        "positions": 0, "scenarios": 2, "default_costs": True, "shuffled": True, "edge": True,
    }  # fmt: skip
    return strategies.Maker(Random(seed), shape | more).make()


def every_series(program: Program) -> tuple[Series, ...]:
    """One series of each kind that the program has."""
    wanted = {
        "cash": program.entity_count,
        "flow": program.flow_count,
        "measure": program.measure_count,
        "factor": program.factor_count,
        "estate": 1,
    }
    return tuple(Series(kind, count - 1) for kind, count in wanted.items() if count)  # type: ignore[arg-type]


def simulated(
    program: Program, block: Block, numbers: tuple[int, ...] | None = None, series: tuple[Series, ...] = ()
) -> Outcome:
    """A block's outcome on devices of the stand-in; the backend is gone afterwards."""
    return CupyBackend(numbers).simulate(program, block, series)


def expected(program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
    return NativeBackend().simulate(program, block, series)


def differing(one: Outcome, other: Outcome) -> list[str]:
    """Names of the arrays that are not the same to the bit."""
    ours, theirs = layout.by_name(one), layout.by_name(other)
    return [name for name, array in ours.items() if not same_bits(array, theirs[name])]


def same_bits(one: Any, other: Any) -> bool:
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
