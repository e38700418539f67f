"""Several arrays in one piece of memory, so that one allocation and one copy serve them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Specification = tuple[tuple[int, ...], np.dtype[Any]]  # an array's shape and type

ALIGNMENT: Final = 256  # bytes, as CUDA's own allocations


@dataclass(frozen=True)
class Slab:
    """Where each array lies.

    Attributes
    ----------
    offsets : dict of str to int
        In bytes.
    specifications : mapping of str to (shape, dtype)
    size : int
        Bytes in all.
    """

    offsets: dict[str, int]
    specifications: Mapping[str, Specification]
    size: int

    @staticmethod
    def of(specifications: Mapping[str, Specification]) -> Slab:
        """Arrays one behind the other."""
        offsets, size = {}, 0
        for name, (shape, dtype) in specifications.items():
            offsets[name] = size
            size += -(-prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        return Slab(offsets, specifications, size)

    def addresses(self, start: int) -> dict[str, int]:
        """Of every array, where the memory begins at `start`."""
        return {name: start + offset for name, offset in self.offsets.items()}

    def views(self, memory: Any) -> dict[str, NDArray[Any]]:
        """The arrays in memory of the host that speaks the buffer protocol."""
        return {
            name: np.frombuffer(memory, dtype, prod(shape), self.offsets[name]).reshape(shape)
            for name, (shape, dtype) in self.specifications.items()
        }


def specifications(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Specification]:
    """Shapes and types of arrays."""
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}
