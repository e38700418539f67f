"""Whole numbers by key, where few of many keys occur: sums that are exact in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENDING: Final = 1 << 16  # rows that wait, or as many as there are, before they are merged with the others


class SparseCounts:
    """Sums of `columns` whole numbers for each key that occurs."""

    def __init__(self, columns: int = 1) -> None:
        self._keys = np.empty(0, dtype=np.int64)
        self._sums = np.empty((columns, 0), dtype=np.int64)
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, keys: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add values (columns, n) to those of their keys (n,); a key may come twice."""
        self._pending.append((keys, values))
        self._waiting += len(keys)
        if self._waiting > max(PENDING, len(self._keys)):
            self._merge()

    def sums(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys that occur, in their order, and their sums (columns, n)."""
        self._merge()
        return self._keys, self._sums

    def _merge(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._pending)])
        values = np.concatenate([self._sums, *(values for _, values in self._pending)], axis=1)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
        self._keys = keys[first]
        self._sums = np.add.reduceat(values[:, order], first, axis=1) if len(first) else values[:, :0]
        self._pending, self._waiting = [], 0
