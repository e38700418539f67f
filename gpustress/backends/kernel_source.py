"""The source of the kernels, where a backend needs it at run time."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_INCLUDE: Final = re.compile(r'^#include "([\w.]+)"\n', re.MULTILINE)


@cache
def folder() -> Path:
    """Where the sources lie: inside an installed package, or beside it in a checkout.

    Raises
    ------
    ImportError
        They are in neither place.
    """
    for place in (_PACKAGE / "kernels", _PACKAGE.parent / "kernels"):
        if (place / "program.h").is_file():
            return place
    raise ImportError(f"the kernels' source lies neither in {_PACKAGE} nor beside it")


def read(name: str) -> str:
    """One file of the source."""
    return (folder() / name).read_text(encoding="utf-8")


def flattened(name: str) -> str:
    """A file with all headers that it includes in their places, each once: what a compiler sees, without any folder.

    It makes one text of everything on which the compiled kernel depends, so that a cache which goes by the text never
    serves a kernel of other headers.
    """
    seen: set[str] = set()

    def inlined(file: str) -> str:
        if file in seen:
            return ""
        seen.add(file)
        text = read(file).replace("#pragma once\n", "")
        return _INCLUDE.sub(lambda include: inlined(include[1]), text)

    return inlined(name)


@cache
def listed(header: str, macro: str) -> tuple[tuple[str, str], ...]:
    """The pairs of a list that a header keeps: ``#define MACRO(X) X(first, second) X(first, second) ...``."""
    definition = re.search(rf"^#define {macro}\(X\)((?:.*\\\n)*.*)$", read(header), re.MULTILINE)
    if definition is None:
        raise ImportError(f"{folder() / header} has no list {macro}")
    return tuple(re.findall(r"X\((\w+), (\w+)\)", definition[1]))


@cache
def constant(header: str, name: str) -> str:
    """What a header says of a constant: ``constexpr TYPE NAME = VALUE;``."""
    definition = re.search(rf"^constexpr \w+ {name} = (.*?);", read(header), re.MULTILINE)
    if definition is None:
        raise ImportError(f"{folder() / header} has no constant {name}")
    return definition[1]
