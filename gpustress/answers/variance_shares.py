"""What share of a variance is due to each factor: Sobol indices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..arguments import one_of
from ..backends import AUTO
from ..book import losses
from ..errors import InputError, Problem, bad_argument, nearest, shown
from ..job import check_paths, check_seed, prepare
from ..sampling import CONFIDENCE, normal_deviate
from ..simulation import simulate
from .experiment import scenario_rows
from .factor_shocks import FactorShocks, draw_shocks, factor_table, factor_values
from .schema import SOBOL_INDICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result
    from ..system import System

CREDIT: Final = "credit events"  # the block of all entities' own draws
RESAMPLES: Final = 100  # of the bootstrap of the errors
BOOTSTRAP_SEED: Final = 1  # SALib takes 0 for none
SEEDS: Final = 2**64


def sobol_indices(
    system: System,
    *,
    measures: Sequence[str] = (),
    positions: Any = None,
    scenarios: Any = None,
    scenario: str | None = None,
    paths: int | None = None,
    seed: int = 0,
    effects: str = "full",
    backend: str = AUTO,
    threads: int | None = None,
    memory: str | int | None = None,
) -> pa.Table:
    """What share of the variance of losses, failures and measures is due to each factor.

    Needs SALib: ``pip install 'gpustress[attribution]'``.

    Parameters
    ----------
    system : System
    measures : sequence of str
        Whose net present values are attributed besides.
    positions : anything that speaks Arrow, optional
        The book; None for the system's own, if it has one.
    scenarios, scenario
        The scenario in question, as of `reverse_stress`.
    paths : int, optional
        Of each run; there are factors + 3 of them.
    seed : int
        Of the first sample; the second has the next one.
    effects, backend, threads, memory
        As of `simulate`, with one kind of effects.

    Returns
    -------
    pyarrow.Table
        output, factor, first, first_error, total, total_error: a row for each output (``loss``, ``failures``,
        ``failure:ENTITY``, ``npv:MEASURE``) and factor, and for the draws of the entities' credit events. Null where
        an output does not vary.

    Raises
    ------
    InputError
        An argument is not as it has to be, or SALib is not installed.

    Notes
    -----
    `first` is the share of the variance that would go, on average, if the factor were known; `total` the share that
    would be left if all others were. Saltelli et al., Computer Physics Communications 181 (2010), for the scheme and
    the first, Jansen (1999) for the total; errors by bootstrap, by `SALib.analyze.sobol`.

    Indices need independent inputs. Correlated factors are driven by as many independent shocks, eps = C^(1/2) w with
    the symmetric root of their correlations, and an index is that of w: of the part of the shocks that is most nearly
    the factor's own, whatever their order (Kessy, Lewin and Strimmer 2018). A factor's jumps go with it.
    """
    check_salib()
    rows = [{"scenario": "asked", **row} for row in scenario_rows(system, scenarios, scenario) or [{}]]
    names = ("scenario", "parameter", "start", "end", "op", "value")
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    job = prepare(system, table, effects, None)
    count, seed = check_paths(paths, job.factors), check_seed(seed)
    _check_measures(system, measures)
    first = draw_shocks(job.program, 0, seed, count)
    second = draw_shocks(job.program, 0, (seed + 1) % SEEDS, count)

    def outputs(shocks: FactorShocks, credit_seed: int) -> dict[str, NDArray[np.float64]]:
        names = system.factor_names
        own = factor_table(names, factor_values(job.program, 0, shocks)) if names else None
        run = simulate(system, table, paths=count, seed=credit_seed, backend=backend, threads=threads, effects=effects,
                       memory=memory, factors=own)  # fmt: skip
        return _outputs(run, measures, positions)

    other = (seed + 1) % SEEDS
    base, resampled = outputs(first, seed), outputs(second, other)
    mixed = [outputs(first.with_of(second, k), seed) for k in range(len(system.factor_names))]
    mixed.append(outputs(first, other))
    blocks = (*system.factor_names, CREDIT)
    found: list[tuple[Any, ...]] = []
    for name in base:
        # SALib's order: of each point the first sample's, each mixture's, the second's.
        values = np.stack([base[name], *(one[name] for one in mixed), resampled[name]], axis=1).ravel()
        indices = _indices(blocks, values)
        found += [(name, block, *row) for block, row in zip(blocks, indices, strict=True)]
    schema = SOBOL_INDICES.arrow()
    columns = zip(*found, strict=True)
    arrays = [
        pa.array(
            np.array(values) if pa.types.is_floating(field.type) else list(values),
            field.type,
            from_pandas=True,
        )
        for field, values in zip(schema, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _outputs(run: Result, measures: Sequence[str], positions: Any) -> dict[str, NDArray[np.float64]]:
    failed = (run.failed_at[0] < run.periods).astype(np.float64)
    outputs = {}
    if positions is not None or run.system.tables["positions"].num_rows:
        outputs["loss"] = losses(run, positions)[0]
    outputs["failures"] = failed.sum(axis=1)
    outputs |= {f"failure:{name}": failed[:, i] for i, name in enumerate(run.entities)}
    return outputs | {f"npv:{name}": run.measures[name].npv[0] for name in measures}


def _check_measures(system: System, measures: Sequence[str]) -> None:
    wrong = [Problem("measures", None, None, shown(name), "names no measure", nearest(str(name), system.measure_names))
             for name in measures if not one_of(name, system.measure_names)]  # fmt: skip
    if wrong:
        raise InputError(wrong)


def check_salib() -> None:
    """Refuse to go on without SALib.

    Raises
    ------
    InputError
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what SALib imports
            from SALib.analyze import sobol  # noqa: F401
    except ImportError as error:
        raise bad_argument(
            "SALib", error.name, "is not installed", "Install it: pip install 'gpustress[attribution]'."
        ) from error


def _indices(blocks: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """First, error, total, error of each block, by SALib from its vector of outputs."""
    from SALib.analyze import sobol

    if np.ptp(values) == 0.0:
        return np.full((len(blocks), 4), np.nan)
    problem = {"num_vars": len(blocks), "names": list(blocks), "bounds": [[0.0, 1.0]] * len(blocks)}
    found = sobol.analyze(problem, values, calc_second_order=False, num_resamples=RESAMPLES,
                          conf_level=CONFIDENCE, seed=BOOTSTRAP_SEED)  # fmt: skip
    reach = normal_deviate(CONFIDENCE)
    return np.stack([found["S1"], found["S1_conf"] / reach, found["ST"], found["ST_conf"] / reach], axis=1)
