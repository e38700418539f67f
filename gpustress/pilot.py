"""The pilot run of importance sampling: it finds the draws that make a rare failure likely.

The cross-entropy method in levels: of the paths of a level the tenth that comes nearest to the failure says how the
next level's draws are tilted, until a tenth fails. Normals drift along the first principal components of each
factor's Brownian motion alone: a drift of every period's own would be mostly noise, and noise in hundreds of
dimensions makes weights useless. For the same reason what the paths say is shrunk by its own error. A credit
threshold has the rate of its failures over the hazard that was gathered until the paths failed or ended.

Sources: Rubinstein and Kroese, "The cross-entropy method" (2004), chapter 3; shrinkage: James and Stein, "Estimation
with quadratic loss" (1961), the positive part, component by component. Normals and exponentials together: Glasserman
and Li, "Importance sampling for portfolio credit risk", Management Science 51 (2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from . import draws
from .backends.base import Block, Series
from .drawing import MIXTURE, Drawing, Tilt
from .points import principal_components
from .program import NO_EFFECTS
from .schema import CAUSES, EFFECTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backends.base import Backend, Outcome
    from .program import Program

FIRST_PATH: Final = 1 << 41  # beyond every run's paths, so that a pilot's draws are none of the run's
ELITE: Final = 0.1  # of a level's paths those that say how the next is tilted
LEVELS: Final = 8
REFINED: Final = 1  # levels more, once a tenth of the paths fails
COMPONENTS: Final = 4  # of a factor's Brownian motion that may drift
SHRINKING: Final = 2.0  # squared errors that are taken off a squared drift
MOST_GATHERED: Final = 3.0  # a twist makes no gathered hazard likelier than that
SIGNIFICANT: Final = 2.0  # deviations by which failures by credit have to be off what is usual for a twist
BEGUN: Final = (
    0.3  # hazard that the entity in question gathers in the first level, lest nobody sees it fail by credit
)
GRID: Final = 2.0**-20  # that drifts and twists lie on, so that the last bits of a sum do not matter


@dataclass(frozen=True, eq=False)
class Level:
    """What one level of a scenario tells.

    Attributes
    ----------
    score : ndarray (P,)
        How far each path is from the failure; minus infinity where it comes.
    weight : ndarray (P,)
    normals : ndarray (K, T, P)
    gathered : ndarray (N, P)
        The hazard gathered until an entity failed, or to the end.
    hit : ndarray (N, P) of bool
        Who failed by credit.
    """

    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    normals: NDArray[np.float64]
    gathered: NDArray[np.float64]
    hit: NDArray[np.bool_]


def find_tilt(
    program: Program, seed: int, entity: int, cause: int | None, paths: int, backend: Backend
) -> Tilt:
    """The tilt of every scenario that makes the failure of an entity likely.

    Parameters
    ----------
    program : Program
    seed : int
    entity : int
        Its place.
    cause : int or None
        Of the failure, as in CAUSES; None: any.
    paths : int
        Of a level; a multiple of MIXTURE.
    backend : Backend
    """
    found = [
        _of_scenario(program.only(scenario), seed, entity, cause, paths, backend)
        for scenario in range(len(program.scenarios))
    ]
    return Tilt(np.concatenate([one.drift for one in found]), np.concatenate([one.twist for one in found]))


def _of_scenario(
    program: Program, seed: int, entity: int, cause: int | None, paths: int, backend: Backend
) -> Tilt:
    tilt = Tilt(np.zeros((1, program.factor_count, program.periods)), np.ones((1, program.entity_count)))
    if EFFECTS.index(program.effects[0]) == NO_EFFECTS:
        return tilt  # nobody fails
    usual = program.hazard[0, entity] * program.period_years * program.periods
    if usual > 0.0:
        tilt.twist[0, entity] = max(1.0, BEGUN / usual)
    refined = 0
    for number in range(LEVELS):
        block = Block(seed, FIRST_PATH + number * paths, paths, drawing=Drawing(tilt=tilt))
        level = _run(program, block, entity, cause, backend)
        failing = level.score == -np.inf
        reached = failing.mean() >= ELITE
        elite = failing if reached else _nearest(level.score)
        if not elite.any():
            return Tilt(
                np.zeros_like(tilt.drift), np.ones_like(tilt.twist)
            )  # no path comes nearer than another
        tilt = _tilted(program, level, elite)
        refined += bool(reached)
        if refined > REFINED:
            break
    return tilt


def _nearest(score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The tenth of the paths that comes nearest; of many that tie those alone that come nearer."""
    limit = np.quantile(score, ELITE, method="lower")
    nearest: NDArray[np.bool_] = score <= limit
    return nearest if nearest.mean() <= 2.0 * ELITE else score < limit


