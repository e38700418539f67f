"""How much memory there is, and how much a run may take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .arguments import whole_number
from .errors import bad_argument

_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE | re.ASCII)
_DECIMAL = ((12, "T"), (9, "G"), (6, "M"), (3, "k"))
LONGEST = 30  # characters of a number
_ASSUMED_FREE = 2 * 10**9  # where the machine does not say
_MEMORY_INFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def parse_size(size: str | int) -> int:
    """A size in bytes, from a number of bytes or a text such as ``4GB`` (10^9) or ``2GiB`` (2^30).

    Raises
    ------
    InputError
        The text is not a size, or the size is not positive.
    """
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        if match is None or len(match[1]) > LONGEST:
            raise bad_argument(
                "memory", size, "is not a size", "Write a number and a unit, e.g. 512MB, 4GB or 2GiB."
            )
        number = int(Fraction(match[1]) * _UNITS[(match[2] or "").lower()])
    elif (bytes_given := whole_number(size)) is not None:
        number = bytes_given
    else:
        raise bad_argument("memory", size, "is not a size", "Give bytes, or a text such as 4GB.")
    if number <= 0:
        raise bad_argument(
            "memory", size, "is not a positive size", "Give at least a few megabytes, e.g. 512MB."
        )
    return number


def in_words(size: int, *, up: bool = False) -> str:
    """A size with a unit that suits it, as `parse_size` reads it: rounded down, or `up`, to a hundredth of the unit."""
    factor, unit = next(((10**power, f"{unit}B") for power, unit in _DECIMAL if size >= 10**power), (1, "B"))
    hundredths = -(-100 * size // factor) if up else 100 * size // factor
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + f" {unit}"


def check_least(least: int, memory: int, what: str) -> None:
    """Refuse `memory` bytes that are fewer than `what` takes.

    Raises
    ------
    InputError
        It names an amount that is enough.
    """
    if memory < least:
        remedy = f"Give at least {in_words(least, up=True)}."
        raise bad_argument("memory", in_words(memory), f"is too little for {what}", remedy)


def free_memory() -> int:
    """Bytes that this process may still take: what the machine has available, or less where a control group says so.

    A job of Slurm or a pod has a group of its own, which lies in others: the tightest counts. Cached files that a group
    may drop are free, as they are for the machine.
    """
    return min([_available(), *_group_rooms()])


def budget(memory: str | int | None) -> int:
    """Bytes that a run may take: `memory`, or a quarter of what is free."""
    return free_memory() // 4 if memory is None else parse_size(memory)


def _available() -> int:
    if _MEMORY_INFO.exists():
        for line in _MEMORY_INFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return _ASSUMED_FREE


@dataclass(frozen=True)
class _Files:
    """What a group's files are called: see cgroups(7), and memory.txt (version 1) or cgroup-v2.rst in Linux."""

    limit: str
    used: str
    droppable: str  # a line of memory.stat


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def _group_rooms() -> Iterator[int]:
    """What this process's control group and each of those around it have left, where they have a limit."""
    lines = _OWN_GROUPS.read_text().splitlines() if _OWN_GROUPS.exists() else []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            top, files = _GROUPS, _VERSION_2
        elif "memory" in controllers.split(","):
            top, files = _GROUPS / "memory", _VERSION_1
        else:
            continue
        own = top / path.lstrip(
            "/"
        )  # in a container the path may be the machine's: what is not there has no say
        for group in (own, *own.parents):
            limit, used = _number(group / files.limit), _number(group / files.used)
            if limit is not None and used is not None:
                yield max(0, limit - used + _droppable(group, files))
            if group == top:
                break


def _droppable(group: Path, files: _Files) -> int:
    """Bytes of cached files that nobody has used of late."""
    stat = group / "memory.stat"
    if stat.exists():
        for line in stat.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == files.droppable:
                return int(number)
    return 0


def _number(file: Path) -> int | None:
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdigit() else None
