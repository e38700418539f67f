"""The CUDA source without a GPU: it compiles for every architecture, spills nothing, and rounds as it is written."""

from __future__ import annotations

import re

import pytest

from needs import require
from nvrtc import KERNELS, Compiled, Usage, compile_cuda, library

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
# 12 and 16 warps a multiprocessor.
MOST_REGISTERS = {"cuda.cu": 168, "networks.cu": 128, "contagion.cu": 128}
KERNEL = {
    "cuda.cu": "gpustress_simulate",
    "networks.cu": "gpustress_clear",
    "contagion.cu": "gpustress_spread",
}
# What each computes with, besides sums, differences, products and quotients.
ALSO = {"cuda.cu": {"fma", "sqrt"}, "networks.cu": {"fma"}, "contagion.cu": set()}

# What may touch a floating-point number: the operations that round once, to nearest, and what does not round at all.
ROUNDED = r"(add|sub|mul|div|rcp|sqrt|fma)\.rn\.f64"
EXACT = (
    r"(neg|abs|min|max|mov|selp)\.f64|setp\.\w+\.f64|(ld|st)(\.\w+)?(\.v[24])?\.f64|"
    r"cvt\.rn\.f64\.[su](8|16|32|64)|cvt\.rzi\.[su](8|16|32|64)\.f64"
)


@pytest.fixture(scope="module", params=MOST_REGISTERS)
def source(request: pytest.FixtureRequest) -> str:
    """Each source that has entries."""
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=ARCHITECTURES)
def compiled(request: pytest.FixtureRequest, source: str) -> Compiled:
    """Its entries for each architecture."""
    require("nvrtc", library(), "install the dev extra")
    return compile_cuda(request.param, source=KERNELS / source)


def instructions(ptx: str) -> list[str]:
    """Lines of PTX, without labels and predicates."""
    lines = (re.sub(r"^\s*(\{|\$\w+:)?\s*(@!?%\w+\s+)?", "", line) for line in ptx.splitlines())
    return [line for line in lines if re.match(r"[a-z]", line)]


def contracted(ptx: str) -> list[str]:
    """Fused operations that the source did not ask for."""
    return [line for line in instructions(ptx) if line.startswith("fma") and "// explicit" not in line]


def inexact(ptx: str) -> list[str]:
    """What rounds otherwise than IEEE 754 does by default, and calls, which might."""
    allowed = re.compile(f"({ROUNDED}|{EXACT})\\s")
    floating = re.compile(r"\S*\.(b?f\d+|f16x2|tf32)\b|call|wmma|mma")
    return [line for line in instructions(ptx) if floating.match(line) and not allowed.match(line)]


def test_registers_stay_under_the_limit_and_nothing_lies_in_local_memory(
    source: str, compiled: Compiled
) -> None:
    entries = re.findall(r"^\.visible \.entry (\w+)\(", compiled.ptx, re.MULTILINE)
    assert sorted(compiled.usage) == sorted(entries)
    assert KERNEL[source] in entries
    for usage in compiled.usage.values():
        assert usage == Usage(usage.registers, stack=0, spilled=0)
        assert usage.registers <= MOST_REGISTERS[source]


def test_every_fma_is_one_that_the_source_asks_for(source: str, compiled: Compiled) -> None:
    assert (compiled.ptx.count("// explicit") > 20) == ("fma" in ALSO[source])
    assert contracted(compiled.ptx) == []


def test_every_operation_rounds_as_on_the_cpu(source: str, compiled: Compiled) -> None:
    for operation in {"add", "sub", "mul", "div"} | ALSO[source]:
        assert f"{operation}.rn.f64" in compiled.ptx
    assert inexact(compiled.ptx) == []


def test_contraction_would_be_seen() -> None:
    require("nvrtc", library(), "install the dev extra")
    assert contracted(compile_cuda("compute_90", ["--fmad=true"]).ptx)


@pytest.mark.parametrize(
    "expression",
    [
        "rsqrt(x)",
        "__dadd_ru(x, 1.0)",
        "__ddiv_rd(1.0, x)",
        "(double)__expf((float)x)",
        "(double)(float)x",
        "exp(x)",
    ],
)
def test_another_rounding_would_be_seen(expression: str) -> None:
    require("nvrtc", library(), "install the dev extra")
    source = f'extern "C" __global__ void entry(double* out, double x) {{ *out = {expression}; }}'
    assert inexact(compile_cuda("compute_90", source=source).ptx)
    ours = 'extern "C" __global__ void entry(double* out, double x) { *out = sqrt(x) / (x + 1.0); }'
    assert not inexact(compile_cuda("compute_90", source=ours).ptx)


def test_local_memory_would_be_seen() -> None:
    require("nvrtc", library(), "install the dev extra")
    source = """extern "C" __global__ void entry(double* data, int n) {
        double many[48], indexed[16];
        for (int i = 0; i < 16; ++i) indexed[i] = data[i];
        for (int i = 0; i < 48; ++i) many[i] = data[16 + i] * data[n];
        __syncthreads();
        for (int i = 0; i < 48; ++i) data[64 + i] = many[i] + indexed[n];
    }"""
    usage = compile_cuda("sm_90", ["--maxrregcount=32"], source).usage["entry"]
    assert usage.registers <= 32
    assert usage.stack >= 16 * 8
    assert usage.spilled > 0
