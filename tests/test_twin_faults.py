"""The agreement tests are worth something: a formula changed in one place alone is noticed, in both it is not.

Each fault is made in the reference (tests/faults.py, by its name) and in a copy of the kernels. Whoever changes the
model has to change both; that both are right is what the oracle is for.
"""

from __future__ import annotations

import functools
import importlib
import shutil
import warnings
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

import build
from faults import FAULTS, Fault, broken, random_cases, worked_cases
from gpustress.backends import get_backend
from gpustress.backends.base import Backend, Block
from gpustress.compilation import compile_program
from gpustress.program import Program
from kernel_copies import COMPILER, kernels_with
from needs import require
from parity import Answer, disagreements

TWINS = (
    Fault("shift ignored", "factors.h", "y + p.curves[(integer)p.shift[row + k] * p.periods + t]", "y"),
    Fault("hazard does not gather", "credit.h", "all_lanes(p.hazard[row + i] * p.period_years), s.gathered[i])",
          "all_lanes(p.hazard[row + i] * p.period_years), all_lanes(0.0))"),
    Fault("re-letting lag off by one", "billing.h",
          "(double)p.relet_lag[flow] <= (double)t", "(double)p.relet_lag[flow] < (double)t"),
    Fault("reserve ignored", "settlement.h", "left - p.reserve[i]", "left"),
    Fault("finish: the reserve is not kept", "finish.h",
          "return rank == DISCRETIONARY ? sum + p.reserve[i] : sum;", "return sum;"),
    Fault("written down for a period too long", "books.h",
          "since = t > life ? t - life : 0", "since = t > life + 1 ? t - life - 1 : 0"),
    Fault("present value forgets the discount", "measures.h",
          "fused(so_far.value, all_lanes(p.discount[t]), so_far.npv)", "so_far.npv + so_far.value"),
    Fault("the estate of one period is left to the next", "record.h",
          "s.failed_at[i] == (double)t", "s.failed_at[i] == (double)(t - 1)"),
    Fault("who fails for want of cash stops at once", "period.h", "t, t + 1, LIQUIDITY", "t, t, LIQUIDITY"),
)  # fmt: skip
IN_THE_REFERENCE = {fault.name: fault for fault in FAULTS}


@functools.cache
def questions() -> list[tuple[Program, Block]]:
    asked = []
    for case in (*worked_cases().values(), *random_cases()[:12]):
        made = build.system(case.settings, case.tables)
        effects = (case.effects,) if isinstance(case.effects, str) else case.effects
        asked.append((compile_program(made, made.scenarios, effects), Block(case.seed, 0, case.paths)))
    return asked


@functools.cache
def of_the_reference() -> list[Answer]:
    return [Answer.of(get_backend("numpy"), *question) for question in questions()]


def first_disagreement(other: Backend, package: ModuleType | None = None) -> str | None:
    """The first way in which a backend differs from the reference, that of a copy of the package if one is given."""
    for number, question in enumerate(questions()):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if package is None:
                reference = of_the_reference()[number]
            else:
                registry = importlib.import_module(f"{package.__name__}.backends")
                reference = Answer.of(registry.get_backend("numpy"), *question)
            wrong = disagreements(question[0], reference, Answer.of(other, *question))
        if wrong:
            return wrong[0]
    return None


@pytest.fixture(scope="module")
def sound() -> Iterator[Backend]:
    """A copy of the kernels as they are."""
    require("compiler", shutil.which(COMPILER), "no C++ compiler")
    with kernels_with(None) as backend:
        yield backend


def test_a_copy_of_the_kernels_as_they_are_agrees(sound: Backend) -> None:
    assert first_disagreement(sound) is None


@pytest.mark.parametrize("fault", TWINS, ids=lambda fault: fault.name)
def test_a_formula_changed_in_one_place_is_noticed_until_both_agree(sound: Backend, fault: Fault) -> None:
    with kernels_with(fault) as faulty, broken(IN_THE_REFERENCE[fault.name]) as package:
        assert first_disagreement(faulty) is not None
        assert first_disagreement(sound, package) is not None
        assert first_disagreement(faulty, package) is None
