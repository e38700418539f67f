"""A rule of contagion changed in one place alone is noticed, in both it is not.

As tests/test_twin_faults.py, on a kernel that compiles in a second.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from contagion_cases import random_network
from faults import Fault, broken, seed
from gpustress.backends import get_backend, network_layout
from gpustress.backends.base import Rule
from gpustress.exposures import EquityShocks, Exposures
from kernel_driver import KERNELS, compiled, strict_flags
from needs import require

SOURCE = Path(__file__).with_name("spreading_kernel.cpp")
ROUNDS = 40
MODULE = "backends/numpy/contagion.py"


@dataclass(frozen=True)
class Twins:
    """A fault in the reference, and the same in the kernel."""

    name: str
    reference: tuple[str, str]
    kernel: tuple[str, str]


TWINS = (
    Twins("who loses a little less than its equity fails too",
          ("(1.0 + THRESHOLD_TOLERANCE) * equity", "0.9 * equity"),
          ("(1.0 + THRESHOLD_TOLERANCE) * n.equity[i]", "0.9 * n.equity[i]")),
    Twins("nothing is recovered",
          ("self._written_off = written_off[:, None]", "self._written_off = np.ones((len(equity), 1))"),
          ("all_lanes(n.written_off[i])", "all_lanes(1.0)")),
    Twins("a node fails in every round",
          ("(self.round == 0) & (self._losses > self._limit)",
           "(self._losses > self._limit) & (round_number < 9)"),
          ("exceeds & !failed", "round < 9 ? exceeds : no_lane()")),
    Twins("nobody is made to fail",
          ("fails |= self._failing", "fails |= False"),
          ("if (job.imposed) set_lane", "if (false) set_lane")),
    Twins("original distress has no cap",
          ("np.minimum(1.0, self.distress + _share(arrived, self._equity))", "self.distress + arrived / self._equity"),
          ("smaller(all_lanes(1.0), before + lost)", "before + lost")),
    Twins("original distress is passed on by who has had some before",
          ("np.where(undistressed, self.distress, 0.0)", "np.where(undistressed, 0.5 * self.distress, 0.0)"),
          ("select(before == nothing, s.value[i], nothing)",
           "select(before == nothing, all_lanes(0.5) * s.value[i], nothing)")),
    Twins("what exceeds the cap is passed on", ("gain = np.minimum(gain, room)", "gain = gain * 1.0"),
          ("gain = smaller(lost, room)", "gain = lost")),
    Twins("rounds end too early", ("REST: Final = 1e-13", "REST: Final = 1e-4"), ("REST = 1e-13", "REST = 1e-4")),
)  # fmt: skip

Answer = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # value and other (S, N), moving (S,)


@functools.cache
def questions() -> list[tuple[Exposures, EquityShocks, Rule]]:
    asked: list[tuple[Exposures, EquityShocks, Rule]] = []
    for number in range(12):
        net, equity, shocks = random_network(number, heavy=(0.3, 1.0, 3.0)[number % 3])
        written_off = np.random.default_rng(number).random(len(equity))
        exposures, hit = Exposures.of(net.claims, equity, written_off), sparse.csr_array(shocks)
        asked += [(exposures, EquityShocks.of(hit, equity), "threshold")]
        asked += [(exposures, EquityShocks.of(hit), rule) for rule in ("threshold", "once", "linear")]  # type: ignore[misc]
    return asked


def of_the_reference(registry: Any = None) -> list[Answer]:
    """What the reference answers, that of a copy of the package if one is given."""
    reference = (get_backend if registry is None else registry.get_backend)("numpy")
    answers = []
    for exposures, shocks, rule in questions():
        outcome = reference.spread(exposures, shocks, rule, ROUNDS, 1 << 30, 1 << 30)
        answers.append((outcome.dense(outcome.value), outcome.dense(outcome.other), outcome.moving))
    return answers


def of_kernel(folder: Path, fault: Fault | None = None) -> list[Answer]:
    """What a copy of the kernel answers, with a fault or without one."""
    require("compiler", shutil.which("c++"), "no C++ compiler")
    copy = folder / "kernels"
    shutil.copytree(KERNELS, copy)
    if fault is not None:
        seed(fault, copy)
    library = folder / "spreading.so"
    flags = [flag for flag in strict_flags() if flag != "-O3"]
    compiled(
        "c++",
        "-O0",
        *flags,
        "-DGPUSTRESS_LANES=1",
        f"-I{copy}",
        "-shared",
        "-fPIC",
        str(SOURCE),
        "-o",
        str(library),
    )
    entry, answers = ctypes.CDLL(str(library)).spread_dense, []
    for exposures, shocks, rule in questions():
        given, job = network_layout.exposures(exposures), network_layout.contagion(shocks, rule, ROUNDS)
        value, other = (np.full((len(shocks), exposures.nodes), np.nan) for _ in range(2))
        structures = (ctypes.byref(packed("EXPOSURES", given)), ctypes.byref(contagion_of(job)))
        entry(*structures, *(array.ctypes.data_as(ctypes.c_void_p) for array in (value, other)))
        answers.append((value, other, job["moving"].astype(bool)))
    return answers


def packed(macro: str, given: dict[str, Any]) -> ctypes.Structure:
    """The structure that a header lists: its numbers, then pointers to its arrays."""
    listed = network_layout.listed
    numbers = listed("exposures.h", f"GPUSTRESS_{macro}_NUMBERS")
    arrays = listed("exposures.h", f"GPUSTRESS_{macro}_ARRAYS")
    fields = [(name, ctypes.c_int) for _, name in numbers] + [(name, ctypes.c_void_p) for _, name in arrays]
    kind = type(macro, (ctypes.Structure,), {"_fields_": fields})
    return kind(*(given[name] for _, name in numbers), *(given[name].ctypes.data for _, name in arrays))


class ContagionJob(ctypes.Structure):
    """As kernels/exposures.h has it."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("rule", "rounds", "imposed")),
        ("shocks", ctypes.c_longlong),
        *((name, ctypes.c_void_p) for name in ("start", "node", "loss", "cells", "moving")),
    ]


def contagion_of(job: dict[str, Any]) -> ContagionJob:
    named = {name: job[name] for name, _ in ContagionJob._fields_}  # type: ignore[misc]
    return ContagionJob(
        *((getattr(value, "ctypes", None) and value.ctypes.data) or value for value in named.values())
    )


def agree(ours: list[Answer], theirs: list[Answer]) -> bool:
    """Whether all is the same, amounts to 1e-9."""
    return all(
        np.allclose(one[0], other[0], rtol=1e-9, atol=1e-9)
        and np.allclose(one[1], other[1], rtol=1e-9, atol=1e-9)
        and one[2].tolist() == other[2].tolist()
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """What the kernel answers as it is."""
    return of_kernel(tmp_path_factory.mktemp("sound"))


def test_a_copy_of_the_kernel_as_it_is_agrees(sound: list[Answer]) -> None:
    assert agree(sound, of_the_reference())


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_a_rule_changed_in_one_place_is_noticed_until_both_agree(
    sound: list[Answer], tmp_path: Path, twins: Twins
) -> None:
    faulty = of_kernel(tmp_path, Fault(twins.name, "contagion.h", *twins.kernel))
    with broken(Fault(twins.name, MODULE, *twins.reference)) as package:
        changed = of_the_reference(importlib.import_module(f"{package.__name__}.backends"))
    assert not agree(faulty, of_the_reference())
    assert not agree(sound, changed)
    assert agree(faulty, changed)
