"""The compiled backend: kernels/ for this processor, threads over groups of paths, one path a lane."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
from typing import TYPE_CHECKING, Final

from ...errors import bad_argument
from ..base import Block, Outcome, Series, Trace
from ..layout import arrays, by_name, empty_trace, outcome_bytes, request, sizes, trace_of

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from ...program import Program

THREADS_VARIABLE: Final = "GPUSTRESS_THREADS"
BLOCK_BYTES: Final = (
    64 << 20
)  # of outcome: large enough that threads seldom wait, small enough to look for Ctrl-C often


def default_threads() -> int:
    """Threads of a run: GPUSTRESS_THREADS, or as many as the process may use.

    Raises
    ------
    InputError
        The variable is no positive whole number.
    """
    wanted = os.environ.get(THREADS_VARIABLE, "")
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", wanted, re.ASCII):
        raise bad_argument(
            THREADS_VARIABLE, wanted, "is no number of threads", "Write a whole number from 1 to 9999."
        )
    return int(wanted)


def compiled_kernels() -> ModuleType:
    """The compiled module.

    Raises
    ------
    ImportError
        It was not built when gpustress was installed, or does not load.
    """
    name = f"{__package__}._kernels"
    if importlib.util.find_spec(name) is None:
        raise ImportError("the kernels were not compiled at install")
    return importlib.import_module(name)


class NativeBackend:
    """The kernels compiled by the C++ compiler.

    Parameters
    ----------
    level : str, optional
        A level that `levels()` lists; by default the best of this processor.
    threads : int, optional
        By default GPUSTRESS_THREADS, or as many as the process may use.
    """

    name = "native"

    def __init__(self, level: str | None = None, threads: int | None = None):
        self._kernels = compiled_kernels()
        self.level = level or self._kernels.levels()[-1]
        self.threads = threads or default_threads()

    @property
    def device(self) -> str:
        """The machine's processor, the level of the kernels, and how many threads."""
        lanes = self._kernels.lanes(self.level)
        return f"CPU ({platform.machine()}), kernels {self.level} ({lanes} paths a vector), {self.threads} threads"

    def block_paths(self, program: Program, memory: int) -> int:
        """As many paths as give an outcome of BLOCK_BYTES, and fit into `memory`; at least 1."""
        fixed = self.block_bytes(program, 0, 0)
        per_path = max(1, self.block_bytes(program, 1, 0) - fixed)
        return int(max(1, min(BLOCK_BYTES // per_path, (memory - fixed) // per_path)))

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """The threads' states, and the outcome."""
        states = self.threads * int(self._kernels.memory_bytes(self.level, sizes(program)))
        return states + paths * outcome_bytes(program, series)

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""
        outcome = Outcome.empty(program, block.paths, len(series))
        self._run(program, block, series, outcome, None)
        return outcome

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """One scenario, with everything that happened on the way."""
        alone = program.only(scenario)
        written = empty_trace(alone, block.paths)
        self._run(alone, block, (), Outcome.empty(alone, block.paths, 0), written)
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
            sizes(program),
            request(program, block, series),
            by_name(outcome),
            trace,
            self.threads,
        )


def levels() -> tuple[str, ...]:
    """Levels of the kernels that run on this processor, the best last."""
    return tuple(compiled_kernels().levels())
