"""The kernels for aarch64: they compile to NEON's vectors, and give native's bits under emulation."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

import build
import strategies
from bits import differing_arrays
from clearing_cases import clearing_cases, differing_clearings
from gpustress.backends import self_test
from gpustress.backends.base import Block
from gpustress.backends.native import NativeBackend
from gpustress.compilation import compile_program
from gpustress.program import Program
from kernel_driver import DrivenKernels, build_driver, over, require_native
from needs import require

COMPILER, DISASSEMBLER, EMULATOR = "aarch64-linux-gnu-g++", "aarch64-linux-gnu-objdump", "qemu-aarch64"
LANES = (1, 2, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aarch64")


@pytest.fixture(scope="module")
def kernels(folder: Path) -> DrivenKernels:
    """The kernels as CMakeLists.txt compiles them for a processor that is not x86-64, and with other lanes."""
    require_native()
    for tool in (COMPILER, DISASSEMBLER, EMULATOR):
        require("aarch64", shutil.which(tool), f"no {tool}")
    return build_driver(
        folder, dict.fromkeys(LANES, ()), flags=["-static"], compiler=COMPILER, run_by=[EMULATOR]
    )


def programs() -> dict[str, Program]:
    """The reference job, what the self test runs, and a random system with everything in it."""
    shape = {
        "periods_per_year": 4, "periods": 9, "unit": 1.0, "tightness": 0.5, "odd_names": False, "entities": 7,
        "processes": list(strategies.PROCESSES), "correlated": True, "triggers": 0.5, "ring": "leaking", "flows": 20,
        "driven": 0.3, "loans": 4, "exposures": 5, "measures": 3, "positions": 0, "scenarios": 2,
        "default_costs": True, "shuffled": True, "edge": True,
    }  # fmt: skip
    from bench.reference import reference_system

    reference, drawn = reference_system(), build.system(*strategies.Maker(Random(8), shape).make())
    return {
        "reference job": compile_program(reference, reference.scenarios, ("full",)),
        "self test": self_test.program(),
        "random system": compile_program(drawn, drawn.scenarios, strategies.EFFECTS),
    }


@pytest.mark.parametrize("name", ["reference job", "self test", "random system"])
@pytest.mark.parametrize("lanes", LANES)
def test_aarch64_gives_the_same_bits(kernels: DrivenKernels, lanes: int, name: str) -> None:
    program, block = programs()[name], Block(7, 5, 9)
    emulated = over(kernels, f"lanes_{lanes}", threads=2).simulate(program, block)
    assert differing_arrays(emulated, NativeBackend().simulate(program, block)) == []


@pytest.mark.parametrize("name", clearing_cases())
@pytest.mark.parametrize("lanes", LANES)
def test_aarch64_clears_to_the_same_bits(kernels: DrivenKernels, lanes: int, name: str) -> None:
    emulated = over(kernels, f"lanes_{lanes}", threads=2)
    assert differing_clearings(clearing_cases()[name], emulated, NativeBackend()) == []


def test_two_lanes_are_one_vector_of_neon(kernels: DrivenKernels, folder: Path) -> None:
    code = subprocess.run(
        [DISASSEMBLER, "-d", folder / "level_2.o"], capture_output=True, text=True, check=True
    ).stdout
    for instruction in ("fadd", "fmul", "fmla"):
        assert f"\t{instruction}\tv" in code, instruction
