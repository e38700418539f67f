"""The compiled backend: kernels/ for this processor, threads over groups of paths, one path a lane."""

from .backend import NativeBackend, levels

__all__ = ["NativeBackend", "levels"]
