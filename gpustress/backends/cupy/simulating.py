"""Paths of a program on a device: a team of threads for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..layout import arrays as arrays_of
from .mirror import Launch
from .shape import Plan, Shape, choose_plan, choose_shape
from .structures import dtype_of, pack
from .work import Loaded, Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .device import Device
    from .slab import Specification

SOURCE: Final = "cuda.cu"
TRACE_PREFIX: Final = "trace."  # of what is traced, among the names of a part's arrays


class Simulation(Work):
    """Paths of a block.

    Parameters
    ----------
    program : Program
    numbers : dict
        Those of the program and of how its paths are drawn, as `layout.sizes` has them.
    request : dict
        What the block asks for, as `layout.request` has it.
    outcome, trace : dict of str to ndarray
        Where results go; what is counted (the arrays without paths) is added to. `trace` is empty but for a replay.
    """

    item = "path"
    saving = "run fewer scenarios, record fewer series, "

    def __init__(
        self,
        program: Program,
        numbers: dict[str, Any],
        request: dict[str, Any],
        outcome: dict[str, NDArray[Any]],
        trace: dict[str, NDArray[Any]],
    ):
        super().__init__(request["paths"])
        self.source = self.program = program
        self.numbers, self.request, self.outcome, self.trace = numbers, request, outcome, trace
        self.zeroed = tuple(name for name, array in outcome.items() if array.ndim == 1)

    def requested(self, paths: range) -> dict[str, Any]:
        """The request for some of the paths."""
        return {
            **self.request,
            "first_path": self.request["first_path"] + paths.start,
            "paths": len(paths),
            "factor_paths": self.request["factor_paths"][:, paths.start : paths.stop],
        }

    def asked(self, items: range) -> dict[str, Specification]:
        """The arrays of the request; and of a replay, where all that happened goes."""
        return {name: (array.shape, array.dtype) for name, array in self._asked_arrays(items).items()}

    def fill(self, items: range, views: Mapping[str, NDArray[Any]], addresses: Mapping[str, int]) -> None:
        """Write them."""
        arrays = self._asked_arrays(items)
        if self.trace:
            traced = {name: addresses[TRACE_PREFIX + name] for name in self.trace}
            arrays["trace"] = pack("Trace", self.trace, traced)
        for name, array in views.items():
            array[...] = arrays[name]

    def _asked_arrays(self, paths: range) -> dict[str, NDArray[Any]]:
        """A trace's addresses are not known yet."""
        requested = self.requested(paths)
        arrays = {name: value for name, value in requested.items() if isinstance(value, np.ndarray)}
        return arrays | ({"trace": np.zeros((), dtype=dtype_of("Trace"))} if self.trace else {})

    def given(self, items: range) -> dict[str, Specification]:
        """The outcome's arrays, and the trace's."""

        def of_part(array: NDArray[Any], axis: int) -> Specification:
            return (*array.shape[:axis], len(items), *array.shape[axis + 1 :]), array.dtype

        results = {
            name: (array.shape, array.dtype) if name in self.zeroed else of_part(array, 1)
            for name, array in self.outcome.items()
        }
        return results | {TRACE_PREFIX + name: of_part(array, 0) for name, array in self.trace.items()}

    @property
    def path_bytes(self) -> int:
        """What a path takes on the device: what it gives, and factor paths of one's own."""
        given = sum(array.nbytes for name, array in self.outcome.items() if name not in self.zeroed)
        given += sum(array.nbytes for array in self.trace.values())
        return int(given + self.request["factor_paths"].nbytes) // self.items

    def deliver(self, items: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put a part's arrays where they belong, and add what is counted."""
        place = slice(items.start, items.stop)
        for name, array in self.outcome.items():
            if name not in self.zeroed:
                array[:, place] = arrays[name]
            else:
                with self._lock:
                    np.add(array, arrays[name], out=array)
        for name, array in self.trace.items():
            array[place] = arrays[TRACE_PREFIX + name]

    def load(self, device: Device) -> LoadedProgram:
        """Put the program on a device."""
        return LoadedProgram.on(device, self.program, self.numbers)


@dataclass(frozen=True)
class LoadedProgram(Loaded):
    """A program on a device.

    Attributes
    ----------
    device : Device
    source : Program
    numbers : dict
        As of the work that it was loaded for.
    memory : cupy.cuda.MemoryPointer
        That its arrays lie in.
    structure : ndarray ()
        As kernels take it.
    shape : Shape
    scratch_doubles : int
        Of a team.
    """

    device: Device
    source: Program
    numbers: dict[str, Any]
    memory: Any
    structure: NDArray[np.void]
    shape: Shape
    scratch_doubles: int

    @staticmethod
    def on(device: Device, program: Program, numbers: dict[str, Any]) -> LoadedProgram:
        """Put it there."""
        arrays = arrays_of(program)
        memory, structure = device.hold("Program", numbers | arrays, arrays)
        state, scratch = device.counts(device.entry(SOURCE, "gpustress_memory"), (structure,), 2)
        registers = device.entry(SOURCE, "gpustress_simulate").num_regs
        shape = choose_shape(program.entity_count, state, registers, device.limits)
        return LoadedProgram(device, program, numbers, memory, structure, shape, scratch)

    def serves(self, work: Work) -> bool:
        """Also the state that a path has has to be the same."""
        return super().serves(work) and isinstance(work, Simulation) and work.numbers == self.numbers

    @property
    def team_bytes(self) -> int:
        """What a team takes beside shared memory."""
        return 8 * (self.scratch_doubles + (0 if self.shape.shared else self.shape.state_doubles))

    def plan(self, work: Simulation, items: int, devices: int, free_bytes: int) -> Plan:
        """As `choose_plan` has it."""
        return choose_plan(
            self.shape,
            path_bytes=work.path_bytes,
            team_bytes=self.team_bytes,
            scenarios=len(self.source.scenarios),
            paths=items,
            devices=devices,
            free_bytes=free_bytes,
        )

    def launch(
        self, work: Simulation, plan: Plan, items: range, addresses: Mapping[str, int], scratch: Any
    ) -> Launch:
        """Teams of threads, one path each at a time."""
        shape, kernel = self.shape, self.device.entry(SOURCE, "gpustress_simulate")
        # The function is one for all runs of the process on this device: always the most, that none takes from another.
        kernel.max_dynamic_shared_size_bytes = self.device.limits.block_shared_bytes
        trace = {"trace": np.zeros((), dtype=dtype_of("Trace")) if work.trace else None}
        job = pack("Job", work.requested(items) | trace | work.outcome, addresses)
        groups = len(self.source.scenarios) * len(items)
        arguments = (
            self.structure,
            job,
            scratch,
            np.int64(shape.state_doubles),
            np.int64(self.scratch_doubles),
            np.int32(shape.shared),
        )
        blocks = min(plan.blocks, -(-groups // shape.teams))
        return Launch(kernel, blocks, (shape.team, shape.teams), arguments, shape.shared_bytes)
