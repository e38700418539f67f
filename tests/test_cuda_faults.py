"""What would go wrong on a GPU shows on the stand-in: faults in a copy of kernels/, each switched on alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

import gpustress as gs
from broken_kernels import Barriers, BrokenKernels, Fault
from cuda_cases import differing, everything, on_points, slow_ring, tilted, write_offs
from cuda_entry import CudaEntry, Shape
from cuda_standin import Standin, compiler
from gpustress.backends.native import NativeBackend
from needs import require, require_backend

CASES = (write_offs(), slow_ring(), tilted(everything(0)), on_points(everything(2)))
SHAPES = (
    Shape(team=8, teams=3, blocks=2, shared=True),
    Shape(team=8, teams=3, blocks=2, shared=False),
)


SCRATCH = "memory + number * (scratch_doubles + (shared_state ? 0 : state_doubles))"
FAULTS = (
    Fault("sizes swapped", "cuda.cu", "shared + threadIdx.y * state_doubles", "state", "scratch"),
    Fault("blocks share memory", "cuda.cu", SCRATCH, "number", "threadIdx.y"),
    Fault("blocks do the same", "cuda.cu", "(integer)blockIdx.x * blockDim.y", "blockIdx.x", "0"),
    Fault("a rank off by one", "cuda.cu", "(int)threadIdx.x", "threadIdx.x", "threadIdx.x + 1"),
    Fault("a lane off by one", "cuda.cu", "(threadIdx.y * size) % 32", "size", "size + 1"),
    Fault("a team too large", "cuda.cu", "(1u << size) - 1u", "1u << size", "2u << size"),
    Fault("an unset word", "period.h", "s.gathered[i] = s.cause[i] = all_lanes(0.0)", "s.gathered[i] = ", ""),
    Fault("an unset ratio", "period.h", "rank < RANKS", "RANKS", "RANKS - 1"),
    Fault("all finish exactly", "settlement.h", "team.leads()", "team.leads()", "true"),
)

# Barriers without which nothing goes wrong, because before the next one no thread touches what another wrote. They are
# there because `each` always ends in one.
SPARE = {
    "begin_path 1", "begin_path 2", "begin_path 3", "begin_path 4", "open_books 1", "open_books 2", "draw_limits 1",
    "draw_factors 1", "draw_factors 2", "credit_events 1", "open_settlement 1", "judge_alone 1", "fixed_point 6",
    "close_settlement 1", "close_settlement 3", "simulate_path 1", "lend 1", "measure 1", "record_trace 1",
    "record_path 1", "record_path 2", "begin_path 5", "tilt_credit 1",
}  # fmt: skip


WAIT = "void wait() const { __syncwarp(threads); }"
VOTE = "mask across(mask m) const { return __any_sync(threads, m); }"
BARRIERS = Barriers(
    calls=r"\b(team)\.(?=(?:each|wait|across)\()",
    but_in="",
    switches={
        "unsigned threads;  // of the warp": "unsigned threads; int call = 0;"
        "Team at(int n) const { return {rank, size, threads, n}; }",
        WAIT: WAIT.replace("__", "if (!call || call != broken) __"),
        VOTE: VOTE.replace("__", "call && call == broken ? m : __"),
    },
)


def differs(standin: Standin, shapes: Sequence[Shape] = SHAPES) -> bool:
    """Whether the entry does not give native's bits, in any case and shape."""
    native = NativeBackend(threads=1)
    return any(
        differing(case, CudaEntry(shape, standin=standin), native) for case in CASES for shape in shapes
    )


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> BrokenKernels:
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    require("compiler", compiler())
    return BrokenKernels(tmp_path_factory.mktemp("kernels"), "cuda.cu", FAULTS, BARRIERS)


def test_the_copy_is_right_while_no_fault_is_on(broken: BrokenKernels) -> None:
    assert not broken.shows(0, differs)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_shows(broken: BrokenKernels, fault: Fault) -> None:
    assert broken.shows(1 + FAULTS.index(fault), differs)


def test_a_barrier_left_out_shows(broken: BrokenKernels) -> None:
    assert broken.unseen(partial(differs, shapes=SHAPES[:1])) == SPARE
