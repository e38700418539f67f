"""One CUDA device: the kernels on it, the program that it holds, and the parts that it computes."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...errors import bad_argument
from .. import kernel_source, layout
from .shape import SLOTS, Limits, Plan, Shape, choose_plan, choose_shape
from .slab import Slab, specifications
from .structures import dtype_of, layout_checks, pack
from .work import TRACE_PREFIX, Work

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from ...program import Program

OPTIONS: Final = ("--fmad=false", "--std=c++17")
_OUT_OF_MEMORY: Final = (
    2  # cudaErrorMemoryAllocation: of pinned memory, for which CuPy has no error of its own
)
_ONE_AT_A_TIME: Final = (
    threading.Lock()
)  # the second device of an architecture finds the compiled kernel in CuPy's cache


def kernels(cupy: ModuleType) -> Any:
    """The kernels as a module that is compiled for a device at first use.

    CuPy keeps what is compiled on disk, by the text, the options and the architecture. Headers it does not look into,
    hence one text.
    """
    code = kernel_source.flattened("cuda.cu") + layout_checks()
    return cupy.RawModule(code=code, options=OPTIONS, backend="nvrtc")


@dataclass(frozen=True)
class _Loaded:
    """A program on a device.

    Attributes
    ----------
    program : Program
    sizes : dict
        Its numbers, and those of how its paths are drawn.
    memory : cupy.cuda.MemoryPointer
        That its arrays lie in.
    structure : ndarray ()
        As kernels take it.
    shape : Shape
    scratch_doubles : int
        Of a team.
    """

    program: Program
    sizes: dict[str, Any]
    memory: Any
    structure: NDArray[np.void]
    shape: Shape
    scratch_doubles: int

    @property
    def team_bytes(self) -> int:
        """What a team takes beside shared memory."""
        return 8 * (self.scratch_doubles + (0 if self.shape.shared else self.shape.state_doubles))


class Device:
    """A device and what is on it. Used by one thread at a time.

    Parameters
    ----------
    cupy : module
    module : cupy.RawModule
        The kernels.
    number : int
        As CUDA counts the devices that it shows.

    Attributes
    ----------
    number : int
    name : str
    memory_bytes : int
    capability : str
        Of computing, such as ``9.0``.
    """

    def __init__(self, cupy: ModuleType, module: Any, number: int):
        self._cupy = cupy
        self._module = module
        self._loaded: _Loaded | None = None
        self._most: Plan | None = None  # what is left of a plan for which there was not the memory
        self.number = number
        facts = cupy.cuda.runtime.getDeviceProperties(number)
        self.name: str = facts["name"].decode()
        self.memory_bytes: int = facts["totalGlobalMem"]
        self.capability = f"{facts['major']}.{facts['minor']}"

    def run(self, work: Work, devices: int) -> None:
        """Compute parts of `work` until none is left.

        When memory runs out, the parts are halved.

        Parameters
        ----------
        work : Work
        devices : int
            That share it.

        Raises
        ------
        InputError
            There is not memory enough for one path.
        """
        with self._cupy.cuda.Device(self.number):
            plan, slots = self._set_up(work, devices)
            with ExitStack() as stack:
                for slot in slots:
                    stack.callback(slot.stream.synchronize)  # what is in use is not freed, whatever happens
                while paths := work.claim(plan.paths):
                    slot = slots.pop(0)
                    slot.finish()
                    slot.start(paths)
                    slots.append(slot)
                for slot in slots:
                    slot.finish()

    def _set_up(self, work: Work, devices: int) -> tuple[Plan, list[_Slot]]:
        """Set aside all memory, so that it runs out before a part is claimed or not at all."""
        memory = self._cupy.cuda.memory
        plan, planned = Plan(work.request["paths"], blocks=1, path_bytes=1, block_bytes=0), False
        while True:
            try:
                loaded = self._load(work.program, work.sizes)
                if not planned:
                    plan, planned = self._planned(loaded, work, plan.paths, devices), True
                slots = [_Slot(self._cupy, self._kernel(), loaded, plan, work) for _ in range(SLOTS)]
                # CuPy's pools give what a stream has freed to that stream alone: hence memory of the current one, not
                # of the slots' own. What it served before has to be over.
                self._cupy.cuda.get_current_stream().synchronize()
                return plan, slots
            except (memory.OutOfMemoryError, self._cupy.cuda.runtime.CUDARuntimeError) as error:
                if not isinstance(error, memory.OutOfMemoryError) and error.status != _OUT_OF_MEMORY:
                    raise
                smaller = plan.halved()
                if smaller is None:
                    raise self._too_small(error) from error
                plan, self._most = smaller, smaller if planned else None

    def _too_small(self, error: Exception) -> Exception:
        message = f"lacks memory for a single path on device {self.number}: {str(error).rstrip('.')}"
        remedy = (
            "Free memory on the device, run fewer scenarios, record fewer series, or take another backend."
        )
        return bad_argument("backend", "cupy", message, remedy)

    def _load(self, program: Program, sizes: dict[str, Any]) -> _Loaded:
        """The program on the device, where it stays until there is another."""
        held = self._loaded
        if held is not None and held.program is program and held.sizes == sizes:
            return held
        self._loaded = self._most = None  # its memory is free before the next one asks for some
        arrays, doubles = layout.arrays(program), np.empty(2, dtype=np.int64)
        kernel, stream = self._compiled("gpustress_memory"), self._cupy.cuda.get_current_stream()
        memory = _Mirror(self._cupy, Slab.of(specifications(arrays)))
        needed = _Mirror(self._cupy, Slab.of(specifications({"doubles": doubles})))
        for name, array in memory.views.items():
            array[...] = arrays[name]
        memory.to_device(stream)
        structure = pack("Program", sizes | arrays, memory.addresses)
        kernel((1,), (1,), (structure, needed.device))
        needed.to_host(stream)
        stream.synchronize()
        state, scratch = (int(count) for count in needed.views["doubles"])
        registers = self._compiled("gpustress_simulate").num_regs
        shape = choose_shape(program.entity_count, state, registers, self._limits())
        self._loaded = _Loaded(program, sizes, memory.device, structure, shape, scratch)
        return self._loaded

    def _compiled(self, name: str) -> Any:
        """An entry of the kernels, for this device."""
        with _ONE_AT_A_TIME:
            return self._module.get_function(name)

    def _kernel(self) -> Any:
        kernel = self._compiled("gpustress_simulate")
        # The function is one for all runs of the process on this device: always the most, that none takes from another.
        kernel.max_dynamic_shared_size_bytes = self._limits().block_shared_bytes
        return kernel

    def _limits(self) -> Limits:
        attributes = self._cupy.cuda.Device(self.number).attributes
        return Limits(
            multiprocessors=attributes["MultiProcessorCount"],
            blocks=attributes["MaxBlocksPerMultiprocessor"],
            threads=attributes["MaxThreadsPerMultiProcessor"],
            registers=attributes["MaxRegistersPerMultiprocessor"],
            shared_bytes=attributes["MaxSharedMemoryPerMultiprocessor"],
            block_shared_bytes=attributes["MaxSharedMemoryPerBlockOptin"],
            reserved_shared_bytes=attributes["ReservedSharedMemoryPerBlock"],
        )

    def _planned(self, loaded: _Loaded, work: Work, paths: int, devices: int) -> Plan:
        """How much to compute at once; what did not fit into memory in an earlier block is not tried again."""
        free, _ = self._cupy.cuda.Device(self.number).mem_info
        free += self._cupy.get_default_memory_pool().free_bytes()
        plan = choose_plan(
            loaded.shape,
            path_bytes=work.path_bytes,
            team_bytes=loaded.team_bytes,
            scenarios=len(work.program.scenarios),
            paths=paths,
            devices=devices,
            free_bytes=free,
        )
        return plan if self._most is None else plan.at_most(self._most)


class _Mirror:
    """Memory on the device, and as much pinned memory of the host, that hold the same slab."""

    def __init__(self, cupy: ModuleType, slab: Slab):
        self.slab = slab  # or a smaller one, later
        self.device = cupy.cuda.alloc(slab.size)
        self.host = cupy.cuda.alloc_pinned_memory(slab.size)

    @property
    def addresses(self) -> dict[str, int]:
        """Of the arrays on the device."""
        return self.slab.addresses(self.device.ptr)

    @property
    def views(self) -> dict[str, NDArray[Any]]:
        """The arrays on the host."""
        return self.slab.views(self.host)

    def to_device(self, stream: Any) -> None:
        """Copy what the host has."""
        self.device.copy_from_host_async(self.host.ptr, self.slab.size, stream)

    def to_host(self, stream: Any) -> None:
        """Copy what the device has; it is there once the stream is synchronised."""
        self.device.copy_to_host_async(self.host.ptr, self.slab.size, stream)


class _Slot:
    """Memory and a stream for one part at a time: while it is copied back, another slot's part is computed."""

    def __init__(self, cupy: ModuleType, kernel: Any, loaded: _Loaded, plan: Plan, work: Work):
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self._kernel, self._loaded, self._plan, self._work = kernel, loaded, plan, work
        self._paths: range | None = None
        largest = range(plan.paths)
        self._asked = _Mirror(cupy, Slab.of(specifications(_asked_arrays(work, largest))))
        self._given = _Mirror(cupy, Slab.of(work.given(largest)))
        self._scratch = cupy.cuda.alloc(plan.blocks * plan.block_bytes)

    def start(self, paths: range) -> None:
        """Have a part computed and copied back; the slot's last one has to be finished."""
        loaded, shape, work = self._loaded, self._loaded.shape, self._work
        self._paths = paths
        arrays = _asked_arrays(work, paths)
        self._given.slab = Slab.of(work.given(paths))
        self._asked.slab = Slab.of(specifications(arrays))
        addresses = self._asked.addresses | self._given.addresses
        if work.trace:
            traced = {name: addresses[TRACE_PREFIX + name] for name in work.trace}
            arrays["trace"] = pack("Trace", work.trace, traced)
        for name, array in self._asked.views.items():
            array[...] = arrays[name]
        job = pack("Job", work.asked(paths) | {"trace": None} | arrays | work.outcome, addresses)
        groups = len(work.program.scenarios) * len(paths)
        blocks = min(self._plan.blocks, -(-groups // shape.teams))
        arguments = (
            loaded.structure,
            job,
            self._scratch,
            np.int64(shape.state_doubles),
            np.int64(loaded.scratch_doubles),
            np.int32(shape.shared),
        )
        with self.stream:
            self._asked.to_device(self.stream)
            for name in work.counted:
                start = self._given.device + self._given.slab.offsets[name]
                start.memset_async(0, work.outcome[name].nbytes, self.stream)
            self._kernel((blocks,), (shape.team, shape.teams), arguments, shared_mem=shape.shared_bytes)
            self._given.to_host(self.stream)

    def finish(self) -> None:
        """Wait for the part, and put what it gave where it belongs."""
        if self._paths is not None:
            self.stream.synchronize()
            self._work.deliver(self._paths, self._given.views)
            self._paths = None


def _asked_arrays(work: Work, paths: range) -> dict[str, NDArray[Any]]:
    """What a part has on the device beside the program; a trace's addresses are not known yet."""
    arrays = {name: value for name, value in work.asked(paths).items() if isinstance(value, np.ndarray)}
    return arrays | ({"trace": np.zeros((), dtype=dtype_of("Trace"))} if work.trace else {})
