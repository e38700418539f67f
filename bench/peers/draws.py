"""The library's own draws of a block, to be put into a peer: with them it has to give the same failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gpustress import draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpustress.program import Program


class Draws(NamedTuple):
    """Draws of P paths.

    Attributes
    ----------
    normals, jump_sizes, jump_uniforms : ndarray (P, T, K)
    limits : ndarray (P, N)
        Exponentials that the gathered hazards have to reach.
    """

    normals: NDArray[np.float64]
    jump_sizes: NDArray[np.float64]
    jump_uniforms: NDArray[np.float64]
    limits: NDArray[np.float64]

    @staticmethod
    def none() -> Draws:
        """Draws of no path."""
        nothing = np.empty((0, 0, 0))
        return Draws(nothing, nothing, nothing, np.empty((0, 0)))


def library_draws(program: Program, seed: int, paths: int) -> Draws:
    """What the library draws for the first `paths` paths."""
    keys = [int(identity) for identity in program.factor_ids]
    periods = program.periods
    normals = [draws.normals(seed, key, 0, paths, periods).T for key in keys]
    jumps = [draws.jumps(seed, key, 0, paths, periods) for key in keys]
    limits = [draws.credit_thresholds(seed, int(identity), 0, paths) for identity in program.entity_ids]
    return Draws(
        normals=np.stack(normals, axis=2),
        jump_sizes=np.stack([sizes.T for _, sizes in jumps], axis=2),
        jump_uniforms=np.stack([uniforms.T for uniforms, _ in jumps], axis=2),
        limits=np.stack(limits, axis=1),
    )
