"""As cupy.cuda.pinned_memory."""

import ctypes
import weakref

from ..machine import MEMORY_ALLOCATION, UNSET, machine
from .runtime import CUDARuntimeError

_UNIT = 512


class PinnedMemoryPointer(bytearray):
    """It speaks the buffer protocol."""

    @property
    def ptr(self):
        return ctypes.addressof((ctypes.c_char * len(self)).from_buffer(self))


def alloc_pinned_memory(size):
    machine().count_allocation(lambda: CUDARuntimeError(MEMORY_ALLOCATION))
    rounded = 1 << (-(-size // _UNIT) * _UNIT - 1).bit_length()
    pinned = PinnedMemoryPointer(bytes([UNSET]) * rounded)
    place = (pinned.ptr, rounded)
    machine().pinned.add(place)
    weakref.finalize(pinned, machine().pinned.discard, place)
    return pinned
