"""A fault in how the kernels draw or weigh paths is noticed: they no longer agree with the reference."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cuda_standin import KERNELS
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Outcome
from gpustress.compilation import compile_program
from gpustress.drawing import Drawing
from kernel_copies import COMPILER, LEVEL, STRICT, CopiedBackend
from needs import require
from test_variance_reduction import SEED, WAYS, a_system, drawing_of


@dataclass(frozen=True)
class Fault:
    """An expression of a file in kernels/, and a wrong one in its place."""

    name: str
    file: str
    right: str
    wrong: str


FAULTS = (
    Fault("a twin is the same path", "factors.h", "words.w[i] ^ turned", "words.w[i]"),
    Fault("a scramble is another", "factors.h", "digits ^ job.shifts[", "digits ^ job.shifts[0 * "),
    Fault("components are normals", "factors.h",
          "bridged(p, job, s, k, t + i)", "s.component[k * p.components + t + i]"),
    Fault("a drift weighs too much", "factors.h", "z - 0.5 * drift[t + i]", "z - drift[t + i]"),
    Fault("who is hit weighs as who lives", "credit.h", "const mask hit = ", "const mask hit = (s.cause[i] > 9.0) & "),
    Fault("what is gathered after a failure counts", "credit.h",
          "select(s.failed_at[i] >= (double)p.periods, excess", "select(s.failed_at[i] >= 0.0, excess"),
    Fault("a weight without its plain part", "record.h", "all_lanes(1.0 - plain), exp", "all_lanes(1.0), exp"),
)  # fmt: skip


class Switched:
    """One build of the kernels in which a number says which fault is on; 0 is none."""

    def __init__(self, folder: Path):
        shutil.copytree(KERNELS, folder, dirs_exist_ok=True)
        for file in {fault.file for fault in FAULTS}:
            lines = (folder / file).read_text().split("\n")
            for number, fault in enumerate(FAULTS, 1):
                if fault.file != file:
                    continue
                (place,) = [i for i, line in enumerate(lines) if fault.right in line]
                wrong = lines[place].replace(fault.right, fault.wrong)
                lines[place] = f"\n#if FAULT == {number}\n{wrong}\n#else\n{lines[place]}\n#endif\n"
            (folder / file).write_text("\n".join(lines))
        self._folder = folder

    def backend(self, number: int) -> CopiedBackend:
        library = self._folder / f"level_{number}.so"
        options = (*STRICT, "-O0", "-shared", "-fPIC", "-DGPUSTRESS_LANES=1", f"-DGPUSTRESS_LEVEL={LEVEL}")
        source = str(self._folder / "level.cpp")
        subprocess.run([COMPILER, *options, f"-DFAULT={number}", source, "-o", str(library)], check=True)
        return CopiedBackend(library)


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Switched:
    require("compiler", shutil.which(COMPILER), "no C++ compiler")
    return Switched(tmp_path_factory.mktemp("kernels"))


def agrees(one: Outcome, other: Outcome) -> bool:
    return all(
        np.allclose(getattr(one, name), getattr(other, name), rtol=1e-8, atol=1e-8)
        for name in ("failed_at", "cause", "final_cash", "npv", "weight")
    )


@pytest.mark.parametrize(
    "number", range(len(FAULTS) + 1), ids=["no fault", *(fault.name for fault in FAULTS)]
)
def test_a_fault_in_how_paths_are_drawn_shows(switched: Switched, number: int) -> None:
    made = a_system(hazard=0.3)
    program, backend = compile_program(made, made.scenarios), switched.backend(number)
    drawings = [drawing_of(way, made) for way in WAYS]
    for drawing in (Drawing(), *drawings):
        block = Block(SEED, 3, 60, drawing=drawing)
        if not agrees(get_backend("numpy").simulate(program, block), backend.simulate(program, block)):
            assert number > 0
            assert drawing in drawings  # plain paths have nothing to do with it
            return
    assert number == 0
