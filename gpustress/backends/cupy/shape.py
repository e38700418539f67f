"""How a kernel is laid out on a device, and how large the parts of a block are: nothing here needs a device."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

TEAMS: Final = (1, 8, 32)  # threads that may share a path
WARP: Final = 32  # threads of a block: teams never wait for each other, so more would only be harder to place
REGISTER_UNIT: Final = 256  # a warp's registers come in such pieces
SLOTS: Final = 2  # parts in flight on a device: one is computed while the other is copied back
PART_BYTES: Final = 64 << 20  # most of a part's outcome; pinned memory is rounded up to a power of two
MEMORY_SHARE: Final = 0.8  # of what is free on the device
WAVES: Final = 8  # paths that each team should get of a part, lest many wait for the last ones


@dataclass(frozen=True)
class Limits:
    """What a device has.

    Attributes
    ----------
    multiprocessors : int
    blocks, threads, registers, shared_bytes : int
        Of one multiprocessor.
    block_shared_bytes : int
        The most that one block can ask for.
    reserved_shared_bytes : int
        What each block takes beside that.
    """

    multiprocessors: int
    blocks: int
    threads: int
    registers: int
    shared_bytes: int
    block_shared_bytes: int
    reserved_shared_bytes: int


@dataclass(frozen=True)
class Shape:
    """The layout of a launch.

    Attributes
    ----------
    team : int
        Threads that share a path.
    teams : int
        In a block.
    state_doubles : int
        Set aside for each team.
    shared : bool
        Whether states lie in shared memory.
    blocks : int
        That the whole device holds at once.
    """

    team: int
    teams: int
    state_doubles: int
    shared: bool
    blocks: int

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block."""
        return 8 * self.state_doubles * self.teams if self.shared else 0


def choose_shape(entities: int, state_doubles: int, registers: int, limits: Limits) -> Shape:
    """The smallest team that has a thread for each entity, with its states in shared memory where they fit.

    Parameters
    ----------
    entities : int
    state_doubles : int
        That a path's state takes.
    registers : int
        Of one thread.
    limits : Limits
    """
    doubles = state_doubles | 1  # odd, lest teams that do the same meet in the same bank of shared memory
    team, shared = TEAMS[-1], False
    for candidate in TEAMS:
        fits = 8 * doubles * (WARP // candidate) <= limits.block_shared_bytes
        if fits and (entities <= candidate or candidate == TEAMS[-1]):
            team, shared = candidate, True
            break
    one = Shape(team, WARP // team, doubles, shared, blocks=1)
    return dataclasses.replace(one, blocks=resident_blocks(WARP, registers, one.shared_bytes, limits))


def resident_blocks(threads: int, registers: int, shared_bytes: int, limits: Limits) -> int:
    """How many blocks of so many threads a whole device holds at once, each with so much shared memory."""
    of_warp = -(-registers * WARP // REGISTER_UNIT) * REGISTER_UNIT
    warps = -(-threads // WARP)
    resident = min(
        limits.blocks,
        limits.threads // threads,
        limits.registers // (of_warp * warps),
        limits.shared_bytes // max(1, shared_bytes + limits.reserved_shared_bytes),
    )
    return limits.multiprocessors * max(1, resident)


@dataclass(frozen=True)
class Plan:
    """How much is computed at once.

    Attributes
    ----------
    items : int
        Of a part: paths or shocks.
    blocks : int
        Of a launch, at most.
    item_bytes, block_bytes : int
        What each of them takes on the device.
    """

    items: int
    blocks: int
    item_bytes: int
    block_bytes: int

    def at_most(self, other: Plan) -> Plan:
        """No more than another plan takes, which may be for items of another size."""
        fitting = other.items * other.item_bytes // max(1, self.item_bytes)
        return dataclasses.replace(
            self, items=max(1, min(self.items, fitting)), blocks=min(self.blocks, other.blocks)
        )

    def halved(self) -> Plan | None:
        """Half of what takes more; None where one item on one block is left."""
        if self.items > 1 and (
            self.blocks == 1 or self.items * self.item_bytes >= self.blocks * self.block_bytes
        ):
            return dataclasses.replace(self, items=self.items // 2)
        if self.blocks > 1:
            return dataclasses.replace(self, blocks=self.blocks // 2)
        return None


def choose_plan(
    shape: Shape,
    *,
    path_bytes: int,
    team_bytes: int,
    scenarios: int,
    paths: int,
    devices: int,
    free_bytes: int,
) -> Plan:
    """Parts that keep a device busy, that several are there to overlap, and that fit.

    Parameters
    ----------
    shape : Shape
    path_bytes : int
        Of a path under all scenarios, on the device.
    team_bytes : int
        What a team takes of the device's memory.
    scenarios, paths : int
        Of the whole block.
    devices : int
        That share it.
    free_bytes : int
        On this device.
    """
    budget = int(free_bytes * MEMORY_SHARE) // SLOTS
    block_bytes = shape.teams * team_bytes
    blocks = max(1, min(shape.blocks, budget // 2 // max(1, block_bytes)))
    fitting = min(budget - blocks * block_bytes, PART_BYTES) // max(1, path_bytes)
    busy = -(-WAVES * blocks * shape.teams // scenarios)
    even = -(-paths // (SLOTS * devices))
    return Plan(max(1, min(fitting, max(busy, even), paths)), blocks, path_bytes, block_bytes)
