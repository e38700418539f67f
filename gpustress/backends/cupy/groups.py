"""Shocks to what a device holds, in groups: a crowd of threads does one at a time, a shock in each lane."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .crowds import LANES, Crowds, choose_crowds
from .mirror import Launch
from .structures import members
from .work import Loaded, Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .device import Device


@dataclass(frozen=True)
class Entries:
    """A kernel that works by crowds.

    Attributes
    ----------
    file : str
        Of kernels/.
    kernel, memory : str
        Its entry, and the one that says how many doubles a group of 1, 2, 4, ... shocks needs.
    structure : str
        Of what shocks are done on, as the entries take it first.
    scratch_is_0 : bool
        Whether a group's memory has to be 0, and is left so.
    """

    file: str
    kernel: str
    memory: str
    structure: str
    scratch_is_0: bool = False


class ShockWork(Work):
    """Shocks, done in groups.

    Attributes
    ----------
    entries : Entries
    part_bytes : int
        What a part may take at most, beside one shock.
    """

    item = "shock"
    entries: Entries
    part_bytes: int

    @abstractmethod
    def placed(self) -> Mapping[str, Any]:
        """The members of the structure that the source is for the kernel: numbers, and arrays."""

    @property
    @abstractmethod
    def shock_bytes(self) -> int:
        """What a shock takes on the device, and as much on the host."""

    @abstractmethod
    def job(self, items: range, most: int, addresses: Mapping[str, int]) -> tuple[NDArray[np.void], ...]:
        """The other structures that the kernel takes, for a part for which there is room for `most` shocks."""

    def load(self, device: Device) -> LoadedGroups:
        """Put the source on a device."""
        return LoadedGroups.on(device, self)


@dataclass(frozen=True)
class LoadedGroups(Loaded):
    """What shocks are done on, on a device.

    Attributes
    ----------
    device : Device
    source : object
    entries : Entries
    memory : cupy.cuda.MemoryPointer
        That its arrays lie in.
    structure : ndarray ()
        As kernels take it.
    group_doubles : dict of int to int
        That the state of a group of shocks takes, by its lanes.
    """

    device: Device
    source: object
    entries: Entries
    memory: Any
    structure: NDArray[np.void]
    group_doubles: dict[int, int]

    @staticmethod
    def on(device: Device, work: ShockWork) -> LoadedGroups:
        """Put it there."""
        entries, values = work.entries, work.placed()
        arrays = {member.name: values[member.name] for member in members(entries.structure) if member.pointer}
        memory, structure = device.hold(entries.structure, values, arrays)
        doubles = device.counts(device.entry(entries.file, entries.memory), (structure,), len(LANES))
        return LoadedGroups(
            device, work.source, entries, memory, structure, dict(zip(LANES, doubles, strict=True))
        )

    @property
    def scratch_is_0(self) -> bool:
        """As of the entries."""
        return self.entries.scratch_is_0

    def plan(self, work: ShockWork, items: int, devices: int, free_bytes: int) -> Crowds:
        """As `choose_crowds` has it."""
        return choose_crowds(
            shock_bytes=work.shock_bytes,
            group_bytes={lanes: 8 * doubles for lanes, doubles in self.group_doubles.items()},
            registers=self.device.entry(self.entries.file, self.entries.kernel).num_regs,
            shocks=items,
            devices=devices,
            free_bytes=free_bytes,
            part_bytes=work.part_bytes,
            limits=self.device.limits,
        )

    def launch(
        self, work: ShockWork, plan: Crowds, items: range, addresses: Mapping[str, int], scratch: Any
    ) -> Launch:
        """Crowds of threads, a group of shocks each at a time."""
        job, crowds = work.job(items, plan.items, addresses), plan.fitted(len(items))
        arguments = (self.structure, *job, scratch, np.int64(self.group_doubles[crowds.lanes]))
        kernel = self.device.entry(self.entries.file, self.entries.kernel)
        return Launch(kernel, crowds.blocks, (crowds.lanes, crowds.rows), arguments, crowds.shared_bytes)
