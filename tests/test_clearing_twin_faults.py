"""As test_twin_faults.py, of clearing: a formula changed in one place alone is noticed, in both it is not."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from clearing_cases import SOLUTIONS, clearing_cases
from faults import Fault, broken
from gpustress.backends.base import ClearsNetworks
from gpustress.backends.numpy import NumpyBackend
from gpustress.obligations import ACCURACY
from kernel_copies import COMPILER, kernels_with
from needs import require

CASES = tuple(clearing_cases().values())
# In the reference, and in the kernels.
TWINS = (
    (
        Fault("a default is a lack of a tenth", "obligations.py",
              "DEFAULT_TOLERANCE: Final = 1e-12", "DEFAULT_TOLERANCE: Final = 0.1"),
        Fault("a default is a lack of a tenth", "clearing_state.h",
              "constexpr double DEFAULT_TOLERANCE = 1e-12;", "constexpr double DEFAULT_TOLERANCE = 0.1;"),
    ),
    (
        Fault("equity is halved", "backends/numpy/clearing.py",
              "np.maximum(cleared.resources - due, 0.0)", "0.5 * np.maximum(cleared.resources - due, 0.0)"),
        Fault("equity is halved", "clearing.h",
              "larger(-(s.lack[i] + s.loss[i]), all_lanes(0.0))",
              "all_lanes(0.5) * larger(-(s.lack[i] + s.loss[i]), all_lanes(0.0))"),
    ),
)  # fmt: skip

# How the kernels alone end a round before payments rest.
ROUNDS = (
    Fault("who is not yet short is taken never to be", "clearing.h",
          "crowd.largest(farthest) + all_lanes(UNSURE)", "all_lanes(UNSURE)"),
    Fault("a slow circle is taken for a fast one", "clearing.h",
          "course.probing & (crowd.largest(slow) <= all_lanes(0.0))", "course.probing"),
    Fault("who is not certain is not asked again", "clearing.h",
          "(asking & !asked) | found.uncertain | more", "(asking & !asked) | more"),
)  # fmt: skip


def first_disagreement(kernels: ClearsNetworks, reference: ClearsNetworks) -> str | None:
    """The first way in which kernels differ from the reference."""
    for case in CASES:
        for solution in SOLUTIONS:
            ours, right = (
                each.clear(case.owed, case.shocks, case.costs, solution, 1 << 24)
                for each in (kernels, reference)
            )
            shown = np.isfinite(ours.error_bound) & np.isfinite(right.error_bound)
            for name in ("payments", "equity", "round", "rounds"):
                apart = np.abs(getattr(ours, name) - getattr(right, name))[shown]
                if not (apart <= 10.0 * ACCURACY * case.owed.largest).all():
                    return f"{solution}: {name}"
    return None


@pytest.fixture(scope="module")
def sound() -> Iterator[ClearsNetworks]:
    """A copy of the kernels as they are."""
    require("compiler", shutil.which(COMPILER), "no C++ compiler")
    with kernels_with(None) as backend:
        yield backend


def reference_of(package: ModuleType) -> ClearsNetworks:
    backend: ClearsNetworks = importlib.import_module(f"{package.__name__}.backends.numpy").NumpyBackend()
    return backend


def test_a_copy_of_the_kernels_as_they_are_clears_as_the_reference(sound: ClearsNetworks) -> None:
    assert first_disagreement(sound, NumpyBackend()) is None


@pytest.mark.parametrize(("fault", "twin"), TWINS, ids=lambda fault: fault.name)
def test_a_formula_of_clearing_changed_in_one_place_is_noticed(
    sound: ClearsNetworks, fault: Fault, twin: Fault
) -> None:
    with kernels_with(twin) as faulty, broken(fault) as package:
        assert first_disagreement(faulty, NumpyBackend()) is not None
        assert first_disagreement(sound, reference_of(package)) is not None
        assert first_disagreement(faulty, reference_of(package)) is None


@pytest.mark.parametrize("fault", ROUNDS, ids=lambda fault: fault.name)
def test_a_round_that_ends_too_early_is_noticed(fault: Fault) -> None:
    with kernels_with(fault) as faulty:
        assert first_disagreement(faulty, NumpyBackend()) is not None
