"""Control variates: the run without effects, of which more paths are run, tells what chance did to the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..arguments import one_of
from ..backends import AUTO
from ..errors import bad_argument, nearest
from ..estimates import rows_table
from ..job import DEFAULT_PATHS, check_count
from ..simulation import simulate

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..system import System

SEEDS: Final = 2**64
CONTROL: Final = "none"  # the effects of the control
CONTROLLED: Final = ("first_round", "full")
FIGURES_CONTROLLED: Final = ("total", "npv", "trough")


def control_variate(
    system: System,
    scenarios: Any = None,
    *,
    figure: str = "npv",
    effects: str = "full",
    paths: int | None = None,
    control_paths: int | None = None,
    seed: int = 0,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> pa.Table:
    """Mean of every measure's figure, controlled by its mean under ``effects="none"``, of which more paths are run.

    Parameters
    ----------
    system, scenarios, seed, backend, threads, devices, memory
        As of `simulate`.
    figure : {"npv", "total", "trough"}
    effects : {"full", "first_round"}
    paths : int, optional
        That are run with effects, and as the control; by default 10,000.
    control_paths : int, optional
        That are run as the control besides, on draws of the next seed; by default four times `paths`.

    Returns
    -------
    pyarrow.Table
        scenario, measure, value, standard_error, plain, plain_error (of the paths with effects alone), beta,
        variance_ratio (the plain variance over that of the value), and a grid's coordinates.

    Raises
    ------
    InputError
        An argument is not as it has to be.

    Notes
    -----
    value = mean y - beta (mean x - mean x'), y with effects and x without on n paths, x' on m others;
    beta = cov(x, y) / (var x (1 + n/m)) makes its variance, var(y - beta x) / n + beta^2 var(x) / m, least.
    Glasserman, "Monte Carlo methods in financial engineering" (2003), section 4.1. The value's bias from estimating
    beta on the same paths is of the order 1/n.
    """
    if not one_of(effects, CONTROLLED):
        raise bad_argument("effects", effects, "can't be controlled", nearest(str(effects), CONTROLLED))
    if not one_of(figure, FIGURES_CONTROLLED):
        raise bad_argument("figure", figure, "has no control", nearest(str(figure), FIGURES_CONTROLLED))
    if control_paths is not None:
        check_count("control_paths", control_paths)
    options: dict[str, Any] = {"backend": backend, "threads": threads, "devices": devices, "memory": memory}
    count = DEFAULT_PATHS if paths is None else paths
    run = simulate(system, scenarios, paths=count, seed=seed, effects=(CONTROL, effects), **options)
    if run.paths < 2:
        raise bad_argument("paths", run.paths, "tell no variance", "Give at least 2.")
    more = 4 * run.paths if control_paths is None else control_paths
    control = simulate(
        system, scenarios, paths=more, seed=(run.seed + 1) % SEEDS, effects=(CONTROL,), **options
    )
    rows = []
    for place, one in enumerate(run.runs):
        if one.effects != effects:
            continue
        names = [(each.scenario, each.effects) for each in run.runs]
        own = names.index((one.scenario, CONTROL))
        other = [each.scenario for each in control.runs].index(one.scenario)
        for measure, result in run.measures.items():
            values = getattr(result, figure)
            far = getattr(control.measures[measure], figure)[other]
            rows.append((place, measure, *_controlled(values[place], values[own], far)))
    return rows_table("control_variate", run, rows)


def _controlled(
    y: NDArray[np.float64], x: NDArray[np.float64], far: NDArray[np.float64]
) -> tuple[float, float, float, float, float, float]:
    """Value, error, plain value, plain error, beta, ratio of variances."""
    n, m = len(y), len(far)
    plain, spread = float(y.mean()), float(x.var(ddof=1))
    plain_variance = float(y.var(ddof=1)) / n
    covariance = float(((x - x.mean()) * (y - y.mean())).sum() / (n - 1))
    beta = covariance / (spread * (1.0 + n / m)) if spread > 0.0 else 0.0
    value = plain - beta * float(x.mean() - far.mean())
    variance = float(np.var(y - beta * x, ddof=1)) / n + beta**2 * spread / m
    ratio = plain_variance / variance if variance > 0.0 else np.nan
    return value, float(np.sqrt(variance)), plain, float(np.sqrt(plain_variance)), beta, ratio
