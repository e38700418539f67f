"""Launches of the entries that work on static networks, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import cuda_standin
from cuda_standin import Standin
from gpustress.backends.cupy.crowds import LANES
from gpustress.backends.native import NativeBackend


@dataclass(frozen=True)
class Crowd:
    """How a launch is laid out: lanes and rows of a crowd, and how many blocks."""

    lanes: int
    rows: int
    blocks: int


# One row and several, parts of a warp and several warps, grids larger and smaller than the work.
CROWDS = (
    Crowd(lanes=1, rows=1, blocks=1),
    Crowd(lanes=4, rows=8, blocks=2),
    Crowd(lanes=8, rows=6, blocks=1),
    Crowd(lanes=32, rows=2, blocks=1),
)


@dataclass(frozen=True)
class CrowdKernels:
    """What a backend calls of its compiled module, by an entry that works by crowds."""

    crowd: Crowd
    order: str
    seed: int
    standin: Standin

    def launch(self, entry: str, arguments: Sequence[bytes]) -> None:
        """Run an entry, with a double of shared memory for each thread."""
        crowd = self.crowd
        grid, threads = (crowd.blocks, 1, 1), (crowd.lanes, crowd.rows, 1)
        shared = 8 * crowd.lanes * crowd.rows
        self.standin.launch(entry, grid, threads, shared, arguments, self.order, self.seed)

    def group_doubles(self, entry: str, structure: np.ndarray[Any, np.dtype[np.void]]) -> int:
        """Doubles of state that a crowd needs, as the entry has it that says so."""
        doubles = (ctypes.c_longlong * len(LANES))()
        pointer = bytes(ctypes.c_void_p(ctypes.addressof(doubles)))
        self.standin.launch(entry, (1, 1, 1), (1, 1, 1), 0, [structure.tobytes(), pointer])
        return doubles[LANES.index(self.crowd.lanes)]


class CrowdEntry(NativeBackend):
    """A backend whose kernels are a CUDA entry.

    Parameters
    ----------
    crowd : Crowd
    order, seed : str, int
        As `Standin.launch` takes them.
    standin : Standin, optional
        By default that of kernels/.

    Attributes
    ----------
    source : str
        The file with the entry.
    kernels : type of CrowdKernels
    """

    source: str
    kernels: type[CrowdKernels]

    def __init__(
        self, crowd: Crowd, order: str = "forward", seed: int = 0, standin: Standin | None = None
    ) -> None:
        super().__init__(threads=1)
        self._kernels = self.kernels(crowd, order, seed, standin or cuda_standin.kernels(self.source))
