"""Launches of the entries that work on static networks, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cuda_standin import Standin
from gpustress.backends.cupy.crowds import LANES


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


def launch(
    standin: Standin, entry: str, crowd: Crowd, arguments: Sequence[bytes], order: str, seed: int
) -> None:
    """Run an entry, with a double of shared memory for each thread."""
    grid, threads = (crowd.blocks, 1, 1), (crowd.lanes, crowd.rows, 1)
    standin.launch(entry, grid, threads, 8 * crowd.lanes * crowd.rows, arguments, order, seed)


def group_doubles(
    standin: Standin, entry: str, structure: np.ndarray[Any, np.dtype[np.void]], crowd: Crowd
) -> int:
    """Doubles of state that a crowd needs."""
    doubles = (ctypes.c_longlong * len(LANES))()
    pointer = bytes(ctypes.c_void_p(ctypes.addressof(doubles)))
    standin.launch(entry, (1, 1, 1), (1, 1, 1), 0, [structure.tobytes(), pointer])
    return doubles[LANES.index(crowd.lanes)]
