"""What would go wrong on a GPU shows on the stand-in: faults in a copy of kernels/, each switched on alone."""

from __future__ import annotations

import ctypes
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import gpustress as gs
from cuda_cases import differing, everything, on_points, slow_ring, tilted, write_offs
from cuda_entry import CudaEntry, Shape
from cuda_standin import KERNELS, Standin, compiler
from gpustress.backends.native import NativeBackend
from needs import require, require_backend

CASES = (write_offs(), slow_ring(), tilted(everything(0)), on_points(everything(2)))
SHAPES = (
    Shape(team=8, teams=3, blocks=2, shared=True),
    Shape(team=8, teams=3, blocks=2, shared=False),
)


@dataclass(frozen=True)
class Fault:
    """A whole expression of a file in kernels/, and what is wrong in it: text and what stands in its place."""

    name: str
    file: str
    right: str
    text: str
    instead: str

    def wrong(self) -> str:
        assert self.right.count(self.text) == 1
        return self.right.replace(self.text, self.instead)


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


class BrokenKernels:
    """A copy of kernels/ whose global number `broken` says which fault is switched on; 0 is none.

    Attributes
    ----------
    barriers : list of str
        Calls of a team that end in a barrier or a vote: the function in which each stands, and which one it is there.
    """

    def __init__(self, folder: Path):
        shutil.copytree(KERNELS, folder, dirs_exist_ok=True)
        self.barriers: list[str] = []
        for path in sorted(folder.glob("*.h")):
            if path.name != "team.h":
                path.write_text(self._with_numbers(path.read_text()))
        for number, fault in enumerate(FAULTS, 1):
            switched = f"(broken == {number} ? ({fault.wrong()}) : ({fault.right}))"
            replace(folder / fault.file, {fault.right: switched})
        replace(folder / "team.h", {
            "unsigned threads;": "unsigned threads; int call = 0;"
            "Team at(int n) const { return {rank, size, threads, n}; }",
            "{ __syncwarp(threads); }": "{ if (!call || call != broken) __syncwarp(threads); }",
            "__any_sync(threads, m)": "(call && call == broken ? m : __any_sync(threads, m))",
        })  # fmt: skip
        once = "#pragma once\n"
        exported = 'extern "C" __attribute__((visibility("default"))) int broken; int broken;'
        replace(folder / "compiler.h", {once: once + exported})
        self.standin = Standin(folder / "cuda.cu")
        self._broken = ctypes.c_int.in_dll(self.standin.library, "broken")

    def _with_numbers(self, text: str) -> str:
        """Each call of a team's each, wait or across gets a number behind those of the faults."""
        pattern = re.compile(
            r"^GPUSTRESS_(?:FUNCTION|STEP) .*?(\w+)\(|\bteam\.(?=(?:each|wait|across)\()", re.MULTILINE
        )
        function, count = "", 0

        def numbered(found: re.Match[str]) -> str:
            nonlocal function, count
            if found[1]:
                function, count = found[1], 0
                return found[0]
            count += 1
            self.barriers.append(f"{function} {count}")
            return f"team.at({len(FAULTS) + len(self.barriers)})."

        return pattern.sub(numbered, text)

    def shows(self, number: int, shapes: Sequence[Shape] = SHAPES) -> bool:
        """Whether a fault shows, in any case and shape: as an error of the launch, or in the bits of the result."""
        native = NativeBackend(threads=1)
        self._broken.value = number
        try:
            with np.errstate(invalid="ignore"):  # what is not set is no period
                return any(
                    differing(case, CudaEntry(shape, standin=self.standin), native)
                    for case in CASES
                    for shape in shapes
                )
        except RuntimeError:
            return True
        finally:
            self._broken.value = 0


def replace(path: Path, texts: dict[str, str]) -> None:
    """Replace each text of a file, which has to stand there once."""
    source = path.read_text()
    for text, instead in texts.items():
        assert source.count(text) == 1, f"{text} stands {source.count(text)} times in {path.name}"
        source = source.replace(text, instead)
    path.write_text(source)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> BrokenKernels:
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    require("compiler", compiler())
    return BrokenKernels(tmp_path_factory.mktemp("kernels"))


def test_the_copy_is_right_while_no_fault_is_on(broken: BrokenKernels) -> None:
    assert not broken.shows(0)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_shows(broken: BrokenKernels, fault: Fault) -> None:
    assert broken.shows(1 + FAULTS.index(fault))


def test_a_barrier_left_out_shows(broken: BrokenKernels) -> None:
    numbers = enumerate(broken.barriers, 1 + len(FAULTS))
    unseen = {barrier for number, barrier in numbers if not broken.shows(number, SHAPES[:1])}
    assert unseen == SPARE
