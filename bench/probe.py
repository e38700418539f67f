"""The kernel with a tally of its steps: their floating-point operations, counted, and their time."""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gpustress.backends.base import Block, Outcome
from gpustress.backends.kernel_source import listed
from gpustress.backends.layout import arrays, by_name, sizes
from gpustress.program import Program

from .compiled import compiled, level_flags, strict_flags

ALIGNMENT = 128  # bytes, of a thread's memory
INTERRUPTED = 2.0  # a group of paths that takes so many times the median was interrupted
_REALS = ("period_years", "alpha", "beta")


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
        self._library.size_of_program.restype = self._library.size_of_job.restype = ctypes.c_longlong
        self._lanes = int(self._library.lanes())
        self.stages = self._library.stage_names().decode().split()

    def run(self, program: Program, block: Block, threads: int = 1) -> Tally:
        """Simulate a block, its groups of paths shared out evenly."""
        numbers, held = sizes(program), arrays(program)
        names = [name for _, name in listed("program.h", "GPUSTRESS_PROGRAM_ARRAYS")]
        seen = _program_type(tuple(numbers), names)(
            *numbers.values(), *(held[name].ctypes.data for name in names)
        )
        outcome = Outcome.empty(program, block.paths, 0)
        job = _job(block, outcome, given := np.full(max(1, program.factor_count), -1, dtype=np.int32))
        if (ctypes.sizeof(seen), ctypes.sizeof(job)) != (
            self._library.size_of_program(),
            self._library.size_of_job(),
        ):
            raise RuntimeError("kernels/program.h and bench/probe.py do not lay out Program and Job alike")
        groups = -(-block.paths // self._lanes) * len(program.scenarios)
        bounds = [groups * i // threads for i in range(threads + 1)]
        counts = np.zeros((threads, 2, len(program.scenarios)), dtype=np.int64)
        ticks, operations = np.zeros((2, groups, len(self.stages)), dtype=np.int64)
        memories = [_aligned(int(self._library.memory_of(ctypes.byref(seen)))) for _ in range(threads)]

        def work(i: int) -> None:
            self._library.simulate(
                ctypes.byref(seen), ctypes.byref(job), ctypes.c_longlong(bounds[i]), ctypes.c_longlong(bounds[i + 1]),
                *(ctypes.c_void_p(array.ctypes.data) for array in (memories[i], *counts[i], ticks, operations)),
            )  # fmt: skip

        workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
        del given
        outcome.exact_finishes[:], outcome.updates[:] = counts.sum(axis=0)
        return Tally(outcome, seconds, self.stages, ticks, operations)


def _program_type(numbers: tuple[str, ...], names: list[str]) -> type[ctypes.Structure]:
    """Program of kernels/program.h."""

    class SeenProgram(ctypes.Structure):
        _fields_ = [
            *((name, ctypes.c_double if name in _REALS else ctypes.c_int) for name in numbers),
            *((name, ctypes.c_void_p) for name in names),
        ]

    return SeenProgram


class _Job(ctypes.Structure):
    """Job of kernels/program.h."""

    _fields_ = [
        ("seed", ctypes.c_ulonglong), ("first_path", ctypes.c_longlong), ("paths", ctypes.c_longlong),
        ("series_count", ctypes.c_int), ("series_kind", ctypes.c_void_p), ("series_item", ctypes.c_void_p),
        ("given", ctypes.c_void_p), ("factor_paths", ctypes.c_void_p),
        *((field.name, ctypes.c_void_p) for field in fields(Outcome)),
        ("trace", ctypes.c_void_p),
    ]  # fmt: skip


def _job(block: Block, outcome: Outcome, given: np.ndarray) -> _Job:
    if block.factor_paths:
        raise ValueError("a probe makes its own draws")
    return _Job(
        seed=block.seed,
        first_path=block.first_path,
        paths=block.paths,
        given=given.ctypes.data,
        **{name: array.ctypes.data for name, array in by_name(outcome).items()},
    )


def _aligned(doubles: int) -> np.ndarray:
    room = np.zeros(doubles + ALIGNMENT // 8)
    skip = -room.ctypes.data % ALIGNMENT // 8
    return room[skip : skip + doubles]
