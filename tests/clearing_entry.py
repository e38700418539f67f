"""The entry gpustress_clear of kernels/networks.cu as a backend that clears networks, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

import cuda_standin
from crowd_entry import Crowd, group_doubles, launch
from cuda_entry import UNSET, guarded, packed
from cuda_standin import Standin
from gpustress.backends.native import NativeBackend


class ClearingEntry(NativeBackend):
    """A backend whose kernels are the CUDA entry.

    Parameters
    ----------
    crowd : Crowd
    order, seed : str, int
        As `Standin.launch` takes them.
    standin : Standin, optional
        By default that of kernels/.
    """

    def __init__(
        self, crowd: Crowd, order: str = "forward", seed: int = 0, standin: Standin | None = None
    ) -> None:
        super().__init__(threads=1)
        self._kernels = _Entry(crowd, order, seed, standin or cuda_standin.kernels("networks.cu"))


@dataclass(frozen=True)
class _Entry:
    """What NativeBackend calls of its compiled module to clear a network."""

    crowd: Crowd
    order: str
    seed: int
    standin: Standin

    def clearing_bytes(self, _level: str, _network: dict[str, Any]) -> int:
        return 1

    def clear(self, _level: str, given: dict[str, Any], job: dict[str, Any], _threads: int) -> None:
        crowd, network, shocks = self.crowd, packed("Network", given), job["shocks"]
        for name in ("payments", "equity", "rounds", "error_bound"):
            job[name].view(np.uint8).fill(UNSET)
        placed = {"shock_stride": given["nodes"], "node_stride": 1}
        placed["order"] = np.arange(shocks, dtype=np.int32)[::-1].copy()
        clearing = packed("Clearing", job | placed)
        doubles = group_doubles(self.standin, "gpustress_clearing_memory", network, crowd)
        with guarded(crowd.blocks * doubles) as memory:
            arguments = [network.tobytes(), clearing.tobytes(), memory, bytes(ctypes.c_longlong(doubles))]
            launch(self.standin, "gpustress_clear", crowd, arguments, self.order, self.seed)
