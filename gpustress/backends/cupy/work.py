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

    Items that turn out to be too much for their part may be added anew.

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
        self._stopped = False
        self._lock = threading.Lock()

    @property
    def left(self) -> bool:
        """Whether there are items that nobody has claimed."""
        with self._lock:
            return self._next < self.items and not self._stopped

    def claim(self, most: int) -> range | None:
        """The next items of the block, `most` of them or fewer, for the caller alone; None when there are none left."""
        with self._lock:
            first = self._next
            if first >= self.items or self._stopped:
                return None
            self._next = first + self.fitting(first, min(most, self.items - first))
            return range(first, self._next)

    def fitting(self, first: int, most: int) -> int:
        """How many items a part takes from `first` on, of `most` for which there is memory; at least one."""
        return most

    def stop(self) -> None:
        """Leave the rest of the block."""
        with self._lock:
            self._stopped = True

    @abstractmethod
    def asked(self, items: range) -> dict[str, Specification]:
        """Shapes and types of what some of the items have on the device beside the source."""

    def asked_in_common(self, most: int) -> dict[str, Specification]:
        """Those of what they have there together, as large as for `most` items."""
        return {}

    @abstractmethod
    def fill(self, items: range, views: Mapping[str, NDArray[Any]], addresses: Mapping[str, int]) -> None:
        """Write these arrays; `addresses` are those of all of a part's arrays on the device."""

    @abstractmethod
    def given(self, items: range) -> dict[str, Specification]:
        """Shapes and types of what some of the items give."""

    def given_in_common(self, most: int) -> dict[str, Specification]:
        """Those of what they give together, as large as for `most` items."""
        return {}

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

    @property
    def scratch_is_0(self) -> bool:
        """Whether the scratch memory of a launch has to be 0, and is left so."""
        return False

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
