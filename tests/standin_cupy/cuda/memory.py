"""As cupy.cuda.memory."""

import ctypes

from ..machine import machine
from .stream import get_current_stream

__all__ = ["MemoryPointer", "MemoryPool", "OutOfMemoryError", "alloc"]


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit=0):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class MemoryPointer:
    def __init__(self, mem, offset):
        self._memory, self._offset = mem, offset

    @property
    def ptr(self):
        return self._memory.start + self._offset

    def __add__(self, offset):
        return MemoryPointer(self._memory, self._offset + offset)

    def copy_from_host_async(self, mem, size, stream=None):
        _copy(stream, self.ptr, mem, size, lambda device, host: ctypes.memmove(device, host, size))

    def copy_to_host_async(self, mem, size, stream=None):
        _copy(stream, self.ptr, mem, size, lambda device, host: ctypes.memmove(host, device, size))

    def memset_async(self, value, size, stream=None):
        _copy(stream, self.ptr, None, size, lambda device, _: ctypes.memset(device, value, size))


def _copy(stream, device, host, size, copy):
    """Ask it of a stream, which keeps no memory alive."""
    stream = stream or get_current_stream()

    def check():
        machine().check(device, size, stream)
        if host is not None:
            machine().check_pinned(host, size)

    def operation():
        check()
        copy(device, host)

    check()
    stream._ask(operation)


class MemoryPool:
    def __init__(self, allocator=None):
        pass

    def free_bytes(self):
        return 0


def alloc(size):
    return MemoryPointer(machine().take(size, get_current_stream(), OutOfMemoryError), 0)
