"""The contract on draws: a draw belongs to a name, a path and a period, and to nothing else.

The words of name n, path p, block b and stream q are the first four that Philox4x64-10 gives for the key
(seed, id(n)) and the counter (p, b, q, 0), as numpy counts; Random123 gives the same at (p + 1, b, q, 0).
Consecutive paths are consecutive in numpy's stream, so one call makes a block of paths.

Antithetic paths come in pairs: 2q and 2q + 1 have the words of path q, the second with every bit turned, so that its u
is 1 - u, exactly.

A draw of a pair of names, debtor and creditor, belongs to both of them, a sample and an occasion (how often the pair
was drawn before): its words are those for the key (seed, id(debtor)) and the counter (sample, id(creditor), q,
occasion).

Sources: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTRACT_VERSION: Final = 1
NORMALS, CREDIT, JUMPS = 0, 1, 2  # streams of a name
LINKS, LOADINGS = 3, 4  # streams of a pair of names
SCRAMBLES, SHIFTS = 5, 6  # streams of a dimension of quasi-random points, which stands where a path does
WORDS: Final = 4  # that one counter gives
NORMALS_PER_BLOCK: Final = 4  # periods in a block of the stream of normals
JUMPS_PER_BLOCK: Final = 2  # periods in a block of the stream of jumps: two words each

_ROUNDS: Final = 10  # of Philox4x64, with its multipliers and the steps of its keys
_MULTIPLIERS: Final = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_STEPS: Final = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


def name_id(name: str) -> int:
    """The number that stands for `name` in the key of its draws."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def words(
    seed: int, identity: int, first_path: int, paths: int, block: int, stream: int, antithetic: bool = False
) -> NDArray[np.uint64]:
    """The words of `paths` consecutive paths, shape (4, paths)."""
    if antithetic:
        path = np.arange(first_path, first_path + paths)
        pair, turned = path // 2 - first_path // 2, -(path % 2)
        return words(seed, identity, first_path // 2, int(pair[-1]) + 1, block, stream)[
            :, pair
        ] ^ turned.view(np.uint64)
    generator = np.random.Philox(
        key=np.array([seed, identity], dtype=np.uint64),
        counter=np.array([first_path, block, stream, 0], dtype=np.uint64),
    )
    drawn: NDArray[np.uint64] = generator.random_raw(WORDS * paths)
    return np.ascontiguousarray(drawn.reshape(paths, WORDS).T)


def uniform(word: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A word as a number strictly between 0 and 1: the middle of one of 2^52 equal cells."""
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normals(
    seed: int, identity: int, first_path: int, paths: int, periods: int, antithetic: bool = False
) -> NDArray[np.float64]:
    """Standard normals z(p, t) of a factor, shape (periods, paths)."""
    from scipy.special import ndtri

    z = np.empty((periods, paths))
    for start in range(0, periods, NORMALS_PER_BLOCK):
        stop = min(start + NORMALS_PER_BLOCK, periods)
        drawn = words(seed, identity, first_path, paths, start // NORMALS_PER_BLOCK, NORMALS, antithetic)
        z[start:stop] = ndtri(uniform(drawn[: stop - start]))
    return z


def credit_thresholds(
    seed: int, identity: int, first_path: int, paths: int, antithetic: bool = False
) -> NDArray[np.float64]:
    """The exponential E(p) that an entity's gathered hazard has to reach, shape (paths,)."""
    return -np.log(uniform(words(seed, identity, first_path, paths, 0, CREDIT, antithetic)[0]))


def jumps(
    seed: int, identity: int, first_path: int, paths: int, periods: int, antithetic: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of a factor's jumps, the uniforms that decide whether and the normals that decide how much; (periods, paths)."""
    from scipy.special import ndtri

    occurs = np.empty((periods, paths))
    size = np.empty((periods, paths))
    for start in range(0, periods, JUMPS_PER_BLOCK):
        stop = min(start + JUMPS_PER_BLOCK, periods)
        u = uniform(words(seed, identity, first_path, paths, start // JUMPS_PER_BLOCK, JUMPS, antithetic))
        occurs[start:stop] = u[0::2][: stop - start]
        size[start:stop] = ndtri(u[1::2][: stop - start])
    return occurs, size


def pair_words(
    seed: int,
    debtor: NDArray[np.uint64],
    creditor: NDArray[np.uint64],
    sample: int,
    occasion: NDArray[np.uint64] | int,
    stream: int,
) -> NDArray[np.uint64]:
    """The words of M pairs, given by their names' numbers (M,); shape (4, M)."""
    counter = [np.full(len(debtor), sample + 1), creditor, np.full(len(debtor), stream), occasion]
    return _philox(np.array(np.broadcast_arrays(*counter), dtype=np.uint64), seed, debtor)


def _philox(
    counter: NDArray[np.uint64], first_key: int, second_key: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Philox4x64-10 of counters (4, M), as Random123 counts: numpy's own generator takes one key at a time."""
    a, b, c, d = counter
    first, second = np.full(len(a), first_key, dtype=np.uint64), second_key
    for _ in range(_ROUNDS):
        high_a, low_a = _product(_MULTIPLIERS[0], a)
        high_c, low_c = _product(_MULTIPLIERS[1], c)
        a, b, c, d = high_c ^ b ^ first, low_c, high_a ^ d ^ second, low_a
        first, second = first + _STEPS[0], second + _STEPS[1]  # modulo 2^64
    return np.array([a, b, c, d])


def _product(factor: np.uint64, values: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low words of 128-bit products."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    high, low = factor >> half, factor & mask
    upper, lower = values >> half, values & mask
    crossed = high * lower + (low * lower >> half)
    carried = low * upper + (crossed & mask)
    return high * upper + (crossed >> half) + (carried >> half), factor * values
