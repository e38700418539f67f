"""What a figure was measured on."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from gpustress.backends.native import NativeBackend

from .compiled import compiler

PACKAGES = ("numpy", "scipy", "numba", "jax", "cupy-cuda12x", "cupy-cuda13x")


def machine_name() -> str:
    """The processor's model, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of all that is compared."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["kernels"] = NativeBackend().level
    path = compiler()
    if path is not None:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        found["compiler"] = text.splitlines()[0]
    return found
