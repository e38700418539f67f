"""The contract on draws: a draw belongs to a name, a path and a period, and to nothing else.

The words of name n, path p, block b and stream q are the first four that Philox4x64-10 gives for the key
(seed, id(n)) and the counter (p, b, q, 0), as numpy counts; Random123 gives the same at (p + 1, b, q, 0).
Consecutive paths are consecutive in numpy's stream, so one call makes a block of paths.

Sources: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTRACT_VERSION: Final = 1
NORMALS, CREDIT, JUMPS = 0, 1, 2  # streams
WORDS: Final = 4  # that one counter gives
NORMALS_PER_BLOCK: Final = 4  # periods in a block of the stream of normals
JUMPS_PER_BLOCK: Final = 2  # periods in a block of the stream of jumps: two words each


def name_id(name: str) -> int:
    """The number that stands for `name` in the key of its draws."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def words(
    seed: int, identity: int, first_path: int, paths: int, block: int, stream: int
) -> NDArray[np.uint64]:
    """The words of `paths` consecutive paths, shape (4, paths)."""
    generator = np.random.Philox(
        key=np.array([seed, identity], dtype=np.uint64),
        counter=np.array([first_path, block, stream, 0], dtype=np.uint64),
    )
    drawn: NDArray[np.uint64] = generator.random_raw(WORDS * paths)
    return np.ascontiguousarray(drawn.reshape(paths, WORDS).T)


def uniform(word: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A word as a number strictly between 0 and 1: the middle of one of 2^52 equal cells."""
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normals(seed: int, identity: int, first_path: int, paths: int, periods: int) -> NDArray[np.float64]:
    """Standard normals z(p, t) of a factor, shape (periods, paths)."""
    from scipy.special import ndtri

    z = np.empty((periods, paths))
    for start in range(0, periods, NORMALS_PER_BLOCK):
        stop = min(start + NORMALS_PER_BLOCK, periods)
        drawn = words(seed, identity, first_path, paths, start // NORMALS_PER_BLOCK, NORMALS)
        z[start:stop] = ndtri(uniform(drawn[: stop - start]))
    return z


def credit_thresholds(seed: int, identity: int, first_path: int, paths: int) -> NDArray[np.float64]:
    """The exponential E(p) that an entity's gathered hazard has to reach, shape (paths,)."""
    return -np.log(uniform(words(seed, identity, first_path, paths, 0, CREDIT)[0]))


def jumps(
    seed: int, identity: int, first_path: int, paths: int, periods: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of a factor's jumps, the uniforms that decide whether and the normals that decide how much; (periods, paths)."""
    from scipy.special import ndtri

    occurs = np.empty((periods, paths))
    size = np.empty((periods, paths))
    for start in range(0, periods, JUMPS_PER_BLOCK):
        stop = min(start + JUMPS_PER_BLOCK, periods)
        u = uniform(words(seed, identity, first_path, paths, start // JUMPS_PER_BLOCK, JUMPS))
        occurs[start:stop] = u[0::2][: stop - start]
        size[start:stop] = ndtri(u[1::2][: stop - start])
    return occurs, size
