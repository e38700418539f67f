"""Shocks to a static network on a device: a block of threads for each group of them, one in a lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..network_layout import by_severity, network
from .crowds import LANES, Crowds, choose_crowds
from .mirror import Launch
from .structures import members, pack
from .work import Loaded, Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...obligations import Obligations
    from ..base import ClearingOutcome
    from .device import Device
    from .slab import Specification

SOURCE: Final = "networks.cu"


class Clearing(Work):
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

    item = "shock"
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

    def job(self, items: range, addresses: Mapping[str, int]) -> NDArray[np.void]:
        """A part as kernels take it."""
        nodes = self.obligations.nodes
        values: dict[str, Any] = {"shocks": len(items), "shock_stride": nodes, "node_stride": 1}
        pointers = {
            name: np.empty(0, dtype) for name, (_, dtype) in (self.asked(items) | self.given(items)).items()
        }
        return pack("Clearing", self._numbers | values | pointers, addresses)

    def load(self, device: Device) -> LoadedNetwork:
        """Put the network on a device."""
        return LoadedNetwork.on(device, self.obligations)


@dataclass(frozen=True)
class LoadedNetwork(Loaded):
    """A network on a device.

    Attributes
    ----------
    device : Device
    source : Obligations
    memory : cupy.cuda.MemoryPointer
        That its arrays lie in.
    structure : ndarray ()
        As kernels take it.
    group_doubles : dict of int to int
        That the state of a group of shocks takes, by its lanes.
    """

    device: Device
    source: Obligations
    memory: Any
    structure: NDArray[np.void]
    group_doubles: dict[int, int]

    @staticmethod
    def on(device: Device, obligations: Obligations) -> LoadedNetwork:
        """Put it there."""
        values = network(obligations)
        arrays = {member.name: values[member.name] for member in members("Network") if member.pointer}
        memory, structure = device.hold("Network", values, arrays)
        doubles = device.counts(device.entry(SOURCE, "gpustress_clearing_memory"), (structure,), len(LANES))
        return LoadedNetwork(device, obligations, memory, structure, dict(zip(LANES, doubles, strict=True)))

    def plan(self, work: Clearing, items: int, devices: int, free_bytes: int) -> Crowds:
        """As `choose_crowds` has it."""
        return choose_crowds(
            shock_bytes=work.shock_bytes,
            group_bytes={lanes: 8 * doubles for lanes, doubles in self.group_doubles.items()},
            registers=self.device.entry(SOURCE, "gpustress_clear").num_regs,
            shocks=items,
            devices=devices,
            free_bytes=free_bytes,
            part_bytes=work.part_bytes,
            limits=self.device.limits,
        )

    def launch(
        self, work: Clearing, plan: Crowds, items: range, addresses: Mapping[str, int], scratch: Any
    ) -> Launch:
        """Crowds of threads, a group of shocks each at a time."""
        doubles = self.group_doubles[plan.lanes]
        arguments = (self.structure, work.job(items, addresses), scratch, np.int64(doubles))
        kernel = self.device.entry(SOURCE, "gpustress_clear")
        return Launch(kernel, plan.blocks, (plan.lanes, plan.rows), arguments, plan.shared_bytes)
