"""The entry gpustress_simulate of kernels/cuda.cu as a backend, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
import functools
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cuda_standin
from cuda_standin import KERNELS, Standin, compiler
from gpustress.backends.native import NativeBackend

UNSET = 0xFF  # in every byte that a kernel has to write, or must not read before: as a double, not a number
GUARD = 512  # doubles before and behind the memory of a launch
WORK = ("exact_finishes", "updates")  # added to
TYPES = {
    "double": ctypes.c_double,
    "index32": ctypes.c_int32,
    "integer": ctypes.c_int64,
    "word": ctypes.c_uint64,
}

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Shape:
    """How a launch is laid out: threads a team, teams a block, blocks; whether states lie in shared memory."""

    team: int
    teams: int
    blocks: int
    shared: bool


class CudaEntry(NativeBackend):
    """A backend whose kernels are the CUDA entry.

    Parameters
    ----------
    shape : Shape
    order, seed : str, int
        As `Standin.launch` takes them.
    standin : Standin, optional
        By default that of kernels/.
    """

    def __init__(
        self, shape: Shape, order: str = "forward", seed: int = 0, standin: Standin | None = None
    ) -> None:
        super().__init__(threads=1)
        self._kernels = _Entry(shape, order, seed, standin or cuda_standin.kernels())


@dataclass(frozen=True)
class _Entry:
    """What NativeBackend calls of its compiled module."""

    shape: Shape
    order: str
    seed: int
    standin: Standin

    def simulate(
        self,
        _level: str,
        arrays: Arrays,
        sizes: dict[str, Any],
        request: dict[str, Any],
        outcome: Arrays,
        trace: Arrays | None,
        _threads: int,
    ) -> None:
        for name, array in (outcome | (trace or {})).items():
            if name not in WORK:
                array.view(np.uint8).fill(UNSET)
        program = packed("Program", sizes | arrays)
        traced = packed("Trace", trace) if trace else None
        job = packed("Job", request | outcome | {"trace": traced and ctypes.addressof(traced)})

        shape = self.shape
        state, scratch = self.state_and_scratch(program)
        doubles = shape.blocks * shape.teams * (scratch + (0 if shape.shared else state))
        memory = np.empty(GUARD + doubles + GUARD)
        memory.view(np.uint8).fill(UNSET)
        arguments = [
            bytes(program),
            bytes(job),
            bytes(ctypes.c_void_p(memory[GUARD:].ctypes.data)),
            bytes(ctypes.c_longlong(state)),
            bytes(ctypes.c_longlong(scratch)),
            bytes(ctypes.c_int(shape.shared)),
        ]
        self.standin.launch(
            "gpustress_simulate",
            (shape.blocks, 1, 1),
            (shape.team, shape.teams, 1),
            8 * state * shape.teams if shape.shared else 0,
            arguments,
            self.order,
            self.seed,
        )
        around = np.concatenate([memory[:GUARD], memory[GUARD + doubles :]])
        if not (around.view(np.uint8) == UNSET).all():
            raise RuntimeError("a write outside the memory of the launch")

    def state_and_scratch(self, program: ctypes.Structure) -> tuple[int, int]:
        """Doubles of state and of scratch that a team needs."""
        doubles = (ctypes.c_longlong * 2)()
        pointer = bytes(ctypes.c_void_p(ctypes.addressof(doubles)))
        self.standin.launch("gpustress_memory", (1, 1, 1), (1, 1, 1), 0, [bytes(program), pointer])
        return doubles[0], doubles[1]


@functools.cache
def structures() -> dict[str, type[ctypes.Structure]]:
    """The structures of kernels/program.h."""
    command = [compiler() or "c++", "-E", "-P", "-x", "c++", str(KERNELS / "program.h")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\};", text, re.DOTALL):
        fields: list[tuple[str, Any]] = []
        for declaration in body.split(";")[:-1]:
            kind, pointer, names = re.fullmatch(
                r"\s*(?:const )?(\w+)(\*?) (.*)", declaration, re.DOTALL
            ).groups()
            for each in re.split(r",\s*", names):
                is_pointer = pointer or each.startswith("*")
                fields.append((each.lstrip("*"), ctypes.c_void_p if is_pointer else TYPES[kind]))
        found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


def packed(name: str, values: Mapping[str, Any]) -> ctypes.Structure:
    """A structure with numbers, and the addresses of arrays."""
    structure = structures()[name]()
    for field, _ in structure._fields_:
        value = values[field]
        setattr(structure, field, value.ctypes.data if isinstance(value, np.ndarray) else value)
    return structure
