"""Memory of a part on the device and on the host, and the part that is in flight in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .slab import Slab

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from .shape import Plan
    from .work import Loaded, Work


@dataclass(frozen=True)
class Launch:
    """A kernel, and how it is called.

    Attributes
    ----------
    kernel : cupy.RawKernel
    blocks : int
    threads : (int, int)
        Of a block.
    arguments : tuple
    shared_bytes : int
        Of a block.
    """

    kernel: Any
    blocks: int
    threads: tuple[int, int]
    arguments: tuple[Any, ...]
    shared_bytes: int

    def start(self) -> None:
        """Ask it of the current stream."""
        self.kernel((self.blocks,), self.threads, self.arguments, shared_mem=self.shared_bytes)


class Mirror:
    """Memory on the device, and as much pinned memory of the host, that hold the same slab."""

    def __init__(self, cupy: ModuleType, slab: Slab):
        self.slab = slab  # or a smaller one, later
        self.device = cupy.cuda.alloc(slab.size)
        self.host = cupy.cuda.alloc_pinned_memory(slab.size)

    @property
    def addresses(self) -> dict[str, int]:
        """Of the arrays on the device."""
        return self.slab.addresses(self.device.ptr)

    @property
    def views(self) -> dict[str, NDArray[Any]]:
        """The arrays on the host."""
        return self.slab.views(self.host)

    def to_device(self, stream: Any) -> None:
        """Copy what the host has."""
        self.device.copy_from_host_async(self.host.ptr, self.slab.size, stream)

    def to_host(self, stream: Any) -> None:
        """Copy what the device has; it is there once the stream is synchronised."""
        self.device.copy_to_host_async(self.host.ptr, self.slab.size, stream)


class Slot:
    """Memory and a stream for one part at a time: while it is copied back, another slot's part is computed."""

    def __init__(self, cupy: ModuleType, loaded: Loaded, plan: Plan, work: Work):
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self._loaded, self._plan, self._work = loaded, plan, work
        self._items: range | None = None
        asked, given = self._slabs(range(plan.items))
        self._asked, self._given = Mirror(cupy, asked), Mirror(cupy, given)
        self._scratch_bytes = plan.blocks * plan.block_bytes
        self._scratch = cupy.cuda.alloc(self._scratch_bytes)
        self._scratch_is_set = not loaded.scratch_is_0

    def _slabs(self, items: range) -> tuple[Slab, Slab]:
        """What some items have on the device, and what they give."""
        work, most = self._work, self._plan.items
        return (
            Slab.of(work.asked(items) | work.asked_in_common(most)),
            Slab.of(work.given(items) | work.given_in_common(most)),
        )

    def start(self, items: range) -> None:
        """Have a part computed and copied back; the slot's last one has to be finished."""
        work, asked, given = self._work, self._asked, self._given
        self._items = items
        asked.slab, given.slab = self._slabs(items)
        addresses = asked.addresses | given.addresses
        work.fill(items, asked.views, addresses)
        launch = self._loaded.launch(work, self._plan, items, addresses, self._scratch)
        with self.stream:
            asked.to_device(self.stream)
            for name in work.zeroed:
                start = given.device + given.slab.offsets[name]
                start.memset_async(0, given.views[name].nbytes, self.stream)
            if not self._scratch_is_set:
                self._scratch.memset_async(0, self._scratch_bytes, self.stream)
                self._scratch_is_set = True
            launch.start()
            given.to_host(self.stream)

    def finish(self) -> None:
        """Wait for the part, and put what it gave where it belongs."""
        if self._items is not None:
            self.stream.synchronize()
            self._work.deliver(self._items, self._given.views)
            self._items = None
