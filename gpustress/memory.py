"""How much memory there is, and how much a run may take."""

from __future__ import annotations

import operator
import re
from pathlib import Path

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
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
LONGEST = 30  # characters of a number
_ASSUMED_FREE = 2 * 10**9  # where the machine does not say


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
        number = int(float(match[1]) * _UNITS[(match[2] or "").lower()])
    elif hasattr(size, "__index__") and not isinstance(size, bool):
        number = operator.index(size)
    else:
        raise bad_argument("memory", size, "is not a size", "Give bytes, or a text such as 4GB.")
    if number <= 0:
        raise bad_argument(
            "memory", size, "is not a positive size", "Give at least a few megabytes, e.g. 512MB."
        )
    return number


def free_memory() -> int:
    """Bytes that this process may still take: what the machine has available, or its control group if that is less."""
    free = _available()
    for limit_file, usage_file in _CGROUPS:
        limit, usage = _number(limit_file), _number(usage_file)
        if limit is not None and usage is not None:
            free = min(free, max(0, limit - usage))
    return free


def budget(memory: str | int | None) -> int:
    """Bytes that a run may take: `memory`, or a quarter of what is free."""
    return free_memory() // 4 if memory is None else parse_size(memory)


def _available() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return _ASSUMED_FREE


def _number(path: str) -> int | None:
    file = Path(path)
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdigit() else None
