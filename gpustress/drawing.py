"""How the draws of a run's paths are made: what the contract on draws says, or a change of it that reduces variance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .points import Points

MIXTURE: Final = (
    8  # paths of a group in importance sampling: one is drawn as the contract has it, the others are tilted
)


@dataclass(frozen=True, eq=False)
class Tilt:
    """Draws that make a rare failure likely: of MIXTURE consecutive paths all but the first have them.

    Attributes
    ----------
    drift : ndarray (S, K, T)
        Added to a factor's independent normals z.
    twist : ndarray (S, N)
        The rate of the exponential credit threshold E, positive; 1 changes nothing.
    """

    drift: NDArray[np.float64]
    twist: NDArray[np.float64]

    def only(self, scenario: int) -> Tilt:
        """That of one scenario."""
        return Tilt(self.drift[scenario : scenario + 1], self.twist[scenario : scenario + 1])


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a backend is told of it.

    Attributes
    ----------
    antithetic : bool
        Paths 2q and 2q + 1 have the draws of path q, the second of them with 1 - u for every u.
    points : Points or None
        Quasi-random points in place of most draws.
    tilt : Tilt or None
    """

    antithetic: bool = False
    points: Points | None = None
    tilt: Tilt | None = None

    def only(self, scenario: int) -> Drawing:
        """That of one scenario."""
        return self if self.tilt is None else replace(self, tilt=self.tilt.only(scenario))


AS_CONTRACTED: Final = Drawing()
