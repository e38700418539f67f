"""Factor paths from independent shocks, one for each factor, so that each can be drawn again by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .. import draws
from ..factor_paths import PATH, PERIOD
from ..program import EXPONENTIAL, LOGISTIC

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..program import Program


@dataclass(frozen=True, eq=False)
class FactorShocks:
    """What moves the factors on P paths: independent of path to path and of factor to factor.

    Attributes
    ----------
    own : ndarray (K, T, P)
        Standard normals w; eps = C^(1/2) w, the symmetric root of the correlation matrix, so that each is the part
        of the shocks that is most nearly its own factor's (Kessy, Lewin and Strimmer 2018).
    jump : ndarray (K, T, P)
        What a jump adds to y.
    """

    own: NDArray[np.float64]
    jump: NDArray[np.float64]

    def with_of(self, other: FactorShocks, factor: int) -> FactorShocks:
        """These, but one factor's shocks and jumps from `other`."""
        own, jump = self.own.copy(), self.jump.copy()
        own[factor], jump[factor] = other.own[factor], other.jump[factor]
        return FactorShocks(own, jump)


def draw_shocks(program: Program, scenario: int, seed: int, paths: int) -> FactorShocks:
    """The shocks that a run with this seed has: its normals z, turned so that C^(1/2) w = L z."""
    shape = (program.factor_count, program.periods, paths)
    normals, jump = np.zeros(shape), np.zeros(shape)
    for k, identity in enumerate(program.factor_ids):
        normals[k] = draws.normals(seed, int(identity), 0, paths, program.periods)
        if program.jump_probability[k] > 0.0:
            uniform, size = draws.jumps(seed, int(identity), 0, paths, program.periods)
            jumped = program.jump_mean[k] + program.jump_volatility[k] * size
            jump[k] = np.where(uniform < program.jump_probability[k], jumped, 0.0)
    lower = program.cholesky[program.cholesky_of[scenario]]
    turned = np.linalg.pinv(symmetric_root(program, scenario)) @ lower
    return FactorShocks(np.tensordot(turned, normals, axes=1), jump)


def factor_values(program: Program, scenario: int, shocks: FactorShocks) -> NDArray[np.float64]:
    """Values of all factors for `simulate(factors=...)`, shape (K, T, P): link(y + shift), the scenario's shift in it.

    Parameters
    ----------
    program : Program
    scenario : int
        Place in the program.
    shocks : FactorShocks
    """
    paths = shocks.own.shape[2]
    eps = np.tensordot(symmetric_root(program, scenario), shocks.own, axes=1)
    y = np.repeat(program.start[:, None], paths, axis=1)
    a, b, s = (
        array[scenario][:, None] for array in (program.constant_term, program.persistence, program.deviation)
    )
    shift = program.curves[program.shift[scenario]]
    values = np.empty_like(eps)
    for t in range(program.periods):
        y = a + b * y + s * eps[:, t] + shocks.jump[:, t]
        for k, link in enumerate(program.link):
            values[k, t] = _linked(int(link), y[k] + shift[k, t])
    return values


def factor_table(names: tuple[str, ...], values: NDArray[np.float64]) -> pa.Table:
    """Values of factors (K, T, P) as a table for `simulate(factors=...)`."""
    _, periods, paths = values.shape
    columns: dict[str, Any] = {
        PATH: np.repeat(np.arange(paths), periods),
        PERIOD: np.tile(np.arange(periods), paths),
    }
    return pa.table(columns | {name: own.T.reshape(-1) for name, own in zip(names, values, strict=True)})


def symmetric_root(program: Program, scenario: int) -> NDArray[np.float64]:
    """C^(1/2) of the scenario's correlation matrix, shape (K, K)."""
    lower = program.cholesky[program.cholesky_of[scenario]]
    eigenvalues, vectors = np.linalg.eigh(lower @ lower.T)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T
    return root


def _linked(link: int, y: NDArray[np.float64]) -> NDArray[np.float64]:
    if link == EXPONENTIAL:
        with np.errstate(over="ignore"):  # where a cap holds it
            return np.exp(y)
    if link == LOGISTIC:
        from scipy.special import expit

        return np.asarray(expit(y))
    return y