def _run(program: Program, block: Block, entity: int, cause: int | None, backend: Backend) -> Level:
    sensitive = np.unique(program.sensitivity_factor[program.hazard_sensitivities.column])
    series = tuple(Series("factor", int(k)) for k in sensitive)
    outcome = backend.simulate(program, block, series)
    failed_at, causes = outcome.failed_at[0], outcome.cause[0]
    fails = failed_at[:, entity] < program.periods
    score = np.where(fails, -np.inf, outcome.lowest_liquidity[0, :, entity])
    if cause is not None:
        score = np.where(fails & (causes[:, entity] != cause), np.inf, score)
    return Level(
        score=score,
        weight=outcome.weight[0, :, 0],
        normals=_normals(program, block),
        gathered=_gathered(program, outcome, sensitive),
        hit=(causes == CAUSES.index("credit")).T,
    )


def _normals(program: Program, block: Block) -> NDArray[np.float64]:
    """Z of the paths, with their drift; 0 where no shock needs them."""
    assert block.drawing.tilt is not None
    lower = program.cholesky[program.cholesky_of[0]]
    needed = ((lower != 0.0) & (program.deviation[0] != 0.0)[:, None]).any(axis=0)
    tilted = np.arange(block.first_path, block.first_path + block.paths) % MIXTURE != 0
    z = np.zeros((program.factor_count, program.periods, block.paths))
    for k in np.flatnonzero(needed):
        identity = int(program.factor_ids[k])
        z[k] = draws.normals(block.seed, identity, block.first_path, block.paths, program.periods)
        z[k] += block.drawing.tilt.drift[0, k][:, None] * tilted
    return z


def _gathered(program: Program, outcome: Outcome, sensitive: NDArray[np.integer]) -> NDArray[np.float64]:
    """The hazard that each entity gathered until it failed, or to the end; (N, P)."""
    paths, periods = outcome.failed_at.shape[1], program.periods
    place = {int(k): row for row, k in enumerate(sensitive)}
    rows, gathered = program.hazard_sensitivities, np.zeros((program.entity_count, paths))
    for i in np.flatnonzero(program.hazard[0] > 0.0):
        exponent = np.zeros((paths, periods))
        for entry in rows.column[rows.start[i] : rows.start[i + 1]]:
            k = int(program.sensitivity_factor[entry])
            ratio = outcome.series[0, :, place[k]] / program.initial[k]
            exponent += program.sensitivity_elasticity[entry] * np.log(ratio)
        total = np.cumsum(np.exp(exponent), axis=1) * (program.hazard[0, i] * program.period_years)
        last = np.minimum(outcome.failed_at[0, :, i], periods - 1)
        gathered[i] = total[np.arange(paths), last]
    return gathered


def _tilted(program: Program, level: Level, elite: NDArray[np.bool_]) -> Tilt:
    """The tilt that the paths of an elite speak for."""
    weight = level.weight[elite]
    share = weight / weight.sum()
    count = 1.0 / np.square(share).sum()  # so many paths of one weight would say as much
    components = principal_components(program.periods)[:, :COMPONENTS]
    mean = np.einsum("ktp,tc,p->kc", level.normals[:, :, elite], components, share)
    with np.errstate(divide="ignore"):
        kept = np.maximum(0.0, 1.0 - SHRINKING / (count * np.square(mean)))
    drift = (kept * mean) @ components.T
    hits, gathered = level.hit[:, elite] @ share, level.gathered[:, elite] @ share
    usual = (level.gathered * level.weight).sum(axis=1) / level.weight.sum()
    moved = np.abs(hits - gathered) * count > SIGNIFICANT * np.sqrt(gathered * count + 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # where nobody has a hazard
        found = np.clip(hits / gathered, 0.5, np.maximum(1.0, MOST_GATHERED / usual))
    twist = np.where(moved, found, 1.0)
    return Tilt(GRID * np.round(drift / GRID)[None], GRID * np.round(twist / GRID)[None])
