"""A copy of kernels/ on the stand-in for CUDA, with faults and barriers left out, each switched on alone."""

from __future__ import annotations

import ctypes
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuda_standin import KERNELS, Standin


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


@dataclass(frozen=True)
class Barriers:
    """Calls that end in a barrier or a vote, and how one is left out.

    Attributes
    ----------
    calls : str
        A pattern of what stands before such a call; its group is what calls, and gets a number.
    but_in : str
        A function whose calls get none: they have that of its caller.
    switches : dict of str to str
        Texts of team.h and what stands in their place: `at(number)` gives the caller a number, with which it does
        without barriers where the global `broken` is that.
    """

    calls: str
    but_in: str
    switches: dict[str, str]


class BrokenKernels:
    """A copy of kernels/ whose global number `broken` says which fault is switched on; 0 is none.

    Parameters
    ----------
    folder : Path
        Where the copy goes.
    source : str
        That has the entries.
    faults : sequence of Fault
    barriers : Barriers

    Attributes
    ----------
    standin : Standin
    barriers : list of str
        The calls: the function in which each stands, and which one it is there.
    """

    def __init__(self, folder: Path, source: str, faults: Sequence[Fault], barriers: Barriers):
        shutil.copytree(KERNELS, folder, dirs_exist_ok=True)
        self.faults = faults
        self.barriers: list[str] = []
        for path in sorted(folder.glob("*.h")):
            if path.name != "team.h" and path.name in included(source):
                path.write_text(self._with_numbers(path.read_text(), barriers))
        for number, fault in enumerate(faults, 1):
            switched = f"(broken == {number} ? ({fault.wrong()}) : ({fault.right}))"
            replace(folder / fault.file, {fault.right: switched})
        replace(folder / "team.h", barriers.switches)
        once = "#pragma once\n"
        exported = 'extern "C" __attribute__((visibility("default"))) int broken; int broken;'
        replace(folder / "compiler.h", {once: once + exported})
        self.standin = Standin(folder / source)
        self._broken = ctypes.c_int.in_dll(self.standin.library, "broken")

    def _with_numbers(self, text: str, barriers: Barriers) -> str:
        """Each call gets a number behind those of the faults."""
        pattern = re.compile(rf"^GPUSTRESS_(?:FUNCTION|STEP) .*?(\w+)\(|{barriers.calls}", re.MULTILINE)
        function, count = "", 0

        def numbered(found: re.Match[str]) -> str:
            nonlocal function, count
            if found[1]:
                function, count = found[1], 0
                return found[0]
            if function == barriers.but_in:
                return found[0]
            count += 1
            self.barriers.append(f"{function} {count}")
            return found[0].replace(found[2], f"{found[2]}.at({len(self.faults) + len(self.barriers)})")

        return pattern.sub(numbered, text)

    def shows(self, number: int, differs: Callable[[Standin], bool]) -> bool:
        """Whether a fault shows: as an error of a launch, or in the bits of a result."""
        self._broken.value = number
        try:
            with np.errstate(invalid="ignore"):  # what is not set is no number
                return differs(self.standin)
        except RuntimeError:
            return True
        finally:
            self._broken.value = 0

    def unseen(self, differs: Callable[[Standin], bool]) -> set[str]:
        """The barriers that can be left out, each alone, and nothing shows."""
        numbers = enumerate(self.barriers, 1 + len(self.faults))
        return {barrier for number, barrier in numbers if not self.shows(number, differs)}


def replace(path: Path, texts: dict[str, str]) -> None:
    """Replace each text of a file, which has to stand there once."""
    source = path.read_text()
    for text, instead in texts.items():
        assert source.count(text) == 1, f"{text} stands {source.count(text)} times in {path.name}"
        source = source.replace(text, instead)
    path.write_text(source)


def included(source: str) -> set[str]:
    """The headers that a source of the kernels has, at any remove."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        names = re.findall(r'^#include "([\w.]+)"', (KERNELS / waiting.pop()).read_text(), re.MULTILINE)
        waiting += [name for name in names if name not in found]
        found.update(names)
    return found
