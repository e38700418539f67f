"""The CUDA backend: kernels/ compiled by NVRTC through CuPy, a team of threads for each path."""

from __future__ import annotations

import importlib
import importlib.util
import operator
import warnings
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from ...errors import bad_argument
from ..base import (
    Block,
    ClearingOutcome,
    Hardware,
    Outcome,
    Series,
    SpreadOutcome,
    Trace,
    outcome_bytes,
)
from ..layout import by_name, empty_trace, request, sizes, trace_of
from ..network_layout import contagion
from .clearing import Clearing
from .contagion import Contagion
from .device import Device, kernels
from .shape import PART_BYTES, SLOTS
from .simulating import Simulation

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from ...exposures import EquityShocks, Exposures
    from ...obligations import Obligations
    from ...program import Program
    from ..base import Rule, Solution
    from .work import Work

PARTS: Final = 8  # of a block on each device: enough that starting and ending one is a small share


def working_cupy() -> ModuleType:
    """CuPy, where it works.

    Raises
    ------
    ImportError
        It is not installed, does not load, or finds no device, driver or compiler.
    """
    if importlib.util.find_spec("cupy") is None:
        raise ImportError("CuPy is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy's thoughts on its surroundings
        try:
            cupy = importlib.import_module("cupy")
        except Exception as error:  # a broken installation raises anything
            raise ImportError(f"CuPy does not load: {_first_line(error)}") from error
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise ImportError(f"no CUDA device: {_first_line(error)}") from error
        if count == 0:
            raise ImportError("no CUDA device")
        try:
            cupy.cuda.nvrtc.getVersion()
        except (ImportError, RuntimeError) as error:
            raise ImportError(f"no NVRTC, CUDA's runtime compiler: {_first_line(error)}") from error
    return cupy


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class CupyBackend:
    """The kernels compiled for CUDA devices.

    Parameters
    ----------
    devices : sequence of int, optional
        Devices to share the work, as CUDA counts those that it shows (CUDA_VISIBLE_DEVICES). By default the first one
        alone: other processes may want the rest. The results are the same to the bit.

    Raises
    ------
    ImportError
        CuPy does not work here.
    InputError
        There is no such device, or one is named twice.
    """

    name = "cupy"

    def __init__(self, devices: Sequence[int] | None = None):
        self._cupy = working_cupy()
        runtime = self._cupy.cuda.runtime
        self.devices = (0,) if devices is None else _checked(devices, runtime.getDeviceCount())
        modules = kernels(self._cupy)
        try:
            self._held = [Device(self._cupy, modules, number) for number in self.devices]
        except runtime.CUDARuntimeError as error:
            raise ImportError(f"the CUDA device does not answer: {_first_line(error)}") from error

    @property
    def device(self) -> str:
        """The devices, with their memory and compute capability."""
        return ", ".join(
            f"{held.name} ({held.memory_bytes / 2**30:.1f} GiB, compute capability {held.capability})"
            for held in self._held
        )

    @property
    def versions(self) -> dict[str, str]:
        """Of CuPy, and of CUDA's driver, runtime and compiler."""
        cuda = self._cupy.cuda
        return {
            "cupy": self._cupy.__version__,
            "CUDA driver": _version(cuda.runtime.driverGetVersion()),
            "CUDA runtime": _version(cuda.runtime.runtimeGetVersion()),
            "NVRTC": ".".join(map(str, cuda.nvrtc.getVersion())),
        }

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """The devices."""
        driver = self.versions["CUDA driver"]
        return tuple(Hardware(held.name, held.memory_bytes, driver) for held in self._held)

    def block_paths(self, program: Program, memory: int) -> int:
        """As many paths as make PARTS parts for every device, and fit into `memory` on the host; at least 1."""
        per_path = outcome_bytes(program, 0)
        parts = PARTS * len(self.devices) * max(1, PART_BYTES // max(1, per_path))
        return int(max(1, min(parts, memory // max(1, self.block_bytes(program, 1, 0)))))

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """The outcome, and pinned memory of the host for the parts in flight."""
        outcome = paths * outcome_bytes(program, series)
        in_flight = min(outcome, SLOTS * len(self.devices) * PART_BYTES)
        return outcome + 2 * in_flight  # CuPy rounds pinned memory up to a power of two

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""
        outcome = Outcome.empty(program, block.paths, len(series), block.drawing)
        numbers = sizes(program, block.drawing)
        self._run(Simulation(program, numbers, request(program, block, series), by_name(outcome), {}))
        return outcome

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """One scenario, with everything that happened on the way."""
        alone, block = program.only(scenario), block.only(scenario)
        written = empty_trace(alone, block.paths)
        outcome = by_name(Outcome.empty(alone, block.paths, 0, block.drawing))
        self._run(Simulation(alone, sizes(alone, block.drawing), request(alone, block, ()), outcome, written))
        return trace_of(written)

    def clear(
        self,
        obligations: Obligations,
        external_assets: NDArray[np.float64],
        costs: tuple[float, float],
        solution: Solution,
        memory: int,
    ) -> ClearingOutcome:
        """A clearing vector for each row of `external_assets` (S, N), by the fixed point."""
        outcome = ClearingOutcome.empty(*external_assets.shape)
        if len(external_assets) == 0:
            return outcome
        numbers = {"alpha": costs[0], "beta": costs[1], "least": int(solution == "least")}
        self._run(Clearing(obligations, external_assets, numbers, outcome, self._part_bytes(memory)))
        return outcome

    def spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int, memory: int, most: int
    ) -> SpreadOutcome:
        """Pass losses on round by round, as `SpreadsLosses` says."""
        job = contagion(shocks, rule, rounds)
        work = Contagion(exposures, job, most, self._part_bytes(memory), len(self.devices))
        if len(shocks) > 0:
            self._run(work)
        return work.outcome()

    def _part_bytes(self, memory: int) -> int:
        """Of a part: on the host it takes pinned memory, which CuPy rounds up to a power of two."""
        return memory // (2 * SLOTS * len(self.devices))

    def _run(self, work: Work) -> None:
        """Have every device take parts of the work until none is left."""
        count = len(self._held)
        if count == 1:
            self._held[0].run(work, count)
            return
        with ThreadPoolExecutor(count) as threads:
            running = [threads.submit(held.run, work, count) for held in self._held]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                work.stop()
        for each in running:
            each.result()


def _version(number: int) -> str:
    """As CUDA counts: 12090 is 12.9."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _checked(devices: Sequence[int], count: int) -> tuple[int, ...]:
    shown = f"Name some of {', '.join(map(str, range(count)))}, each once."
    try:
        numbers = tuple(operator.index(number) for number in devices)
    except TypeError as error:
        raise bad_argument("devices", devices, "is no list of devices", shown) from error
    if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(range(count)):
        raise bad_argument("devices", devices, "names none, one twice, or one that is not there", shown)
    return numbers
