"""The kernels compiled from a copy of kernels/, with a fault or without one, as a backend of their own."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_char_p, c_int, c_longlong, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_entry import packed
from cuda_standin import KERNELS
from faults import Fault, seed
from gpustress.backends.native import NativeBackend

COMPILER = "c++"
LEVEL = "copy"
STRICT = ("-std=c++20", "-O1", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
ALIGNMENT = 128  # of a thread's memory


@contextmanager
def kernels_with(fault: Fault | None, lanes: int = 1) -> Iterator[NativeBackend]:
    """A backend of a copy of the kernels, compiled quickly: not for speed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "kernels"
        shutil.copytree(KERNELS, copy)
        if fault is not None:
            seed(fault, copy)
        library = Path(folder) / "level.so"
        options = (*STRICT, "-shared", "-fPIC", f"-DGPUSTRESS_LANES={lanes}", f"-DGPUSTRESS_LEVEL={LEVEL}")
        subprocess.run([COMPILER, *options, str(copy / "level.cpp"), "-o", str(library)], check=True)
        yield CopiedBackend(library)


class CopiedBackend(NativeBackend):
    """The compiled backend, but for where its kernels come from."""

    def __init__(self, library: Path):
        self._kernels, self.level, self.threads = Kernels(library), LEVEL, 1


class Level(ctypes.Structure):
    """As kernels/native.h has it; what is not called is a mere pointer."""

    _fields_ = [
        ("name", c_char_p),
        ("lanes", c_int),
        ("memory", CFUNCTYPE(c_longlong, c_void_p)),
        ("simulate", CFUNCTYPE(None, *[c_void_p] * 2, *[c_longlong] * 2, *[c_void_p] * 3)),
        ("elementary", c_void_p),
        ("philox", c_void_p),
        ("clearing_memory", CFUNCTYPE(c_longlong, c_void_p)),
        ("severity", c_void_p),
        ("clear", CFUNCTYPE(None, *[c_void_p] * 2, c_longlong, c_void_p)),
    ]


class Kernels:
    """One level of the kernels, as gpustress.backends.native._kernels offers several."""

    def __init__(self, library: Path):
        self._level = Level.in_dll(ctypes.CDLL(str(library)), f"gpustress_level_{LEVEL}")

    def lanes(self, _: str) -> int:
        return self._level.lanes

    def simulate(
        self,
        _: str,
        arrays: dict[str, NDArray[Any]],
        sizes: dict[str, Any],
        request: dict[str, Any],
        result: dict[str, NDArray[Any]],
        trace: dict[str, NDArray[Any]] | None,
        __: int,
    ) -> None:
        program = packed("Program", arrays | sizes)
        traced = packed("Trace", trace) if trace else None
        job = packed("Job", request | result | {"trace": traced})
        _room, start = memory(self._level.memory(program.ctypes.data))
        groups = -(-request["paths"] // self._level.lanes) * sizes["scenarios"]
        counts = (result[name].ctypes.data for name in ("exact_finishes", "updates"))
        self._level.simulate(program.ctypes.data, job.ctypes.data, 0, groups, start, *counts)

    def clearing_bytes(self, _: str, network: dict[str, Any]) -> int:
        return 8 * int(self._level.clearing_memory(packed("Network", network).ctypes.data))

    def clear(self, _: str, network: dict[str, Any], job: dict[str, Any], __: int) -> None:
        given, shocks = packed("Network", network), job["shocks"]
        placed = {"shock_stride": network["nodes"], "node_stride": 1}
        clearing = packed("Clearing", job | placed | {"order": np.arange(shocks, dtype=np.int32)})
        _room, start = memory(self._level.clearing_memory(given.ctypes.data))
        for group in range(-(-shocks // self._level.lanes)):
            self._level.clear(given.ctypes.data, clearing.ctypes.data, group, start)


def memory(doubles: int) -> tuple[NDArray[np.float64], int]:
    """So many doubles, and the address in them that is aligned for a thread."""
    room = np.empty(doubles + ALIGNMENT // 8)
    return room, -(-room.ctypes.data // ALIGNMENT) * ALIGNMENT
