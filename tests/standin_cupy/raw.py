"""As cupy.RawModule and cupy.RawKernel: kernels are the source's entries, built for the host."""

import ctypes
import functools
import re
import tempfile
from pathlib import Path

import numpy as np

from cuda_standin import Standin
from gpustress.backends.cupy.structures import dtype_of, members

from .cuda.memory import MemoryPointer
from .cuda.stream import get_current_stream
from .machine import machine

_SCALARS = {"integer": np.int64, "int": np.int32, "double": np.float64}


@functools.cache
def _built(code):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.cu"
        source.write_text(code)
        return Standin(source)


class RawModule:
    def __init__(
        self,
        code=None,
        *,
        path=None,
        options=(),
        backend="nvrtc",
        translate_cucomplex=False,
        enable_cooperative_groups=False,
        name_expressions=None,
        jitify=None,
    ):
        assert isinstance(options, tuple)
        assert backend == "nvrtc"
        assert "--fmad=false" in options, "the bits would not be native's"
        self.code = code

    def get_function(self, name):
        kernel = RawKernel(self.code, name)
        _built(self.code)
        return kernel


class RawKernel:
    def __init__(self, code, name):
        self.code, self.name = code, name

    @property
    def num_regs(self):
        return 128

    @property
    def max_dynamic_shared_size_bytes(self):
        device = machine().current_device
        return machine().shared_limits.get(
            device, machine().devices[device].attributes["MaxSharedMemoryPerBlock"]
        )

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, bytes):
        device = machine().current_device
        assert bytes <= machine().devices[device].attributes["MaxSharedMemoryPerBlockOptin"]
        machine().shared_limits[device] = bytes

    def __call__(self, grid, block, args, *, shared_mem=0):
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        stream = get_current_stream()
        values = [self._value(*each) for each in zip(self._parameters(), args, strict=True)]
        pointers, traces = self._pointers(args), self._traces(args)
        sized = [tuple((*one, 1, 1)[:3]) for one in (grid, block)]

        def check(addresses):
            for address in addresses:
                machine().check(address, 0, stream)

        def launch():  # what it is asked with was copied: no memory lives for it
            check(pointers)
            check(address for trace in traces for address in _members(trace))
            _built(self.code).launch(self.name, *sized, shared_mem, values)

        check(pointers)
        machine().launches.append((self.name, machine().current_device, *sized, shared_mem))
        stream._ask(launch)

    def _parameters(self):
        """The types of the kernel's parameters, as the source has them."""
        signature = re.search(rf"\b{self.name}\(([^)]*)\)", self.code)[1]
        return [parameter.strip().rsplit(maxsplit=1)[0] for parameter in signature.split(",")]

    def _value(self, type_, argument):
        """An argument's bytes, if it is of the parameter's type and CuPy passes it on as that."""
        if type_.endswith("*"):
            if not isinstance(argument, MemoryPointer):
                raise TypeError(f"{type_} is wanted, not {argument!r}")
            return argument.ptr.to_bytes(8, "little")
        if type_ in _SCALARS:
            if type(argument) is not _SCALARS[type_]:
                raise TypeError(f"{type_} is wanted, not {argument!r}")
            return argument.tobytes()
        if not isinstance(argument, np.ndarray) or argument.shape != () or argument.dtype != dtype_of(type_):
            raise TypeError(f"{type_} is wanted, not {argument!r}")
        return argument.tobytes()

    def _traces(self, args):
        """Addresses of the structures that jobs point to."""
        structures = [argument for argument in args if isinstance(argument, np.ndarray)]
        return [int(one["trace"]) for one in structures if "trace" in one.dtype.names and one["trace"]]

    def _pointers(self, args):
        """Every address of the device that the kernel is handed."""
        found = [argument.ptr for argument in args if isinstance(argument, MemoryPointer)]
        for type_, argument in zip(self._parameters(), args, strict=True):
            if isinstance(argument, np.ndarray):
                found += [int(argument[each.name]) for each in members(type_) if each.pointer]
        return [pointer for pointer in found if pointer]


def _members(trace):
    """The addresses in a structure on the device, once it is there."""
    layout = dtype_of("Trace")
    return [int(address) for address in np.frombuffer(ctypes.string_at(trace, layout.itemsize), layout)[0]]
