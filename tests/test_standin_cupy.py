"""The stand-in for CuPy against the real one: every public name of it is there, with the same signature and kind."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import standin_cupy
from gpustress.backends import kernel_source
from gpustress.backends.cupy.device import OPTIONS, kernels
from gpustress.backends.cupy.structures import layout_checks
from needs import require
from standin_cupy.machine import ATTRIBUTES

NOT_CALLED = ("RawKernel", "PinnedMemoryPointer", "__add__")  # by name
SPECIAL = ("__add__", "__call__", "__enter__", "__exit__")


def names(module: ModuleType, prefix: str = "") -> Iterator[str]:
    """Public names of the stand-in, of its modules and its classes, dotted."""
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            yield from names(value, f"{prefix}{name}.")
            continue
        yield prefix + name
        if isinstance(value, type):
            for member, of in vars(value).items():
                if (isinstance(of, property) or callable(of)) and (member[0] != "_" or member in SPECIAL):
                    yield f"{prefix}{name}.{member}"


NAMES = sorted(names(standin_cupy))


@pytest.fixture(scope="module")
def cupy() -> ModuleType:
    require("cupy", importlib.util.find_spec("cupy"), "install the dev extra, on Linux on x86-64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cupy")


def found(module: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        module = inspect.getattr_static(module, name) if isinstance(module, type) else getattr(module, name)
    return module


def signature(value: Any) -> list[tuple[str, str, str]] | None:
    """(name, keyword only or not, default) of each parameter; None where CuPy's compiled code does not say.

    Cython writes signatures into docstrings, with the types before the names.
    """
    documentation = inspect.getdoc(value) or ""
    # The last one written wins: where a function takes ``**kwargs``, CuPy writes what it takes below.
    written = re.findall(r"^[\w.]+\((.*)\)(?: -> .*)?$", documentation, re.MULTILINE)
    if written:
        return from_text(written[-1])
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:
        return None
    empty = inspect.Parameter.empty
    return [
        (one.name, str(one.kind == one.KEYWORD_ONLY), "" if one.default is empty else repr(one.default))
        for one in parameters
        if one.name != "self"
    ]


def from_text(text: str) -> list[tuple[str, str, str]]:
    parameters, keyword_only = [], False
    for parameter in re.split(r",\s*(?![^(]*\))", text):
        if parameter.strip("\\ ") == "*":
            keyword_only = True
            continue
        declared, _, default = (part.strip() for part in parameter.partition("="))
        name = declared.split()[-1].lstrip("*") if declared else "self"
        if name != "self":
            parameters.append((name, str(keyword_only), default))
    return parameters


def test_the_stand_in_has_names_to_compare() -> None:
    assert len(NAMES) > 30
    assert {
        "RawModule.get_function",
        "cuda.MemoryPointer.memset_async",
        "cuda.runtime.getDeviceCount",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_stand_in_is_cupys_with_its_signature(cupy: ModuleType, name: str) -> None:
    ours, theirs = found(standin_cupy, name), found(cupy, name)
    if isinstance(ours, property):
        assert not callable(theirs)
        assert inspect.isdatadescriptor(theirs)
        return
    assert callable(theirs)
    assert isinstance(theirs, type) == isinstance(ours, type)
    if not name.endswith(NOT_CALLED):
        assert signature(ours) == signature(theirs)


def test_the_real_cupy_takes_the_kernels_and_compiles_them_later(cupy: ModuleType) -> None:
    modules = kernels(cupy)
    assert list(modules) == ["cuda.cu", "networks.cu", "contagion.cu"]
    for source, module in modules.items():
        assert module.code == kernel_source.flattened(source) + layout_checks(source)
        assert module.options == OPTIONS
        assert module.backend == "nvrtc"


def test_pinned_memory_of_cupy_speaks_the_buffer_protocol(cupy: ModuleType) -> None:
    """As the stand-in's does; over memory that is not pinned, as there may be no device."""
    memory = np.arange(16, dtype=np.uint8)
    pointer = cupy.cuda.PinnedMemoryPointer(SimpleNamespace(ptr=memory.ctypes.data, size=16), 0)
    assert pointer.ptr == memory.ctypes.data
    view = np.frombuffer(pointer, np.int16, 3, 4)
    view[...] = -1
    assert memory[4:10].tolist() == [255] * 6


def test_errors_are_of_cupys_kinds(cupy: ModuleType) -> None:
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)
    assert issubclass(cupy.cuda.runtime.CUDARuntimeError, RuntimeError)
    error = cupy.cuda.runtime.CUDARuntimeError(2)
    assert error.status == 2
    assert str(error) == str(standin_cupy.cuda.runtime.CUDARuntimeError(2))
    assert not issubclass(cupy.cuda.memory.OutOfMemoryError, cupy.cuda.runtime.CUDARuntimeError)


def test_a_devices_attributes_are_called_as_cupy_calls_them(cupy: ModuleType) -> None:
    assert [name for name in ATTRIBUTES if not hasattr(cupy.cuda.runtime, f"cudaDevAttr{name}")] == []


def test_without_a_device_the_real_cupy_is_a_reason_and_no_warning(cupy: ModuleType) -> None:
    script = "import gpustress; print(gpustress.backends()[-1])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "name='cupy', works=False, reason='no CUDA device: cudaError" in done.stdout


def test_versions_can_be_asked_for_without_a_device(cupy: ModuleType) -> None:
    assert isinstance(cupy.cuda.runtime.driverGetVersion(), int)
    assert isinstance(cupy.cuda.runtime.runtimeGetVersion(), int)
    assert len(cupy.cuda.nvrtc.getVersion()) == 2
