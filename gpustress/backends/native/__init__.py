"""The compiled backend: kernels/ for this processor, threads over groups of paths, one path a lane."""

from .backend import THREADS_VARIABLE, NativeBackend, levels

__all__ = ["THREADS_VARIABLE", "NativeBackend", "levels"]
