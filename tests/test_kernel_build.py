"""What the build promises: no allocation in the path loop, and an install without a compiler."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from kernel_driver import KERNELS, ROOT, compile_level
from needs import require

HARMLESS = {"fma", "memcpy", "memmove", "memset"}  # what a kernel may call outside its own object


def called_from_outside(tmp_path: Path, kernels: Path = KERNELS) -> set[str]:
    """The symbols that the object of a level leaves to the linker."""
    for tool in ("c++", "nm"):
        require("compiler", shutil.which(tool), f"no {tool}")
    made = compile_level(tmp_path, lanes=2, flags=["-fno-stack-protector"], kernels=kernels)
    told = subprocess.run(["nm", "-u", made], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in told.splitlines()} - {"_GLOBAL_OFFSET_TABLE_"}


def test_the_path_loop_can_not_allocate(tmp_path: Path) -> None:
    """The object of a level knows no allocator, and nothing else that could call one."""
    assert called_from_outside(tmp_path) <= HARMLESS


def test_an_allocation_in_the_exact_finish_would_be_seen(tmp_path: Path) -> None:
    shutil.copytree(KERNELS, tmp_path / "kernels")
    finish = tmp_path / "kernels" / "finish.h"
    text = "transfer = scratch,"
    assert finish.read_text().count(text) == 1
    finish.write_text(finish.read_text().replace(text, "transfer = new double[(integer)n * n],"))
    assert "_Znam" in called_from_outside(tmp_path, tmp_path / "kernels")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What is needed to install gpustress, without anything that was built."""
    for name in ("gpustress", "kernels"):
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / name, tmp_path / "source" / name, ignore=ignored)
    for name in ("CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "source" / name)
    return tmp_path / "source"


def test_an_install_without_a_compiler_works_and_info_says_why_it_is_not_native(
    tmp_path: Path, source: Path
) -> None:
    missing = [
        name for name in ("pip", "scikit_build_core", "nanobind") if importlib.util.find_spec(name) is None
    ]
    require("builder", not missing, f"install {', '.join(missing)}")
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--no-cache-dir", "--wheel-dir", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, source],
        capture_output=True, text=True, check=False, env=os.environ | {"CC": "/nowhere/cc", "CXX": "/nowhere/c++"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    packages = [str(tmp_path / "installed"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script = f"import sys; sys.path[:0] = {packages}; from gpustress.cli import main; main()"
    told = subprocess.run(  # -S: not the gpustress that the tests run on
        [sys.executable, "-S", "-c", script, "info", "--json"], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    info = json.loads(told.stdout)
    (native,) = (one for one in info["backends"] if one["name"] == "native")
    assert native["reason"] == (
        "the kernels were not compiled at install; install gpustress where a C++ compiler is there; in a checkout, "
        "with `pip install -e .`"
    )
    assert info["taken"] == "numpy"
