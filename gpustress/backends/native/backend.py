"""The compiled backend: kernels/ for this processor, threads over groups of paths, one path a lane."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...threads import thread_limit
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
from ..layout import arrays, by_name, empty_trace, request, sizes, trace_of
from ..network_layout import contagion, exposures_size, network, network_size
from ..network_layout import exposures as arrays_of

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from ...exposures import EquityShocks, Exposures
    from ...obligations import Obligations
    from ...program import Program
    from ..base import Rule, Solution

# Of a block's outcome: large enough that threads seldom wait, small enough to look for Ctrl-C often.
BLOCK_BYTES: Final = 64 << 20


def compiled_kernels() -> ModuleType:
    """The compiled module.

    Raises
    ------
    ImportError
        It was not built when gpustress was installed.
    RuntimeError
        It was, and does not load.
    """
    name = f"{__package__}._kernels"
    if importlib.util.find_spec(name) is None:
        raise ImportError("the kernels were not compiled at install")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeError(f"the compiled kernels do not load: {error}") from error


class NativeBackend:
    """The kernels compiled by the C++ compiler.

    Parameters
    ----------
    level : str, optional
        A level that `levels()` lists; by default the best of this processor.
    threads : int, optional
        At most so many; by default GPUSTRESS_THREADS, or as many as the process has processors.
    """

    name = "native"

    def __init__(self, level: str | None = None, threads: int | None = None):
        self._kernels = compiled_kernels()
        self.level = level or self._kernels.levels()[-1]
        self.threads = thread_limit(threads)

    @property
    def device(self) -> str:
        """The machine's processor, the level of the kernels, and how many threads."""
        lanes = self._kernels.lanes(self.level)
        return f"CPU ({platform.machine()}), kernels {self.level} ({lanes} paths a vector), {self.threads} threads"

    @property
    def versions(self) -> dict[str, str]:
        """The compiler that built the kernels."""
        return {"compiler": self._kernels.COMPILER}

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """None beside the processor."""
        return ()

    def block_paths(self, program: Program, memory: int) -> int:
        """As many paths as give an outcome of BLOCK_BYTES, and fit into `memory`; at least 1."""
        per_path = max(1, outcome_bytes(program, 0))
        return int(max(1, min(BLOCK_BYTES, memory - self.threads * self._state_bytes(program)) // per_path))

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """The threads' states, and the outcome."""
        groups = len(program.scenarios) * -(-paths // int(self._kernels.lanes(self.level)))
        states = min(self.threads, max(1, groups)) * self._state_bytes(program)
        return states + paths * outcome_bytes(program, series)

    def _state_bytes(self, program: Program) -> int:
        """What a thread keeps of the group of paths that it works on."""
        return int(self._kernels.memory_bytes(self.level, sizes(program)))

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""
        outcome = Outcome.empty(program, block.paths, len(series), block.drawing)
        self._run(program, block, series, outcome, None)
        return outcome

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """One scenario, with everything that happened on the way."""
        alone, block = program.only(scenario), block.only(scenario)
        written = empty_trace(alone, block.paths)
        self._run(alone, block, (), Outcome.empty(alone, block.paths, 0, block.drawing), written)
        return trace_of(written)

    def _run(
        self,
        program: Program,
        block: Block,
        series: tuple[Series, ...],
        outcome: Outcome,
        trace: dict[str, NDArray[np.generic]] | None,
    ) -> None:
        self._kernels.simulate(
            self.level,
            arrays(program),
            sizes(program, block.drawing),
            request(program, block, series),
            by_name(outcome),
            trace,
            self.threads,
        )

    def clear(
        self,
        obligations: Obligations,
        external_assets: NDArray[np.float64],
        costs: tuple[float, float],
        solution: Solution,
        memory: int,
    ) -> ClearingOutcome:
        """A clearing vector for each row of `external_assets` (S, N), by the fixed point."""
        outcome, given = ClearingOutcome.empty(*external_assets.shape), network(obligations)
        of_thread = self._clearing_bytes(given)
        job = vars(outcome) | {
            "alpha": costs[0],
            "beta": costs[1],
            "least": int(solution == "least"),
            "shocks": len(external_assets),
            "external_assets": np.ascontiguousarray(external_assets),
        }
        self._kernels.clear(self.level, given, job, max(1, min(self.threads, memory // of_thread)))
        return outcome

    def spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int, memory: int, most: int
    ) -> SpreadOutcome:
        """Pass losses on round by round, as `SpreadsLosses` says."""
        given, job = arrays_of(exposures), contagion(shocks, rule, rounds)
        of_thread = self._spreading_bytes(given)
        threads = max(1, min(self.threads, memory // of_thread))
        cells = self._kernels.spread(self.level, given, job, most, threads)
        return SpreadOutcome(
            nodes=exposures.nodes,
            start=np.concatenate([[0], np.cumsum(job["cells"])]),
            moving=job["moving"].astype(bool),
            **cells,
        )

    def clearing_bytes(self, obligations: Obligations) -> int:
        """What a thread keeps of the group of shocks that it clears."""
        return self._clearing_bytes(network_size(obligations))

    def spreading_bytes(self, exposures: Exposures) -> int:
        """What a thread keeps of the group of shocks whose losses it passes on."""
        return self._spreading_bytes(exposures_size(exposures))

    def _clearing_bytes(self, given: dict[str, Any]) -> int:
        return int(self._kernels.clearing_bytes(self.level, given))

    def _spreading_bytes(self, given: dict[str, Any]) -> int:
        return int(self._kernels.contagion_bytes(self.level, given))


def levels() -> tuple[str, ...]:
    """Levels of the kernels that run on this processor, the best last."""
    return tuple(compiled_kernels().levels())
