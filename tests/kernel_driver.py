"""The kernels in a program of their own, for builds that Python can't load: another processor, a sanitizer.

What `build_driver` gives stands in for the compiled module of the native backend: `over` is that backend on it.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gpustress as gs
from gpustress.backends.base import ClearingOutcome
from gpustress.backends.native import NativeBackend, backend
from needs import require_backend

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
DRIVER = Path(__file__).with_suffix(".cpp")
Arrays = dict[str, NDArray[Any]]


class DriverError(AssertionError):
    """The program did not come to its end; the text is what it printed."""


@dataclass(frozen=True)
class DrivenKernels:
    """What gpustress/backends/native/_kernels.pyi says, done by another process.

    Attributes
    ----------
    command : tuple of str
        How to run the program.
    lanes_of : dict of str to int
        Paths in a vector, by level.
    """

    command: tuple[str, ...]
    lanes_of: dict[str, int]

    def levels(self) -> list[str]:
        return list(self.lanes_of)

    def lanes(self, level: str) -> int:
        return self.lanes_of[level]

    def simulate(
        self,
        level: str,
        arrays: Arrays,
        sizes: dict[str, Any],
        block: dict[str, Any],
        outcome: Arrays,
        trace: Arrays | None,
        threads: int,
    ) -> None:
        groups = {"arrays": arrays, "sizes": sizes, "block": block, "outcome": outcome, "trace": trace or {}}
        given = self._answer(level, groups, threads)
        for group in ("outcome", "trace"):
            for name, array in groups[group].items():
                array[...] = np.frombuffer(given[f"{group}.{name}"], array.dtype).reshape(array.shape)

    def clearing_bytes(self, level: str, network: dict[str, Any]) -> int:
        return 1  # as many threads as are asked for

    def clear(self, level: str, network: dict[str, Any], job: dict[str, Any], threads: int) -> None:
        outcome = {field.name: job[field.name] for field in dataclasses.fields(ClearingOutcome)}
        asked = {name: value for name, value in job.items() if name not in outcome}
        given = self._answer(level, {"network": network, "job": asked, "outcome": outcome}, threads)
        for name, array in outcome.items():
            array[...] = np.frombuffer(given[f"outcome.{name}"], array.dtype).reshape(array.shape)

    def contagion_bytes(self, level: str, exposures: dict[str, Any]) -> int:
        return 1  # as many threads as are asked for

    def spread(
        self, level: str, exposures: dict[str, Any], job: dict[str, Any], most: int, threads: int
    ) -> dict[str, NDArray[Any]]:
        outcome = {name: job[name] for name in ("cells", "moving")}
        groups = {"exposures": exposures, "job": job | {"most": most}, "outcome": outcome}
        given = self._answer(level, groups, threads)
        for name, array in outcome.items():
            array[...] = np.frombuffer(given[f"outcome.{name}"], array.dtype)
        types = {"node": np.int32, "value": np.float64, "other": np.float64}
        return {name: np.frombuffer(given[f"outcome.{name}"], kind) for name, kind in types.items()}

    def _answer(self, level: str, groups: dict[str, dict[str, Any]], threads: int) -> dict[str, bytes]:
        """What the program writes when it is given these arrays."""
        with tempfile.TemporaryDirectory() as folder:
            question, answer = Path(folder) / "question", Path(folder) / "outcome"
            with question.open("wb") as file:
                for group, members in groups.items():
                    for name, value in members.items():
                        data = _as_array(name, value).tobytes()
                        file.write(f"{group}.{name} {len(data)}\n".encode() + data)
            command = [*self.command, level, str(threads), str(question), str(answer)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0 or done.stderr:
                raise DriverError(f"exit code {done.returncode}: {done.stderr}")
            return _read(answer.read_bytes())


def _as_array(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    return np.array(
        value, dtype=np.uint64 if name == "seed" else np.float64 if isinstance(value, float) else np.int64
    )


def _read(content: bytes) -> dict[str, bytes]:
    arrays, place = {}, 0
    while place < len(content):
        end = content.index(b"\n", place)
        name, size = content[place:end].decode().split()
        place = end + 1 + int(size)
        arrays[name] = content[end + 1 : place]
    return arrays


def over(kernels: DrivenKernels, level: str, threads: int = 1) -> NativeBackend:
    """The native backend with these kernels in the place of the compiled module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "compiled_kernels", lambda: kernels)
        return NativeBackend(level, threads)


def require_native() -> None:
    """Skip the test where there are no bits to compare with."""
    (info,) = (info for info in gs.backends() if info.name == "native")
    require_backend(info, "native")


def strict_flags() -> list[str]:
    """The flags that CMakeLists.txt compiles every level with."""
    (flags,) = re.findall(r"^set\(strict (.*)\)$", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    return str(flags).split()


def compile_level(
    folder: Path, lanes: int, flags: Sequence[str] = (), compiler: str = "c++", kernels: Path = KERNELS
) -> Path:
    """Compile kernels/level.cpp; its object."""
    made = folder / f"level_{lanes}.o"
    named = [f"-DGPUSTRESS_LANES={lanes}", f"-DGPUSTRESS_LEVEL=lanes_{lanes}"]
    compiled(compiler, *strict_flags(), *named, *flags, "-c", str(kernels / "level.cpp"), "-o", str(made))
    return made


def build_driver(
    folder: Path,
    flags_of_lanes: dict[int, Sequence[str]],
    flags: Sequence[str] = (),
    compiler: str = "c++",
    run_by: Sequence[str] = (),
    kernels: Path = KERNELS,
) -> DrivenKernels:
    """Build the program with a level for each number of lanes.

    Parameters
    ----------
    folder : Path
        Where objects and program go.
    flags_of_lanes : dict of int to sequence of str
        The lanes to build, each with flags of its own.
    flags : sequence of str
        Of all objects and of the link.
    compiler : str
    run_by : sequence of str
        What runs the program, and is put before it.
    kernels : Path
        A copy of kernels/, perhaps.
    """
    with ThreadPoolExecutor(2) as compilers:
        objects = list(
            compilers.map(
                lambda lanes: compile_level(
                    folder, lanes, [*flags, *flags_of_lanes[lanes]], compiler, kernels
                ),
                flags_of_lanes,
            )
        )
    levels = {f"lanes_{lanes}": lanes for lanes in flags_of_lanes}
    listed = f"-DGPUSTRESS_LEVELS(X)={''.join(f'X({level})' for level in levels)}"
    program = folder / "driver"
    sources = [f"-I{kernels}", "-pthread", listed, str(DRIVER), *map(str, objects), "-o", str(program)]
    compiled(compiler, "-O1", *flags, *sources)
    return DrivenKernels((*run_by, str(program)), levels)


def compiled(compiler: str, *arguments: str) -> None:
    done = subprocess.run(
        [compiler, "-std=c++20", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
