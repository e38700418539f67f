"""A block as parts that devices take one after the other, and where what they give belongs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .slab import Specification

TRACE_PREFIX: Final = "trace."  # of what is traced, among the names of a part's arrays


@dataclass
class Work:
    """A block: several devices may take of it at once.

    Attributes
    ----------
    program : Program
    sizes : dict
        Its numbers, as `layout.sizes` has them.
    request : dict
        What the block asks for, as `layout.request` has it.
    outcome, trace : dict of str to ndarray
        Where results go; what is counted (the arrays without paths) is added to. `trace` is empty but for a replay.
    """

    program: Program
    sizes: dict[str, Any]
    request: dict[str, Any]
    outcome: dict[str, NDArray[Any]]
    trace: dict[str, NDArray[Any]]
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, most: int) -> range | None:
        """The next paths of the block, `most` of them or fewer, for the caller alone; None when there are none left."""
        with self._lock:
            first = self._next
            self._next = min(first + most, self.request["paths"])
            return range(first, self._next) if first < self._next else None

    def stop(self) -> None:
        """Leave the rest of the block."""
        with self._lock:
            self._next = self.request["paths"]

    def asked(self, paths: range) -> dict[str, Any]:
        """The request for some of the paths."""
        return {
            **self.request,
            "first_path": self.request["first_path"] + paths.start,
            "paths": len(paths),
            "factor_paths": self.request["factor_paths"][:, paths.start : paths.stop],
        }

    def given(self, paths: range) -> dict[str, Specification]:
        """Shapes and types of what some of the paths give."""

        def of_part(array: NDArray[Any], axis: int) -> Specification:
            return (*array.shape[:axis], len(paths), *array.shape[axis + 1 :]), array.dtype

        results = {
            name: (array.shape, array.dtype) if name in self.counted else of_part(array, 1)
            for name, array in self.outcome.items()
        }
        return results | {TRACE_PREFIX + name: of_part(array, 0) for name, array in self.trace.items()}

    @property
    def counted(self) -> list[str]:
        """Names of the arrays without paths."""
        return [name for name, array in self.outcome.items() if array.ndim == 1]

    @property
    def path_bytes(self) -> int:
        """What a path takes on the device: what it gives, and factor paths of one's own."""
        given = sum(array.nbytes for name, array in self.outcome.items() if name not in self.counted)
        given += sum(array.nbytes for array in self.trace.values())
        return int(given + self.request["factor_paths"].nbytes) // int(self.request["paths"])

    def deliver(self, paths: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put a part's arrays where they belong."""
        place = slice(paths.start, paths.stop)
        for name, array in self.outcome.items():
            if name not in self.counted:
                array[:, place] = arrays[name]
            else:
                with self._lock:
                    np.add(array, arrays[name], out=array)
        for name, array in self.trace.items():
            array[place] = arrays[TRACE_PREFIX + name]
