"""The CUDA source without a GPU: it compiles for every architecture, spills nothing and contracts nothing."""

from __future__ import annotations

import re

import pytest

from needs import require
from nvrtc import Compiled, compile_cuda, library

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
MOST_REGISTERS = 168  # 12 warps a multiprocessor


@pytest.fixture(scope="module", params=ARCHITECTURES)
def compiled(request: pytest.FixtureRequest) -> Compiled:
    require("nvrtc", library(), "install the dev extra")
    return compile_cuda(request.param)


def fused(ptx: str) -> list[str]:
    return [line for line in ptx.splitlines() if "fma.rn.f64" in line]


def test_registers_stay_under_the_limit_and_nothing_is_spilled(compiled: Compiled) -> None:
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", compiled.log)]
    spills = [int(count) for count in re.findall(r"(\d+) bytes spill", compiled.log)]
    assert registers
    assert spills
    assert max(registers) <= MOST_REGISTERS
    assert max(spills) == 0


def test_every_fma_is_one_that_the_source_asks_for(compiled: Compiled) -> None:
    assert len(fused(compiled.ptx)) > 100
    assert [line for line in fused(compiled.ptx) if "// explicit" not in line] == []


def test_contraction_would_be_seen() -> None:
    """The check above can fail: with contraction on there are others."""
    require("nvrtc", library(), "install the dev extra")
    ptx = compile_cuda("sm_90", ["--fmad=true"]).ptx
    assert [line for line in fused(ptx) if "// explicit" not in line]
