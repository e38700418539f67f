"""A stand-in for CuPy over the host's memory: the names that gpustress uses, each with CuPy's signature.

Kernels are the entries of the CUDA source, built for the host (cuda_standin.py). What a real device would forgive or do
wrong in silence is an error here: see machine.py.
"""

from . import cuda
from .raw import RawKernel, RawModule

__version__ = "14.0.0"
__all__ = ["RawKernel", "RawModule", "cuda", "get_default_memory_pool"]


def get_default_memory_pool():
    return cuda.MemoryPool()
