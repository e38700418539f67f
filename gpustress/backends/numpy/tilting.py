"""Importance sampling: draws of one scenario that make a failure likely, and what each path weighs for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...drawing import MIXTURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...drawing import Tilt
    from ..base import Block


class Tilting:
    """The draws of a block, tilted on all paths of a group of MIXTURE but the first.

    A path weighs how likely it is as the contract draws it, over how likely it is in its group: 1 / (1/G + (1 - 1/G)
    e^l), l the logarithm of how much likelier it is tilted (the balance heuristic: Veach and Guibas, "Optimally
    combining sampling techniques for Monte Carlo rendering", SIGGRAPH 95). So no path weighs more than G.

    Attributes
    ----------
    normals : ndarray (K, T, P)
    limits : ndarray (N, P)
    """

    def __init__(
        self,
        tilt: Tilt,
        scenario: int,
        block: Block,
        normals: NDArray[np.float64],
        limits: NDArray[np.float64],
    ):
        tilted = np.arange(block.first_path, block.first_path + block.paths) % MIXTURE != 0
        drift = tilt.drift[scenario][:, :, None]
        self._twist = tilt.twist[scenario][:, None]
        self.normals = normals + drift * tilted
        self.limits = np.where(tilted, limits / self._twist, limits)
        self._of_factors = np.zeros((normals.shape[0], block.paths))
        for t in range(normals.shape[1]):
            self._of_factors += drift[:, t] * (self.normals[:, t] - 0.5 * drift[:, t])
        self._of_credit = np.zeros(limits.shape)

    def look(self, gathered: NDArray[np.float64], exposed: NDArray[np.bool_], hit: NDArray[np.bool_]) -> None:
        """Note what a period tells of credit thresholds.

        Of who is hit E, of who lives on that E is above what is gathered.

        Parameters
        ----------
        gathered : ndarray (N, P)
            H(t).
        exposed, hit : ndarray (N, P) of bool
            Who could be hit by credit in this period, and who is.
        """
        twist = self._twist
        of_living = (1.0 - twist) * gathered
        with np.errstate(invalid="ignore"):  # an infinite limit of who has no hazard
            of_hit = np.log(twist) + (1.0 - twist) * self.limits
        self._of_credit = np.where(hit, of_hit, np.where(exposed, of_living, self._of_credit))

    def weights(self) -> NDArray[np.float64]:
        """What each path weighs, shape (P,)."""
        log_ratio: NDArray[np.float64] = np.zeros(self._of_credit.shape[1:])
        for part in np.concatenate([self._of_factors, self._of_credit]):
            log_ratio += part
        with np.errstate(over="ignore"):
            ratio = np.exp(log_ratio)
        weights: NDArray[np.float64] = 1.0 / (1.0 / MIXTURE + (1.0 - 1.0 / MIXTURE) * ratio)
        return weights
