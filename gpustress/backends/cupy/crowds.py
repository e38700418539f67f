"""How groups of shocks are laid out on a device, and how large a batch's parts are: nothing here needs a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .shape import MEMORY_SHARE, PART_BYTES, SLOTS, Limits, Plan, resident_blocks

THREADS: Final = 256  # of a crowd
LANES: Final = (1, 2, 4, 8, 16, 32)  # shocks of a group
# Four doubles are what memory hands out at once, so that with fewer lanes much of what is moved would be wasted.
FEWEST_LANES: Final = 4


@dataclass(frozen=True)
class Crowds(Plan):
    """A plan for groups of shocks.

    Attributes
    ----------
    lanes : int
        Shocks of a group.
    group_bytes : mapping of int to int
        What the state of a group takes, by its lanes: a block of threads needs one.
    """

    lanes: int
    group_bytes: Mapping[int, int]

    @property
    def rows(self) -> int:
        """Threads that share a lane."""
        return THREADS // self.lanes

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: a double for each thread."""
        return 8 * THREADS

    def with_lanes(self, lanes: int) -> Crowds:
        """The same with other lanes."""
        return dataclasses.replace(self, lanes=lanes, block_bytes=self.group_bytes[lanes])

    def fitted(self, shocks: int) -> Crowds:
        """The same for a part of so many shocks, in the same memory: fewer lanes where else blocks had no group."""
        lanes = max((each for each in LANES if each * self.blocks <= SLOTS * shocks), default=1)
        fewer = self.with_lanes(min(self.lanes, max(lanes, FEWEST_LANES)))
        there_is_memory = self.blocks * self.block_bytes // max(1, fewer.block_bytes)
        return dataclasses.replace(fewer, blocks=min(-(-shocks // fewer.lanes), there_is_memory))

    def halved(self) -> Plan | None:
        """Half of what takes more; where one shock on one block is left, fewer lanes."""
        smaller = super().halved()
        return self.with_lanes(self.lanes // 2) if smaller is None and self.lanes > 1 else smaller

    def at_most(self, other: Plan) -> Plan:
        """No more than another plan takes."""
        fewer = super().at_most(other)
        assert isinstance(fewer, Crowds)
        assert isinstance(other, Crowds)
        return fewer.with_lanes(min(self.lanes, other.lanes))


def choose_crowds(
    *,
    shock_bytes: int,
    group_bytes: Mapping[int, int],
    registers: int,
    shocks: int,
    devices: int,
    free_bytes: int,
    part_bytes: int,
    limits: Limits,
) -> Crowds:
    """As many lanes as leave no multiprocessor without a group, and parts that several are there to overlap.

    Parameters
    ----------
    shock_bytes : int
        Of a shock, on the device.
    group_bytes : mapping of int to int
        As of `Crowds`.
    registers : int
        Of one thread.
    shocks : int
        Of the whole batch.
    devices : int
        That share it.
    free_bytes : int
        On this device.
    part_bytes : int
        Of a part, at most, beside one shock.
    limits : Limits
    """
    budget = int(free_bytes * MEMORY_SHARE) // SLOTS
    fitting = min(budget // 2, PART_BYTES, part_bytes) // max(1, shock_bytes)
    items = max(1, min(fitting, -(-shocks // (SLOTS * devices))))
    resident = resident_blocks(THREADS, registers, 8 * THREADS, limits)
    in_flight = min(shocks, SLOTS * items)
    lanes = max((lanes for lanes in LANES if lanes * resident <= in_flight), default=0)
    lanes = max(lanes, FEWEST_LANES)
    while lanes > 1 and (group_bytes[lanes] > budget // 2 or lanes >= 2 * in_flight):
        lanes //= 2
    blocks = max(1, min(resident, -(-items // lanes), budget // 2 // max(1, group_bytes[lanes])))
    return Crowds(items, blocks, shock_bytes, group_bytes[lanes], lanes, group_bytes)
