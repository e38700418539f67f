"""NVIDIA's runtime compiler, from its wheel (nvidia-cuda-nvrtc): it needs no GPU."""

from __future__ import annotations

import ctypes
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WHEELS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
KERNELS = Path(__file__).resolve().parent.parent / "kernels"


@dataclass(frozen=True)
class Compiled:
    """What the compiler gives: PTX, and what it says of registers and spills."""

    ptx: str
    log: str


def library() -> Path | None:
    """The compiler's shared library, if a wheel of it is installed."""
    for wheel in WHEELS:
        try:
            files = importlib.metadata.files(wheel) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name.startswith("libnvrtc.so"):
                return Path(str(file.locate()))
    return None


def compile_cuda(architecture: str, options: Sequence[str] = ("--fmad=false",)) -> Compiled:
    """Compile kernels/cuda.cu.

    Raises
    ------
    RuntimeError
        With the compiler's log, where the source does not compile.
    """
    path = library()
    if path is None:
        raise RuntimeError("no NVRTC")
    nvrtc = ctypes.CDLL(str(path))
    program = ctypes.c_void_p()
    source = (KERNELS / "cuda.cu").read_bytes()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"cuda.cu", 0, None, None) == 0
    arguments = [
        f"--gpu-architecture={architecture}",
        "--std=c++17",
        f"-I{KERNELS}",
        "--ptxas-options=-v",
        *options,
    ]
    encoded = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    done = nvrtc.nvrtcCompileProgram(program, len(arguments), encoded)
    try:
        log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
        if done != 0:
            raise RuntimeError(log)
        return Compiled(_text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program), log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size_of: ctypes._NamedFuncPointer, get: ctypes._NamedFuncPointer, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    assert size_of(program, ctypes.byref(size)) == 0
    text = ctypes.create_string_buffer(size.value)
    assert get(program, text) == 0
    return text.value.decode()
