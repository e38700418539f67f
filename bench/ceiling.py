"""What the machine can do at most, measured: fused multiply-adds, and memory traffic."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

import numpy as np

from .compiled import compiled

SECONDS = 0.1  # that a measurement takes, about
TRIAD_DOUBLES = 1 << 23  # of each of three arrays, all threads together: 64 MiB each, beyond any cache


class Ceiling:
    """Measures in double precision, at the widest vectors of this processor."""

    def __init__(self) -> None:
        library = compiled("ceiling.cpp", "-O3", "-march=native", "-ffp-contract=fast")
        self._multiply_add, self._triad = library.multiply_add, library.triad
        self._multiply_add.restype = ctypes.c_double
        self._multiply_add.argtypes = [ctypes.c_longlong, ctypes.c_void_p]
        self._triad.restype = None
        self._triad.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_double, ctypes.c_longlong]
        self.width = int(library.width())
        self._rounds = 1 << 16
        while (elapsed := self._fma_seconds(1)[1]) < SECONDS / 4:
            self._rounds *= 2
        self._rounds = int(self._rounds * SECONDS / elapsed)

    def fma(self, threads: int) -> float:
        """Floating-point operations a second of so many threads together; a fused multiply-add is two."""
        operations, seconds = self._fma_seconds(threads)
        return operations / seconds

    def bandwidth(self, threads: int) -> float:
        """Bytes a second of so many threads together, as STREAM's triad counts them: 24 an element."""
        count = TRIAD_DOUBLES // threads
        arrays = [np.ones((3, count)) for _ in range(threads)]

        def work(i: int) -> None:
            a, b, c = (row.ctypes.data for row in arrays[i])
            self._triad(a, b, c, 0.5, count)

        _together(work, threads)  # every page is there
        return 24.0 * count * threads / _together(work, threads)

    def _fma_seconds(self, threads: int) -> tuple[float, float]:
        operations = [0.0] * threads
        sinks = [ctypes.c_double() for _ in range(threads)]

        def work(i: int) -> None:
            operations[i] = self._multiply_add(self._rounds, ctypes.addressof(sinks[i]))

        seconds = _together(work, threads)
        return sum(operations), seconds


def _together(work: Callable[[int], None], threads: int) -> float:
    """Seconds until so many threads have done their work."""
    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start
