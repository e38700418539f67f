"""As cupy.cuda.nvrtc."""

from ..machine import machine


def getVersion():
    if not machine().has_compiler:
        raise RuntimeError("CuPy failed to load libnvrtc.so")
    return (13, 0)
