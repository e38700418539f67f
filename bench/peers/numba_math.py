"""Elementary functions and random numbers for Numba, free of branches and calls, so that LLVM vectorises them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Contraction makes fma; reassociation would undo the rounding by MAGIC, and lanes are vectorised without it.
OPTIONS: Final[dict[str, Any]] = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True}
INNER: Final = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # Python does not call these

MAGIC: Final = 1.5 * 2.0**52  # adding it rounds to a whole number, kept in the low bits
MAGIC_BITS: Final = np.int64(0x4338000000000000)
LN2_HIGH: Final = 6.93147180369123816490e-01
LN2_LOW: Final = 1.90821492927058770002e-10
SQRT_HALF_BITS: Final = np.int64(0x3FE6A09E667F3BCD)


@njit(**INNER)
def exponential(x: Any) -> Any:
    """exp(x) to about an ulp; x is held within what a normal number can be."""
    x = min(max(x, -708.0), 709.0)
    shifted = x * 1.4426950408889634 + MAGIC
    n = shifted - MAGIC
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    bits = (np.float64(shifted).view(np.int64) - MAGIC_BITS + np.int64(1023)) << np.int64(52)
    return p * np.int64(bits).view(np.float64)


@njit(**INNER)
def logarithm(x: Any) -> Any:
    """ln(x) of a positive normal number. Source: Sun's fdlibm, e_log.c (1993)."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - SQRT_HALF_BITS) >> np.int64(52)
    m = np.int64(bits - (exponent << np.int64(52))).view(np.float64)
    k = np.int64(exponent + MAGIC_BITS).view(np.float64) - MAGIC
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    half_square = 0.5 * f * f
    tail = s * (half_square + z * p) + k * LN2_LOW
    return k * LN2_HIGH - ((half_square - tail) - f)


@njit(**INNER)
def uniform(bits: Any) -> Any:
    """The upper 52 bits as a number in (0, 1)."""
    mantissa = np.int64(bits >> np.uint64(12)) | np.int64(0x3FF0000000000000)
    return np.int64(mantissa).view(np.float64) - (1.0 - 2.0**-53)


@njit(**INNER)
def polar(bits_of_radius: Any, bits_of_angle: Any) -> Any:
    """Two independent standard normals from two words. Source: Box and Muller (1958).

    The angle is drawn within an eighth of a turn to each side; two bits more say which axis is first, and which way it
    points.
    """
    radius = math.sqrt(-2.0 * logarithm(uniform(bits_of_radius)))
    f = (uniform(bits_of_angle) - 0.5) * 1.5707963267948966
    z = f * f
    s = -2.50507477628578072866e-8
    s = s * z + 2.75573136213857245213e-6
    s = s * z - 1.98412698295895385996e-4
    s = s * z + 8.33333333332211858878e-3
    s = s * z - 1.66666666666666307295e-1
    sine = f + f * z * s
    c = 1.13678171382044553091e-11
    c = -c * z + 2.08757008419747316778e-9
    c = c * z - 2.75573141792967388112e-7
    c = c * z + 2.48015872888517045348e-5
    c = c * z - 1.38888888888730564116e-3
    c = c * z + 4.16666666666665929218e-2
    cosine = 1.0 - 0.5 * z + z * z * c
    cosine = cosine if bits_of_angle & np.uint64(1) else -cosine
    swapped = bits_of_angle & np.uint64(2)
    first = radius * (sine if swapped else cosine)
    second = radius * (cosine if swapped else sine)
    return first, second


@njit(**INNER)
def splitmix(counter: Any) -> Any:
    """A well mixed word of a counter. Source: Steele, Lea and Flood (2014)."""
    z = counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(**INNER)
def rotated(x: Any, by: int) -> Any:
    """The bits of x turned to the left."""
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


@njit(**INNER)
def advance(generators: NDArray[np.uint64], words: NDArray[np.uint64]) -> None:
    """The next word of every lane's xoshiro256++. Source: Blackman and Vigna (2021).

    Parameters
    ----------
    generators : ndarray (4, lanes) of uint64
    words : ndarray (lanes,) of uint64
        Filled.
    """
    for w in range(len(words)):
        s0, s1, s2, s3 = generators[0, w], generators[1, w], generators[2, w], generators[3, w]
        words[w] = rotated(s0 + s3, 23) + s0
        shifted = s1 << np.uint64(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        generators[0, w], generators[1, w], generators[2, w], generators[3, w] = s0, s1, s2, rotated(s3, 45)
