"""The CUDA backend: kernels/ compiled by NVRTC through CuPy, a team of threads for each path."""

from .backend import CupyBackend

__all__ = ["CupyBackend"]
