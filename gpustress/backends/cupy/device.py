"""One CUDA device: the kernels on it, what it holds, and the parts that it computes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...errors import bad_argument
from .. import kernel_source
from .mirror import Mirror, Slot
from .shape import SLOTS, Limits, Plan
from .slab import Slab, specifications
from .structures import STRUCTURES, layout_checks, pack

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from .work import Loaded, Work

OPTIONS: Final = ("--fmad=false", "--std=c++17")
_OUT_OF_MEMORY: Final = (
    2  # cudaErrorMemoryAllocation: of pinned memory, for which CuPy has no error of its own
)
_ONE_AT_A_TIME: Final = (
    threading.Lock()
)  # the second device of an architecture finds the compiled kernel in CuPy's cache


def code(source: str) -> str:
    """A source of the kernels as one text.

    CuPy keeps what is compiled on disk, by the text, the options and the architecture. Headers it does not look into.
    """
    return kernel_source.flattened(source) + layout_checks(source)


def kernels(cupy: ModuleType) -> dict[str, Any]:
    """The kernels as modules by their source, each of which is compiled for a device at first use."""
    return {
        source: cupy.RawModule(code=code(source), options=OPTIONS, backend="nvrtc") for source in STRUCTURES
    }


class Device:
    """A device and what is on it. Used by one thread at a time.

    Parameters
    ----------
    cupy : module
    modules : dict of str to cupy.RawModule
        The kernels, as `kernels` has them.
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

    def __init__(self, cupy: ModuleType, modules: Mapping[str, Any], number: int):
        self._cupy = cupy
        self._modules = modules
        self._loaded: Loaded | None = None
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
            There is not memory enough for one path or shock.
        """
        with self._cupy.cuda.Device(self.number):
            plan, slots = self._set_up(work, devices)
            with ExitStack() as stack:
                for slot in slots:
                    stack.callback(slot.stream.synchronize)  # what is in use is not freed, whatever happens
                while work.left:
                    while items := work.claim(plan.items):
                        slot = slots.pop(0)
                        slot.finish()
                        slot.start(items)
                        slots.append(slot)
                    for slot in slots:
                        slot.finish()

    def _set_up(self, work: Work, devices: int) -> tuple[Plan, list[Slot]]:
        """Set aside all memory, so that it runs out before a part is claimed or not at all."""
        memory = self._cupy.cuda.memory
        plan, planned = Plan(work.items, blocks=1, item_bytes=1, block_bytes=0), False
        while True:
            try:
                loaded = self._load(work)
                if not planned:
                    plan, planned = self._planned(loaded, work, plan.items, devices), True
                slots = [Slot(self._cupy, loaded, plan, work) for _ in range(SLOTS)]
                # CuPy's pools give what a stream has freed to that stream alone: hence memory of the current one, not
                # of the slots' own. What it served before has to be over.
                self._cupy.cuda.get_current_stream().synchronize()
                return plan, slots
            except (memory.OutOfMemoryError, self._cupy.cuda.runtime.CUDARuntimeError) as error:
                if not isinstance(error, memory.OutOfMemoryError) and error.status != _OUT_OF_MEMORY:
                    raise
                smaller = plan.halved()
                if smaller is None:
                    raise self._too_small(work, error) from error
                plan, self._most = smaller, smaller if planned else None

    def _too_small(self, work: Work, error: Exception) -> Exception:
        lacking = f"lacks memory for a single {work.item} on device {self.number}"
        message = f"{lacking}: {str(error).rstrip('.')}"
        remedy = f"Free memory on the device, {work.saving}or take another backend."
        return bad_argument("backend", "cupy", message, remedy)

    def _load(self, work: Work) -> Loaded:
        """What the work stands on, which stays on the device until there is another."""
        if self._loaded is None or not self._loaded.serves(work):
            self._loaded = self._most = None  # its memory is free before the next one asks for some
            self._loaded = work.load(self)
        return self._loaded

    def hold(
        self, name: str, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> tuple[Any, NDArray[np.void]]:
        """Put arrays on the device: their memory, and a structure of this name that has their addresses."""
        held = Mirror(self._cupy, Slab.of(specifications(arrays)))
        stream = self._cupy.cuda.get_current_stream()
        for array_name, array in held.views.items():
            array[...] = arrays[array_name]
        held.to_device(stream)
        stream.synchronize()
        return held.device, pack(name, values, held.addresses)

    def counts(self, kernel: Any, arguments: tuple[Any, ...], count: int) -> list[int]:
        """So many numbers that a kernel gives, whose last parameter points to where they go."""
        numbers = Mirror(self._cupy, Slab.of({"numbers": ((count,), np.dtype(np.int64))}))
        stream = self._cupy.cuda.get_current_stream()
        kernel((1,), (1,), (*arguments, numbers.device))
        numbers.to_host(stream)
        stream.synchronize()
        return [int(number) for number in numbers.views["numbers"]]

    def entry(self, source: str, name: str) -> Any:
        """An entry of a source of the kernels, for this device."""
        with _ONE_AT_A_TIME:
            return self._modules[source].get_function(name)

    @property
    def limits(self) -> Limits:
        """What a launch can have of the device."""
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

    def _planned(self, loaded: Loaded, work: Work, items: int, devices: int) -> Plan:
        """How much to compute at once; what did not fit into memory in an earlier block is not tried again."""
        free, _ = self._cupy.cuda.Device(self.number).mem_info
        free += self._cupy.get_default_memory_pool().free_bytes()
        plan = loaded.plan(work, items, devices, free)
        return plan if self._most is None else plan.at_most(self._most)
