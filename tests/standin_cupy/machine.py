"""The machine that the stand-in shows: devices whose memory is the host's, and what is wrong to do with it.

Errors: memory of one device used on another, or after it was freed, or behind its end, or on another stream than its
own before that was synchronised (so CuPy's pools have it); a copy from or to memory of the host that is
not pinned; an argument of another type than the kernel's; a launch that CUDA would refuse. Memory that nobody has
written holds bytes of UNSET, and nothing that was asked of a stream happens before it is synchronised.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

UNSET = 0xFF  # in every byte: as a double, not a number
ALIGNMENT = 256  # bytes, as CUDA's own allocations
GUARD = 64 << 10  # bytes before and behind an allocation
MEMORY_ALLOCATION, NO_DEVICE = 2, 100  # CUDA's error codes

# A small multiprocessor, so that small work makes several parts and several blocks.
ATTRIBUTES = {
    "MultiProcessorCount": 2,
    "MaxBlocksPerMultiprocessor": 1,
    "MaxThreadsPerMultiProcessor": 64,
    "MaxRegistersPerMultiprocessor": 65536,
    "MaxSharedMemoryPerMultiprocessor": 228 << 10,
    "MaxSharedMemoryPerBlock": 4 << 10,  # unless a function asks for more; small, that it has to
    "MaxSharedMemoryPerBlockOptin": 227 << 10,
    "ReservedSharedMemoryPerBlock": 1 << 10,
}


@dataclass
class FakeDevice:
    memory_bytes: int = 1 << 30
    attributes: dict[str, int] = field(default_factory=lambda: dict(ATTRIBUTES))


class Memory:
    """An allocation on a device."""

    def __init__(self, device: int, size: int):
        self.device, self.size = device, size
        self.bytes = np.full(size + 2 * GUARD + ALIGNMENT, UNSET, dtype=np.uint8)
        self.start = -(-(self.bytes.ctypes.data + GUARD) // ALIGNMENT) * ALIGNMENT


class Machine:
    """Devices, and all that is allocated on them.

    Attributes
    ----------
    fail_at : set of int
        Allocations, counted from 0, that find no memory.
    errors : list of str
        What was found where nobody could be told.
    """

    def __init__(self, devices: int = 1, **more: object):
        self.devices = [FakeDevice(**more) for _ in range(devices)]  # type: ignore[arg-type]
        self.has_compiler = True
        self.fail_at: set[int] = set()
        self.allocations = 0
        self.launches: list[tuple[str, int, tuple[int, ...], tuple[int, ...], int]] = []
        self.errors: list[str] = []
        self.streams: list[object] = []
        self.pinned: set[tuple[int, int]] = set()
        self.shared_limits: dict[int, int] = {}
        self._live: dict[int, tuple[int, int]] = {}  # start: device, size
        self._fresh: dict[
            int, object
        ] = {}  # start: the stream on which it was allocated, until that is synchronised
        self._null_streams: dict[int, object] = {}
        self._lock = threading.RLock()
        self._here = threading.local()

    @property
    def current_device(self) -> int:
        return getattr(self._here, "device", 0)

    @current_device.setter
    def current_device(self, number: int) -> None:
        if not 0 <= number < len(self.devices):
            raise RuntimeError(f"no device {number}")
        self._here.device = number

    @property
    def current_streams(self) -> list[object]:
        if not hasattr(self._here, "streams"):
            self._here.streams = []
        return self._here.streams

    def count_allocation(self, error: Callable[[], Exception]) -> None:
        with self._lock:
            self.allocations += 1
            if self.allocations - 1 in self.fail_at:
                raise error()

    def null_stream(self, make: Callable[[], object]) -> object:
        """Of the current device."""
        with self._lock:
            if self.current_device not in self._null_streams:
                self._null_streams[self.current_device] = make()
            return self._null_streams[self.current_device]

    def settle(self, stream: object) -> None:
        """A stream was synchronised: other streams may use what was allocated on it."""
        with self._lock:
            self._fresh = {start: of for start, of in self._fresh.items() if of is not stream}

    def take(self, size: int, stream: object, error: Callable[[int, int], Exception]) -> Memory:
        """Allocate on the current device."""
        device = self.current_device
        self.count_allocation(lambda: error(size, self.taken(device)))
        if self.taken(device) + size > self.devices[device].memory_bytes:
            raise error(size, self.taken(device))
        memory = Memory(device, size)
        with self._lock:
            self._live[memory.start] = (device, size)
            self._fresh[memory.start] = stream
        weakref.finalize(memory, self._free, memory.start, memory.bytes, size)
        return memory

    def _free(self, start: int, bytes_: np.ndarray, size: int) -> None:
        before = start - bytes_.ctypes.data
        if any((guard != UNSET).any() for guard in (bytes_[:before], bytes_[before + size :])):
            self.errors.append("something was written before or behind an allocation")
        with self._lock:
            del self._live[start]
            self._fresh.pop(start, None)

    def taken(self, device: int) -> int:
        """Bytes that are allocated on a device."""
        with self._lock:
            return sum(size for of, size in self._live.values() if of == device)

    def check(self, address: int, size: int, stream: object) -> None:
        """Whether memory may be used on a stream of the current device."""
        with self._lock:
            live, fresh = list(self._live.items()), dict(self._fresh)
        for start, (of, allocated) in live:
            if start <= address and address + size <= start + allocated:
                if of != self.current_device:
                    raise RuntimeError(f"memory of device {of} used on device {self.current_device}")
                if fresh.get(start, stream) is not stream:
                    raise RuntimeError("memory whose own stream has not been waited for")
                return
        raise RuntimeError("memory that is not allocated, or freed")

    def check_pinned(self, address: int, size: int) -> None:
        """Whether an asynchronous copy may touch memory of the host."""
        pinned = self.pinned.copy()  # in one step, whatever other threads do
        if not any(start <= address and address + size <= start + length for start, length in pinned):
            raise RuntimeError("memory of the host that is not pinned")

    def assert_clean(self) -> None:
        """All memory is freed, and nothing went wrong unseen."""
        assert self.errors == []
        assert self._live == {}
        assert self.pinned == set()
        assert not any(stream._waiting for stream in self.streams)  # type: ignore[attr-defined]


_machine = Machine(0)


def machine() -> Machine:
    """The one that the stand-in shows now."""
    return _machine


def show(other: Machine) -> Machine:
    """Have the stand-in show another machine."""
    global _machine
    _machine = other
    return other
