"""NVIDIA's runtime compiler, from its wheel (nvidia-cuda-nvrtc): it needs no GPU."""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WHEELS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
KERNELS = Path(__file__).resolve().parent.parent / "kernels"


@dataclass(frozen=True)
class Usage:
    """What an entry takes of a multiprocessor.

    Attributes
    ----------
    registers : int
        Of a thread.
    stack, spilled : int
        Bytes of local memory of a thread: its stack; what registers could not hold, stored and loaded.
    """

    registers: int
    stack: int
    spilled: int


@dataclass(frozen=True)
class Compiled:
    """What the compiler gives: PTX, and its log."""

    ptx: str
    log: str

    @property
    def usage(self) -> dict[str, Usage]:
        """What each entry takes, by its name, as the log says."""
        found = re.findall(
            r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
            r"(\d+) bytes spill loads.*?Used (\d+) registers",
            self.log,
            re.DOTALL,
        )
        return {
            name: Usage(int(registers), int(stack), int(stores) + int(loads))
            for name, stack, stores, loads, registers in found
        }


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


def compile_cuda(
    architecture: str, options: Sequence[str] = ("--fmad=false",), source: str | Path = KERNELS / "cuda.cu"
) -> Compiled:
    """Compile kernels/cuda.cu, or another source.

    Parameters
    ----------
    architecture : str
        Such as ``sm_90``; ``compute_90`` gives PTX alone, which is quicker.
    options : sequence of str
    source : str or Path
        The text, or the file that has it.

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
    text = (source.read_text() if isinstance(source, Path) else source).encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"cuda.cu", 0, None, None) == 0
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
