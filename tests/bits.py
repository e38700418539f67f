"""Results compared to the bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

import build
import gpustress as gs
from gpustress import Result, System
from gpustress.backends.base import ClearingOutcome, Outcome, SpreadOutcome

FIGURES = ("total", "npv", "trough", "payback")
BY_ENTITY = ("failed_at", "cause", "lowest_liquidity", "final_cash")


def run(made: System, backend: str, **more: Any) -> Result:
    """A few paths with every series recorded."""
    return gs.simulate(
        made, backend=backend, record=build.every_series(made), **{"paths": 3, "seed": 5} | more
    )


def same_bits(one: Any, other: Any) -> bool:
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


AnyOutcome = Outcome | ClearingOutcome | SpreadOutcome


def differing_arrays(one: AnyOutcome, other: AnyOutcome) -> list[str]:
    """What is not the same to the bit in two outcomes."""
    names = [field.name for field in dataclasses.fields(one)]
    return [name for name in names if not same_bits(getattr(one, name), getattr(other, name))]


def arrays(result: Result) -> dict[str, NDArray[Any]]:
    """Everything that a result holds of its paths, the scenarios first."""
    named = {name: getattr(result, name) for name in (*BY_ENTITY, "exact_finishes")}
    for name, measure in result.measures.items():
        named |= {f"{figure} of {name}": getattr(measure, figure) for figure in FIGURES}
    return named | result.series


def differing(one: Result, other: Result) -> list[str]:
    """What is not the same to the bit in two results."""
    ours, theirs = arrays(one), arrays(other)
    assert list(ours) == list(theirs)
    return [name for name, array in ours.items() if not same_bits(array, theirs[name])]
