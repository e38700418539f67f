"""The kernels compiled from a copy of kernels/, with a fault or without one, as a backend of their own."""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int32, c_longlong, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faults import Fault, seed
from gpustress.backends.native import NativeBackend

KERNELS = Path(__file__).resolve().parent.parent / "kernels"
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
    """As kernels/native.h has it; what tests of a single function call is left out."""

    _fields_ = [
        ("name", c_char_p),
        ("lanes", c_int),
        ("memory", CFUNCTYPE(c_longlong, c_void_p)),
        ("simulate", CFUNCTYPE(None, *[c_void_p] * 2, *[c_longlong] * 2, *[c_void_p] * 3)),
    ]


@functools.cache
def structures() -> dict[str, type[ctypes.Structure]]:
    """Program, Trace and Job of kernels/program.h, by name; every pointer is untyped."""
    numbers = {"index32": c_int32, "integer": c_longlong, "word": c_ulonglong, "double": ctypes.c_double}
    command = [COMPILER, "-x", "c++", "-E", "-P", "-DGPUSTRESS_LANES=1", str(KERNELS / "program.h")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in ("Program", "Trace", "Job"):
        (body,) = re.findall(rf"struct {name} {{(.*?)}};", text, re.DOTALL)
        fields = []
        for declaration in filter(None, map(str.strip, body.split(";"))):
            kind, names = re.fullmatch(r"(?:const )?(\w+)(.*)", declaration, re.DOTALL).groups()
            pointer = "*" in names
            fields += [(field, c_void_p if pointer else numbers[kind]) for field in re.findall(r"\w+", names)]
        found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


def filled(name: str, values: dict[str, Any]) -> ctypes.Structure:
    """A structure with its fields' values; an array stands for a pointer to it."""
    made = structures()[name]()
    for field, kind in made._fields_:
        value = values[field]
        if kind is c_void_p and value is not None:
            value = value.ctypes.data if isinstance(value, np.ndarray) else ctypes.addressof(value)
        setattr(made, field, value)
    return made


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
        program = filled("Program", arrays | sizes)
        traced = None if trace is None else filled("Trace", trace)
        job = filled("Job", request | result | {"trace": traced})
        room = np.empty(self._level.memory(ctypes.byref(program)) + ALIGNMENT // 8)
        start = -(-room.ctypes.data // ALIGNMENT) * ALIGNMENT
        groups = -(-request["paths"] // self._level.lanes) * sizes["scenarios"]
        counts = (result[name].ctypes.data for name in ("exact_finishes", "updates"))
        self._level.simulate(ctypes.byref(program), ctypes.byref(job), 0, groups, start, *counts)
