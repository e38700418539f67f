"""A block as parts that devices take one after the other, and where what they give belongs."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .device import Device
    from .mirror import Launch
    from .shape import Plan
    from .slab import Specification


class Work(ABC):
    """A block of paths or shocks, called items: several devices may take of it at once.

    Attributes
    ----------
    items : int
    source : object
        What they are simulated or cleared on; what a device holds of it serves all blocks.
    zeroed : tuple of str
        Names of the given arrays that begin as 0.
    item, saving : str
        For people: what an item is, and how to have one take less memory.
    """

    source: object
    zeroed: tuple[str, ...]
    item: str
    saving: str = ""

    def __init__(self, items: int):
        self.items = items
        self._next = 0
        self._lock = threading.Lock()

    def claim(self, most: int) -> range | None:
        """The next items of the block, `most` of them or fewer, for the caller alone; None when there are none left."""
        with self._lock:
            first = self._next
            self._next = min(first + most, self.items)
            return range(first, self._next) if first < self._next else None

    def stop(self) -> None:
        """Leave the rest of the block."""
        with self._lock:
            self._next = self.items

    @abstractmethod
    def asked(self, items: range) -> dict[str, Specification]:
        """Shapes and types of what some of the items have on the device beside the source."""

    @abstractmethod
    def fill(self, items: range, views: Mapping[str, NDArray[Any]], addresses: Mapping[str, int]) -> None:
        """Write these arrays; `addresses` are those of all of a part's arrays on the device."""

    @abstractmethod
    def given(self, items: range) -> dict[str, Specification]:
        """Shapes and types of what some of the items give."""

    @abstractmethod
    def deliver(self, items: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put a part's arrays where they belong."""

    @abstractmethod
    def load(self, device: Device) -> Loaded:
        """Put the source on a device."""


class Loaded(ABC):
    """A source on a device.

    Attributes
    ----------
    source : object
        As of the work that it was loaded for.
    """

    source: object

    def serves(self, work: Work) -> bool:
        """Whether the work can be done on what is loaded."""
        return self.source is work.source

    @abstractmethod
    def plan(self, work: Any, items: int, devices: int, free_bytes: int) -> Plan:
        """How much to compute at once, of `items` that so many devices share."""

    @abstractmethod
    def launch(
        self, work: Any, plan: Any, items: range, addresses: Mapping[str, int], scratch: Any
    ) -> Launch:
        """The launch that computes a part, which lies at these addresses."""
