"""The entry gpustress_spread of kernels/contagion.cu as a backend that lets losses spread, on the stand-in for CUDA."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowd_entry import CrowdEntry, CrowdKernels
from cuda_entry import UNSET, guarded, packed


class Entry(CrowdKernels):
    """What NativeBackend calls of its compiled module to let losses spread."""

    def contagion_bytes(self, _level: str, _exposures: dict[str, Any]) -> int:
        return 1

    def spread(
        self, _level: str, given: dict[str, Any], job: dict[str, Any], _most: int, _threads: int
    ) -> dict[str, NDArray[Any]]:
        room, place = self.launched(given, job, int(given["nodes"]) * int(job["shocks"]))
        assert (place >= 0).all()
        counts = job["cells"]
        of_shock = np.repeat(place - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        return {name: room[name][of_shock] for name in ("node", "value", "other")}

    def launched(
        self, given: dict[str, Any], job: dict[str, Any], cells: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Arrays with room for so many cells, and where each shock's begin; the memory is 0 afterwards."""
        exposures, shocks = packed("Exposures", given), job["shocks"]
        place = np.empty(shocks, dtype=np.int64)
        room = {"node": np.empty(cells, dtype=np.int32), "value": np.empty(cells), "other": np.empty(cells)}
        for array in (job["cells"], job["moving"], place, *room.values()):
            array.view(np.uint8).fill(UNSET)
        taken = np.zeros(1, dtype=np.int64)
        structures = (
            exposures,
            packed("Contagion", job),
            packed("CellRoom", room | {"cells": cells, "taken": taken, "place": place}),
        )
        doubles = self.group_doubles("gpustress_contagion_memory", exposures)
        with guarded(self.crowd.blocks * doubles, zeroed=True) as memory:
            arguments = [*(each.tobytes() for each in structures), memory, bytes(ctypes.c_longlong(doubles))]
            self.launch("gpustress_spread", arguments)
        if taken[0] != job["cells"].sum():
            raise RuntimeError(f"{taken[0]} cells are taken for {job['cells'].sum()}")
        return room, place


class ContagionEntry(CrowdEntry):
    """A backend whose kernels are the CUDA entry."""

    source, kernels = "contagion.cu", Entry
