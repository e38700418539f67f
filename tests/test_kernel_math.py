"""The kernels' own exp, log and inverse normal, against mpmath; Philox against Random123's known answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

import gpustress as gs
from needs import require_backend

EXPONENTIAL, LOGARITHM, INVERSE_NORMAL = range(3)
PRECISION = 160  # bits


@pytest.fixture(scope="module")
def kernels() -> Any:
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    from gpustress.backends.native import _kernels

    return _kernels


def applied(kernels: Any, level: str, function: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty_like(values)
    kernels.elementary(level, function, values, out)
    return out


def worst_error(values: NDArray[np.float64], got: NDArray[np.float64], exact: Callable[[Any], Any]) -> float:
    """The largest error in units of the last place of the exact value."""
    worst = 0.0
    with mpmath.workprec(PRECISION):
        for value, result in zip(values, got, strict=True):
            expected = exact(mpmath.mpf(float(value)))
            unit = float(np.spacing(abs(float(expected))))
            worst = max(worst, float(abs(mpmath.mpf(float(result)) - expected) / unit))
    return worst


def inverse_normal(u: Any) -> Any:
    z = mpmath.mpf(float(ndtri(float(u))))
    for _ in range(3):  # Newton's iteration doubles the digits
        z -= (mpmath.ncdf(z) - u) / mpmath.npdf(z)
    return z


def test_exponential_errs_by_at_most_2_ulp(kernels: Any) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate(
        [rng.uniform(-745.0, 709.7, 2000), rng.uniform(-2, 2, 4000), rng.normal(size=500) * 1e-4]
    )
    error = worst_error(values, applied(kernels, kernels.levels()[-1], EXPONENTIAL, values), mpmath.exp)
    print(f"exp: {error:.3f} ulp")
    assert error <= 2.0
    ends = applied(
        kernels, kernels.levels()[-1], EXPONENTIAL, np.array([0.0, 800.0, -800.0, np.inf, -np.inf])
    )
    assert ends.tolist() == [1.0, np.inf, 0.0, np.inf, 0.0]


def test_logarithm_errs_by_at_most_2_ulp(kernels: Any) -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate(
        [
            np.exp(rng.uniform(-700.0, 700.0, 2000)),
            rng.uniform(0.4, 2.5, 4000),
            1.0 + rng.normal(size=500) * 1e-6,
            rng.integers(1, 10**6, 200) * 5e-324,
        ]
    )
    error = worst_error(values, applied(kernels, kernels.levels()[-1], LOGARITHM, values), mpmath.log)
    print(f"log: {error:.3f} ulp")
    assert error <= 2.0
    ends = applied(kernels, kernels.levels()[-1], LOGARITHM, np.array([1.0, 0.0]))
    assert ends.tolist() == [0.0, -np.inf]


def test_inverse_normal_errs_by_at_most_4_ulp(kernels: Any) -> None:
    rng = np.random.default_rng(3)
    cells = (rng.integers(0, 2**52, 3000) + 0.5) * 2.0**-52
    tail = (np.floor(2.0 ** (52 - rng.uniform(1.0, 52.0, 1000))) + 0.5) * 2.0**-52
    ends = np.array([2.0**-53, 1.0 - 2.0**-53, 0.075, 0.925])
    values = np.concatenate([cells, tail, ends])
    error = worst_error(
        values, applied(kernels, kernels.levels()[-1], INVERSE_NORMAL, values), inverse_normal
    )
    print(f"inverse normal: {error:.3f} ulp")
    assert error <= 4.0


@pytest.mark.parametrize("function", [EXPONENTIAL, LOGARITHM, INVERSE_NORMAL])
def test_every_level_gives_the_same_bits(kernels: Any, function: int) -> None:
    rng = np.random.default_rng(4)
    values = rng.uniform(0.0, 1.0, 5001) if function else rng.uniform(-40.0, 40.0, 5001)
    results = [applied(kernels, level, function, values) for level in kernels.levels()]
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]),
        (
            [2**64 - 1] * 4,
            [2**64 - 1] * 2,
            [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0],
        ),
        (
            [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
            [0x452821E638D01377, 0xBE5466CF34E90C6C],
            [0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6],
        ),
    ],
)
def test_philox_gives_random123s_known_answers(
    kernels: Any, counter: list[int], key: list[int], words: list[int]
) -> None:
    for level in kernels.levels():
        got = kernels.philox(level, np.array(counter, dtype=np.uint64), np.array(key, dtype=np.uint64))
        assert got == words
