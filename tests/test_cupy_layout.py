"""What the host and the kernels have to see alike: the source, its structures, and arrays side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from gpustress.backends import kernel_source
from gpustress.backends.cupy import structures
from gpustress.backends.cupy.device import OPTIONS, code
from gpustress.backends.cupy.slab import ALIGNMENT, Slab, specifications
from gpustress.backends.cupy.structures import dtype_of, members, pack
from needs import require
from nvrtc import KERNELS, compile_cuda, library

PARAMETERS = 4096  # bytes that a kernel's parameters may take on any device
WHAT_CUPY_ADDS = ("-ftz=true", "--device-as-default-execution-space")
ENTRIES = {
    "cuda.cu": "gpustress_simulate",
    "networks.cu": "gpustress_clear",
    "contagion.cu": "gpustress_spread",
}


@pytest.mark.parametrize("source", ENTRIES)
def test_the_compiler_lays_structures_out_as_the_host_does(source: str) -> None:
    """The very source that CuPy gets, with its options: it asserts every offset."""
    require("nvrtc", library(), "install the dev extra")
    assert ENTRIES[source] in compile_cuda("sm_90", (*OPTIONS, *WHAT_CUPY_ADDS), code(source)).ptx


@pytest.mark.parametrize(
    ("source", "text", "instead"),
    [
        ("cuda.cu", "X(index32, scenarios) X(index32, periods)", "X(index32, periods) X(index32, scenarios)"),
        ("cuda.cu", "typedef signed char code8;", "typedef unsigned char code8;"),
        ("cuda.cu", "const Trace* trace;", "const Trace* trace; int more;"),
        (
            "networks.cu",
            "X(index32, nodes) X(index32, obligations)",
            "X(index32, obligations) X(index32, nodes)",
        ),
        ("networks.cu", "double alpha, beta;", "double alpha, gamma, beta;"),
        (
            "contagion.cu",
            "X(double, equity) X(double, written_off)",
            "X(double, written_off) X(double, equity)",
        ),
        ("contagion.cu", "integer* taken;", "integer* taken; int more;"),
    ],
)
def test_a_header_that_the_host_reads_otherwise_does_not_compile(
    source: str, text: str, instead: str
) -> None:
    require("nvrtc", library(), "install the dev extra")
    assert code(source).count(text) == 1
    with pytest.raises(RuntimeError, match="static assertion failed"):
        compile_cuda("sm_90", OPTIONS, code(source).replace(text, instead))


@pytest.mark.parametrize(
    "structures", [("Program", "Job"), ("Network", "Clearing"), ("Exposures", "Contagion", "CellRoom")]
)
def test_a_kernels_parameters_take_less_than_cuda_allows(structures: tuple[str, ...]) -> None:
    assert sum(dtype_of(each).itemsize for each in structures) + 4 * 8 <= PARAMETERS


def test_members_are_read_as_declared() -> None:
    job = {member.name: member for member in members("Job")}
    assert (job["paths"].type, job["paths"].pointer) == ("integer", False)
    assert (job["npv"].type, job["npv"].pointer) == ("double", True)
    program = [member.name for member in members("Program")]
    assert program[:2] == ["scenarios", "periods"]
    assert program[-1] == "book_column"
    assert "discount" in program


def test_an_array_of_another_type_than_its_pointer_is_an_error() -> None:
    values = {member.name: np.zeros(1) for member in members("Trace")}
    addresses = dict.fromkeys(values, 8)
    assert pack("Trace", values, addresses)["book"] == 8
    with pytest.raises(TypeError, match=r"Trace\.book points to float64, not float32"):
        pack("Trace", values | {"book": np.zeros(1, dtype=np.float32)}, addresses)


def test_only_what_is_said_to_be_nothing_is_null() -> None:
    values = {member.name: np.zeros(1) for member in members("Trace")}
    addresses = dict.fromkeys(values, 8)
    assert pack("Trace", values | {"book": None}, addresses)["book"] == 0
    del values["book"]
    with pytest.raises(KeyError, match="book"):
        pack("Trace", values, addresses)


@pytest.mark.parametrize("source", ENTRIES)
def test_the_source_is_one_text_without_includes(source: str) -> None:
    assert '#include "' not in code(source)
    assert code(source).count("struct Program {") == 1


def test_another_header_makes_another_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CuPy's cache on disk goes by the text alone."""
    shutil.copytree(KERNELS, tmp_path / "kernels")
    monkeypatch.setattr(kernel_source, "folder", lambda: tmp_path / "kernels")
    before = kernel_source.flattened("cuda.cu")
    header = tmp_path / "kernels" / "measures.h"
    header.write_text(header.read_text().replace("1e-9", "1e-8"))
    assert kernel_source.flattened("cuda.cu") != before


@pytest.mark.parametrize("place", ["package/kernels", "kernels"])
def test_the_source_is_found_in_a_wheel_and_in_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    shutil.copytree(KERNELS, tmp_path / place)
    monkeypatch.setattr(kernel_source, "_PACKAGE", tmp_path / "package")
    assert kernel_source.folder.__wrapped__() == tmp_path / place


def test_a_source_that_is_nowhere_is_an_import_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel_source, "_PACKAGE", tmp_path / "package")
    with pytest.raises(ImportError, match="source"):
        kernel_source.folder.__wrapped__()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: kernel_source.listed("program.h", "NO_LIST"), "has no list NO_LIST"),
        (lambda: structures.members("Nothing"), r"none of program\.h, .* has a structure Nothing"),
    ],
)
def test_what_the_header_lacks_is_said(ask, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        ask()


def test_arrays_in_a_slab_do_not_overlap_and_come_back_as_they_were() -> None:
    arrays = {
        "a": np.arange(3, dtype=np.int8),
        "none": np.zeros((0, 7)),
        "b": np.arange(12.0).reshape(3, 4),
        "number": np.array(7, dtype=np.int64),
    }
    slab = Slab.of(specifications(arrays))
    memory = bytearray(slab.size)
    for name, array in slab.views(memory).items():
        array[...] = arrays[name]
    for name, array in slab.views(memory).items():
        assert array.dtype == arrays[name].dtype
        assert np.array_equal(array, arrays[name])
    assert all(address % ALIGNMENT == 0 for address in slab.addresses(ALIGNMENT).values())
