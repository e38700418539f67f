"""Run a system under its scenarios on many paths."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends import AUTO, get_backend
from .backends.base import Outcome, outcome_bytes
from .errors import InputError, Problem, bad_argument
from .job import Job, check_paths, check_seed, parse_record, prepare
from .memory import budget, in_words
from .progress import Hook, reporting
from .result import MeasureResult, Result
from .variance_reduction import VarianceReduction, read_variance_reduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backends.base import Backend
    from .program import Program
    from .system import System


def simulate(
    system: System,
    scenarios: Any = None,
    *,
    paths: int | None = None,
    seed: int = 0,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    effects: str | Sequence[str] = "full",
    record: Sequence[str] = (),
    memory: str | int | None = None,
    progress: bool | Hook = False,
    factors: Any = None,
    variance_reduction: str | VarianceReduction | None = None,
) -> Result:
    """Simulate a system: who fails, when and why, and what its measures come to.

    Parameters
    ----------
    system : System
    scenarios : Scenarios, anything that speaks Arrow, or None
        None: the system's own scenarios, or where it has none the system as it is, named ``base``. All scenarios see
        the same draws.
    paths : int, optional
        Monte Carlo paths P; by default 10,000, or as many as `factors` holds.
    seed : int
        0 <= seed < 2^64. The same seed gives the same result, whatever the memory and the threads.
    backend : str
        ``auto`` or the name of a backend.
    threads : int, optional
        At most so many threads of the processor; by default the environment variable GPUSTRESS_THREADS, or as many as
        the process has processors. ``numpy`` takes one, whatever is allowed.
    devices : sequence of int, optional
        CUDA devices that share the work, for a backend that has some; by default the first. They change no bit.
    effects : {"none", "first_round", "full"}, or several of them
        What follows from failures. With several, every scenario runs under each, as NAME/EFFECTS.
    record : sequence of str
        Time series to keep: ``cash:ENTITY``, ``flow:NAME``, ``measure:NAME``, ``factor:NAME``, ``estate``.
    memory : str or int, optional
        What the run may add to the process, e.g. ``"4GB"``; by default a quarter of what is free.
    progress : bool or callable
        True: a bar on standard error where that is a terminal. A callable gets (done, total) path-scenarios.
    factors : anything that speaks Arrow, optional
        Factor paths of one's own: columns path, period, and one for each factor given.
    variance_reduction : str, Antithetic, QuasiMonteCarlo or ImportanceSampling, optional
        ``antithetic``, ``quasi``, ``importance:ENTITY``, or what these stand for with other settings.
        How the paths are drawn; by default each by itself. Every estimate that the result gives honours it.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        For bad input, with every problem of its kind; and when the result does not fit into `memory`.

    Warns
    -----
    BackendWarning
        As `backend="auto"` passes over a backend that should work here and does not; once a process.
    """
    job = prepare(system, scenarios, effects, factors)
    reduction = read_variance_reduction(variance_reduction)
    if paths is None and job.factors.paths is None and reduction is not None:
        paths = reduction.default_paths
    paths, seed = check_paths(paths, job.factors), check_seed(seed)
    series = parse_record(system, record)
    chosen = get_backend(backend, threads=threads, devices=devices)
    if reduction is not None:
        reduction.check_paths(paths)
        job = job.drawn(reduction.drawing(job, seed, paths, chosen))
    size = plan(job.program, chosen, paths, len(series), budget(memory))
    arrays = ResultArrays(job.program, paths, len(series), job.drawing.tilt is not None)
    with reporting(progress) as report:
        total = len(job.runs) * paths
        report(0, total)
        for first in range(0, paths, size):
            count = min(size, paths - first)
            outcome = chosen.simulate(job.program, job.block(seed, first, count), tuple(series.values()))
            check_finite(job, outcome, first)
            arrays.put(first, outcome)
            del outcome  # before the next one is there
            report(len(job.runs) * (first + count), total)
    return arrays.result(job, seed, chosen.name, tuple(series), reduction)


def result_bytes(program: Program, paths: int, series: int) -> int:
    """Bytes of a result's arrays."""
    return paths * outcome_bytes(program, series)


