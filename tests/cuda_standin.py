"""The entries of kernels/*.cu on the host: built by the C++ compiler over tests/cuda/, which stands in for CUDA."""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

STANDIN = Path(__file__).resolve().parent / "cuda"
KERNELS = STANDIN.parent.parent / "kernels"
ORDERS = ("forward", "reverse", "random")
STRICT = ("-std=c++20", "-march=native", "-ffp-contract=off", "-fno-math-errno")
# A mutated copy beside it must not take this one's symbols.
APART = ("-fPIC", "-fvisibility=hidden", "-fno-gnu-unique")
_ENTRY = re.compile(r"__global__ void __launch_bounds__\((\d+)[^)]*\)\s*(\w+)\(")


class Standin:
    """A CUDA source, built for the host.

    Parameters
    ----------
    source : Path
    options : sequence of str
        More of the compiler's, such as ``-fsanitize=address,undefined``.
    races : bool
        Whether accesses are watched for races; excludes AddressSanitizer.
    """

    def __init__(
        self, source: Path = KERNELS / "cuda.cu", options: Sequence[str] = ("-O1",), races: bool = True
    ):
        self.entries = {name: int(threads) for threads, name in _ENTRY.findall(source.read_text())}
        table = "".join(f" X({name}, {threads})" for name, threads in self.entries.items())
        watched = ("-fsanitize=thread",) if races else ()
        with tempfile.TemporaryDirectory() as folder:
            entries, launch, built = (Path(folder) / name for name in ("entries.o", "launch.o", "standin.so"))
            launch.write_bytes(_launch_object(tuple(options)))
            _compile(
                *options, *watched, "-c", str(STANDIN / "entries.cpp"), "-o", str(entries), f"-I{source.parent}",
                f'-DSTANDIN_SOURCE="{source}"', f"-DSTANDIN_ENTRIES(X)={table}",
            )  # fmt: skip
            _compile(*options, "-shared", str(entries), str(launch), "-o", str(built))
            self.library = ctypes.CDLL(str(built))

    def parameters(self, kernel: str) -> list[int]:
        """How many bytes each parameter of a kernel takes."""
        sizes, count = (ctypes.c_size_t * 64)(), ctypes.c_size_t()
        self._call(
            "gpustress_standin_parameters", kernel.encode(), sizes, ctypes.c_size_t(64), ctypes.byref(count)
        )
        return sizes[: count.value]

    def launch(
        self,
        kernel: str,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared_bytes: int,
        arguments: Sequence[bytes],
        order: str = "forward",
        seed: int = 0,
    ) -> None:
        """Run a kernel to its end.

        Parameters
        ----------
        arguments : sequence of bytes
            The value of each parameter.
        order : str
            Which of a block's threads goes on where several can: ``forward``, ``reverse``, or ``random`` from `seed`.

        Raises
        ------
        RuntimeError
            The launch is not one that CUDA takes, or the kernel did wrong: a deadlock, a mask without its caller, a
            write behind the shared
            memory, a race.
        """
        sizes = self.parameters(kernel)
        if [len(argument) for argument in arguments] != sizes:
            given = [len(argument) for argument in arguments]
            raise RuntimeError(f"{kernel} takes parameters of {sizes} bytes, not {given}")
        values = [ctypes.create_string_buffer(argument, len(argument)) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        self._call(
            "gpustress_standin_launch", kernel.encode(), (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block),
            ctypes.c_size_t(shared_bytes), pointers, ORDERS.index(order), ctypes.c_ulonglong(seed),
        )  # fmt: skip

    def _call(self, function: str, *arguments: object) -> None:
        error = ctypes.create_string_buffer(1000)
        if getattr(self.library, function)(*arguments, error, ctypes.c_size_t(len(error))) != 0:
            raise RuntimeError(error.value.decode())


def compiler() -> str | None:
    """The C++ compiler, if there is one."""
    return shutil.which("c++")


@functools.cache
def _launch_object(options: tuple[str, ...]) -> bytes:
    """What does not depend on the source."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "launch.o"
        _compile(*options, "-c", str(STANDIN / "launch.cpp"), "-o", str(built))
        return built.read_bytes()


def _compile(*arguments: str) -> None:
    done = subprocess.run(
        [compiler() or "c++", *STRICT, *APART, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


@functools.cache
def kernels(source: str = "cuda.cu") -> Standin:
    """The entries of a source of the kernels, built once a process."""
    return Standin(KERNELS / source)
