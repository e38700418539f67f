"""The entry gpustress_simulate of kernels/cuda.cu as a backend, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cuda_standin
from cuda_standin import Standin
from gpustress.backends.cupy.structures import pack
from gpustress.backends.native import NativeBackend

UNSET = 0xFF  # in every byte that a kernel has to write, or must not read before: as a double, not a number
GUARD = 512  # doubles before and behind the memory of a launch
WORK = ("exact_finishes", "updates")  # added to

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
        job = packed("Job", request | outcome | {"trace": traced})

        shape = self.shape
        state, scratch = self.state_and_scratch(program)
        doubles = shape.blocks * shape.teams * (scratch + (0 if shape.shared else state))
        with guarded(doubles) as memory:
            arguments = [
                program.tobytes(),
                job.tobytes(),
                memory,
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

    def state_and_scratch(self, program: NDArray[np.void]) -> tuple[int, int]:
        """Doubles of state and of scratch that a team needs."""
        doubles = (ctypes.c_longlong * 2)()
        pointer = bytes(ctypes.c_void_p(ctypes.addressof(doubles)))
        self.standin.launch("gpustress_memory", (1, 1, 1), (1, 1, 1), 0, [program.tobytes(), pointer])
        return doubles[0], doubles[1]


@contextmanager
def guarded(doubles: int, zeroed: bool = False) -> Iterator[bytes]:
    """Memory of a launch, nothing in it set: its address, as an argument. A write outside of it is an error.

    With `zeroed` all of it is 0, and has to be so again in the end.
    """
    memory = np.empty(GUARD + doubles + GUARD)
    memory.view(np.uint8).fill(UNSET)
    own = memory[GUARD : GUARD + doubles]
    if zeroed:
        own[...] = 0.0
    yield bytes(ctypes.c_void_p(own.ctypes.data))
    around = np.concatenate([memory[:GUARD], memory[GUARD + doubles :]])
    if not (around.view(np.uint8) == UNSET).all():
        raise RuntimeError("a write outside the memory of the launch")
    if zeroed and own.view(np.uint8).any():
        raise RuntimeError("something is left in the memory of the launch")


def packed(structure: str, values: Mapping[str, Any]) -> NDArray[np.void]:
    """A structure with numbers, and the addresses of arrays in this process."""
    addresses = {name: value.ctypes.data for name, value in values.items() if isinstance(value, np.ndarray)}
    return pack(structure, values, addresses)
