"""What would go wrong in clearing on a GPU shows on the stand-in: faults in a copy of kernels/, each on alone."""

from __future__ import annotations

import pytest

import gpustress as gs
from broken_kernels import Barriers, BrokenKernels, Fault
from clearing_cases import differing_clearings, just_enough, lives_on_others, random_case, ranked
from clearing_entry import ClearingEntry, Crowd
from cuda_standin import Standin, compiler
from gpustress.backends.native import NativeBackend
from needs import require, require_backend

CASES = (ranked(4), random_case(20, 5), lives_on_others(2), just_enough())
CROWD = Crowd(lanes=2, rows=3, blocks=2)

FAULTS = (
    Fault("groups share memory", "networks.cu", "(integer)blockIdx.x * group_doubles", "blockIdx.x", "0"),
    Fault("blocks do the same", "networks.cu", "(integer)blockIdx.x * lanes", "blockIdx.x", "0"),
    Fault("a row off by one", "networks.cu", "(int)blockDim.y", "blockDim.y", "blockDim.y + 1"),
    Fault("a shock off by one", "networks.cu", "is_own ? first + lane : first", "+ lane", "+ 0"),
    Fault("who has no shock writes", "networks.cu", "is_own ? 1 : 0", ": 0", ": 1"),
    Fault(
        "the first row's largest",
        "team.h",
        "larger(exchanged[i * lanes + lane], found)",
        "i * lanes",
        "0 * lanes",
    ),
    Fault("lanes share an array", "team.h", "place + lane", "lane", "0"),
    Fault("a place taken twice", "team.h", "atomicAdd(taken, count)", "atomicAdd(taken, count)", "*taken"),
)

# Barriers without which nothing goes wrong, because before the next one no thread touches what another wrote. They are
# there because `each` always ends in one.
SPARE = {
    "close_all 1", "find_defaults 1", "reach_all 1", "save 1", "bound_by_payments 3", "bound_by_payments 5",
    "bound_by_updates 4", "shown_bound 1", "write_clearing 1",
}  # fmt: skip

BARRIERS = Barriers(
    calls=r"\b(crowd)(?:\.(?=(?:each|wait|across|largest|meet)\()|(?<=each_open\(crowd)(?=,))",
    but_in="each_open",
    switches={
        "double* exchanged;  // (rows, lanes), in memory that the block shares": "double* exchanged; int call = 0;"
        "Crowd at(int n) const { return {lane, lanes, row, rows, threads, exchanged, n}; }",
        "{ __syncthreads(); }": "{ if (!call || call != broken) __syncthreads(); }",
        "void meet() const { __syncwarp(threads); }":
            "void meet() const { if (!call || call != broken) __syncwarp(threads); }",
    },
)  # fmt: skip


def differs(standin: Standin) -> bool:
    """Whether the entry does not give native's bits, in any case."""
    native = NativeBackend(threads=1)
    return any(differing_clearings(case, ClearingEntry(CROWD, standin=standin), native) for case in CASES)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> BrokenKernels:
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    require("compiler", compiler())
    return BrokenKernels(tmp_path_factory.mktemp("kernels"), "networks.cu", FAULTS, BARRIERS)


def test_the_copy_is_right_while_no_fault_is_on(broken: BrokenKernels) -> None:
    assert not broken.shows(0, differs)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_shows(broken: BrokenKernels, fault: Fault) -> None:
    assert broken.shows(1 + FAULTS.index(fault), differs)


def test_a_barrier_left_out_shows(broken: BrokenKernels) -> None:
    assert broken.unseen(differs) == SPARE
