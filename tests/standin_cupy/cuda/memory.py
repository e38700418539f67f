"""As cupy.cuda.memory."""

import ctypes

from ..machine import machine

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
        machine().check_pinned(mem, size)
        self._ask(stream, size, lambda: ctypes.memmove(self.ptr, mem, size))

    def copy_to_host_async(self, mem, size, stream=None):
        machine().check_pinned(mem, size)
        self._ask(stream, size, lambda: ctypes.memmove(mem, self.ptr, size))

    def memset_async(self, value, size, stream=None):
        self._ask(stream, size, lambda: ctypes.memset(self.ptr, value, size))

    def _ask(self, stream, size, copy):
        device = machine().current_device
        machine().check(self.ptr, size, device)

        def operation(address=self.ptr):
            machine().check(address, size, device)
            copy()

        (stream or machine().current_streams[-1])._ask(operation)


class MemoryPool:
    def __init__(self, allocator=None):
        pass

    def free_bytes(self):
        return 0


def alloc(size):
    return MemoryPointer(machine().take(size, OutOfMemoryError), 0)
