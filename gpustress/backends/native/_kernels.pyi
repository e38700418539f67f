"""The kernels, compiled for the levels of this processor (kernels/module.cpp)."""

from typing import Any

from numpy import float64, generic, uint64
from numpy.typing import NDArray

COMPILER: str

def levels() -> list[str]: ...
def lanes(level: str) -> int: ...
def memory_bytes(level: str, sizes: dict[str, Any]) -> int: ...
def elementary(level: str, function: int, values: NDArray[float64], out: NDArray[float64]) -> None: ...
def philox(level: str, counter: NDArray[uint64], key: NDArray[uint64]) -> list[int]: ...
def simulate(
    level: str,
    arrays: dict[str, NDArray[generic]],
    sizes: dict[str, Any],
    block: dict[str, Any],
    outcome: dict[str, NDArray[generic]],
    trace: dict[str, NDArray[generic]] | None,
    threads: int,
) -> None: ...
