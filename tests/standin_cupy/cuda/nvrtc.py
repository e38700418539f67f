"""As cupy.cuda.nvrtc."""

from ..machine import machine

__all__ = ["getVersion"]


def getVersion():
    if not machine().has_compiler:
        raise RuntimeError("CuPy failed to load libnvrtc.so")
    return (13, 0)
