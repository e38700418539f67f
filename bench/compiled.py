"""C++ of bench/native/, compiled when it is first asked for; kept in build/bench/ by the digest of its sources."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from gpustress.backends.native import NativeBackend

ROOT = Path(__file__).resolve().parent.parent
KERNELS, SOURCES, CACHE = ROOT / "kernels", ROOT / "bench" / "native", ROOT / "build" / "bench"


def compiler() -> str | None:
    """The C++ compiler: CXX, or c++."""
    return shutil.which(os.environ.get("CXX", "c++"))


def strict_flags() -> list[str]:
    """Flags of the production kernels, as CMakeLists.txt has them."""
    found = re.search(r"set\(strict ([^)]*)\)", (ROOT / "CMakeLists.txt").read_text())
    if found is None:
        raise RuntimeError("CMakeLists.txt sets no `strict`")
    return found[1].split()


def level_flags() -> list[str]:
    """Flags of the level that native takes on this processor, with its lanes."""
    target, lanes = NativeBackend().level.split("_")
    architecture = [f"-march=x86-64-{target}"] if re.fullmatch(r"v[234]", target) else []
    return [*architecture, f"-DGPUSTRESS_LANES={lanes}"]


@functools.cache
def compiled(source: str, *flags: str) -> ctypes.CDLL:
    """A library made of bench/native/`source`.

    Raises
    ------
    RuntimeError
        There is no compiler, or it does not take the source.
    """
    path = compiler()
    if path is None:
        raise RuntimeError("bench needs a C++ compiler: install g++ or clang++, or name one by CXX")
    command = [path, "-std=c++20", *flags, f"-I{KERNELS}", "-shared", "-fPIC", "-ftls-model=initial-exec"]
    version = subprocess.run([path, "--version"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(repr(command).encode() + version + source.encode())
    for file in sorted([*KERNELS.iterdir(), *SOURCES.iterdir()]):
        digest.update(file.read_bytes())
    library = CACHE / f"{Path(source).stem}-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = library.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [*command, str(SOURCES / source), "-o", str(unfinished)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        unfinished.replace(library)
    return ctypes.CDLL(str(library))
