"""Shocks to clear a static network under, on a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network_layout import by_severity, network
from .groups import Entries, ShockWork
from .structures import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...obligations import Obligations
    from ..base import ClearingOutcome
    from .slab import Specification


class Clearing(ShockWork):
    """Shocks to clear a network under.

    Parameters
    ----------
    obligations : Obligations
    external_assets : ndarray (S, N)
    numbers : dict of str to number
        The other members of the structure of this name (kernels/network.h) that all shocks share.
    outcome : ClearingOutcome
        Where results go.
    part_bytes : int
        What a part may take at most, beside one shock.
    """

    entries = Entries("networks.cu", "gpustress_clear", "gpustress_clearing_memory", "Network")
    zeroed = ("round",)

    def __init__(
        self,
        obligations: Obligations,
        external_assets: NDArray[np.float64],
        numbers: dict[str, float],
        outcome: ClearingOutcome,
        part_bytes: int,
    ):
        super().__init__(len(external_assets))
        self.source = self.obligations = obligations
        self.part_bytes = part_bytes
        self._numbers, self._assets, self._outcome = numbers, external_assets, vars(outcome)
        self._order = by_severity(obligations, external_assets)

    def asked(self, items: range) -> dict[str, Specification]:
        """The shocks, those that hit about as hard beside each other, and their numbers on the device."""
        return {
            "external_assets": ((len(items), self.obligations.nodes), np.dtype(np.float64)),
            "order": ((len(items),), np.dtype(np.int32)),
        }

    def fill(self, items: range, views: Mapping[str, NDArray[Any]], addresses: Mapping[str, int]) -> None:
        """Write them."""
        np.take(self._assets, self._rows(items), axis=0, out=views["external_assets"], mode="clip")
        views["order"][...] = np.arange(len(items))

    def given(self, items: range) -> dict[str, Specification]:
        """The outcome's arrays."""
        return {name: ((len(items), *array.shape[1:]), array.dtype) for name, array in self._outcome.items()}

    def deliver(self, items: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put a part's arrays where they belong."""
        rows = self._rows(items)
        for name, array in self._outcome.items():
            array[rows] = arrays[name]

    def _rows(self, items: range) -> NDArray[np.intp]:
        return self._order[items.start : items.stop]

    @property
    def shock_bytes(self) -> int:
        """What a shock takes on the device, and as much on the host."""
        one = range(1)
        arrays = [*self.asked(one).values(), *self.given(one).values()]
        return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in arrays)

    def placed(self) -> Mapping[str, Any]:
        """The network."""
        return network(self.obligations)

    def job(self, items: range, most: int, addresses: Mapping[str, int]) -> tuple[NDArray[np.void], ...]:
        """A part as the kernel takes it."""
        nodes = self.obligations.nodes
        values: dict[str, Any] = {"shocks": len(items), "shock_stride": nodes, "node_stride": 1}
        pointers = {
            name: np.empty(0, dtype) for name, (_, dtype) in (self.asked(items) | self.given(items)).items()
        }
        return (pack("Clearing", self._numbers | values | pointers, addresses),)
