"""Taking turns: timings on shared machines are noisy, ratios from one run are less so."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

_Measured = TypeVar("_Measured")


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(contenders: Mapping[str, Callable[[], _Measured]], turns: int) -> dict[str, list[_Measured]]:
    """What each contender measures in each turn; the order moves on by one from turn to turn."""
    names = list(contenders)
    measured: dict[str, list[_Measured]] = {name: [] for name in names}
    for turn in range(turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(contenders[name]())
    return measured


def medians(measured: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in measured.items()}
