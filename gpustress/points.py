"""Scrambled Sobol points: which dimension moves what, and the words that a kernel makes them of.

A path's normals of a factor are B w: w are the inverse normals of its dimensions, and B, an orthogonal matrix, gives
the first of them the largest part of a Brownian motion's path, the second the next largest (its principal
components). What matters most so has the first dimensions, which are the best.

Sources: Sobol (1967), with the direction numbers of Joe and Kuo, "Constructing Sobol sequences with better
two-dimensional projections", SIAM Journal on Scientific Computing 30 (2008), as scipy has them. Scrambled by a random
linear matrix and a digital shift: Matousek, "On the L2-discrepancy for anchored boxes", Journal of Complexity 14
(1998). Principal components: Acworth, Broadie and Glasserman, "A comparison of some Monte Carlo and quasi Monte Carlo
techniques for option pricing" (1998). Plain draws beside them: Owen, "Latin supercube sampling for very
high-dimensional simulations", ACM Transactions on Modeling and Computer Simulation 8 (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from . import draws
from .errors import bad_argument

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_POINT_BITS: Final = 22  # a scramble has at most 2^22 points: scipy counts through all of them
EARLY: Final = 2  # components of every factor that come before the credit thresholds
PLAIN: Final = -1  # stands for a dimension, where there is none
_NAME: Final = "\x00points"  # no name in a system has a control character
_WORD_BITS: Final = 64


@dataclass(frozen=True, eq=False)
class Points:
    """R scrambles of a set of points in D dimensions; path p is point p // R of scramble p % R, R a power of two.

    Attributes
    ----------
    scrambles : int
        R.
    directions : ndarray (D, B) of uint64
        Point i has in a dimension the directions of the bits of i, added modulo 2.
    shifts : ndarray (R, D) of uint64
        Added to that in each scramble.
    normal_dimension : ndarray (K, T) of int32
        Of each component of a factor's normals.
    credit_dimension : ndarray (N,) of int32
        Of an entity's credit threshold; PLAIN where it is a plain draw.
    bridge : ndarray (T, T)
        B: z(t) = sum of B[t, c] w(c), added from c = 0 on.
    """

    scrambles: int
    directions: NDArray[np.uint64]
    shifts: NDArray[np.uint64]
    normal_dimension: NDArray[np.int32]
    credit_dimension: NDArray[np.int32]
    bridge: NDArray[np.float64]

    def words(self, dimension: int, first_path: int, paths: int) -> NDArray[np.uint64]:
        """The words of consecutive paths in one dimension."""
        path = np.arange(first_path, first_path + paths, dtype=np.uint64)
        point, scramble = np.divmod(path, np.uint64(self.scrambles))
        found: NDArray[np.uint64] = self.shifts[scramble.astype(np.intp), dimension]
        for bit, direction in enumerate(self.directions[dimension]):
            found = found ^ np.where(point >> np.uint64(bit) & np.uint64(1), direction, np.uint64(0))
        return found


def make_points(
    seed: int,
    scrambles: int,
    points: int,
    moves: NDArray[np.bool_],
    hazardous: NDArray[np.bool_],
    periods: int,
) -> Points:
    """Dimensions for what a system draws, in the order of their importance, and the points.

    Parameters
    ----------
    seed : int
        Of the run.
    scrambles : int
        A power of two.
    points : int
        How many of each scramble are wanted; the first ones are the same, however many.
    moves : ndarray (K,) of bool
        Factors that have shocks of their own; the others' normals, which only those see with whom they correlate, come
        last.
    hazardous : ndarray (N,) of bool
        Entities that have a hazard.
    periods : int
        T.

    Raises
    ------
    InputError
        There are more than a Sobol sequence has.
    """
    early, late = np.arange(min(EARLY, periods)), np.arange(min(EARLY, periods), periods)
    normal = np.empty((len(moves), periods), dtype=np.int32)
    credit = np.full(len(hazardous), PLAIN, dtype=np.int32)
    count = 0
    for places in (
        (normal, np.ix_(np.flatnonzero(moves), early)),
        (credit, np.flatnonzero(hazardous)),
        (normal, np.ix_(np.flatnonzero(moves), late)),
        (normal, np.ix_(np.flatnonzero(~moves), np.arange(periods))),
    ):
        array, place = places
        cells = array[place].T  # of every component one factor after the other
        array[place] = count + np.arange(cells.size).reshape(cells.shape).T
        count += cells.size
    if count > most_dimensions():
        raise bad_argument("variance_reduction", "quasi", f"needs {count:,} dimensions, a Sobol sequence has "
                           f"{most_dimensions():,}", "Take fewer factors or periods, or antithetic paths.")  # fmt: skip
    directions = _scrambled(_sobol_directions(count, max(1, (points - 1).bit_length())), seed)
    shifts = np.ascontiguousarray(_words(seed, len(directions), scrambles, draws.SHIFTS))
    return Points(scrambles, directions, shifts, normal, credit, principal_components(periods))


def most_dimensions() -> int:
    """As many as there are direction numbers."""
    from scipy.stats.qmc import Sobol

    return int(Sobol.MAXDIM)


def principal_components(periods: int) -> NDArray[np.float64]:
    """The matrix (T, T) that makes a Brownian motion's increments of its principal components; orthogonal."""
    odd = 2.0 * np.arange(periods) + 1.0
    width = 2.0 * periods + 1.0
    matrix: NDArray[np.float64] = 2.0 / np.sqrt(width) * np.cos(np.outer(odd, odd) * (np.pi / (2.0 * width)))
    return matrix


@lru_cache(maxsize=4)
def _sobol_directions(dimensions: int, bits: int) -> NDArray[np.uint64]:
    """Direction numbers (D, `bits`), the first digit in the highest bit: point 2^b of Sobol's sequence."""
    from scipy.stats.qmc import Sobol

    directions = np.zeros((max(1, dimensions), bits), dtype=np.uint64)
    if dimensions == 0:
        return directions
    digits = 30
    sequence, at = Sobol(dimensions, scramble=False, bits=digits), 0
    for bit in range(bits):
        place = 2 ** (bit + 1) - 1  # where scipy, in Gray code's order, has the point of this bit alone
        if place > at:
            sequence.fast_forward(place - at)
        point = sequence.random(1)[0]
        at = place + 1
        directions[:, bit] = (point * 2.0**digits).astype(np.uint64) << np.uint64(_WORD_BITS - digits)
    return directions


def _scrambled(directions: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Every dimension's digits times a random lower triangular matrix with ones on its diagonal, modulo 2."""
    dimensions, digits = directions.shape
    random = _words(seed, dimensions, digits, draws.SCRAMBLES)
    scrambled = np.zeros_like(directions)
    for digit in range(digits):
        place = np.uint64(_WORD_BITS - 1 - digit)
        column = (random[digit] & (np.uint64(1) << place) - np.uint64(1)) | np.uint64(1) << place
        has = directions >> place & np.uint64(1)
        scrambled ^= has * column[:, None]
    return scrambled


def _words(seed: int, dimensions: int, count: int, stream: int) -> NDArray[np.uint64]:
    """Random words (count, D) of the points' dimensions: of a dimension always the same, however many there are."""
    identity = draws.name_id(_NAME)
    blocks = [
        draws.words(seed, identity, 0, dimensions, block, stream) for block in range(-(-count // draws.WORDS))
    ]
    return np.concatenate(blocks)[:count]
