"""Whole numbers by key, where few of many keys occur: sums that are exact in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENDING: Final = (
    1 << 16
)  # rows of new keys that wait, or a quarter of those that are known, before they are put among them


class SparseCounts:
    """Sums of `columns` whole numbers for each key that occurs."""

    def __init__(self, columns: int = 1) -> None:
        self._keys = np.empty(0, dtype=np.int64)
        self._sums = np.empty((columns, 0), dtype=np.int64)
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, keys: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add values (columns, n) to those of their keys (n,); a key may come twice."""
        place = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), dtype=bool)
        inside = place < len(self._keys)
        known[inside] = self._keys[place[inside]] == keys[inside]
        for sums, added in zip(self._sums, values, strict=True):
            np.add.at(sums, place[known], added[known])
        if not known.all():
            new = ~known
            self._pending.append((keys[new], values[:, new]))
            self._waiting += len(self._pending[-1][0])
        if self._waiting > max(PENDING, len(self._keys) // 4):
            self._merge()

    def sums(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys that occur, in their order, and their sums (columns, n)."""
        self._merge()
        return self._keys, self._sums

    def _merge(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([keys for keys, _ in self._pending])
        values = np.concatenate([values for _, values in self._pending], axis=1)
        self._pending, self._waiting = [], 0
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
        keys, values = keys[first], np.add.reduceat(values[:, order], first, axis=1)
        place = np.searchsorted(self._keys, keys)
        self._keys = np.insert(self._keys, place, keys)
        self._sums = np.insert(self._sums, place, values, axis=1)
