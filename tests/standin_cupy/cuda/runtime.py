"""As cupy.cuda.runtime."""

from ..machine import MEMORY_ALLOCATION, NO_DEVICE, machine

__all__ = [
    "CUDARuntimeError",
    "driverGetVersion",
    "getDeviceCount",
    "getDeviceProperties",
    "runtimeGetVersion",
]

_MESSAGES = {
    MEMORY_ALLOCATION: "cudaErrorMemoryAllocation: out of memory",
    NO_DEVICE: "cudaErrorNoDevice: no CUDA-capable device is detected",
}


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__(_MESSAGES[status])


def getDeviceCount():
    if not machine().devices:
        raise CUDARuntimeError(NO_DEVICE)
    return len(machine().devices)


def getDeviceProperties(device):
    return {
        "name": f"stand-in {device}".encode(),
        "totalGlobalMem": machine().devices[device].memory_bytes,
        "major": 9,
        "minor": 0,
    }


def driverGetVersion():
    return 13000


def runtimeGetVersion():
    return 12090
