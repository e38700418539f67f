"""As cupy.cuda."""

from . import memory, nvrtc, runtime
from .device import Device
from .memory import MemoryPointer, MemoryPool, alloc
from .pinned_memory import PinnedMemoryPointer, alloc_pinned_memory
from .stream import Stream, get_current_stream

__all__ = [
    "Device",
    "MemoryPointer",
    "MemoryPool",
    "PinnedMemoryPointer",
    "Stream",
    "alloc",
    "alloc_pinned_memory",
    "get_current_stream",
    "memory",
    "nvrtc",
    "runtime",
]
