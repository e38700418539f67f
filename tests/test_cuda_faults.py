"""What would go wrong on a GPU shows on the stand-in: faults in a copy of kernels/, each switched on alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

import cuda_cases
from broken_kernels import Barriers, BrokenKernels, Fault
from clearing_cases import differing_clearings, just_enough, lives_on_others, random_case, ranked
from clearing_entry import ClearingEntry
from contagion_cases import differing_spreads, hit, in_chains, slow_ring
from contagion_entry import ContagionEntry
from crowd_entry import Crowd
from cuda_cases import differing, everything, on_points, tilted, write_offs
from cuda_entry import CudaEntry, Shape
from cuda_standin import Standin
from gpustress.backends.native import NativeBackend


@dataclass(frozen=True)
class Broken:
    """What can be wrong with the entries of a source, and whether one gives other bits than native.

    Attributes
    ----------
    source : str
    faults : tuple of Fault
    barriers : Barriers
    spare : set of str
        Barriers without which nothing goes wrong, because before the next one no thread touches what another wrote.
        They are there because `each` always ends in one.
    differs : callable
        Whether the entry does not give native's bits, in any case.
    without_barriers : callable
        The same in the cases that show whether barriers are missing.
    """

    source: str
    faults: tuple[Fault, ...]
    barriers: Barriers
    spare: set[str]
    differs: Callable[[Standin], bool]
    without_barriers: Callable[[Standin], bool]


# ---------------------------------------------------------------------------------------- the period loop

SHAPES = (
    Shape(team=8, teams=3, blocks=2, shared=True),
    Shape(team=8, teams=3, blocks=2, shared=False),
)
WAIT = "void wait() const { __syncwarp(threads); }"
VOTE = "mask across(mask m) const { return __any_sync(threads, m); }"
SCRATCH = "memory + number * (scratch_doubles + (shared_state ? 0 : state_doubles))"


def simulates_otherwise(standin: Standin, shapes: int = len(SHAPES)) -> bool:
    native = NativeBackend(threads=1)
    cases = (write_offs(), cuda_cases.slow_ring(), tilted(everything(0)), on_points(everything(2)))
    return any(
        differing(case, CudaEntry(shape, standin=standin), native)
        for case in cases
        for shape in SHAPES[:shapes]
    )


SIMULATING = Broken(
    "cuda.cu",
    faults=(
        Fault("sizes swapped", "cuda.cu", "shared + threadIdx.y * state_doubles", "state", "scratch"),
        Fault("blocks share memory", "cuda.cu", SCRATCH, "number", "threadIdx.y"),
        Fault("blocks do the same", "cuda.cu", "(integer)blockIdx.x * blockDim.y", "blockIdx.x", "0"),
        Fault("a rank off by one", "cuda.cu", "(int)threadIdx.x", "threadIdx.x", "threadIdx.x + 1"),
        Fault("a lane off by one", "cuda.cu", "(threadIdx.y * size) % 32", "size", "size + 1"),
        Fault("a team too large", "cuda.cu", "(1u << size) - 1u", "1u << size", "2u << size"),
        Fault("an unset word", "period.h", "s.gathered[i] = s.cause[i] = all_lanes(0.0)", "s.gathered[i] = ", ""),
        Fault("an unset ratio", "period.h", "rank < RANKS", "RANKS", "RANKS - 1"),
        Fault("all finish exactly", "settlement.h", "team.leads()", "team.leads()", "true"),
    ),
    barriers=Barriers(
        calls=r"\b(team)\.(?=(?:each|wait|across)\()",
        but_in="",
        switches={
            "unsigned threads;  // of the warp": "unsigned threads; int call = 0;"
            "Team at(int n) const { return {rank, size, threads, n}; }",
            WAIT: WAIT.replace("__", "if (!call || call != broken) __"),
            VOTE: VOTE.replace("__", "call && call == broken ? m : __"),
        },
    ),
    spare={
        "begin_path 1", "begin_path 2", "begin_path 3", "begin_path 4", "open_books 1", "open_books 2",
        "draw_limits 1", "draw_factors 1", "draw_factors 2", "credit_events 1", "open_settlement 1", "judge_alone 1",
        "fixed_point 6", "close_settlement 1", "close_settlement 3", "simulate_path 1", "lend 1", "measure 1",
        "record_trace 1", "record_path 1", "record_path 2", "begin_path 5", "tilt_credit 1",
    },
    differs=simulates_otherwise,
    without_barriers=lambda standin: simulates_otherwise(standin, shapes=1),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------- crowds

CROWD = Crowd(lanes=2, rows=3, blocks=2)
ROWS = (
    Fault("a row off by one", "team.h", "(int)blockDim.y", "blockDim.y", "blockDim.y + 1"),
    Fault("the first row's largest", "team.h", "larger(exchanged[i * lanes + lane], found)", "i * lanes", "0 * lanes"),
    Fault("lanes share an array", "team.h", "place + lane", "lane", "0"),
    Fault("a place taken twice", "team.h", "atomicAdd(taken, count)", "atomicAdd(taken, count)", "*taken"),
)  # fmt: skip


def crowds(each: str) -> Barriers:
    """Calls of a crowd, also by a function of the kernel that has it do something for each."""
    return Barriers(
        calls=rf"\b(crowd)(?:\.(?=(?:each|wait|across|largest|meet|before|of_last_row)\()|(?<={each}\(crowd)(?=,))",
        but_in=each,
        switches={
            "double* exchanged;  // (rows, lanes), in memory that the block shares": "double* exchanged; int call = 0;"
            "Crowd at(int n) const { return {lane, lanes, row, rows, threads, exchanged, n}; }",
            "{ __syncthreads(); }": "{ if (!call || call != broken) __syncthreads(); }",
            "void meet() const { __syncwarp(threads); }":
                "void meet() const { if (!call || call != broken) __syncwarp(threads); }",
        },
    )  # fmt: skip


def clears_otherwise(standin: Standin) -> bool:
    native = NativeBackend(threads=1)
    cases = (ranked(4), random_case(20, 5), lives_on_others(2), just_enough())
    return any(differing_clearings(case, ClearingEntry(CROWD, standin=standin), native) for case in cases)


CLEARING = Broken(
    "networks.cu",
    faults=(
        Fault("groups share memory", "networks.cu", "(integer)blockIdx.x * group_doubles", "blockIdx.x", "0"),
        Fault("blocks do the same", "networks.cu", "(integer)blockIdx.x * crowd.lanes", "blockIdx.x", "0"),
        Fault("a shock off by one", "networks.cu", "is_own ? first + crowd.lane : first", "+ crowd.lane", "+ 0"),
        Fault("who has no shock writes", "networks.cu", "is_own ? 1 : 0", ": 0", ": 1"),
        *ROWS,
    ),
    barriers=crowds("each_open"),
    spare={
        "close_all 1", "find_defaults 1", "reach_all 1", "save 1", "bound_by_payments 3", "bound_by_payments 5",
        "bound_by_updates 4", "shown_bound 1", "write_clearing 1",
    },
    differs=clears_otherwise,
    without_barriers=clears_otherwise,
)  # fmt: skip


def spreads_otherwise(standin: Standin) -> bool:
    """Or leaves something in the memory of the launch."""
    native = NativeBackend(threads=1)
    cases = (hit(20, 9, bears=0.5), hit(20, 7, imposed=True), in_chains(140, 9), slow_ring())
    return any(differing_spreads(case, ContagionEntry(CROWD, standin=standin), native) for case in cases)


SPREADING = Broken(
    "contagion.cu",
    faults=(
        Fault("groups share memory", "contagion.cu", "(integer)blockIdx.x * group_doubles", "blockIdx.x", "0"),
        Fault("blocks do the same", "contagion.cu", "(integer)blockIdx.x * crowd.lanes", "blockIdx.x", "0"),
        Fault("a stride too short", "contagion.cu", "(integer)gridDim.x * crowd.lanes", "crowd.lanes", "1"),
        Fault("a stride too long", "contagion.cu", "(integer)gridDim.x * crowd.lanes", "gridDim.x", "2 * gridDim.x"),
        Fault("a shock off by one", "contagion.cu", "first + crowd.lane", "+ crowd.lane", "+ 0"),
        Fault("what was lost is not taken back", "contagion.h",
              "s.arrived[i] = s.value[i] = s.share[i] = s.other[i] = all_lanes(0.0)", "s.value[i] = ", ""),
        Fault("what was passed on is not taken back", "contagion.h",
              "s.arrived[i] = s.value[i] = s.share[i] = s.other[i] = all_lanes(0.0)", "s.other[i] = ", ""),
        Fault("who was listed stays so", "contagion.h", "s.shared.round[i] = 0", "= 0", "+= 0"),
        Fault("who was reached stays so", "contagion.h", "s.shared.reached[at] = 0", "= 0", "+= 0"),
        Fault("a list is not emptied", "reach.h", "listed(reach, round) = 0", "= 0", "+= 0"),
        Fault("a list keeps its nodes", "reach.h", "nodes[number] = 0", "= 0", "+= 0"),
        Fault("debts add up over the rounds", "contagion.h", "debts_passed_on(s.shared) = 0", "= 0", "+= 0"),
        Fault("a node is listed in one round alone", "reach.h", "before == round + 1", "== round + 1", "!= 0"),
        Fault("the first lane for all", "contagion.h",
              "!crowd.some(s.share[i] > all_lanes(0.0)) || !crowd.first_lane()", "crowd.some", ""),
        Fault("a row begins where the one before does", "team.h",
              "sum += (integer)exchanged[i * lanes + lane]", "+=", "="),
        Fault("one place for all lanes", "team.h", "(integer)exchanged[lane]", "lane", "0"),
        *ROWS,
    ),
    barriers=crowds("each_hit"),
    spare={"fail 1", "distress_once 1", "distress_further 1", "pass_on_together 2", "pass_on_together 4"},
    differs=spreads_otherwise,
    without_barriers=spreads_otherwise,
)  # fmt: skip

KERNELS = (SIMULATING, CLEARING, SPREADING)
EACH = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.source)


@pytest.fixture(scope="module")
def broken(
    native: NativeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Broken], BrokenKernels]:
    """A copy of a source with its faults in it, built once."""
    built: dict[str, BrokenKernels] = {}

    def copy(kernel: Broken) -> BrokenKernels:
        if kernel.source not in built:
            folder = tmp_path_factory.mktemp("kernels")
            built[kernel.source] = BrokenKernels(folder, kernel.source, kernel.faults, kernel.barriers)
        return built[kernel.source]

    return copy


@EACH
def test_the_copy_is_right_while_no_fault_is_on(
    broken: Callable[[Broken], BrokenKernels], kernel: Broken
) -> None:
    assert not broken(kernel).shows(0, kernel.differs)


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        pytest.param(kernel, fault, id=f"{kernel.source}: {fault.name}")
        for kernel in KERNELS
        for fault in kernel.faults
    ],
)
def test_a_fault_shows(broken: Callable[[Broken], BrokenKernels], kernel: Broken, fault: Fault) -> None:
    assert broken(kernel).shows(1 + kernel.faults.index(fault), kernel.differs)


@EACH
def test_a_barrier_left_out_shows(broken: Callable[[Broken], BrokenKernels], kernel: Broken) -> None:
    assert broken(kernel).unseen(kernel.without_barriers) == kernel.spare
