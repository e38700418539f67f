"""The entry gpustress_clear of kernels/networks.cu as a backend that clears networks, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from crowd_entry import CrowdEntry, CrowdKernels
from cuda_entry import UNSET, guarded, packed


class _Entry(CrowdKernels):
    """What NativeBackend calls of its compiled module to clear a network."""

    def clearing_bytes(self, _level: str, _network: dict[str, Any]) -> int:
        return 1

    def clear(self, _level: str, given: dict[str, Any], job: dict[str, Any], _threads: int) -> None:
        network, shocks = packed("Network", given), job["shocks"]
        for name in ("payments", "equity", "rounds", "error_bound"):
            job[name].view(np.uint8).fill(UNSET)
        placed = {"shock_stride": given["nodes"], "node_stride": 1}
        placed["order"] = np.arange(shocks, dtype=np.int32)[::-1].copy()
        clearing = packed("Clearing", job | placed)
        doubles = self.group_doubles("gpustress_clearing_memory", network)
        with guarded(self.crowd.blocks * doubles) as memory:
            arguments = [network.tobytes(), clearing.tobytes(), memory, bytes(ctypes.c_longlong(doubles))]
            self.launch("gpustress_clear", arguments)


class ClearingEntry(CrowdEntry):
    """A backend whose kernels are the CUDA entry."""

    source, kernels = "networks.cu", _Entry
