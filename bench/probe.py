"""The kernel with a tally of its steps: their floating-point operations, counted, and their time."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpustress.backends.base import Block, Outcome
from gpustress.backends.cupy.structures import pack
from gpustress.backends.layout import arrays, by_name, request, sizes
from gpustress.program import Program

from .compiled import compiled, level_flags, strict_flags

ALIGNMENT = 128  # bytes, of a thread's memory
INTERRUPTED = 2.0  # a group of paths that takes so many times the median was interrupted


@dataclass(frozen=True)
class Tally:
    """What a run gave and took.

    Attributes
    ----------
    outcome : Outcome
    seconds : float
    stages : list of str
        The steps.
    ticks, operations : ndarray (groups, stages)
        Of the processor's clock, and floating-point operations (0 but where they are counted), by group of paths.
    """

    outcome: Outcome
    seconds: float
    stages: list[str]
    ticks: NDArray[np.int64]
    operations: NDArray[np.int64]

    def counts(self) -> dict[str, int]:
        """Each step's operations."""
        return dict(zip(self.stages, self.operations.sum(axis=0).tolist(), strict=True))

    def shares(self) -> dict[str, float]:
        """Each step's share of the time, without the groups during which somebody else had the processor."""
        whole = self.ticks.sum(axis=1)
        kept = self.ticks[whole <= INTERRUPTED * np.median(whole)]
        return dict(zip(self.stages, (kept.sum(axis=0) / kept.sum()).tolist(), strict=True))


class Probe:
    """A build of kernels/ with hooks between the steps of the model.

    Parameters
    ----------
    counting : bool
        Count operations, one path at a time (bench/native/counted.h has the convention); else the build of this
        processor's level, with nothing but clocks added.
    """

    def __init__(self, *, counting: bool):
        # No inlining decision changes a count: -O1 comes after -O3 and is quicker to compile.
        flags = ["-O1", "-DGPUSTRESS_LANES=1", "-DCOUNT_OPERATIONS"] if counting else level_flags()
        self._library = compiled("probe.cpp", *strict_flags(), *flags)
        self._library.stage_names.restype = ctypes.c_char_p
        self._library.memory_of.restype = ctypes.c_longlong
        self._lanes = int(self._library.lanes())
        self.stages = self._library.stage_names().decode().split()

    def run(self, program: Program, block: Block, threads: int = 1) -> Tally:
        """Simulate a block, its groups of paths shared out evenly."""
        held, outcome = arrays(program), Outcome.empty(program, block.paths, 0, block.drawing)
        asked, given = request(program, block, ()), by_name(outcome)
        pointed = {name: value for name, value in asked.items() if isinstance(value, np.ndarray)} | given
        seen = pack("Program", sizes(program, block.drawing) | held, _addresses(held))
        job = pack("Job", asked | given | {"trace": None}, _addresses(pointed))
        groups = -(-block.paths // self._lanes) * len(program.scenarios)
        bounds = [groups * i // threads for i in range(threads + 1)]
        counts = np.zeros((threads, 2, len(program.scenarios)), dtype=np.int64)
        ticks, operations = np.zeros((2, groups, len(self.stages)), dtype=np.int64)
        memories = [_aligned(int(self._library.memory_of(_pointer(seen)))) for _ in range(threads)]

        def work(i: int) -> None:
            self._library.simulate(
                _pointer(seen), _pointer(job), ctypes.c_longlong(bounds[i]), ctypes.c_longlong(bounds[i + 1]),
                *(_pointer(array) for array in (memories[i], *counts[i], ticks, operations)),
            )  # fmt: skip

        workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
        outcome.exact_finishes[:], outcome.updates[:] = counts.sum(axis=0)
        return Tally(outcome, seconds, self.stages, ticks, operations)


def _addresses(named: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    return {name: array.ctypes.data for name, array in named.items()}


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _aligned(doubles: int) -> np.ndarray:
    room = np.zeros(doubles + ALIGNMENT // 8)
    skip = -room.ctypes.data % ALIGNMENT // 8
    return room[skip : skip + doubles]
