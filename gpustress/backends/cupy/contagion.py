"""Shocks whose losses spread, on a device: what comes of one is the nodes that it reaches, however many they are.

A part has room for so many cells (a shock and a node). A shock takes room when it is done; where too little is left,
its cells are only counted, and it is done again in a later part that has the room. How many shocks a part gets goes by
what those before have reached, and the first ones are thought to reach all nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..base import SpreadOutcome
from ..network_layout import exposures as arrays_of
from .groups import Entries, ShockWork
from .shape import PART_BYTES, SLOTS
from .structures import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...exposures import Exposures
    from .slab import Specification

CELL: Final[dict[str, np.dtype[Any]]] = {
    "node": np.dtype(np.int32),
    "value": np.dtype(np.float64),
    "other": np.dtype(np.float64),
}
HIT: Final[dict[str, np.dtype[Any]]] = {"hit": np.dtype(np.int32), "loss": np.dtype(np.float64)}
OF_SHOCK: Final[dict[str, np.dtype[Any]]] = {
    "cells": np.dtype(np.int64),
    "place": np.dtype(np.int64),
    "moving": np.dtype(np.int8),
}
SPARE: Final = 2  # times the cells that shocks had on average before, for which the next ones get room


@dataclass(frozen=True)
class Cells:
    """What comes of some of the shocks: the cells of one after those of another."""

    shocks: NDArray[np.intp]
    arrays: dict[str, NDArray[Any]]


class Contagion(ShockWork):
    """Shocks whose losses spread.

    Parameters
    ----------
    exposures : Exposures
    job : dict
        What is asked for them, as `network_layout.contagion` has it.
    most : int
        Cells of all of them together.
    part_bytes : int
        What a part may take at most, beside one shock.
    devices : int
        That share them.
    """

    entries = Entries(
        "contagion.cu", "gpustress_spread", "gpustress_contagion_memory", "Exposures", scratch_is_0=True
    )
    zeroed = ("taken",)

    def __init__(self, exposures: Exposures, job: dict[str, Any], most: int, part_bytes: int, devices: int):
        super().__init__(job["shocks"])
        self.source = self.exposures = exposures
        self.part_bytes = part_bytes
        self._job, self._left = job, most
        self._hits = np.diff(job["start"])
        self._order = np.argsort(-self._hits, kind="stable")  # of what is claimed, also again
        self._counts = np.full(self.items, -1)  # cells of each shock, once they are known
        self._expected = float(exposures.nodes)  # cells of a shock of which they are not
        self._found: list[Cells] = []
        shared_by = SLOTS * devices
        self._hits_of_shock = -(-int(self._hits.sum()) // max(1, self.items))
        room = min(PART_BYTES, part_bytes) // _bytes(CELL) // max(1, -(-self.items // shared_by))
        self._cells_of_shock = max(1, min(exposures.nodes, room))

    def _rooms(self, most: int) -> tuple[int, int]:
        """For how many hits, and for how many cells, a part of so many shocks has room: any one fits."""
        hits = max(int(self._hits.max(initial=0)), most * self._hits_of_shock)
        return hits, max(self.exposures.nodes, most * self._cells_of_shock)

    def fitting(self, first: int, most: int) -> int:
        """As many shocks as there is room for what they hit, and for what they are thought to reach; at least one.

        Those that are done again are not among others, which may take more room than is thought: it is the last time.
        """
        rows = self._order[first : first + most]
        hits, cells = self._rooms(most)
        is_known = self._counts[rows] >= 0
        counts = np.where(is_known, self._counts[rows], self._expected)
        fit = (np.cumsum(self._hits[rows]) <= hits) & (np.cumsum(counts) <= cells)
        alike = np.logical_and.accumulate(is_known == is_known[0])
        return max(1, int(np.count_nonzero(fit & alike)))

    def asked(self, items: range) -> dict[str, Specification]:
        """Where what each shock hits begins."""
        return {"start": ((len(items) + 1,), np.dtype(np.int64))}

    def asked_in_common(self, most: int) -> dict[str, Specification]:
        """Whom they hit, and what these lose."""
        hits, _ = self._rooms(most)
        return {name: ((hits,), dtype) for name, dtype in HIT.items()}

    def fill(self, items: range, views: Mapping[str, NDArray[Any]], addresses: Mapping[str, int]) -> None:
        """Write it."""
        rows = self._rows(items)
        start = views["start"]
        start[0] = 0
        np.cumsum(self._hits[rows], out=start[1:])
        hits = int(start[-1])
        at = np.repeat(self._job["start"][rows] - start[:-1], self._hits[rows]) + np.arange(hits)
        views["hit"][:hits] = self._job["node"][at]
        views["loss"][:hits] = self._job["loss"][at]

    def given(self, items: range) -> dict[str, Specification]:
        """What is said of each shock, and how many cells are taken."""
        taken: dict[str, Specification] = {"taken": ((1,), np.dtype(np.int64))}
        return taken | {name: ((len(items),), dtype) for name, dtype in OF_SHOCK.items()}

    def given_in_common(self, most: int) -> dict[str, Specification]:
        """Their cells."""
        _, cells = self._rooms(most)
        return {name: ((cells,), dtype) for name, dtype in CELL.items()}

    def deliver(self, items: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep a part's cells; shocks for which there was no room are to be done again.

        Raises
        ------
        MemoryError
            The shocks reach more nodes than they may.
        RuntimeError
            The device does not do what it is asked.
        """
        rows, cells, place = self._rows(items), arrays["cells"].copy(), arrays["place"]
        self._job["moving"][rows] = arrays["moving"]
        held = (place >= 0) | (cells == 0)
        with self._lock:
            is_new = self._counts[rows] < 0
            if not (held | is_new).all():
                raise RuntimeError("the device found no room for cells for which there was room")
            self._left -= int(cells[is_new].sum())
            self._counts[rows] = cells
            self._expected = min(self.exposures.nodes, SPARE * cells.mean())
            if self._left < 0:
                raise MemoryError
            lacking = rows[~held]
            self._order = np.append(self._order, lacking)
            self.items += len(lacking)
        in_turn = np.flatnonzero(held)[np.argsort(place[held], kind="stable")]
        count = int(cells[held].sum())
        self._found.append(Cells(rows[in_turn], {name: arrays[name][:count].copy() for name in CELL}))

    def outcome(self) -> SpreadOutcome:
        """What has come of all shocks."""
        start = np.concatenate([[0], np.cumsum(self._counts)])
        together = {name: np.empty(start[-1], dtype) for name, dtype in CELL.items()}
        while self._found:
            found = self._found.pop()
            counts = self._counts[found.shocks]
            begins = start[found.shocks] - (np.cumsum(counts) - counts)
            at = np.repeat(begins, counts) + np.arange(counts.sum())
            for name, array in found.arrays.items():
                together[name][at] = array
        return SpreadOutcome(
            nodes=self.exposures.nodes, start=start, moving=self._job["moving"].astype(bool), **together
        )

    def _rows(self, items: range) -> NDArray[np.intp]:
        return self._order[items.start : items.stop]

    @property
    def shock_bytes(self) -> int:
        """What a shock takes on the device, and as much on the host, in the mean."""
        of_start = 8
        return (
            of_start
            + _bytes(OF_SHOCK)
            + self._hits_of_shock * _bytes(HIT)
            + self._cells_of_shock * _bytes(CELL)
        )

    def placed(self) -> Mapping[str, Any]:
        """The exposures."""
        return arrays_of(self.exposures)

    def job(self, items: range, most: int, addresses: Mapping[str, int]) -> tuple[NDArray[np.void], ...]:
        """A part as the kernel takes it: what is asked, and the room for what comes of it."""
        _, cells = self._rooms(most)
        hits = {**addresses, "node": addresses["hit"]}
        asked = pack("Contagion", self._job | {"shocks": len(items)}, hits)
        types = CELL | OF_SHOCK | {"taken": np.dtype(np.int64)}
        pointers = {name: np.empty(0, dtype) for name, dtype in types.items()}
        return asked, pack("CellRoom", pointers | {"cells": cells}, addresses)


def _bytes(types: Mapping[str, np.dtype[Any]]) -> int:
    return sum(dtype.itemsize for dtype in types.values())
