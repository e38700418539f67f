"""Step 1: factors. A linear process y with a link to its observed value X."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from ... import draws
from ...program import EXPONENTIAL, LOGISTIC, Rows
from .rows import RowSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...points import Points
    from ...program import Program
    from ..base import Block


class Drivers:
    """The draws of a block that move the factors; the same for every scenario.

    Attributes
    ----------
    normals : ndarray (K, T, P)
        z. Zero where no shock of any scenario needs them.
    jump : ndarray (K, T, P)
        What a jump adds to y; 0 where there is none.
    """

    def __init__(self, program: Program, block: Block):
        shape = (program.factor_count, program.periods, block.paths)
        antithetic, points = block.drawing.antithetic, block.drawing.points
        self.normals = np.zeros(shape)
        self.jump = np.zeros(shape)
        for k, identity in enumerate(program.factor_ids):
            if self._needed(program, k):
                self.normals[k] = (
                    _of_points(points, k, block)
                    if points is not None
                    else draws.normals(
                        block.seed, int(identity), block.first_path, block.paths, program.periods, antithetic
                    )
                )
            if program.jump_probability[k] > 0.0:
                uniform, size = draws.jumps(
                    block.seed, int(identity), block.first_path, block.paths, program.periods, antithetic
                )
                self.jump[k] = np.where(
                    uniform < program.jump_probability[k],
                    program.jump_mean[k] + program.jump_volatility[k] * size,
                    0.0,
                )

    def with_normals(self, normals: NDArray[np.float64]) -> Drivers:
        """The same with other normals."""
        other = copy(self)
        other.normals = normals
        return other

    @staticmethod
    def _needed(program: Program, k: int) -> bool:
        """Whether z of factor k reaches a factor that moves, its own or a correlated one."""
        reaches = (program.cholesky[:, :, k] != 0.0).any(axis=0)
        return bool((reaches & (program.deviation != 0.0).any(axis=0)).any())


def _of_points(points: Points, k: int, block: Block) -> NDArray[np.float64]:
    """Normals of a factor from quasi-random points, (T, P)."""
    from scipy.special import ndtri

    component = np.array([
        ndtri(draws.uniform(points.words(int(dimension), block.first_path, block.paths)))
        for dimension in points.normal_dimension[k]
    ])  # fmt: skip
    normals = np.zeros_like(component)
    for t, row in enumerate(points.bridge):
        for c, part in enumerate(row):
            normals[t] += part * component[c]
    return normals


def shocks(program: Program, scenario: int, drivers: Drivers) -> NDArray[np.float64]:
    """S * eps = s * L z of every period, shape (K, T, P)."""
    lower = program.cholesky[program.cholesky_of[scenario]]
    eps = np.zeros_like(drivers.normals)
    for k, row in enumerate(lower):
        for j in np.flatnonzero(row):
            eps[k] += row[j] * drivers.normals[j]
        eps[k] *= program.deviation[scenario, k]
    return eps


def step(
    program: Program,
    scenario: int,
    y: NDArray[np.float64],
    shock: NDArray[np.float64],
    jump: NDArray[np.float64],
) -> NDArray[np.float64]:
    """y(t) = a + b y(t-1) + s eps(t), and the jump; all of shape (K, P)."""
    a, b = program.constant_term[scenario][:, None], program.persistence[scenario][:, None]
    moved: NDArray[np.float64] = a + b * y + shock + jump
    return moved


def observe(
    program: Program, scenario: int, t: int, y: NDArray[np.float64], block: Block
) -> NDArray[np.float64]:
    """X(t) = clip(link(y + shift), floor, cap), then the scenario's `value`; shape (K, P)."""
    curves = program.curves
    shifted = y + curves[program.shift[scenario], t][:, None]
    linked = np.empty_like(shifted)
    for k, link in enumerate(program.link):
        linked[k] = _link(int(link), shifted[k])
    for k, given in block.factor_paths.items():
        linked[k] = given[:, t]
    clipped = np.clip(linked, program.floor[:, None], program.cap[:, None])
    scale = curves[program.value_scale[scenario], t][:, None]
    observed: NDArray[np.float64] = clipped * scale + curves[program.value_add[scenario], t][:, None]
    return observed


def _link(link: int, y: NDArray[np.float64]) -> NDArray[np.float64]:
    if link == EXPONENTIAL:
        with np.errstate(over="ignore"):  # where a cap holds it
            return np.exp(y)
    if link == LOGISTIC:
        from scipy.special import expit

        return np.asarray(expit(y))
    return y


def log_ratios(program: Program, observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln(X / initial) of the factors that a sensitivity names, 0 elsewhere; shape (K, P)."""
    logs = np.zeros_like(observed)
    for k in np.unique(program.sensitivity_factor):
        logs[k] = np.log(observed[k] / program.initial[k])
    return logs


class PowerProducts:
    """prod_k (X_k / initial_k)^elasticity_k for every row of sensitivities (flows, or entities' hazards)."""

    def __init__(self, program: Program, rows: Rows):
        self._targets = np.flatnonzero(np.diff(rows.start))
        self._count = len(rows.start) - 1
        self._sums = RowSums(
            Rows.group(
                _row_of_entry(rows, self._targets, len(program.sensitivity_factor)), len(self._targets)
            )
        )
        self._factor = program.sensitivity_factor[self._sums.columns]
        self._elasticity = program.sensitivity_elasticity[self._sums.columns][:, None]

    def __call__(self, log_ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """The products, shape (rows, P); 1 where a row is empty."""
        products = np.ones((self._count, log_ratio.shape[1]))
        products[self._targets] = np.exp(self._sums.add(self._elasticity * log_ratio[self._factor]))
        return products


def _row_of_entry(rows: Rows, targets: NDArray[np.intp], entries: int) -> NDArray[np.int32]:
    """Of every entry the place of its row among `targets`; -1 where it stands in no row."""
    row = np.full(entries, -1, dtype=np.int32)
    for place, target in enumerate(targets):
        row[rows.column[rows.start[target] : rows.start[target + 1]]] = place
    return row