def plan(program: Program, backend: Backend, paths: int, series: int, memory: int) -> int:
    """How many paths a block has, so that result and block stay within `memory` bytes.

    Raises
    ------
    InputError
        They can't, not even with blocks of one path.
    """
    kept, smallest = result_bytes(program, paths, series), backend.block_bytes(program, 1, series)
    if kept + smallest > memory:
        fitting = max(0, (memory - smallest) * paths // kept)
        remedy = f"Give at least {in_words(kept + smallest, up=True)}, or run fewer scenarios or paths"
        remedy += f" ({fitting:,} paths would fit)." if fitting else "."
        message = f"is too little for a result of {in_words(kept, up=True)}"
        raise bad_argument("memory", in_words(memory), message, remedy)
    return min(paths, block_paths(program, backend, series, memory - kept))


def block_paths(program: Program, backend: Backend, series: int, memory: int) -> int:
    """How many paths a block has that fits into `memory` bytes with its series; at least 1."""
    sizes = range(backend.block_paths(program, memory) + 1)
    fitting = bisect_right(sizes, memory, key=lambda paths: backend.block_bytes(program, paths, series))
    return max(1, fitting - 1)


def check_finite(job: Job, outcome: Outcome, first_path: int) -> None:
    """Amounts that have overflowed are an error, not a result."""
    for name, array in (("cash", outcome.final_cash), ("measure", outcome.total), ("measure", outcome.npv)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            scenario, path, item = (int(i) for i in bad[0])
            owner = job.system.entity_names[item] if name == "cash" else job.system.measure_names[item]
            where = f"scenario {job.runs[scenario].name!r}, path {first_path + path}"
            remedy = "Look for amounts or factor paths of extreme size; `replay` shows the path."
            raise InputError([Problem(name, None, owner, "", f"amounts overflow in {where}", remedy)])


class ResultArrays:
    """A result's arrays while blocks fill them."""

    def __init__(self, program: Program, paths: int, series: int, weighted: bool = False):
        self._program = program
        scenarios = len(program.scenarios)
        by_entity = (scenarios, paths, program.entity_count)
        by_measure = (program.measure_count, scenarios, paths)
        self._entity: dict[str, NDArray[Any]] = {
            "failed_at": np.empty(by_entity, dtype=np.int16),
            "cause": np.empty(by_entity, dtype=np.int8),
            "lowest_liquidity": np.empty(by_entity),
            "final_cash": np.empty(by_entity),
        }
        self._measure: dict[str, NDArray[Any]] = {
            "total": np.empty(by_measure),
            "npv": np.empty(by_measure),
            "trough": np.empty(by_measure),
            "payback": np.empty(by_measure, dtype=np.int16),
        }
        self._series = np.empty((series, scenarios, paths, program.periods))
        self._weights = np.empty((scenarios, paths, int(weighted)))
        self._exact = np.zeros(scenarios, dtype=np.int64)

    def put(self, first_path: int, outcome: Outcome) -> None:
        """Copy a block's outcome to its place."""
        place = slice(first_path, first_path + outcome.failed_at.shape[1])
        for name, array in self._entity.items():
            array[:, place] = getattr(outcome, name)
        for name, array in self._measure.items():
            array[:, :, place] = np.moveaxis(getattr(outcome, name), 2, 0)
        self._series[:, :, place] = np.moveaxis(outcome.series, 2, 0)
        self._weights[:, place] = outcome.weight
        self._exact += outcome.exact_finishes

    def result(
        self,
        job: Job,
        seed: int,
        backend: str,
        series: Sequence[str],
        variance_reduction: VarianceReduction | None = None,
    ) -> Result:
        """The whole, named."""
        return Result(
            system=job.system,
            scenario_table=job.scenario_table,
            coordinates=job.coordinates,
            runs=job.runs,
            seed=seed,
            paths=self._entity["failed_at"].shape[1],
            backend=backend,
            digest=job.program.digest,
            factors_digest=job.factors.digest,
            **self._entity,
            measures={
                name: MeasureResult(**{figure: array[m] for figure, array in self._measure.items()})
                for m, name in enumerate(job.system.measure_names)
            },
            series=dict(zip(series, self._series, strict=True)),
            exact_finishes=self._exact,
            variance_reduction=variance_reduction,
            weights=self._weights[:, :, 0] if self._weights.size else None,
        )
